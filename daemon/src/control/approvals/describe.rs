//! From the engine's records of approval to messages.

use claviger_control::message::{Approval, ApprovalChange, Decider, GivenApproval, Rejection};
use claviger_engine::Engine;
use claviger_engine::approval::{ApprovalRecord, ApprovalState, ShownChange};
use claviger_engine::person::PersonId;

use crate::control::describe::time;
use crate::control::whoami::store_name;

/// What is told of a request.
pub(super) fn approval(engine: &Engine, record: &ApprovalRecord) -> Approval {
    let decider = |id| decider(engine, id);
    let (mut rejection, mut moved, mut failure) = (None, None, None);
    match &record.state {
        ApprovalState::Rejected { by, reason, .. } => {
            rejection = Some(Rejection { by: decider(*by), reason: reason.clone() });
        }
        ApprovalState::Moved { what, .. } => moved = Some(what.clone()),
        ApprovalState::Failed { why, .. } => failure = Some(why.clone()),
        ApprovalState::Open
        | ApprovalState::Applied { .. }
        | ApprovalState::Withdrawn { .. }
        | ApprovalState::Expired { .. } => {}
    }
    Approval {
        id: record.id.to_string(),
        store: record.store.map(|store| store_name(engine, store)),
        state: record.state.name().to_owned(),
        requester: decider(record.requester),
        created: time(record.created_ms),
        ends: time(record.ends_ms),
        reason: record.reason.clone(),
        quorum: record.quorum.get(),
        approvals: record
            .given
            .iter()
            .map(|given| GivenApproval { by: decider(given.by), at: time(given.at_ms) })
            .collect(),
        changes: record.changes.iter().map(change).collect(),
        ended: record.state.ended_ms().map(time),
        rejection,
        moved,
        failure,
    }
}

fn change(change: &ShownChange) -> ApprovalChange {
    let json = |text: &Option<String>| text.as_ref().and_then(|text| serde_json::from_str(text).ok());
    ApprovalChange {
        operation: change.operation.clone(),
        change: change.shown.clone(),
        request: json(&change.request),
        before: json(&change.before),
        after: json(&change.after),
    }
}

fn decider(engine: &Engine, id: PersonId) -> Decider {
    Decider { id: id.to_string(), name: engine.person(id).map(|person| person.record.name.to_string()) }
}
