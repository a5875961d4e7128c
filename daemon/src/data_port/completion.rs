//! What comes back to a byte stream from other threads.

use std::sync::Arc;

use claviger_algorithm::Algorithm;
use claviger_engine::key::id::{KeyId, StoreId};
use claviger_engine::key::name::Name;
use claviger_engine::{Error, KeyRecord, LoadError};
use claviger_protocol::Status;
use tokio::sync::mpsc;

use super::lane_task::LaneTask;
use super::request::{Incoming, Waiting};
use super::room::Room;

/// Work that has ended elsewhere.
pub(super) enum Completion {
    /// A key that a request waited for is in memory, held by the request; or it cannot be.
    Loaded(Waiting, Result<(), LoadError>),
    /// All pieces of a batch have ended.
    Worked(Arc<LaneTask>),
    /// The description of a key was read; with the room that it takes.
    Described(Incoming, Result<Box<KeyRecord>, Error>, Room),
    /// Names of keys in a store were looked up.
    Resolved(Incoming, StoreId, NamesFound),
    /// The secret that a wait of this number is for has changed, or who may read it.
    Changed(u64),
    /// The work was not taken, or was broken off.
    Failed(Incoming, Status),
}

impl Completion {
    /// The request, unless it is one of those that the byte stream holds itself.
    pub(super) fn request(&self) -> Option<&Incoming> {
        match self {
            Self::Loaded(waiting, _) => Some(&waiting.request),
            Self::Worked(task) => Some(task.request()),
            Self::Described(request, ..) | Self::Resolved(request, ..) | Self::Failed(request, _) => Some(request),
            Self::Changed(_) => None,
        }
    }
}

/// Names of keys, and what they were found to stand for.
pub(super) struct NamesFound {
    /// The names; nothing for what is none.
    pub(super) names: Vec<Option<Name>>,
    /// How often aliases had been changed before the first of them was looked up.
    pub(super) alias_changes: u64,
    /// One entry for each.
    pub(super) keys: Result<Vec<Option<NamedKey>>, Error>,
    /// The room that all of it takes.
    pub(super) _room: Room,
}

/// What a client is told of a key that it has named.
pub(super) struct NamedKey {
    pub(super) id: KeyId,
    pub(super) store: StoreId,
    pub(super) algorithm: Algorithm,
}

/// Where completions are sent to. As many are under way as the byte stream has requests in flight, which is bounded.
#[derive(Clone)]
pub(super) struct Completions(mpsc::UnboundedSender<Box<Completion>>);

/// Where a byte stream takes them up. Each is a box of its own: the queue has room for 32 from the start, and most byte streams never need one.
pub(super) type Completed = mpsc::UnboundedReceiver<Box<Completion>>;

impl Completions {
    /// Both ends.
    pub(super) fn channel() -> (Self, Completed) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self(sender), receiver)
    }

    /// Hands a completion over. If the byte stream has ended, nobody wants it.
    pub(super) fn send(&self, completion: Completion) {
        let _ = self.0.send(Box::new(completion));
    }

    /// Whether the byte stream has ended.
    pub(super) fn is_closed(&self) -> bool {
        self.0.is_closed()
    }
}

/// The duty to complete a request. Dropping it says that the work was broken off, so that no request waits for ever.
pub(super) struct Promise {
    completions: Completions,
    request: Option<Incoming>,
}

impl Promise {
    pub(super) const fn new(completions: Completions, request: Incoming) -> Self {
        Self { completions, request: Some(request) }
    }

    /// The promise, if somebody waits for it, in time; if not, it is kept by saying so.
    pub(super) fn if_wanted(self) -> Option<Self> {
        let is_late = self.request.as_ref().is_none_or(Incoming::is_late);
        if is_late || self.completions.is_closed() {
            self.keep(|request| Completion::Failed(request, Status::DeadlineExceeded));
            return None;
        }
        Some(self)
    }

    /// Something of the work is done.
    pub(super) const fn begin(&mut self) {
        if let Some(request) = &mut self.request {
            request.has_begun = true;
        }
    }

    /// Completes the request.
    pub(super) fn keep(mut self, completion: impl FnOnce(Incoming) -> Completion) {
        if let Some(request) = self.request.take() {
            self.completions.send(completion(request));
        }
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        if let Some(request) = self.request.take() {
            self.completions.send(Completion::Failed(request, Status::Overloaded));
        }
    }
}
