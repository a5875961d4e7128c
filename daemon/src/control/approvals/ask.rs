//! Asking for changes instead of making them.

use std::time::{Duration, SystemTime};

use claviger_control::secret::SecretJson;
use claviger_engine::approval::{ApprovalRecord, ChangeClass, ChangeClasses, NewRequest, ShownChange, Trial};
use claviger_engine::key::id::StoreId;
use claviger_engine::storage::Compare;
use claviger_engine::{Act, Engine};
use http::StatusCode;

use super::{Approved, describe, stored};
use crate::control::ControlState;
use crate::control::answer::Answer;
use crate::control::call::Call;
use crate::control::change::Change;
use crate::control::permission::{self, Scope};
use crate::control::problem::{Kind, Problem};
use crate::control::route::{Handler, Route, routes};

/// A change that was understood, and the call that it comes from.
pub(super) struct Prepared {
    pub(super) call: Call,
    pub(super) change: Change,
}

/// What is said of changes that are asked for.
pub(super) struct Asking {
    pub(super) reason: String,
    pub(super) time: Duration,
}

/// Whether a change needs an approval, and what must still be so when it is made without one.
///
/// # Errors
/// If it is not known: then nothing is changed.
pub(in crate::control) fn is_needed(
    engine: &Engine,
    call: &Call,
    change: &Change,
) -> Result<(bool, Option<Compare>), Problem> {
    if call.route.approved == Some(Approved::Emergency) && !call.permit.must_ask {
        // Whatever can or cannot be read.
        return Ok((false, None));
    }
    let (policy, unchanged) = engine.approval_policy_in_force(place(engine, call)?)?;
    let needed = match call.route.approved {
        Some(Approved::As(_)) => class_of(engine, call.route, change)?.iter().any(|class| policy.needs(class)),
        Some(Approved::AsPolicy) => policy.is_on(),
        Some(Approved::Emergency) => false,
        // A route that changes something and does not say what: nothing is known of it.
        None => true,
    };
    Ok((needed || call.permit.must_ask, Some(unchanged)))
}

/// Asks for one change, in the words of its call.
pub(in crate::control) fn ask_for_one(state: &ControlState, call: Call, change: Change) -> Result<Answer, Problem> {
    let store = place(&state.installation.engine, &call)?;
    let asking = Asking { reason: String::new(), time: APPROVAL_TIME };
    let record = ask(state, store, vec![Prepared { call, change }], asking)?;
    accepted(state, &record)
}

/// Asks for changes of one place: tries them, and keeps what was asked for.
pub(super) fn ask(
    state: &ControlState,
    store: Option<StoreId>,
    prepared: Vec<Prepared>,
    asking: Asking,
) -> Result<ApprovalRecord, Problem> {
    let installation = &state.installation;
    let engine = &installation.engine;
    let requester = prepared.first().and_then(|first| first.call.permit.person.as_ref()).ok_or_else(only_persons)?;
    let requester = requester.record.id;
    let is_bundle = prepared.iter().all(|prepared| prepared.change.is_of_records());
    if !is_bundle && prepared.len() > 1 {
        let detail = "one of these changes is more than a change of records, and has to be asked for alone: see which in the description of `ask_for_approval`";
        return Err(Problem::new(Kind::InvalidValue, detail));
    }
    let mut classes = ChangeClasses::NONE;
    for Prepared { call, change } in &prepared {
        classes = classes.with(class_of(engine, call.route, change)?);
    }
    let mut changes = Vec::with_capacity(prepared.len());
    for Prepared { call, change } in &prepared {
        let operation = call.route.operation.to_owned();
        let (shown, request) = (change.to_string(), without_secrets(call));
        changes.push(ShownChange { operation, shown, request, before: before(state, call), after: None });
    }
    let mut trial = Trial::default();
    let (mut calls, mut tried, mut keys) = (Vec::new(), Vec::new(), Vec::new());
    for Prepared { call, change } in prepared {
        trial.add(change.builds_on(engine)?);
        keys.extend(change.is_about().1);
        // What is changed has to be as it was seen, when it is read for the trial: that is what must not move from then on.
        let seen =
            Act { expected: call.expected.clone(), ..Act::new(call.permit.actor(&call.caller), call.route.operation) };
        calls.push((by_ids(state, call)?, change.resolved()));
        tried.push((change, seen));
    }
    if is_bundle {
        let (answers, read) = engine.try_out(|engine| {
            let tried = tried.into_iter();
            tried
                .map(|(change, seen)| change.apply(&engine.on_behalf_of(seen), installation))
                .collect::<Result<Vec<_>, _>>()
        })?;
        trial.add(read);
        for (change, answer) in changes.iter_mut().zip(answers) {
            // What is created has an id when it has been.
            if answer.status == StatusCode::OK {
                change.after = String::from_utf8(answer.body.to_vec()).ok();
            }
        }
    }
    let by = calls.first().map(|(call, _)| act(call, &changes)).ok_or_else(only_persons)?;
    let by = Act { store, keys, ..by };
    let Asking { reason, time } = asking;
    let calls = stored::write(&calls)?;
    let new = NewRequest { store, classes, requester, time, reason, is_bundle, changes, calls };
    Ok(engine.on_behalf_of(by).request_approval(new, trial)?)
}

/// Who asks for what.
fn act(call: &Call, changes: &[ShownChange]) -> Act {
    let shown: Vec<_> = changes.iter().map(|change| change.shown.as_str()).collect();
    Act {
        shown: format!("asked for: {}", shown.join("; ")),
        trace_id: call.trace_id.clone(),
        guards: call.permit.guards(),
        ..Act::new(call.permit.actor(&call.caller), "ask_for_approval")
    }
}

fn only_persons() -> Problem {
    let detail = "this needs an approval, for which only a person can ask, not an administrator by configuration: have yourself added (`claviger person add`)";
    Problem::new(Kind::NotPermitted, detail)
}

/// The call with ids in the place of names, which may stand for others when it is made.
fn by_ids(state: &ControlState, mut call: Call) -> Result<Call, Problem> {
    let engine = &state.installation.engine;
    let of = |call: &Call, name: &str| call.parameters.contains_key(name);
    if of(&call, "key") {
        let key = call.key(engine)?;
        call.parameters.insert("key".to_owned(), key.to_string());
    }
    if of(&call, "store") {
        let store = call.store(engine)?;
        call.parameters.insert("store".to_owned(), store.to_string());
    }
    if of(&call, "person") {
        let person = call.person(engine)?;
        call.parameters.insert("person".to_owned(), person.record.id.to_string());
    }
    Ok(call)
}

/// That something was asked for: not done, and not refused.
pub(super) fn accepted(state: &ControlState, record: &ApprovalRecord) -> Result<Answer, Problem> {
    tracing::info!(request = %record.id, "asked for an approval");
    let mut answer = Answer::new(StatusCode::ACCEPTED, &describe::approval(&state.installation.engine, record))?;
    answer.location = Some(format!("/v1/approvals/{}", record.id));
    Ok(answer)
}

/// The key store in which a call changes something; `None` for the installation.
fn place(engine: &Engine, call: &Call) -> Result<Option<StoreId>, Problem> {
    match call.route.permission.scope {
        Scope::Store | Scope::Key => call.store(engine).map(Some),
        Scope::Installation | Scope::Everybody => Ok(None),
    }
}

/// The classes of a change: that of its route, and what it turns out to be.
fn class_of(engine: &Engine, route: &Route, change: &Change) -> Result<ChangeClasses, Problem> {
    let class = match route.approved {
        Some(Approved::As(class)) => class,
        Some(Approved::AsPolicy | Approved::Emergency) | None => ChangeClass::AccessControl,
    };
    let further = change.further_class(engine)?;
    Ok([class].into_iter().chain(further).collect())
}

/// The body of a call as it came, without what is secret in it.
fn without_secrets(call: &Call) -> Option<String> {
    SecretJson::parse(&call.body)?.shown_without(&SECRET_FIELDS)
}

/// What a call changes, as the nearest route shows it that reads one thing: that of the key for what happens to a key.
fn before(state: &ControlState, call: &Call) -> Option<String> {
    if call.route.success == StatusCode::CREATED {
        return None;
    }
    let shows = |route: &&Route| {
        matches!(route.handler, Handler::Read(_))
            && route.path.ends_with('}')
            && call.route.path.starts_with(route.path)
    };
    let nearest = routes().filter(shows).max_by_key(|route| route.path.len())?;
    let Handler::Read(read) = nearest.handler else { return None };
    // Nobody is shown by asking what he may not read.
    permission::authorise(&state.installation.engine, nearest, &call.parameters, &call.caller, SystemTime::now())
        .ok()?;
    // What cannot be read is not shown; that it can be done, others find out.
    String::from_utf8(read(state, call).ok()?.body.to_vec()).ok()
}

/// Fields of bodies that hold what nobody is shown: the value of a secret, wrapped material.
const SECRET_FIELDS: [&str; 2] = ["value", "wrapped"];

/// How long something can be decided, unless said otherwise.
pub(super) const APPROVAL_TIME: Duration = Duration::from_hours(7 * 24);
