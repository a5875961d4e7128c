//! Keys: create, list, describe, and everything that happens to them and their versions.

use std::time::Duration;

use claviger_algorithm::{Algorithm, Generation};
use claviger_control::limits::{
    DELETION_WAIT_HOURS, DELETION_WAIT_HOURS_MAX, DELETION_WAIT_HOURS_MIN, ROTATION_DAYS_MAX, ROTATION_DAYS_MIN,
};
use claviger_control::message::{
    self, CreateKeys, KeyList, NewKey, Nothing, RequestDeletion, SetLowestVersion, SetRotation,
};
use claviger_engine::change;
use claviger_engine::key::material::SecretBytes;
use claviger_engine::key::state::{KeyState, VersionState};
use claviger_engine::key::version::KeyVersion;
use claviger_engine::limits::CREATE_KEYS_MAX;
use claviger_engine::read::{KeyPage, UseCount};

use super::answer::Answer;
use super::call::Call;
use super::change::Change;
use super::problem::{Kind, Problem};
use super::{ControlState, describe};
use crate::limits::SLOW_KEYS_MAX;

pub(super) fn create(state: &ControlState, call: &Call) -> Result<Change, Problem> {
    let store = call.store(&state.installation.engine)?;
    let CreateKeys { keys } = call.body()?;
    if !(1..=CREATE_KEYS_MAX).contains(&keys.len()) {
        let detail = format!("keys: {} of them, but one request creates 1 to {CREATE_KEYS_MAX}: split it", keys.len());
        return Err(Problem::new(Kind::InvalidValue, detail));
    }
    let keys = keys.into_iter().enumerate().map(|(index, key)| new_key(index, key)).collect::<Result<Vec<_>, _>>()?;
    if keys.iter().filter(|key| key.algorithm.row().generation == Generation::Slow).count() > SLOW_KEYS_MAX {
        let detail = format!("keys: one request makes at most {SLOW_KEYS_MAX} RSA keys, which take long: split it");
        return Err(Problem::new(Kind::InvalidValue, detail));
    }
    Ok(Change::CreateKeys { store, keys })
}

pub(super) fn list(state: &ControlState, call: &Call) -> Result<Answer, Problem> {
    let engine = &state.installation.engine;
    let (store, page) = (call.store(engine)?, call.page()?);
    let KeyPage { keys, next } = engine.list_keys(store, page.after.as_ref(), page.limit)?;
    Answer::ok(&KeyList { keys: keys.iter().map(describe::key).collect(), next: next.map(|name| name.to_string()) })
}

pub(super) fn show(state: &ControlState, call: &Call) -> Result<Answer, Problem> {
    let engine = &state.installation.engine;
    let record = engine.describe_key(call.key(engine)?)?;
    // A count that cannot be read is no reason not to show the key: its rotation mends it.
    let uses = engine.use_count(&record).unwrap_or_else(|error| {
        tracing::error!(key = %record.id, %error, "the uses of a key cannot be read");
        None
    });
    let uses = uses.map(|UseCount { used, limit }| message::Uses { used, limit });
    Answer::ok(&message::Key { uses, ..describe::key(&record) })
}

pub(super) fn rotate(state: &ControlState, call: &Call) -> Result<Change, Problem> {
    let Nothing {} = call.body()?;
    Ok(Change::RotateKey { key: call.key(&state.installation.engine)? })
}

pub(super) fn disable(state: &ControlState, call: &Call) -> Result<Change, Problem> {
    let Nothing {} = call.body()?;
    Ok(Change::SetKeyState { key: call.key(&state.installation.engine)?, state: KeyState::Disabled })
}

pub(super) fn enable(state: &ControlState, call: &Call) -> Result<Change, Problem> {
    let Nothing {} = call.body()?;
    Ok(Change::SetKeyState { key: call.key(&state.installation.engine)?, state: KeyState::Available })
}

pub(super) fn request_deletion(state: &ControlState, call: &Call) -> Result<Change, Problem> {
    let RequestDeletion { wait_hours } = call.body()?;
    let hours = wait_hours.unwrap_or(DELETION_WAIT_HOURS);
    if !(DELETION_WAIT_HOURS_MIN..=DELETION_WAIT_HOURS_MAX).contains(&hours) {
        let detail = format!("wait_hours is {hours}: give {DELETION_WAIT_HOURS_MIN} to {DELETION_WAIT_HOURS_MAX}");
        return Err(Problem::new(Kind::InvalidValue, detail));
    }
    let wait = Duration::from_hours(hours.into());
    Ok(Change::RequestDeletion { key: call.key(&state.installation.engine)?, wait })
}

pub(super) fn cancel_deletion(state: &ControlState, call: &Call) -> Result<Change, Problem> {
    let Nothing {} = call.body()?;
    Ok(Change::CancelDeletion { key: call.key(&state.installation.engine)? })
}

pub(super) fn delete_now(state: &ControlState, call: &Call) -> Result<Change, Problem> {
    let Nothing {} = call.body()?;
    Ok(Change::DeleteNow { key: call.key(&state.installation.engine)? })
}

pub(super) fn set_rotation(state: &ControlState, call: &Call) -> Result<Change, Problem> {
    let SetRotation { period_days } = call.body()?;
    if let Some(days) = period_days.filter(|days| !(ROTATION_DAYS_MIN..=ROTATION_DAYS_MAX).contains(days)) {
        let detail =
            format!("period_days is {days}: give {ROTATION_DAYS_MIN} to {ROTATION_DAYS_MAX}, or null to end it");
        return Err(Problem::new(Kind::InvalidValue, detail));
    }
    Ok(Change::SetRotation { key: call.key(&state.installation.engine)?, period_days })
}

pub(super) fn set_lowest_version(state: &ControlState, call: &Call) -> Result<Change, Problem> {
    let SetLowestVersion { version: number } = call.body()?;
    let version = KeyVersion::new(number)
        .ok_or_else(|| Problem::new(Kind::InvalidValue, "version is 0: versions count from 1"))?;
    Ok(Change::SetLowestVersion { key: call.key(&state.installation.engine)?, version })
}

pub(super) fn disable_version(state: &ControlState, call: &Call) -> Result<Change, Problem> {
    set_version_state(state, call, VersionState::Disabled)
}

pub(super) fn enable_version(state: &ControlState, call: &Call) -> Result<Change, Problem> {
    set_version_state(state, call, VersionState::Active)
}

pub(super) fn destroy_version(state: &ControlState, call: &Call) -> Result<Change, Problem> {
    let Nothing {} = call.body()?;
    Ok(Change::DestroyVersion { key: call.key(&state.installation.engine)?, version: call.version()? })
}

fn set_version_state(state: &ControlState, call: &Call, to: VersionState) -> Result<Change, Problem> {
    let Nothing {} = call.body()?;
    let key = call.key(&state.installation.engine)?;
    Ok(Change::SetVersionState { key, version: call.version()?, state: to })
}

/// The key number `index` of a request, from 0.
fn new_key(index: usize, key: NewKey) -> Result<change::NewKey, Problem> {
    let invalid = |what: String| Problem::new(Kind::InvalidValue, format!("keys[{index}]: {what}"));
    let name = key.name.parse().map_err(|error| invalid(format!("name: {error}")))?;
    let algorithm = Algorithm::from_name(&key.algorithm).ok_or_else(|| {
        invalid(format!(
            "algorithm: there is no {:?}: see GET /v1/algorithms, or `claviger key algorithms`",
            key.algorithm
        ))
    })?;
    let value = key
        .value
        .map(|value| value.decode_base64().ok_or_else(|| invalid("value: not base64 with padding".to_owned())));
    let value = value.transpose()?.map(|mut bytes| SecretBytes::from(std::mem::take(&mut *bytes)));
    Ok(change::NewKey { name, algorithm, value })
}
