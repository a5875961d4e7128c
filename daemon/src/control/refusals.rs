//! What the audit log is told of requests that were refused: who, what, why, and of which key store and key, as far as that is known.

use std::sync::Arc;

use claviger_engine::Engine;
use claviger_engine::audit::{Event, EventKind};
use claviger_engine::clock::{Clock, SystemClock};
use claviger_engine::key::id::KeyId;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::ControlState;
use super::call::{Parameters, find_key, find_store};
use super::caller::Caller;
use super::problem::Problem;
use crate::limits::REFUSED_KEY_TIME;

/// Who was refused, and what.
pub(super) struct RefusedRequest<'r> {
    /// The name of the route.
    pub(super) operation: &'r str,
    pub(super) trace_id: &'r str,
    pub(super) caller: Option<&'r Caller>,
    /// Parts of the path.
    pub(super) parameters: Parameters,
}

/// Has the audit log tell of a request that was refused; not of one that has found nothing, or could not be served.
pub(super) async fn tell(state: &Arc<ControlState>, problem: &Problem, request: RefusedRequest<'_>) {
    if !problem.is_refusal() {
        return;
    }
    let RefusedRequest { operation, trace_id, caller, parameters } = request;
    let engine = &state.installation.engine;
    let mut event = Event::new(EventKind::Refusal, SystemClock.now_ms());
    event.actor = caller.map(|caller| caller.actor(engine)).unwrap_or_default();
    event.operation = operation.to_owned();
    event.reason = format!("{}: {}", problem.kind().row().0, problem.detail());
    event.trace_id = trace_id.to_owned();
    event.store = find_store(engine, &parameters).ok().or(problem.store());
    event.keys = find_named_key(state, parameters).await.into_iter().collect();
    engine.tell(event);
}

/// The key that the path names, as far as that is known in time. What the caller has not reached is told to those who read the log.
async fn find_named_key(state: &Arc<ControlState>, parameters: Parameters) -> Option<KeyId> {
    if !parameters.contains_key("key") {
        return None;
    }
    // Names are looked up in storage, in a place as any other request has: on a disk that hangs, refusals take no threads that emergency stops need.
    let place = Arc::clone(&state.calls).try_acquire_owned().ok()?;
    let state = Arc::clone(state);
    let search = spawn_blocking(move || {
        let _place = place;
        key(&state.installation.engine, &parameters)
    });
    timeout(REFUSED_KEY_TIME, search).await.ok()?.ok()?
}

/// The key that the path names.
fn key(engine: &Engine, parameters: &Parameters) -> Option<KeyId> {
    let store = find_store(engine, parameters).ok()?;
    find_key(engine, store, parameters.get("key")?).ok()
}
