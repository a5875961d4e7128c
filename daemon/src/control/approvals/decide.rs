//! Deciding what was asked for, and asking for several changes at once.

use std::time::{Duration, SystemTime};

use claviger_control::message::{Approval, AskForApproval, AskedChange, Nothing, RejectApproval};
use claviger_engine::approval::{ApprovalError, ApprovalRecord, Decided};
use claviger_engine::key::material::SecretBytes;
use claviger_engine::person::{Person, PersonId, Role};
use claviger_engine::{Act, Engine, Error};
use http::Uri;
use std::sync::Arc;
use zeroize::Zeroizing;

use super::ask::{APPROVAL_TIME, Asking, Prepared, accepted, ask};
use super::{describe, find, stored};
use crate::control::ControlState;
use crate::control::answer::Answer;
use crate::control::call::Call;
use crate::control::permission::{self, ASK_IN_STORE, EVERYBODY, Scope};
use crate::control::problem::{Kind, Problem};
use crate::control::route::{Handler, Route, decide, form, routes};
use crate::limits::{CHANGE_TIME, LARGE_BODY_SIZE_MAX};

/// Asking and deciding. Who may decide what, each of them finds out.
pub(in crate::control) static ROUTES: &[Route] = &[
    decide(
        "/v1/stores/{store}/approvals",
        "ask_for_approval",
        "Ask for several changes of a key store, all or none; imports, exports and certificates are asked for alone",
        form::<Approval>(),
        bundle,
    )
    .needs(&ASK_IN_STORE)
    .takes::<AskForApproval>()
    .within(LARGE_BODY_SIZE_MAX, CHANGE_TIME)
    .accepts(),
    decide(
        "/v1/approvals/{approval}/approve",
        "approve",
        "Approve what somebody else asks for; with the last approval it is done",
        form::<Approval>(),
        approve,
    )
    .needs(&EVERYBODY)
    .takes::<Nothing>(),
    decide(
        "/v1/approvals/{approval}/reject",
        "reject_approval",
        "Refuse what somebody else asks for",
        form::<Approval>(),
        reject,
    )
    .needs(&EVERYBODY)
    .takes::<RejectApproval>(),
    decide(
        "/v1/approvals/{approval}/withdraw",
        "withdraw_approval",
        "Take back what one has asked for",
        form::<Approval>(),
        withdraw,
    )
    .needs(&EVERYBODY)
    .takes::<Nothing>(),
];

fn bundle(state: &ControlState, call: &Call) -> Result<Answer, Problem> {
    let engine = &state.installation.engine;
    let store = call.store(engine)?;
    let AskForApproval { reason, hours, changes } = call.body()?;
    if changes.is_empty() {
        return Err(Problem::new(Kind::InvalidValue, "there are no changes to ask for: give 1 to 20"));
    }
    let prepared = changes.into_iter().map(|change| prepare(state, call, change)).collect::<Result<Vec<_>, _>>()?;
    let time = hours.map_or(APPROVAL_TIME, |hours| Duration::from_secs(u64::from(hours) * 3_600));
    accepted(state, &ask(state, Some(store), prepared, Asking { reason, time })?)
}

/// One change of a bundle: as if it had come on its own route.
fn prepare(state: &ControlState, bundle: &Call, asked: AskedChange) -> Result<Prepared, Problem> {
    let AskedChange { operation, mut parameters, revision, body } = asked;
    let unknown = || {
        let detail =
            format!("{operation:?} is no operation that changes something of a key store: see GET /v1/openapi.json");
        Problem::new(Kind::InvalidValue, detail)
    };
    let route = routes().find(|route| route.operation == operation).ok_or_else(unknown)?;
    let Handler::Change(understand) = route.handler else { return Err(unknown()) };
    if !matches!(route.permission.scope, Scope::Store | Scope::Key) {
        return Err(unknown());
    }
    if revision.is_some() && !route.revised {
        return Err(Problem::new(Kind::InvalidValue, format!("revision: what {operation} changes has none")));
    }
    let store = bundle.parameter("store").to_owned();
    if parameters.insert("store".to_owned(), store).is_some() {
        return Err(Problem::new(
            Kind::InvalidValue,
            "the changes of a bundle name no key store: it is that of the bundle",
        ));
    }
    let body = if body.is_null() { Zeroizing::default() } else { body.to_bytes() };
    if body.len() > route.body_size_max {
        return Err(Problem::new(Kind::BodyTooLarge, format!("the body of {operation} is too large")));
    }
    let engine = &state.installation.engine;
    let permit = permission::authorise(engine, route, &parameters, &bundle.caller, SystemTime::now())?;
    let call = Call {
        route,
        caller: bundle.caller.clone(),
        permit,
        trace_id: bundle.trace_id.clone(),
        parameters,
        uri: Uri::default(),
        expected: revision,
        once: None,
        body,
    };
    let change = understand(state, &call)?;
    Ok(Prepared { call, change })
}

fn approve(state: &ControlState, call: &Call) -> Result<Answer, Problem> {
    let Nothing {} = call.body()?;
    let engine = &state.installation.engine;
    let (record, person) = decider(state, call)?;
    let shown: Vec<_> = record.changes.iter().map(|change| change.shown.as_str()).collect();
    let requester = engine
        .person(record.requester)
        .ok_or_else(|| Problem::new(Kind::Conflict, "who asked for this was removed: reject it"))?;
    let act = Act {
        actor: approved_by(engine, &record, &person),
        operation: "approve",
        shown: shown.join("; "),
        trace_id: call.trace_id.clone(),
        store: record.store,
        keys: Vec::new(),
        // Nobody whose rights this rests on may lose them at the same moment.
        guards: record
            .given
            .iter()
            .filter_map(|given| engine.person(given.by))
            .chain([requester, Arc::clone(&person)])
            .map(|person| person.unchanged())
            .collect(),
        expected: None,
    };
    let engine = engine.on_behalf_of(act);
    let decided = engine.approve(
        record.id,
        person.record.id,
        |record, by| may_decide(&engine, record, by),
        |engine, record, calls| apply(state, engine, record, &calls, &call.trace_id),
    );
    let decided = decided.map_err(|problem: Problem| problem.of_store(record.store))?;
    let (Decided::Waiting(record) | Decided::Applied(record)) = &decided;
    tracing::info!(trace_id = call.trace_id, request = %record.id, by = %person.record.name, state = record.state.name(), "approved");
    Answer::ok(&describe::approval(&engine, record))
}

/// Does what was asked for, as the one who asked, who must still be allowed to.
fn apply(
    state: &ControlState,
    engine: &Engine,
    record: &ApprovalRecord,
    calls: &SecretBytes,
    trace_id: &str,
) -> Result<SecretBytes, Problem> {
    let calls = stored::read(state, calls, record.requester, trace_id)?;
    let mut made = Vec::with_capacity(calls.len());
    for ((call, resolved), shown) in calls.iter().zip(&record.changes) {
        let internal = || Problem::new(Kind::Internal, "what was asked for is no change");
        let Handler::Change(understand) = call.route.handler else { return Err(internal()) };
        let change = understand(state, call)?;
        if change.resolved() != *resolved {
            return Err(Error::from(ApprovalError::Moved(shown.shown.clone())).into());
        }
        made.push(change.apply(engine, &state.installation)?.body);
    }
    // Room for all of it at once: growing leaves copies behind.
    let mut answers = Vec::with_capacity(made.iter().map(|body| body.len() + 1).sum::<usize>() + 2);
    for (index, body) in made.iter().enumerate() {
        answers.push(if index == 0 { b'[' } else { b',' });
        answers.extend_from_slice(body);
    }
    answers.push(b']');
    Ok(SecretBytes::from(answers))
}

fn reject(state: &ControlState, call: &Call) -> Result<Answer, Problem> {
    let RejectApproval { reason } = call.body()?;
    let (record, person) = decider(state, call)?;
    let engine =
        state.installation.engine.on_behalf_of(act(call, &person, &record, format!("request {} rejected", record.id)));
    let rejected = engine.reject(record.id, person.record.id, reason);
    let record = rejected.map_err(|error| Problem::from(error).of_store(record.store))?;
    Answer::ok(&describe::approval(&engine, &record))
}

fn withdraw(state: &ControlState, call: &Call) -> Result<Answer, Problem> {
    let Nothing {} = call.body()?;
    let (record, person) = (find(state, call)?, person(call)?);
    let engine =
        state.installation.engine.on_behalf_of(act(call, &person, &record, format!("request {} withdrawn", record.id)));
    let withdrawn = engine.withdraw(record.id, person.record.id);
    let record = withdrawn.map_err(|error| Problem::from(error).of_store(record.store))?;
    Answer::ok(&describe::approval(&engine, &record))
}

fn act(call: &Call, person: &Person, record: &ApprovalRecord, shown: String) -> Act {
    Act {
        shown,
        trace_id: call.trace_id.clone(),
        store: record.store,
        guards: vec![person.unchanged()],
        ..Act::new(call.permit.actor(&call.caller), call.route.operation)
    }
}

/// The request that the path names, and the caller, if he may decide it.
fn decider(state: &ControlState, call: &Call) -> Result<(ApprovalRecord, Arc<Person>), Problem> {
    let (record, person) = (find(state, call)?, person(call)?);
    may_decide(&state.installation.engine, &record, person.record.id).map_err(|_| {
        let place = if record.store.is_some() { "this key store" } else { "the installation" };
        let detail = format!("this needs the role {} of {place}", Role::Approver);
        Problem::new(Kind::NotPermitted, detail).of_store(record.store)
    })?;
    Ok((record, person))
}

fn person(call: &Call) -> Result<Arc<Person>, Problem> {
    call.permit.person.clone().ok_or_else(|| {
        let detail =
            "only persons decide, not an administrator by configuration: have yourself added (`claviger person add`)";
        Problem::new(Kind::NotPermitted, detail)
    })
}

/// Whether a person may approve a request now; his name if not.
fn may_decide(engine: &Engine, record: &ApprovalRecord, by: PersonId) -> Result<(), String> {
    let Some(person) = engine.person(by) else { return Err(format!("person {by}, who is known no more,")) };
    let may = !person.record.is_disabled && person.has(Role::Approver, record.store);
    if may { Ok(()) } else { Err(person.record.name.to_string()) }
}

/// Who changes something: who asked for it, and who let it happen.
fn approved_by(engine: &Engine, record: &ApprovalRecord, last: &Person) -> String {
    let name = |id: PersonId| {
        let name = engine.person(id).map(|person| person.record.name.to_string());
        format!("{} ({id})", name.unwrap_or_else(|| "removed".to_owned()))
    };
    let approvers: Vec<_> = record.given.iter().map(|given| given.by).chain([last.record.id]).map(name).collect();
    format!("person {}, approved by {}", name(record.requester), approvers.join(", "))
}
