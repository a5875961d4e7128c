//! Key stores: create, list, describe, settings.

use super::approvals::Approved;
use claviger_control::message::{self, CreateStore, SetStoreSettings, Store, StoreList};
use claviger_engine::approval::ChangeClass;
use claviger_engine::change::StoreSettings;
use claviger_engine::limits::{QUOTA_BURST_MAX, QUOTA_RATE_MAX};
use claviger_engine::{AccessMethod, AccessMethods, Error, Quota};

use super::answer::Answer;
use super::call::Call;
use super::change::Change;
use super::keys::life::WAIT_HOURS;
use super::permission::{EVERYBODY, READ_STORE, SET_STORE};
use super::problem::{Kind, Problem};
use super::route::{Route, change, form, read};
use super::{ControlState, describe};

/// Key stores.
pub(super) static ROUTES: &[Route] = &[
    read("/v1/stores", "list_stores", "Key stores in the order of their names", form::<StoreList>(), list)
        .needs(&EVERYBODY)
        .paged(),
    change(
        "/v1/stores",
        "create_store",
        "Create a key store",
        Approved::As(ChangeClass::Installation),
        form::<Store>(),
        create,
    )
    .takes::<CreateStore>()
    .creates(),
    read("/v1/stores/{store}", "read_store", "Describe a key store", form::<Store>(), show).needs(&READ_STORE),
    change(
        "/v1/stores/{store}/settings",
        "set_store_settings",
        "Set settings of a key store",
        Approved::As(ChangeClass::AccessControl),
        form::<Store>(),
        set,
    )
    .revised()
    .needs(&SET_STORE)
    .takes::<SetStoreSettings>(),
];

fn create(_: &ControlState, call: &Call) -> Result<Change, Problem> {
    let CreateStore { name, access } = call.body()?;
    let name = name.parse().map_err(|error| Problem::new(Kind::InvalidValue, format!("name: {error}")))?;
    let asked = [
        (AccessMethod::ClientCertificate, access.client_certificate),
        (AccessMethod::Address, access.address),
        (AccessMethod::HardwareAddress, access.hardware_address),
    ];
    let bits = asked.iter().filter(|(_, is_set)| *is_set).map(|(method, _)| AccessMethods::of(*method).bits()).sum();
    let methods = AccessMethods::from_bits(bits).ok_or_else(|| {
        let detail = "a key store needs at least one access method, or everybody could come in: set \"access\": {\"client_certificate\": true}";
        Problem::new(Kind::NoAccessMethod, detail)
    })?;
    Ok(Change::CreateStore { name, methods })
}

fn set(state: &ControlState, call: &Call) -> Result<Change, Problem> {
    let store = call.store(&state.installation.engine)?;
    let SetStoreSettings {
        deletion_wait_hours,
        open_public_keys,
        declared_hardware_address,
        records_requests,
        quota,
        client_quota,
    } = call.body()?;
    if let Some(hours) = deletion_wait_hours.filter(|hours| !WAIT_HOURS.contains(hours)) {
        let (min, max) = (WAIT_HOURS.start(), WAIT_HOURS.end());
        return Err(Problem::new(Kind::InvalidValue, format!("deletion_wait_hours is {hours}: give {min} to {max}")));
    }
    let deletion_wait_hours = deletion_wait_hours.and_then(|hours| u16::try_from(hours).ok());
    let (quota, client_quota) = (self::quota("quota", quota)?, self::quota("client_quota", client_quota)?);
    let settings = StoreSettings {
        deletion_wait_hours,
        open_public_keys,
        declared_hardware_address,
        records_requests,
        quota,
        client_quota,
    };
    if settings == StoreSettings::default() {
        let detail = "nothing is to be set: give deletion_wait_hours, open_public_keys, declared_hardware_address, records_requests, quota, client_quota, or several of them";
        return Err(Problem::new(Kind::InvalidValue, detail));
    }
    Ok(Change::SetStoreSettings { store, settings })
}

/// What is to be set of a quota, if it is one.
fn quota(name: &str, given: Option<Option<message::Quota>>) -> Result<Option<Option<Quota>>, Problem> {
    let checked = |message::Quota { units_per_second, burst }| {
        Quota::new(units_per_second, burst).ok_or_else(|| {
            let detail = format!(
                "{name} is {units_per_second} units a second and {burst} at once: give 1 to {QUOTA_RATE_MAX} and 1 to {QUOTA_BURST_MAX}, or null for none; to let nobody do anything, disable the key store"
            );
            Problem::new(Kind::InvalidValue, detail)
        })
    };
    given.map(|quota| quota.map(checked).transpose()).transpose()
}

fn list(state: &ControlState, call: &Call) -> Result<Answer, Problem> {
    let engine = &state.installation.engine;
    let page = call.page()?;
    let mut records = Vec::new();
    for slot in engine.stores().into_iter().filter(|slot| call.permit.sees(slot.id())) {
        let policy = slot.policy();
        let comes_later = page.after.as_ref().is_none_or(|after| policy.name > *after);
        if comes_later && records.len() < page.limit {
            match engine.describe_store(slot.id()) {
                Ok(record) => records.push(record),
                Err(Error::KeyStoreNotFound(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    let next = records.last().filter(|_| records.len() == page.limit).map(|record| record.name.to_string());
    Answer::ok(&StoreList { stores: records.iter().map(describe::store).collect(), next })
}

fn show(state: &ControlState, call: &Call) -> Result<Answer, Problem> {
    let engine = &state.installation.engine;
    Answer::ok(&describe::store_of(engine, &engine.describe_store(call.store(engine)?)?))
}
