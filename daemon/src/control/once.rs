//! Creations that are made once, however often they are sent (`Idempotency-Key`).

use aws_lc_rs::digest::{Context, SHA256};
use claviger_engine::once::Once;
use http::StatusCode;
use zeroize::Zeroizing;

use super::ControlState;
use super::answer::Answer;
use super::call::Call;
use super::change::{Change, make};
use super::problem::{Kind, Problem};

/// Makes a change that a request asks for; one with a key for the first time only, and answers it after that as it was answered then.
pub(super) fn change(
    state: &ControlState,
    call: Call,
    prepare: fn(&ControlState, &Call) -> Result<Change, Problem>,
) -> Result<Answer, Problem> {
    let make_it = |call: Call| {
        let change = prepare(state, &call)?;
        make(state, call, change)
    };
    let Some(key) = call.once.clone() else { return make_it(call) };
    let engine = &state.installation.engine;
    let is_secret = call.route.answers_once;
    let first = match engine.begin_once(caller(&call), &key, request(&call))? {
        Once::Answered(answer) => return read(answer.expose()),
        Once::First(first) => first,
    };
    let made = make_it(call);
    let noted = match &made {
        Ok(answer) => {
            engine.note_answer(&first, (!is_secret).then(|| write(answer)).flatten().as_ref().map(|it| it.as_slice()))
        }
        // Nobody knows whether it was made: then that is what the next one is told.
        Err(problem) if may_be_made(problem) => Ok(()),
        Err(_) => engine.forget_once(first),
    };
    if let Err(error) = noted {
        tracing::warn!(%error, "what has become of a request with an idempotency key could not be noted");
    }
    made
}

/// Whether what was answered so may have been made: whatever goes wrong here, unless it is known that this comes before.
fn may_be_made(problem: &Problem) -> bool {
    let kind = problem.kind();
    problem.is_made() || kind.row().1.is_server_error() && !NOTHING_MADE.contains(&kind)
}

/// Who asks: a person is the same with each of his certificates.
fn caller(call: &Call) -> [u8; 32] {
    match &call.permit.person {
        Some(person) => hash(&[b"person", &person.record.id.0]),
        None => hash(&[b"administrator", &call.caller.key().0]),
    }
}

/// What is asked for.
fn request(call: &Call) -> [u8; 32] {
    hash(&[call.route.operation.as_bytes(), call.uri.path().as_bytes(), &call.body])
}

/// Each part with its size before it, so that no two lists of parts are the same bytes.
fn hash(parts: &[&[u8]]) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

/// An answer as bytes: status, size of the location, location, body.
fn write(answer: &Answer) -> Option<Zeroizing<Vec<u8>>> {
    let location = answer.location.as_deref().unwrap_or_default();
    let mut bytes = Zeroizing::new(Vec::with_capacity(4 + location.len() + answer.body.len()));
    bytes.extend_from_slice(&answer.status.as_u16().to_be_bytes());
    bytes.extend_from_slice(&u16::try_from(location.len()).ok()?.to_be_bytes());
    bytes.extend_from_slice(location.as_bytes());
    bytes.extend_from_slice(&answer.body);
    Some(bytes)
}

fn read(bytes: &[u8]) -> Result<Answer, Problem> {
    let read = || {
        let (status, rest) = bytes.split_first_chunk()?;
        let (size, rest) = rest.split_first_chunk()?;
        let (location, body) = rest.split_at_checked(u16::from_be_bytes(*size).into())?;
        let location = String::from_utf8(location.to_vec()).ok()?;
        let mut answer = Answer::ok(&()).ok()?;
        answer.status = StatusCode::from_u16(u16::from_be_bytes(*status)).ok()?;
        answer.location = Some(location).filter(|location| !location.is_empty());
        answer.body = Zeroizing::new(body.to_vec());
        Some(answer)
    };
    read().ok_or_else(|| Problem::new(Kind::Internal, "the answer that was kept cannot be read: look at what was made"))
}

/// What is answered with a status of the server's and certainly before anything was made, unless it says so itself.
const NOTHING_MADE: [Kind; 4] = [Kind::Busy, Kind::StorageFull, Kind::ShredTableUnavailable, Kind::AuditUnavailable];
