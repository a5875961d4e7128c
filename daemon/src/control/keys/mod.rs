//! Keys: create, list, describe.

pub(super) mod about;
pub(super) mod export;
pub(super) mod life;
mod list;
pub(super) mod secret;
pub(super) mod version;

use crate::control::approvals::Approved;
use claviger_algorithm::{Algorithm, Generation};
use claviger_control::message::{self, CreateKeys, KeyList, NewKey};
use claviger_engine::approval::ChangeClass;
use claviger_engine::change as engine_change;
use claviger_engine::key::material::SecretBytes;
use claviger_engine::limits::CREATE_KEYS_MAX;
use claviger_engine::read::UseCount;

use super::answer::Answer;
use super::call::Call;
use super::change::Change;
use super::permission::{CREATE_KEYS, READ_KEY, READ_STORE};
use super::problem::{Kind, Problem};
use super::route::{Route, change, form, read};
use super::{ControlState, describe, shred_table};
use crate::limits::{CREATE_KEYS_BODY_SIZE_MAX, CREATE_KEYS_TIME, SLOW_KEYS_MAX};

/// Keys.
pub(super) static ROUTES: &[Route] = &[
    read(
        "/v1/stores/{store}/keys",
        "list_keys",
        "Keys of a store in the order of their names",
        form::<KeyList>(),
        list::list,
    )
    .needs(&READ_STORE)
    .paged()
    .filtered(),
    change(
        "/v1/stores/{store}/keys",
        "create_keys",
        "Create keys, all or none",
        Approved::As(ChangeClass::Create),
        form::<KeyList>(),
        create,
    )
    .needs(&CREATE_KEYS)
    .takes::<CreateKeys>()
    .creates()
    .within(CREATE_KEYS_BODY_SIZE_MAX, CREATE_KEYS_TIME),
    read("/v1/stores/{store}/keys/{key}", "read_key", "Describe a key", form::<message::Key>(), show).needs(&READ_KEY),
];

fn create(state: &ControlState, call: &Call) -> Result<Change, Problem> {
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
    Ok(Change::CreateKeys { store, keys, by: call.permit.creator() })
}

fn show(state: &ControlState, call: &Call) -> Result<Answer, Problem> {
    let engine = &state.installation.engine;
    let record = engine.describe_key(call.key(engine)?)?;
    // A count that cannot be read is no reason not to show the key: its rotation mends it.
    let uses = engine.use_count(&record).unwrap_or_else(|error| {
        tracing::error!(key = %record.id, %error, "the uses of a key cannot be read");
        None
    });
    let uses = uses.map(|UseCount { used, limit }| message::Uses { used, limit });
    let mut key = message::Key { uses, ..shred_table::key(engine, &record)? };
    // Nor are statistics.
    match engine.key_usage(record.id) {
        Ok(usage) => describe::add_usage(&mut key, usage),
        Err(error) => {
            tracing::error!(key = %record.id, %error, "the statistics of a key cannot be read");
            key.warnings.push(format!("how it was used cannot be read, and may be more than is shown: {error}"));
        }
    }
    Answer::ok(&key)
}

/// The key number `index` of a request, from 0.
fn new_key(index: usize, key: NewKey) -> Result<engine_change::NewKey, Problem> {
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
    let about = about::about(key.description, key.labels).map_err(invalid)?;
    Ok(engine_change::NewKey { name, algorithm, value, exportable: key.exportable, about })
}
