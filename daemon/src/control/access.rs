//! Who may come in to key stores: access methods, authentication data, stopping.

use std::time::Duration;

use claviger_control::limits::{OVERLAP_HOURS, OVERLAP_HOURS_MAX};
use claviger_control::message::IssuedCertificate;
use claviger_control::message::{
    AccessList, AccessRow, AddAccess, DescribeAccess, EndAccess, NarrowAccess, Nothing, RenewCertificate,
    RequestDeletion, SetAccessMethods, Stopped, Store, Time,
};
use claviger_engine::access::{AccessPage, NewAccess, NewPermit};
use claviger_engine::approval::ChangeClass;
use claviger_engine::emergency::UnwrittenStop;
use claviger_engine::key::id::AccessRowId;
use claviger_engine::{AccessData, AccessMethod, Engine, PermittedOperations};
use data_encoding::HEXLOWER;
use rustls_pki_types::SubjectPublicKeyInfoDer;
use rustls_pki_types::pem::PemObject;
use x509_parser::prelude::{FromDer, SubjectPublicKeyInfo};

use super::answer::Answer;
use super::approvals::Approved;
use super::call::Call;
use super::certificates::lifetime;
use super::change::{AccessChange, Change};
use super::emergency::durability;
use super::keys::life::WAIT_HOURS;
use super::permission::{MANAGE_STORE, READ_STORE};
use super::problem::{Kind, Problem};
use super::route::{Route, change, form, read};
use super::{ControlState, describe};
use crate::access::{ShownCertificate, sha256};

/// Access.
pub(super) static ROUTES: &[Route] = &[
    read(
        "/v1/stores/{store}/access",
        "list_access",
        "Authentication data of a store in the order of their ids",
        form::<AccessList>(),
        list,
    )
    .needs(&READ_STORE)
    .paged(),
    change(
        "/v1/stores/{store}/access",
        "add_access",
        "Add authentication data",
        Approved::As(ChangeClass::AccessControl),
        form::<AccessRow>(),
        add,
    )
    .needs(&MANAGE_STORE)
    .takes::<AddAccess>()
    .creates(),
    read(
        "/v1/stores/{store}/access/{access}",
        "read_access",
        "Describe authentication data",
        form::<AccessRow>(),
        show,
    )
    .needs(&READ_STORE),
    change(
        "/v1/stores/{store}/access/{access}/narrow",
        "narrow_access",
        "Set what authentication data permit",
        Approved::As(ChangeClass::AccessControl),
        form::<AccessRow>(),
        narrow,
    )
    .revised()
    .needs(&MANAGE_STORE)
    .takes::<NarrowAccess>(),
    change(
        "/v1/stores/{store}/access/{access}/describe",
        "describe_access",
        "Describe authentication data anew",
        Approved::As(ChangeClass::AccessControl),
        form::<AccessRow>(),
        set_description,
    )
    .revised()
    .needs(&MANAGE_STORE)
    .takes::<DescribeAccess>(),
    change(
        "/v1/stores/{store}/access/{access}/end",
        "end_access",
        "Set when authentication data stop to let in by themselves",
        Approved::As(ChangeClass::AccessControl),
        form::<AccessRow>(),
        end,
    )
    .revised()
    .needs(&MANAGE_STORE)
    .takes::<EndAccess>(),
    change(
        "/v1/stores/{store}/access/{access}/disable",
        "disable_access",
        "Let nobody in by these authentication data, at once, even if that cannot be written",
        Approved::Emergency,
        form::<Stopped>(),
        disable,
    )
    .needs(&MANAGE_STORE),
    change(
        "/v1/stores/{store}/access/{access}/enable",
        "enable_access",
        "Make disabled authentication data available again",
        Approved::As(ChangeClass::AccessControl),
        form::<AccessRow>(),
        enable,
    )
    .revised()
    .needs(&MANAGE_STORE),
    change(
        "/v1/stores/{store}/access/{access}/request-deletion",
        "request_access_deletion",
        "Let nobody in by these authentication data, and delete them after a wait",
        Approved::As(ChangeClass::AccessControl),
        form::<AccessRow>(),
        request_deletion,
    )
    .revised()
    .needs(&MANAGE_STORE)
    .takes::<RequestDeletion>(),
    change(
        "/v1/stores/{store}/access/{access}/cancel-deletion",
        "cancel_access_deletion",
        "Keep authentication data whose deletion was requested; they are disabled then",
        Approved::As(ChangeClass::AccessControl),
        form::<AccessRow>(),
        cancel_deletion,
    )
    .revised()
    .needs(&MANAGE_STORE),
    change(
        "/v1/stores/{store}/access/{access}/renew",
        "renew_certificate",
        "Renew a client certificate; the former one lets in for a while beside it",
        Approved::As(ChangeClass::AccessControl),
        form::<IssuedCertificate>(),
        renew,
    )
    .needs(&MANAGE_STORE)
    .takes::<RenewCertificate>()
    .creates()
    .answers_once(),
    change(
        "/v1/stores/{store}/access-methods",
        "set_access_methods",
        "Set the access methods of a store, all of which have to pass",
        Approved::As(ChangeClass::AccessControl),
        form::<Store>(),
        set_methods,
    )
    .revised()
    .needs(&MANAGE_STORE)
    .takes::<SetAccessMethods>(),
    change(
        "/v1/stores/{store}/disable",
        "disable_store",
        "Let nobody in to a store, at once, even if that cannot be written",
        Approved::Emergency,
        form::<Stopped>(),
        disable_store,
    )
    .needs(&MANAGE_STORE),
    change(
        "/v1/stores/{store}/enable",
        "enable_store",
        "Make a disabled store available again",
        Approved::As(ChangeClass::AccessControl),
        form::<Store>(),
        enable_store,
    )
    .revised()
    .needs(&MANAGE_STORE),
];

fn list(state: &ControlState, call: &Call) -> Result<Answer, Problem> {
    let engine = &state.installation.engine;
    let (store, page) = (call.store(engine)?, call.page()?);
    let after = page.after.map(|after| after.as_str().parse::<AccessRowId>());
    let after = after.transpose().map_err(|error| Problem::new(Kind::InvalidValue, format!("after: {error}")))?;
    let AccessPage { rows, next } = engine.list_access(store, |_| true, after, page.limit)?;
    let describe = |(row, last_used_ms): &(claviger_engine::AccessRow, Option<u64>)| {
        describe::access_row(engine, row, *last_used_ms)
    };
    Answer::ok(&AccessList { rows: rows.iter().map(describe).collect(), next: next.map(|id| id.to_string()) })
}

fn show(state: &ControlState, call: &Call) -> Result<Answer, Problem> {
    let engine = &state.installation.engine;
    let (row, last_used_ms) = engine.describe_access(call.store(engine)?, call.access()?)?;
    Answer::ok(&describe::access_row(engine, &row, last_used_ms))
}

fn add(state: &ControlState, call: &Call) -> Result<Change, Problem> {
    let store = call.store(&state.installation.engine)?;
    let AddAccess {
        address,
        hardware_address,
        certificate,
        public_key,
        public_key_sha256,
        description,
        ends,
        operations,
        keys,
    } = call.body()?;
    let mut data = Vec::new();
    if let Some(text) = address {
        data.push(AccessData::Network(text.parse().map_err(|error| Problem::of_field("address", error))?));
    }
    if let Some(text) = hardware_address {
        data.push(AccessData::HardwareAddress(
            text.parse().map_err(|error| Problem::of_field("hardware_address", error))?,
        ));
    }
    if let Some(text) = certificate {
        data.push(AccessData::PinnedKey(key_of_certificate(&text)?));
    }
    if let Some(text) = public_key {
        data.push(AccessData::PinnedKey(key_of(&text)?));
    }
    if let Some(text) = public_key_sha256 {
        let bytes = HEXLOWER.decode(text.as_bytes()).ok().and_then(|bytes| bytes.try_into().ok());
        let wrong = || Problem::of_field("public_key_sha256", "not 64 lower-case hexadecimal digits");
        data.push(AccessData::PinnedKey(bytes.ok_or_else(wrong)?));
    }
    let [data] = <[_; 1]>::try_from(data).map_err(|data| {
        let what = "one of address, hardware_address, certificate, public_key and public_key_sha256";
        Problem::new(Kind::InvalidValue, format!("{} of them are given: give exactly {what}", data.len()))
    })?;
    let permit = permit(&state.installation.engine, call, operations, keys)?;
    let ends_ms = ends.map(milliseconds).transpose()?;
    Ok(Change::Access { store, change: AccessChange::Add(NewAccess { data, description, ends_ms, permit }) })
}

fn narrow(state: &ControlState, call: &Call) -> Result<Change, Problem> {
    let NarrowAccess { operations, keys } = call.body()?;
    let permit = permit(&state.installation.engine, call, operations, keys)?;
    of_store(state, call, AccessChange::Narrow { row: call.access()?, permit })
}

fn set_description(state: &ControlState, call: &Call) -> Result<Change, Problem> {
    let DescribeAccess { description } = call.body()?;
    of_store(state, call, AccessChange::Describe { row: call.access()?, description })
}

fn end(state: &ControlState, call: &Call) -> Result<Change, Problem> {
    let EndAccess { ends } = call.body()?;
    let ends_ms = ends.map(milliseconds).transpose()?;
    of_store(state, call, AccessChange::End { row: call.access()?, ends_ms })
}

fn disable(state: &ControlState, call: &Call) -> Result<Change, Problem> {
    let Nothing {} = call.body()?;
    of_store(state, call, AccessChange::Disable { row: call.access()? })
}

fn enable(state: &ControlState, call: &Call) -> Result<Change, Problem> {
    let Nothing {} = call.body()?;
    of_store(state, call, AccessChange::Enable { row: call.access()? })
}

fn request_deletion(state: &ControlState, call: &Call) -> Result<Change, Problem> {
    let RequestDeletion { wait_hours } = call.body()?;
    if let Some(hours) = wait_hours.filter(|hours| !WAIT_HOURS.contains(hours)) {
        let (min, max) = (WAIT_HOURS.start(), WAIT_HOURS.end());
        return Err(Problem::new(Kind::InvalidValue, format!("wait_hours is {hours}: give {min} to {max}")));
    }
    let wait = wait_hours.map(|hours| Duration::from_hours(hours.into()));
    of_store(state, call, AccessChange::RequestDeletion { row: call.access()?, wait })
}

fn cancel_deletion(state: &ControlState, call: &Call) -> Result<Change, Problem> {
    let Nothing {} = call.body()?;
    of_store(state, call, AccessChange::CancelDeletion { row: call.access()? })
}

fn renew(state: &ControlState, call: &Call) -> Result<Change, Problem> {
    let RenewCertificate { lifetime_days, overlap_hours, signing_request } = call.body()?;
    let hours = overlap_hours.unwrap_or(OVERLAP_HOURS);
    if hours > OVERLAP_HOURS_MAX {
        return Err(Problem::of_field("overlap_hours", format!("is {hours}: give 0 to {OVERLAP_HOURS_MAX}")));
    }
    let (lifetime, overlap) = (lifetime(lifetime_days)?, Duration::from_hours(hours.into()));
    of_store(state, call, AccessChange::Renew { row: call.access()?, lifetime, overlap, signing_request })
}

fn set_methods(state: &ControlState, call: &Call) -> Result<Change, Problem> {
    let store = call.store(&state.installation.engine)?;
    let SetAccessMethods { client_certificate, address, hardware_address } = call.body()?;
    let said = [
        (AccessMethod::ClientCertificate, client_certificate),
        (AccessMethod::Address, address),
        (AccessMethod::HardwareAddress, hardware_address),
    ];
    let those =
        |wanted: bool| said.iter().filter(|(_, is_set)| *is_set == Some(wanted)).map(|(method, _)| *method).collect();
    let (add, remove): (Vec<_>, Vec<_>) = (those(true), those(false));
    if add.is_empty() && remove.is_empty() {
        let detail = "nothing is to be set: give client_certificate, address, hardware_address, or several of them";
        return Err(Problem::new(Kind::InvalidValue, detail));
    }
    Ok(Change::Access { store, change: AccessChange::SetMethods { add, remove } })
}

fn disable_store(state: &ControlState, call: &Call) -> Result<Change, Problem> {
    let Nothing {} = call.body()?;
    of_store(state, call, AccessChange::DisableStore)
}

fn enable_store(state: &ControlState, call: &Call) -> Result<Change, Problem> {
    let Nothing {} = call.body()?;
    of_store(state, call, AccessChange::EnableStore)
}

fn of_store(state: &ControlState, call: &Call, change: AccessChange) -> Result<Change, Problem> {
    Ok(Change::Access { store: call.store(&state.installation.engine)?, change })
}

/// What a request says that is to be permitted.
pub(super) fn permit(
    engine: &Engine,
    call: &Call,
    operations: Option<Vec<String>>,
    keys: Option<Vec<String>>,
) -> Result<NewPermit, Problem> {
    let operations = operations.map(|names| {
        let set = PermittedOperations::from_names(names.iter().map(String::as_str));
        let known = PermittedOperations::ALL.names().collect::<Vec<_>>().join(", ");
        set.ok_or_else(|| Problem::of_field("operations", format!("give one at least, each once, of: {known}")))
    });
    let keys = keys.map(|keys| keys.iter().map(|key| call.key_named(engine, key)).collect());
    Ok(NewPermit { operations: operations.transpose()?, keys: keys.transpose()? })
}

/// The words of a stop that is in force.
pub(super) fn stopped(id: String, stopped: &claviger_engine::emergency::Stopped) -> Stopped {
    let (durable, detail) = durability(stopped);
    Stopped { id, state: "disabled".to_owned(), durable, detail }
}

/// Whether a row is disabled in memory alone.
pub(super) fn is_stop_unwritten(engine: &Engine, row: &claviger_engine::AccessRow) -> bool {
    engine.is_stop_unwritten(UnwrittenStop::Row(row.store, row.id))
}

fn key_of_certificate(text: &str) -> Result<[u8; 32], Problem> {
    let shown = ShownCertificate::from_pem(text).map(|certificate| certificate.public_key_sha256);
    shown.ok_or_else(|| Problem::of_field("certificate", "not a certificate in PEM"))
}

fn key_of(text: &str) -> Result<[u8; 32], Problem> {
    let wrong = || {
        Problem::of_field(
            "public_key",
            "not one public key (SubjectPublicKeyInfo) in PEM, as `openssl pkey -pubout` writes it",
        )
    };
    let der = SubjectPublicKeyInfoDer::from_pem_slice(text.as_bytes()).map_err(|_| wrong())?;
    match SubjectPublicKeyInfo::from_der(&der) {
        Ok(([], _)) => Ok(sha256(&der)),
        _ => Err(wrong()),
    }
}

fn milliseconds(Time(time): Time) -> Result<u64, Problem> {
    u64::try_from(time.as_millisecond()).map_err(|_| Problem::of_field("ends", "before 1970"))
}
