//! The root key and the system keys: show, rotate, destroy.

use super::approvals::Approved;
use claviger_control::message::{Nothing, Renewal, RootKey, SystemKey, SystemKeyList};
use claviger_engine::approval::ChangeClass;
use claviger_engine::hierarchy::RootKeyStatus;
use claviger_engine::{RenewalStatus, SystemKeyState};

use super::ControlState;
use super::answer::Answer;
use super::call::Call;
use super::change::{Change, KeyTreeChange};
use super::describe::time;
use super::permission::READ_INSTALLATION;
use super::problem::{Kind, Problem};
use super::route::{Route, change, form, read};
use crate::installation::Installation;
use crate::limits::{SCAN_TIME, SMALL_BODY_SIZE_MAX};

/// The root key and the system keys.
pub(super) static ROUTES: &[Route] = &[
    read("/v1/root-key", "read_root_key", "Who holds the root key, and its version", form::<RootKey>(), root_key)
        .needs(&READ_INSTALLATION),
    change(
        "/v1/root-key/rotate",
        "rotate_root_key",
        "Make a new root key, wrap the system keys by it, and destroy the one before",
        Approved::As(ChangeClass::Custody),
        form::<RootKey>(),
        rotate_root_key,
    ),
    read(
        "/v1/system-keys",
        "list_system_keys",
        "The versions of the system key, and how far their replacement has come",
        form::<SystemKeyList>(),
        list,
    )
    .needs(&READ_INSTALLATION),
    change(
        "/v1/system-keys/rotate",
        "rotate_system_key",
        "Make a new system key; all records are protected anew by it while everything is served",
        Approved::As(ChangeClass::Custody),
        form::<SystemKeyList>(),
        rotate,
    ),
    change(
        "/v1/system-keys/{version}/destroy",
        "destroy_system_key",
        "Destroy an old system key for good, if nothing needs it; older backups become unreadable",
        Approved::As(ChangeClass::Custody),
        form::<SystemKeyList>(),
        destroy,
    )
    .within(SMALL_BODY_SIZE_MAX, SCAN_TIME),
];

fn root_key(state: &ControlState, _: &Call) -> Result<Answer, Problem> {
    Answer::ok(&describe_root_key(&state.installation)?)
}

fn list(state: &ControlState, _: &Call) -> Result<Answer, Problem> {
    Answer::ok(&describe_system_keys(&state.installation))
}

fn rotate_root_key(_: &ControlState, call: &Call) -> Result<Change, Problem> {
    let Nothing {} = call.body()?;
    Ok(Change::KeyTree(KeyTreeChange::RotateRootKey))
}

fn rotate(_: &ControlState, call: &Call) -> Result<Change, Problem> {
    let Nothing {} = call.body()?;
    Ok(Change::KeyTree(KeyTreeChange::RotateSystemKey))
}

fn destroy(_: &ControlState, call: &Call) -> Result<Change, Problem> {
    let Nothing {} = call.body()?;
    Ok(Change::KeyTree(KeyTreeChange::DestroySystemKey { version: call.system_key_version()? }))
}

/// The root key, for people.
pub(super) fn describe_root_key(installation: &Installation) -> Result<RootKey, Problem> {
    let RootKeyStatus { class, versions } = installation.tree.root_key().map_err(claviger_engine::Error::from)?;
    let (version, older) =
        versions.split_last().ok_or_else(|| Problem::new(Kind::KeyTreeUnavailable, "the root key has no version"))?;
    Ok(RootKey { custody: class.to_string(), version: *version, older_versions: older.to_vec() })
}

/// The system keys, for people.
pub(super) fn describe_system_keys(installation: &Installation) -> SystemKeyList {
    let system_keys = installation.engine.system_keys().into_iter().map(|key| SystemKey {
        version: key.version,
        state: match key.state {
            SystemKeyState::Current => "current",
            SystemKeyState::BeingReplaced => "being replaced",
            SystemKeyState::Unused => "unused",
        }
        .to_owned(),
        created: time(key.created_ms),
    });
    let renewal = |status: RenewalStatus| {
        let RenewalStatus { since_ms, records, renewed, failing } = status;
        Renewal { since: time(since_ms), records, renewed, failing }
    };
    SystemKeyList { system_keys: system_keys.collect(), renewal: installation.engine.renewal().map(renewal) }
}
