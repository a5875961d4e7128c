//! Emergency stops: locking the daemon, and what all stops are told by.

use claviger_control::message::{self, Emergency, Lock, LockedNow, Nothing};
use claviger_engine::approval::ChangeClass;
use claviger_engine::emergency::{Locked, Stopped, UnwrittenStop};
use claviger_engine::storage::StorageError;
use claviger_engine::{Engine, Error};

use super::answer::Answer;
use super::approvals::Approved;
use super::call::Call;
use super::change::{Change, EmergencyChange};
use super::permission::READ_INSTALLATION;
use super::problem::Problem;
use super::route::{Route, change, form, read};
use super::{ControlState, describe};

/// Locking. Key stores and authentication data are disabled by routes of their own.
pub(super) static ROUTES: &[Route] = &[
    read("/v1/emergency", "read_emergency", "What is stopped in an emergency", form::<Emergency>(), show)
        .needs(&READ_INSTALLATION),
    change(
        "/v1/emergency/lock",
        "lock",
        "Use no key any more, at once, even if that cannot be written, and wipe those in memory",
        Approved::Emergency,
        form::<LockedNow>(),
        lock,
    )
    .takes::<Lock>(),
    change(
        "/v1/emergency/unlock",
        "unlock",
        "Use keys again",
        Approved::As(ChangeClass::Custody),
        form::<Emergency>(),
        unlock,
    ),
];

fn show(state: &ControlState, _: &Call) -> Result<Answer, Problem> {
    Answer::ok(&describe_stops(&state.installation.engine))
}

fn lock(_: &ControlState, call: &Call) -> Result<Change, Problem> {
    let Lock { reason } = call.body()?;
    Ok(Change::Emergency(EmergencyChange::Lock { reason }))
}

fn unlock(_: &ControlState, call: &Call) -> Result<Change, Problem> {
    let Nothing {} = call.body()?;
    Ok(Change::Emergency(EmergencyChange::Unlock))
}

/// What is stopped.
pub(super) fn describe_stops(engine: &Engine) -> Emergency {
    let stop = |stop| {
        let (what, store, row) = match stop {
            UnwrittenStop::Lock => ("lock", None, None),
            UnwrittenStop::Store(store) => ("store", Some(store), None),
            UnwrittenStop::Row(store, row) => ("access", Some(store), Some(row)),
        };
        message::UnwrittenStop {
            what: what.to_owned(),
            store_id: store.map(|id| id.to_string()),
            access_id: row.map(|id| id.to_string()),
        }
    };
    let unwritten = engine.unwritten_stops().into_iter().map(stop).collect();
    Emergency { locked: engine.locked().map(describe_lock), unwritten }
}

/// Since when, by whom and why it is locked.
pub(super) fn describe_lock(Locked { since_ms, by, reason }: Locked) -> message::Locked {
    message::Locked { since: (since_ms > 0).then(|| describe::time(since_ms)), by, reason }
}

/// The lock in one sentence, with what to do.
pub(super) fn in_words(Locked { since_ms, by, reason }: &Locked) -> String {
    let since = if *since_ms > 0 { format!(" since {}", describe::time(*since_ms)) } else { String::new() };
    let by = if by.is_empty() { String::new() } else { format!(" by {by}") };
    let reason = if reason.is_empty() { String::new() } else { format!(" ({reason})") };
    format!(
        "locked{since}{by}{reason}: no key is used, and rotations and deletions wait; `claviger emergency unlock` ends it"
    )
}

/// Whether a stop that is in force is durable, and what there is to say of it.
pub(super) fn durability(stopped: &Stopped) -> (bool, Option<String>) {
    let Stopped { not_durable, not_logged } = stopped;
    let detail = match (not_durable.as_deref(), not_logged) {
        (Some(error @ Error::StopEnded), _) => Some(format!("no longer in force: {error}")),
        (Some(error @ Error::Storage(StorageError::WritesEnded { .. })), _) => Some(format!(
            "in force, and not written, and this process writes nothing any more: it is over when the daemon ends, so order it again at once after the restart ({error})"
        )),
        (Some(error), _) => Some(format!(
            "in force, and not written: it is tried again every few seconds, and is over if the daemon ends before that succeeds ({error})"
        )),
        (None, logged) => logged.as_ref().map(ToString::to_string),
    };
    (not_durable.is_none(), detail)
}
