//! Persons: list, describe, add, change, remove. Only system administrators change them, so that nobody grants himself anything.

use super::approvals::Approved;
use claviger_control::limits::PERSON_CERTIFICATES_MAX;
use claviger_control::message::{
    self, AddPerson, AddPersonCertificate, GrantRole, Nothing, PersonList, RemovePersonCertificate, RevokeRole,
};
use claviger_engine::approval::ChangeClass;
use claviger_engine::change::{NewPerson, PersonChange};
use claviger_engine::key::client::ClientName;
use claviger_engine::key::id::{KeyId, StoreId};
use claviger_engine::limits::ASSIGNED_KEYS_MAX;
use claviger_engine::person::{Grant, Person, PersonId, PublicKeyHash, Role};
use claviger_engine::{Engine, PersonCertificate};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use super::answer::Answer;
use super::call::{Call, find_key, store_named};
use super::caller::Caller;
use super::change::Change;
use super::describe::time;
use super::permission::READ_INSTALLATION;
use super::problem::{Kind, Problem};
use super::route::{Route, change, form, read};
use super::{ControlState, whoami};
use crate::limits::{CHANGE_TIME, LARGE_BODY_SIZE_MAX};

/// Persons.
pub(super) static ROUTES: &[Route] = &[
    read("/v1/persons", "list_persons", "Persons in the order of their names", form::<PersonList>(), list)
        .needs(&READ_INSTALLATION)
        .paged(),
    change(
        "/v1/persons",
        "add_person",
        "Add a person, who may do nothing yet",
        Approved::As(ChangeClass::Installation),
        form::<message::Person>(),
        add,
    )
    .takes::<AddPerson>()
    .creates()
    .within(LARGE_BODY_SIZE_MAX, CHANGE_TIME),
    read("/v1/persons/{person}", "read_person", "Describe a person", form::<message::Person>(), show)
        .needs(&READ_INSTALLATION),
    change(
        "/v1/persons/{person}/certificates",
        "add_person_certificate",
        "Have a person known by one more certificate",
        Approved::As(ChangeClass::Installation),
        form::<message::Person>(),
        add_certificate,
    )
    .revised()
    .takes::<AddPersonCertificate>(),
    change(
        "/v1/persons/{person}/certificates/remove",
        "remove_person_certificate",
        "Have a person not known by a public key any more, at once",
        Approved::As(ChangeClass::Installation),
        form::<message::Person>(),
        remove_certificate,
    )
    .revised()
    .takes::<RemovePersonCertificate>(),
    change(
        "/v1/persons/{person}/grants",
        "grant_role",
        "Grant a person a role, or what goes beside one that he has",
        Approved::As(ChangeClass::Installation),
        form::<message::Person>(),
        grant,
    )
    .revised()
    .takes::<GrantRole>()
    .within(LARGE_BODY_SIZE_MAX, CHANGE_TIME),
    change(
        "/v1/persons/{person}/grants/revoke",
        "revoke_role",
        "Take a role from a person, or only keys, at once",
        Approved::As(ChangeClass::Installation),
        form::<message::Person>(),
        revoke,
    )
    .revised()
    .takes::<RevokeRole>()
    .within(LARGE_BODY_SIZE_MAX, CHANGE_TIME),
    change(
        "/v1/persons/{person}/disable",
        "disable_person",
        "Keep a person out with all of his certificates, at once",
        Approved::As(ChangeClass::Installation),
        form::<message::Person>(),
        disable,
    )
    .revised(),
    change(
        "/v1/persons/{person}/enable",
        "enable_person",
        "Let a person in again",
        Approved::As(ChangeClass::Installation),
        form::<message::Person>(),
        enable,
    )
    .revised(),
    change(
        "/v1/persons/{person}/remove",
        "remove_person",
        "Remove a person; his name and his certificates are free then",
        Approved::As(ChangeClass::Installation),
        form::<message::Person>(),
        remove,
    )
    .revised(),
];

fn list(state: &ControlState, call: &Call) -> Result<Answer, Problem> {
    let engine = &state.installation.engine;
    let page = call.page()?;
    let comes_later =
        |person: &&std::sync::Arc<Person>| page.after.as_ref().is_none_or(|after| person.record.name > *after);
    let persons = engine.persons();
    let persons: Vec<_> = persons.iter().filter(comes_later).take(page.limit).collect();
    let next = persons.last().filter(|_| persons.len() == page.limit).map(|person| person.record.name.to_string());
    Answer::ok(&PersonList { persons: persons.into_iter().map(|person| describe(engine, person)).collect(), next })
}

fn show(state: &ControlState, call: &Call) -> Result<Answer, Problem> {
    let engine = &state.installation.engine;
    let person = call.person(engine)?;
    Answer::ok(&describe_with_keys(engine, &person))
}

fn add(state: &ControlState, call: &Call) -> Result<Change, Problem> {
    let AddPerson { name, certificates } = call.body()?;
    let name = name.parse().map_err(|error| invalid(&format!("name: {error}")))?;
    if certificates.len() > PERSON_CERTIFICATES_MAX {
        return Err(invalid(&format!("certificates: a person has {PERSON_CERTIFICATES_MAX} at most")));
    }
    let certificates = certificates.iter().enumerate();
    let certificates = certificates
        .map(|(index, pem)| certificate(state, pem).map_err(|what| invalid(&format!("certificates[{index}]: {what}"))));
    Ok(Change::AddPerson(NewPerson { name, certificates: certificates.collect::<Result<_, _>>()? }))
}

fn add_certificate(state: &ControlState, call: &Call) -> Result<Change, Problem> {
    let AddPersonCertificate { certificate: pem } = call.body()?;
    let certificate = certificate(state, &pem).map_err(|what| invalid(&format!("certificate: {what}")))?;
    of_person(state, call, PersonChange::AddCertificate(certificate))
}

fn remove_certificate(state: &ControlState, call: &Call) -> Result<Change, Problem> {
    let RemovePersonCertificate { public_key_sha256 } = call.body()?;
    let key: PublicKeyHash =
        public_key_sha256.parse().map_err(|error| invalid(&format!("public_key_sha256: {error}")))?;
    of_person(state, call, PersonChange::RemoveCertificate(key))
}

fn grant(state: &ControlState, call: &Call) -> Result<Change, Problem> {
    let GrantRole { role, store, keys, may_create, may_export } = call.body()?;
    let engine = &state.installation.engine;
    let (role, store, keys) = place(engine, &role, store.as_deref(), &keys)?;
    of_person(state, call, PersonChange::Grant { grant: Grant { role, store, may_create, may_export }, keys })
}

fn revoke(state: &ControlState, call: &Call) -> Result<Change, Problem> {
    let RevokeRole { role, store, keys } = call.body()?;
    let (role, store, keys) = place(&state.installation.engine, &role, store.as_deref(), &keys)?;
    of_person(state, call, PersonChange::Revoke { role, store, keys })
}

fn disable(state: &ControlState, call: &Call) -> Result<Change, Problem> {
    let Nothing {} = call.body()?;
    of_person(state, call, PersonChange::SetDisabled(true))
}

fn enable(state: &ControlState, call: &Call) -> Result<Change, Problem> {
    let Nothing {} = call.body()?;
    of_person(state, call, PersonChange::SetDisabled(false))
}

fn remove(state: &ControlState, call: &Call) -> Result<Change, Problem> {
    let Nothing {} = call.body()?;
    Ok(Change::RemovePerson { person: call.person(&state.installation.engine)?.record.id })
}

fn of_person(state: &ControlState, call: &Call, change: PersonChange) -> Result<Change, Problem> {
    Ok(Change::Person { person: call.person(&state.installation.engine)?.record.id, change })
}

/// A role, where it is had, and keys there.
fn place(
    engine: &Engine,
    role: &str,
    store: Option<&str>,
    keys: &[String],
) -> Result<(Role, Option<StoreId>, Vec<KeyId>), Problem> {
    let role = Role::from_name(role)
        .ok_or_else(|| invalid(&format!("role: give one of {}", Role::ALL.map(Role::name).join(", "))))?;
    if keys.len() > ASSIGNED_KEYS_MAX {
        return Err(invalid(&format!("keys: {ASSIGNED_KEYS_MAX} at most: split them")));
    }
    let store = store.map(|store| store_named(engine, store)).transpose()?;
    let keys = match store {
        Some(store) => keys.iter().map(|key| find_key(engine, store, key)).collect::<Result<_, _>>()?,
        None if keys.is_empty() => Vec::new(),
        None => return Err(invalid("keys: they are those of a key store: name it")),
    };
    Ok((role, store, keys))
}

/// What is kept of a certificate in PEM, or what is wrong with it.
fn certificate(state: &ControlState, pem: &str) -> Result<PersonCertificate, String> {
    let certificate = CertificateDer::from_pem_slice(pem.as_bytes())
        .map_err(|_| "no certificate in PEM, which begins with -----BEGIN CERTIFICATE-----")?;
    let holder = Caller::holder(&certificate)
        .ok_or("it cannot be read, or is not for client authentication (extended key usage clientAuth)")?;
    if state.shown().administrators.issued(&certificate) {
        return Err("it is one of the administrators' authority of the configuration, who may do everything already: let the person have another one".into());
    }
    let (_, not_after) = holder.validity();
    if not_after <= std::time::SystemTime::now() {
        return Err("it has ended: show the present one".into());
    }
    let ends_ms = not_after.duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis();
    // As names of clients are kept: bounded, without control characters.
    let name = ClientName::certificate(holder.common_name(), [0; 32]);
    Ok(PersonCertificate {
        key: holder.key(),
        common_name: name.common_name().unwrap_or_default().to_owned(),
        ends_ms: u64::try_from(ends_ms).unwrap_or(u64::MAX),
    })
}

/// What is told of a person, without the keys that are assigned to him.
pub(super) fn describe(engine: &Engine, person: &Person) -> message::Person {
    let record = &person.record;
    let certificate = |certificate: &PersonCertificate| message::PersonCertificate {
        public_key_sha256: certificate.key.to_string(),
        common_name: certificate.common_name.clone(),
        not_after: time(certificate.ends_ms),
    };
    message::Person {
        id: record.id.to_string(),
        name: record.name.to_string(),
        created: time(record.created_ms),
        changed: time(record.changed_ms),
        revision: record.revision(),
        disabled: record.is_disabled,
        certificates: record.certificates.iter().map(certificate).collect(),
        grants: record.grants.iter().map(|grant| describe_grant(engine, person, grant)).collect(),
    }
}

/// What is told of a person.
pub(super) fn describe_with_keys(engine: &Engine, person: &Person) -> message::Person {
    let mut described = describe(engine, person);
    for (grant, described) in person.record.grants.iter().zip(&mut described.grants) {
        if let (Role::KeyManager, Some(store)) = (grant.role, grant.store) {
            let key = |id: KeyId| message::GrantedKey {
                id: id.to_string(),
                name: engine.describe_key(id).ok().map(|record| record.name.to_string()),
            };
            described.keys = person.keys_in(store).map(key).collect();
        }
    }
    described
}

fn describe_grant(engine: &Engine, person: &Person, grant: &Grant) -> message::Grant {
    let keys = grant.store.filter(|_| grant.role == Role::KeyManager).map_or(0, |store| person.keys_in(store).count());
    message::Grant {
        role: grant.role.to_string(),
        store: grant.store.map(|store| whoami::store_name(engine, store)),
        store_id: grant.store.map(|store| store.to_string()),
        may_create: grant.may_create,
        may_export: grant.may_export,
        key_count: u64::try_from(keys).unwrap_or(u64::MAX),
        keys: Vec::new(),
    }
}

/// Makes a change of a person.
pub(super) fn apply(engine: &Engine, person: PersonId, change: PersonChange) -> Result<Answer, Problem> {
    Answer::ok(&describe(engine, &*engine.change_person(person, change)?))
}

fn invalid(detail: &str) -> Problem {
    Problem::new(Kind::InvalidValue, detail)
}
