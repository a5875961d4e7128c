//! Single versions of a key.

use crate::control::approvals::Approved;
use claviger_control::message::{Key, Nothing};
use claviger_engine::approval::ChangeClass;
use claviger_engine::key::state::VersionState;

use super::life::of_key;
use crate::control::ControlState;
use crate::control::call::Call;
use crate::control::change::{Change, KeyChange};
use crate::control::permission::MANAGE_KEY;
use crate::control::problem::Problem;
use crate::control::route::{Route, change, form};

/// The versions of a key.
pub(in crate::control) static ROUTES: &[Route] = &[
    change(
        "/v1/stores/{store}/keys/{key}/versions/{version}/disable",
        "disable_key_version",
        "Have a version do nothing, which is not the current one",
        Approved::As(ChangeClass::Modify),
        form::<Key>(),
        disable_version,
    )
    .revised()
    .needs(&MANAGE_KEY),
    change(
        "/v1/stores/{store}/keys/{key}/versions/{version}/enable",
        "enable_key_version",
        "Make a disabled version active again",
        Approved::As(ChangeClass::Modify),
        form::<Key>(),
        enable_version,
    )
    .revised()
    .needs(&MANAGE_KEY),
    change(
        "/v1/stores/{store}/keys/{key}/versions/{version}/destroy",
        "destroy_key_version",
        "Destroy the material of a version for good, which is not the current one",
        Approved::As(ChangeClass::Delete),
        form::<Key>(),
        destroy_version,
    )
    .revised()
    .needs(&MANAGE_KEY),
];

fn disable_version(state: &ControlState, call: &Call) -> Result<Change, Problem> {
    set_version_state(state, call, VersionState::Disabled)
}

fn enable_version(state: &ControlState, call: &Call) -> Result<Change, Problem> {
    set_version_state(state, call, VersionState::Active)
}

fn destroy_version(state: &ControlState, call: &Call) -> Result<Change, Problem> {
    let Nothing {} = call.body()?;
    of_key(state, call, KeyChange::DestroyVersion { version: call.version()? })
}

fn set_version_state(state: &ControlState, call: &Call, to: VersionState) -> Result<Change, Problem> {
    let Nothing {} = call.body()?;
    of_key(state, call, KeyChange::SetVersionState { version: call.version()?, state: to })
}
