//! What comes back to a byte stream from other threads.

use std::mem;
use std::sync::Arc;
use std::task::{Wake, Waker};
use std::vec;

use claviger_algorithm::Algorithm;
use claviger_engine::key::id::{KeyId, StoreId};
use claviger_engine::key::name::Name;
use claviger_engine::{Error, KeyRecord, LoadError};
use claviger_protocol::Status;
use parking_lot::Mutex;
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
pub(super) struct Completions(Arc<Queue>);

struct Queue {
    told: mpsc::UnboundedSender<Vec<Completion>>,
    /// Those of which nobody was told yet.
    untold: Mutex<Vec<Completion>>,
}

/// Where a byte stream takes them up.
pub(super) struct Completed {
    /// Each a vector of its own: the queue has room for 32 from the start, and most byte streams never need one.
    told: mpsc::UnboundedReceiver<Vec<Completion>>,
    /// The rest of those that came last.
    rest: vec::IntoIter<Completion>,
}

impl Completions {
    /// Both ends.
    pub(super) fn channel() -> (Self, Completed) {
        let (told, receiver) = mpsc::unbounded_channel();
        let queue = Queue { told, untold: Mutex::default() };
        (Self(Arc::new(queue)), Completed { told: receiver, rest: Vec::new().into_iter() })
    }

    /// Hands a completion over. If the byte stream has ended, nobody wants it.
    pub(super) fn send(&self, completion: Completion) {
        let _ = self.0.told.send(vec![completion]);
    }

    /// As [`Completions::send`], but the byte stream is told of it by the waker, with whatever else it has not been told of by then.
    pub(super) fn send_untold(&self, completion: Completion) -> Waker {
        self.0.untold.lock().push(completion);
        Waker::from(Arc::clone(&self.0))
    }

    /// Whether the byte stream has ended.
    pub(super) fn is_closed(&self) -> bool {
        self.0.told.is_closed()
    }
}

impl Wake for Queue {
    fn wake(self: Arc<Self>) {
        let untold = mem::take(&mut *self.untold.lock());
        if !untold.is_empty() {
            let _ = self.told.send(untold);
        }
    }
}

impl Completed {
    /// Waits for a completion; `None` if none can come. May be cancelled at any time without losing one.
    pub(super) async fn recv(&mut self) -> Option<Completion> {
        loop {
            if let Some(completion) = self.next_of_rest() {
                return Some(completion);
            }
            self.rest = self.told.recv().await?.into_iter();
        }
    }

    /// A completion that is there.
    pub(super) fn try_recv(&mut self) -> Option<Completion> {
        loop {
            if let Some(completion) = self.next_of_rest() {
                return Some(completion);
            }
            self.rest = self.told.try_recv().ok()?.into_iter();
        }
    }

    /// As [`Completed::recv`], for a thread that waits.
    pub(super) fn blocking_recv(&mut self) -> Option<Completion> {
        self.try_recv().or_else(|| {
            self.rest = self.told.blocking_recv()?.into_iter();
            self.next_of_rest()
        })
    }

    /// With the last of the rest its memory goes, too: a byte stream that rests keeps none.
    fn next_of_rest(&mut self) -> Option<Completion> {
        let next = self.rest.next();
        if self.rest.as_slice().is_empty() {
            self.rest = Vec::new().into_iter();
        }
        next
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

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(completed: &mut Completed) -> Vec<u64> {
        let ready = std::iter::from_fn(|| completed.try_recv());
        ready.map(|completion| if let Completion::Changed(number) = completion { number } else { 0 }).collect()
    }

    // R-P4
    #[tokio::test]
    async fn what_a_byte_stream_is_not_told_of_comes_with_the_waker_all_at_once_and_in_order() {
        let (completions, mut completed) = Completions::channel();
        let wakers = [1, 2].map(|number| completions.send_untold(Completion::Changed(number)));
        assert!(wakers[0].will_wake(&wakers[1]));
        assert!(completed.try_recv().is_none(), "nobody has told");
        wakers.into_iter().for_each(Waker::wake);
        assert_eq!(completed.told.len(), 1, "the second waker had nothing to tell");
        assert!(matches!(completed.recv().await, Some(Completion::Changed(1))));
        completions.send(Completion::Changed(3));
        // What was told at once is not lost when only the first of it is taken.
        assert_eq!(numbers(&mut completed), [2, 3]);
    }

    #[tokio::test]
    async fn a_byte_stream_that_has_ended_is_told_nothing() {
        let (completions, completed) = Completions::channel();
        let waker = completions.send_untold(Completion::Changed(1));
        drop(completed);
        assert!(completions.is_closed());
        waker.wake();
        completions.send(Completion::Changed(2));
    }

    #[test]
    fn nothing_comes_any_more_when_nobody_is_left_to_send() {
        let (completions, mut completed) = Completions::channel();
        completions.send(Completion::Changed(1));
        drop(completions);
        assert!(matches!(completed.blocking_recv(), Some(Completion::Changed(1))));
        assert!(completed.blocking_recv().is_none());
    }
}
