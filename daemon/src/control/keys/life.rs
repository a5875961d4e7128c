//! What happens to a key in its life: its states, its deletion, its rotation.

use crate::control::approvals::Approved;
use claviger_engine::approval::ChangeClass;
use std::ops::RangeInclusive;
use std::time::Duration;

use claviger_control::limits::{
    DELETION_WAIT_HOURS_MAX, DELETION_WAIT_HOURS_MIN, ROTATION_DAYS_MAX, ROTATION_DAYS_MIN,
};
use claviger_control::message::{
    DeleteNow, Key, Nothing, RequestDeletion, SetLowestVersion, SetRotation, SetRotationByUse,
};
use claviger_engine::RotationByUse;
use claviger_engine::key::state::KeyState;
use claviger_engine::key::version::KeyVersion;

use crate::control::ControlState;
use crate::control::call::Call;
use crate::control::change::{Change, KeyChange};
use crate::control::permission::MANAGE_KEY;
use crate::control::problem::{Kind, Problem};
use crate::control::route::{Route, change, form};

/// The life of a key.
pub(in crate::control) static ROUTES: &[Route] = &[
    change(
        "/v1/stores/{store}/keys/{key}/rotate",
        "rotate_key",
        "Add a version and make it the current one",
        Approved::As(ChangeClass::Modify),
        form::<Key>(),
        rotate,
    )
    .revised()
    .needs(&MANAGE_KEY),
    change(
        "/v1/stores/{store}/keys/{key}/disable",
        "disable_key",
        "Refuse every cryptographic operation",
        Approved::As(ChangeClass::Modify),
        form::<Key>(),
        disable,
    )
    .revised()
    .needs(&MANAGE_KEY),
    change(
        "/v1/stores/{store}/keys/{key}/enable",
        "enable_key",
        "Make a disabled key available again",
        Approved::As(ChangeClass::Modify),
        form::<Key>(),
        enable,
    )
    .revised()
    .needs(&MANAGE_KEY),
    change(
        "/v1/stores/{store}/keys/{key}/request-deletion",
        "request_deletion",
        "Refuse every cryptographic operation, and delete the key after a wait",
        Approved::As(ChangeClass::Delete),
        form::<Key>(),
        request_deletion,
    )
    .revised()
    .needs(&MANAGE_KEY)
    .takes::<RequestDeletion>(),
    change(
        "/v1/stores/{store}/keys/{key}/cancel-deletion",
        "cancel_deletion",
        "Keep a key whose deletion was requested; it is disabled then",
        Approved::As(ChangeClass::Delete),
        form::<Key>(),
        cancel_deletion,
    )
    .revised()
    .needs(&MANAGE_KEY),
    change(
        "/v1/stores/{store}/keys/{key}/delete-now",
        "delete_now",
        "Delete a key whose deletion was requested, for good, without the rest of the wait",
        Approved::As(ChangeClass::Delete),
        form::<Key>(),
        delete_now,
    )
    .revised()
    .needs(&MANAGE_KEY)
    .takes::<DeleteNow>(),
    change(
        "/v1/stores/{store}/keys/{key}/set-rotation",
        "set_rotation",
        "Have a key rotated by itself, or no longer",
        Approved::As(ChangeClass::Modify),
        form::<Key>(),
        set_rotation,
    )
    .revised()
    .needs(&MANAGE_KEY)
    .takes::<SetRotation>(),
    change(
        "/v1/stores/{store}/keys/{key}/set-rotation-by-use",
        "set_rotation_by_use",
        "Have a key rotated because of its use, or no longer",
        Approved::As(ChangeClass::Modify),
        form::<Key>(),
        set_rotation_by_use,
    )
    .revised()
    .needs(&MANAGE_KEY)
    .takes::<SetRotationByUse>(),
    change(
        "/v1/stores/{store}/keys/{key}/set-lowest-version",
        "set_lowest_version",
        "Refuse ciphertexts of lower versions",
        Approved::As(ChangeClass::Modify),
        form::<Key>(),
        set_lowest_version,
    )
    .revised()
    .needs(&MANAGE_KEY)
    .takes::<SetLowestVersion>(),
];

fn rotate(state: &ControlState, call: &Call) -> Result<Change, Problem> {
    let Nothing {} = call.body()?;
    of_key(state, call, KeyChange::Rotate)
}

fn disable(state: &ControlState, call: &Call) -> Result<Change, Problem> {
    let Nothing {} = call.body()?;
    of_key(state, call, KeyChange::SetState { state: KeyState::Disabled })
}

fn enable(state: &ControlState, call: &Call) -> Result<Change, Problem> {
    let Nothing {} = call.body()?;
    of_key(state, call, KeyChange::SetState { state: KeyState::Available })
}

fn request_deletion(state: &ControlState, call: &Call) -> Result<Change, Problem> {
    let RequestDeletion { wait_hours } = call.body()?;
    if let Some(hours) = wait_hours.filter(|hours| !WAIT_HOURS.contains(hours)) {
        let detail = format!("wait_hours is {hours}: give {DELETION_WAIT_HOURS_MIN} to {DELETION_WAIT_HOURS_MAX}");
        return Err(Problem::new(Kind::InvalidValue, detail));
    }
    let wait = wait_hours.map(|hours| Duration::from_hours(hours.into()));
    of_key(state, call, KeyChange::RequestDeletion { wait })
}

fn cancel_deletion(state: &ControlState, call: &Call) -> Result<Change, Problem> {
    let Nothing {} = call.body()?;
    of_key(state, call, KeyChange::CancelDeletion)
}

fn delete_now(state: &ControlState, call: &Call) -> Result<Change, Problem> {
    let DeleteNow { force } = call.body()?;
    of_key(state, call, KeyChange::DeleteNow { force })
}

fn set_rotation(state: &ControlState, call: &Call) -> Result<Change, Problem> {
    let SetRotation { period_days } = call.body()?;
    if let Some(days) = period_days.filter(|days| !(ROTATION_DAYS_MIN..=ROTATION_DAYS_MAX).contains(days)) {
        let detail =
            format!("period_days is {days}: give {ROTATION_DAYS_MIN} to {ROTATION_DAYS_MAX}, or null to end it");
        return Err(Problem::new(Kind::InvalidValue, detail));
    }
    of_key(state, call, KeyChange::SetRotation { period_days })
}

fn set_rotation_by_use(state: &ControlState, call: &Call) -> Result<Change, Problem> {
    let SetRotationByUse { items, bytes } = call.body()?;
    // As far as the description goes: what other languages take for an integer.
    for (what, bound) in [("items", items), ("bytes", bytes)] {
        if bound.is_some_and(|bound| i64::try_from(bound).is_err()) {
            return Err(Problem::new(Kind::InvalidValue, format!("{what}: give 1 to {}", i64::MAX)));
        }
    }
    let bounds = (items.is_some() || bytes.is_some()).then_some(RotationByUse { items, bytes });
    of_key(state, call, KeyChange::SetRotationByUse { bounds })
}

fn set_lowest_version(state: &ControlState, call: &Call) -> Result<Change, Problem> {
    let SetLowestVersion { version: number } = call.body()?;
    let version = KeyVersion::new(number)
        .ok_or_else(|| Problem::new(Kind::InvalidValue, "version is 0: versions count from 1"))?;
    of_key(state, call, KeyChange::SetLowestVersion { version })
}

/// What is to happen to the key of the path.
pub(super) fn of_key(state: &ControlState, call: &Call, change: KeyChange) -> Result<Change, Problem> {
    Ok(Change::Key { key: call.key(&state.installation.engine)?, change })
}

/// Hours that a deletion may wait.
pub(in crate::control) const WAIT_HOURS: RangeInclusive<u32> = DELETION_WAIT_HOURS_MIN..=DELETION_WAIT_HOURS_MAX;
