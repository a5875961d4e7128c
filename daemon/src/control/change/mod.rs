//! Changes, and the one function that makes them.
//!
//! A change is a value that says exactly what is to happen, before anything has: this is what can be shown to somebody who has to approve it.

mod access;
mod alias;
mod backup;
mod certificate;
mod emergency;
mod key;
mod key_tree;
mod person;
mod transfer;

use std::fmt;
use std::time::{Duration, SystemTime};

use claviger_control::message::KeyList;
use claviger_engine::access::NewPermit;
use claviger_engine::approval::{ApprovalPolicy, ChangeClass, Trial};
use claviger_engine::change::{NewKey, NewKeyStore, NewPerson, PersonChange, StoreSettings};
use claviger_engine::crypto::key_wrap::ReceiverKey;
use claviger_engine::key::id::{KeyId, StoreId};
use claviger_engine::key::material::SecretBytes;
use claviger_engine::key::name::Name;
use claviger_engine::key::version::KeyVersion;
use claviger_engine::person::PersonId;
use claviger_engine::{AccessMethods, Act, Engine};

use super::answer::Answer;
use super::call::Call;
use super::problem::Problem;
use super::{ControlState, approvals, describe, permission, persons, shred_table};
use crate::authority::Authority;
use crate::installation::Installation;

pub use access::AccessChange;
use access::Permitted;
pub use alias::AliasChange;
pub use backup::BackupChange;
pub use emergency::EmergencyChange;
pub use key::KeyChange;
pub use key_tree::KeyTreeChange;
pub use transfer::ImportChange;

/// What is to change. Shown, it tells everything but secrets.
pub enum Change {
    /// A new key store, with an authority of its own.
    CreateStore {
        /// Its name.
        name: Name,
        /// Who may come in.
        methods: AccessMethods,
    },
    /// Settings of a key store.
    SetStoreSettings {
        /// The key store.
        store: StoreId,
        /// What is set.
        settings: StoreSettings,
    },
    /// What needs an approval.
    SetApprovalPolicy {
        /// In which key store; `None` for the installation.
        store: Option<StoreId>,
        /// What.
        policy: ApprovalPolicy,
    },
    /// New keys, all or none.
    CreateKeys {
        /// The key store.
        store: StoreId,
        /// The keys.
        keys: Vec<NewKey>,
        /// The key manager who creates them, if it is one: they are assigned to him.
        by: Option<PersonId>,
    },
    /// Something happens to a key.
    Key {
        /// The key.
        key: KeyId,
        /// What.
        change: KeyChange,
    },
    /// Something happens to an alias.
    Alias {
        /// The key store.
        store: StoreId,
        /// The alias.
        alias: Name,
        /// What.
        change: AliasChange,
    },
    /// Something happens to backups or the journal.
    Backup(BackupChange),
    /// Something happens to an import.
    Import {
        /// The key store.
        store: StoreId,
        /// What.
        change: ImportChange,
    },
    /// The material of a version of a key leaves.
    Export {
        /// The key.
        key: KeyId,
        /// The version.
        version: KeyVersion,
        /// Whom it is wrapped to.
        receiver: ReceiverKey,
    },
    /// Something happens to the root key or the system keys.
    KeyTree(KeyTreeChange),
    /// Something happens to the daemon as a whole, in an emergency.
    Emergency(EmergencyChange),
    /// A new person.
    AddPerson(NewPerson),
    /// Something happens to a person.
    Person {
        /// The person.
        person: PersonId,
        /// What.
        change: PersonChange,
    },
    /// A person is removed.
    RemovePerson {
        /// The person.
        person: PersonId,
    },
    /// Something happens to who may come in to a key store.
    Access {
        /// The key store.
        store: StoreId,
        /// What.
        change: AccessChange,
    },
    /// A new client certificate.
    IssueCertificate {
        /// The key store.
        store: StoreId,
        /// Who the client is.
        common_name: String,
        /// How long the certificate is valid.
        lifetime: Duration,
        /// Signing request in PEM; without one, a key is made.
        signing_request: Option<String>,
        /// What it permits.
        permit: NewPermit,
    },
}

/// The one way of every change: authorised, made or asked for, in the log, answered.
pub(super) fn make(state: &ControlState, call: Call, change: Change) -> Result<Answer, Problem> {
    // Once more, because time has passed; what is changed after this fails by its guards.
    let installation = &state.installation;
    let engine = &installation.engine;
    permission::authorise(engine, call.route, &call.parameters, &call.caller, SystemTime::now())?;
    let (needs_approval, none_needed) = approvals::is_needed(engine, &call, &change)?;
    if needs_approval {
        return approvals::ask_for_one(state, call, change);
    }
    let shown = change.to_string();
    let actor = call.permit.actor(&call.caller);
    let mut guards = call.permit.guards();
    guards.extend(none_needed);
    let (store, keys) = change.is_about();
    let act = Act {
        actor: actor.clone(),
        operation: call.route.operation,
        shown: shown.clone(),
        trace_id: call.trace_id.clone(),
        store,
        keys,
        guards,
        expected: call.expected.clone(),
    };
    let answer = change.apply(&engine.on_behalf_of(act), installation)?;
    let (operation, status) = (call.route.operation, answer.status.as_u16());
    tracing::info!(trace_id = call.trace_id, operation, status, caller = actor, "changed: {shown}");
    Ok(answer)
}

impl Change {
    /// Whether it changes nothing but records, and answers nothing that only who asked may see: then it can be tried, shown as it will be, and made together with others.
    pub(super) const fn is_of_records(&self) -> bool {
        match self {
            Self::CreateStore { .. }
            | Self::SetStoreSettings { .. }
            | Self::SetApprovalPolicy { .. }
            | Self::CreateKeys { .. }
            | Self::Key { .. }
            | Self::Alias { .. }
            | Self::AddPerson(_)
            | Self::Person { .. }
            | Self::RemovePerson { .. } => true,
            Self::Access { change, .. } => change.is_of_records(),
            Self::Emergency(change) => change.is_of_records(),
            Self::Backup(_)
            | Self::Import { .. }
            | Self::Export { .. }
            | Self::KeyTree(_)
            | Self::IssueCertificate { .. } => false,
        }
    }

    /// The key store and the keys that it is about, as far as it says so itself.
    pub(super) fn is_about(&self) -> (Option<StoreId>, Vec<KeyId>) {
        match self {
            Self::SetStoreSettings { store, .. }
            | Self::CreateKeys { store, .. }
            | Self::Import { store, .. }
            | Self::IssueCertificate { store, permit: NewPermit { keys: None, .. }, .. } => (Some(*store), Vec::new()),
            Self::SetApprovalPolicy { store, .. } => (*store, Vec::new()),
            Self::IssueCertificate { store, permit: NewPermit { keys: Some(keys), .. }, .. } => {
                (Some(*store), keys.iter().copied().collect())
            }
            Self::Access { store, change } => (Some(*store), change.keys()),
            Self::Alias { store, change, .. } => (Some(*store), change.key().into_iter().collect()),
            Self::Key { key, .. } | Self::Export { key, .. } => (None, vec![*key]),
            Self::Person { change, .. } => person::is_about(change),
            Self::CreateStore { .. }
            | Self::Backup(_)
            | Self::KeyTree(_)
            | Self::Emergency(_)
            | Self::AddPerson(_)
            | Self::RemovePerson { .. } => (None, Vec::new()),
        }
    }

    /// What it builds on and is not found out by a trial, of what is more than a change of records.
    pub(super) fn builds_on(&self, engine: &Engine) -> Result<Trial, Problem> {
        let mut trial = Trial::default();
        match self {
            Self::Export { key, .. } => trial.add_key(*key),
            Self::Import { store, change } => {
                change.key(engine, *store)?.into_iter().for_each(|key| trial.add_key(key))
            }
            // What a new certificate permits and is called is what the row of the former one says.
            Self::Access { store, change: AccessChange::Renew { row, .. } } => trial.add_access(*store, *row),
            _ => {}
        }
        Ok(trial)
    }

    /// What class of changes it is beside that of its route: an import of a version alters a key that is there.
    pub(super) fn further_class(&self, engine: &Engine) -> Result<Option<ChangeClass>, Problem> {
        match self {
            Self::Import { store, change } => Ok(change.key(engine, *store)?.map(|_| ChangeClass::Modify)),
            _ => Ok(None),
        }
    }

    /// What it comes to, in full, with ids for names: the same words as ever where those leave nothing out.
    pub(super) fn resolved(&self) -> String {
        match self {
            Self::Person { person, change } => format!("person {person} {change:?}"),
            Self::AddPerson(new) => format!("{new:?}"),
            // In words there are not all of the keys that it names.
            Self::Access { .. } | Self::IssueCertificate { .. } => format!("{self} {:?}", self.is_about().1),
            other => other.to_string(),
        }
    }

    /// Whether it is told of beforehand, because it goes on beside the records that tell of themselves, or something leaves with it.
    const fn is_told_beforehand(&self) -> bool {
        matches!(self, Self::Backup(_) | Self::Export { .. } | Self::KeyTree(_))
    }

    pub(super) fn apply(self, engine: &Engine, installation: &Installation) -> Result<Answer, Problem> {
        if self.is_told_beforehand() {
            engine.tell_act()?;
        }
        match self {
            Self::CreateStore { name, methods } => {
                let now = SystemTime::now();
                let authority = Authority::create("Claviger key store", now, engine.random())?;
                let record = engine.create_store(NewKeyStore {
                    name,
                    methods,
                    authority_certificate: authority.certificate().to_vec(),
                    authority_private_key: SecretBytes::from(std::mem::take(&mut *authority.private_key())),
                })?;
                Answer::created(format!("/v1/stores/{}", record.id), &describe::store_of(engine, &record))
            }
            Self::SetStoreSettings { store, settings } => {
                Answer::ok(&describe::store_of(engine, &engine.set_store_settings(store, settings)?))
            }
            Self::SetApprovalPolicy { store, policy } => {
                Answer::ok(&approvals::describe_policy(&engine.set_approval_policy(store, policy)?))
            }
            Self::CreateKeys { store, keys, by } => {
                let records = match by {
                    Some(manager) => engine.create_keys_by(store, keys, manager)?,
                    None => engine.create_keys(store, keys)?,
                };
                let keys = records.iter().map(describe::key).collect();
                Answer::created(format!("/v1/stores/{store}/keys"), &KeyList { keys, next: None, unreadable: 0 })
            }
            Self::Key { key, change } => Answer::ok(&shred_table::key(engine, &change.apply(engine, key)?)?),
            Self::Alias { store, alias, change } => {
                let creates = matches!(change, AliasChange::Create { .. });
                let message = describe::alias(&alias, &change.apply(engine, store, &alias)?);
                if creates {
                    Answer::created(format!("/v1/stores/{store}/aliases"), &message)
                } else {
                    Answer::ok(&message)
                }
            }
            Self::Backup(change) => change.apply(engine, &installation.backups),
            Self::Import { store, change } => change.apply(engine, store),
            Self::Export { key, version, receiver } => transfer::export(engine, key, version, &receiver),
            Self::KeyTree(change) => change.apply(engine, installation),
            Self::Emergency(change) => change.apply(engine),
            Self::AddPerson(new) => {
                let person = engine.add_person(new)?;
                Answer::created(format!("/v1/persons/{}", person.record.id), &persons::describe(engine, &person))
            }
            Self::Person { person, change } => persons::apply(engine, person, change),
            Self::RemovePerson { person } => Answer::ok(&persons::describe(engine, &engine.remove_person(person)?)),
            Self::Access { store, change } => change.apply(engine, store),
            Self::IssueCertificate { store, common_name, lifetime, signing_request, permit } => {
                certificate::issue(engine, store, &common_name, lifetime, signing_request.as_deref(), permit)
            }
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CreateStore { name, .. } => write!(f, "key store {name} created"),
            Self::SetStoreSettings { store, settings } => {
                let StoreSettings {
                    deletion_wait_hours,
                    open_public_keys,
                    declared_hardware_address,
                    records_requests,
                    quota,
                    client_quota,
                } = settings;
                write!(f, "key store {store} set:")?;
                deletion_wait_hours.iter().try_for_each(|hours| write!(f, " deletions wait for {hours} hours"))?;
                open_public_keys.iter().try_for_each(|open| {
                    write!(f, " public keys are given to {}", if *open { "everybody" } else { "its clients only" })
                })?;
                declared_hardware_address.iter().try_for_each(|counts| {
                    write!(f, " declared hardware addresses {}", if *counts { "count" } else { "do not count" })
                })?;
                records_requests.iter().try_for_each(|records| {
                    write!(f, " requests are {}", if *records { "recorded one by one" } else { "counted" })
                })?;
                let quotas = [("its clients together", quota), ("each client", client_quota)];
                quotas.iter().try_for_each(|(of, quota)| match quota {
                    Some(Some(quota)) => write!(f, " quota of {of}: {quota}"),
                    Some(None) => write!(f, " no quota of {of}"),
                    None => Ok(()),
                })
            }
            Self::SetApprovalPolicy { store: Some(store), policy } => write!(f, "key store {store}: {policy}"),
            Self::SetApprovalPolicy { store: None, policy } => write!(f, "installation: {policy}"),
            Self::CreateKeys { store, keys, .. } => {
                write!(f, "{} keys created in store {store}:", keys.len())?;
                keys.iter().take(SHOWN_KEYS).try_for_each(|key| write!(f, " {} ({})", key.name, key.algorithm))?;
                if keys.len() > SHOWN_KEYS { f.write_str(" and more") } else { Ok(()) }
            }
            Self::Key { key, change } => write!(f, "key {key} {change}"),
            Self::Alias { store, alias, change } => write!(f, "alias {alias} in store {store} {change}"),
            Self::Backup(change) => change.fmt(f),
            Self::Import { store, change } => write!(f, "{change} in store {store}"),
            Self::Export { key, version, receiver } => {
                let fingerprint = transfer::hexadecimal(&receiver.fingerprint());
                write!(f, "version {version} of key {key} exported to the public key with SHA-256 {fingerprint}")
            }
            Self::KeyTree(change) => change.fmt(f),
            Self::Emergency(change) => change.fmt(f),
            Self::AddPerson(new) => person::Added(new).fmt(f),
            Self::Person { person, change } => write!(f, "person {person} {}", person::InWords(change)),
            Self::RemovePerson { person } => write!(f, "person {person} removed"),
            Self::Access { store, change } => write!(f, "key store {store} {change}"),
            Self::IssueCertificate { store, common_name, lifetime, permit, .. } => {
                let (days, permitted) = (lifetime.as_secs() / (24 * 60 * 60), Permitted(permit));
                write!(f, "certificate for {common_name:?} issued in store {store}, valid for {days} days{permitted}")
            }
        }
    }
}

/// Names of new keys in one line of the log.
const SHOWN_KEYS: usize = 20;
