//! Approvals: changes that somebody asks for and others let happen.
//!
//! `ask` is what `change::make` does with a change that needs an approval, and what a bundle does with several: they are tried, shown, and kept as the calls that they are (`stored`).
//! `decide` approves, which calls again what was kept, as the one who asked; rejects, and withdraws. `policy` says what needs an approval.

mod ask;
mod decide;
mod describe;
mod policy;
mod stored;

use claviger_control::message::{Approval, ApprovalAnswers, ApprovalList};
use claviger_control::secret::SecretJson;
use claviger_engine::approval::{ApprovalId, ApprovalRecord, ApprovalState, ChangeClass};

use super::ControlState;
use super::answer::Answer;
use super::call::Call;
use super::permission::EVERYBODY;
use super::problem::{Kind, Problem};
use super::route::{Route, form, read};

pub(super) use ask::{ask_for_one, is_needed};

/// What approval has to say to a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Approved {
    /// It needs one where changes of this class do.
    As(ChangeClass),
    /// It says what needs an approval: it needs one itself where anything does.
    AsPolicy,
    /// It takes away at once what lets somebody in: who may order it waits for nobody. Giving it back needs what changes of access need.
    Emergency,
}

/// To read what was asked for, and the routes of the other files.
pub(super) static ROUTES: &[Route] = &[
    read("/v1/approvals", "list_approvals", "All requests for approval, oldest first", form::<ApprovalList>(), list)
        .needs(&EVERYBODY)
        .paged(),
    read("/v1/approvals/open", "list_open_approvals", "Those that can be decided", form::<ApprovalList>(), list_open)
        .needs(&EVERYBODY)
        .paged(),
    read("/v1/approvals/{approval}", "read_approval", "Describe a request for approval", form::<Approval>(), show)
        .needs(&EVERYBODY),
    read(
        "/v1/approvals/{approval}/answers",
        "read_approval_answers",
        "What approved changes have answered: for who asked for them, for a day",
        form::<ApprovalAnswers>(),
        answers,
    )
    .needs(&EVERYBODY),
];

pub(super) use decide::ROUTES as DECISIONS;
pub(super) use policy::{ROUTES as POLICIES, describe as describe_policy, warning};

fn list(state: &ControlState, call: &Call) -> Result<Answer, Problem> {
    page(state, call, |_| true)
}

fn list_open(state: &ControlState, call: &Call) -> Result<Answer, Problem> {
    page(state, call, |record| record.state == ApprovalState::Open)
}

fn page(state: &ControlState, call: &Call, is_listed: impl Fn(&ApprovalRecord) -> bool) -> Result<Answer, Problem> {
    let engine = &state.installation.engine;
    let (after, limit) = call.after_and_limit()?;
    let after = after.map(|after| after.parse::<ApprovalId>()).transpose();
    let after = after.map_err(|error| Problem::new(Kind::InvalidValue, format!("after: {error}")))?;
    let page = engine.approvals(after, limit, |record| {
        is_listed(record) && call.permit.sees_request(record.store, record.requester)
    })?;
    let approvals = page.requests.iter().map(|record| describe::approval(engine, record)).collect();
    Answer::ok(&ApprovalList { approvals, next: page.next.map(|next| next.to_string()) })
}

fn show(state: &ControlState, call: &Call) -> Result<Answer, Problem> {
    let record = find(state, call)?;
    Answer::ok(&describe::approval(&state.installation.engine, &record))
}

fn answers(state: &ControlState, call: &Call) -> Result<Answer, Problem> {
    let engine = &state.installation.engine;
    let record = find(state, call)?;
    if call.permit.person.as_ref().is_none_or(|person| person.record.id != record.requester) {
        return Err(Problem::new(Kind::NotPermitted, "the answers of changes are for who asked for them"));
    }
    let kept = engine.approval_result(record.id)?.ok_or_else(|| {
        let detail = "nothing is kept of its answers: they come when it is applied, and go after a day; a daemon that ended just when it was applied could not keep them: look at what was made, disable a certificate whose private key is lost, and ask for another one";
        Problem::new(Kind::Conflict, detail)
    })?;
    let answers: Vec<SecretJson> = serde_json::from_slice(kept.expose())
        .map_err(|_| Problem::new(Kind::Internal, "the answers that are kept cannot be read"))?;
    Answer::ok(&ApprovalAnswers { answers })
}

/// The request that the path names, if the caller may see it.
fn find(state: &ControlState, call: &Call) -> Result<ApprovalRecord, Problem> {
    let text = call.parameter("approval");
    let missing = || {
        let detail =
            format!("no request for approval has the id {text:?}: see GET /v1/approvals, or `claviger approval list`");
        Problem::new(Kind::ApprovalNotFound, detail)
    };
    let id: ApprovalId = text.parse().map_err(|_| missing())?;
    let record = state.installation.engine.approval(id)?;
    if call.permit.sees_request(record.store, record.requester) {
        Ok(record)
    } else {
        Err(missing().refusing().of_store(record.store))
    }
}
