//! Watching: a bounded log of recent changes that any number of watches follow, each at its own pace.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::{Address, Revision, Write};

/// One change: a transaction that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The revision of the transaction.
    pub revision: Revision,
    /// The addresses it wrote, in the order of its writes. Their values are read with `get`.
    pub addresses: Vec<Address>,
}

impl Change {
    /// The change that a transaction of `writes` makes.
    pub(super) fn of(revision: Revision, writes: &[Write]) -> Self {
        Self { revision, addresses: writes.iter().map(|write| write.address().clone()).collect() }
    }
}

/// Why a watch ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WatchError {
    /// Changes were missed: the follower fell further behind than the retained log.
    #[error(
        "this watch fell behind the retained changes: start a new watch at the current revision and read everything again"
    )]
    Behind,
    /// The storage was closed; every change before that has been shown.
    #[error("the storage was closed")]
    Closed,
    /// The watch was stopped by its [`WatchStopper`].
    #[error("the watch was stopped")]
    Stopped,
}

/// Follows the changes of a storage, in order and without a gap. Holds nothing but its position.
pub struct Watch {
    log: Arc<ChangeLog>,
    /// Everything up to here has been shown.
    seen: Revision,
    stopped: Arc<AtomicBool>,
}

/// Ends one watch from another thread, whatever it is doing.
#[derive(Clone)]
pub struct WatchStopper {
    log: Arc<ChangeLog>,
    stopped: Arc<AtomicBool>,
}

impl Watch {
    /// What ends this watch from another thread.
    pub fn stopper(&self) -> WatchStopper {
        WatchStopper { log: Arc::clone(&self.log), stopped: Arc::clone(&self.stopped) }
    }

    /// Waits for the next change.
    ///
    /// # Errors
    /// [`WatchError::Behind`] from now on if changes were missed; [`WatchError::Closed`] after the last change;
    /// [`WatchError::Stopped`] as soon as it was stopped.
    #[expect(clippy::should_implement_trait, reason = "a watch ends with an error that matters, not with an end")]
    pub fn next(&mut self) -> Result<Change, WatchError> {
        let log = Arc::clone(&self.log);
        let mut state = log.state.lock();
        loop {
            if let Some(change) = self.advance(&state)? {
                return Ok(change);
            }
            log.news.wait(&mut state);
        }
    }

    /// Waits for the next change, but not longer than `timeout`; `None` if there was none.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub fn next_timeout(&mut self, timeout: Duration) -> Result<Option<Change>, WatchError> {
        // A timeout beyond what the clock can express is no timeout that anybody lives to see.
        let Some(deadline) = Instant::now().checked_add(timeout) else { return self.next().map(Some) };
        let log = Arc::clone(&self.log);
        let mut state = log.state.lock();
        loop {
            if let Some(change) = self.advance(&state)? {
                return Ok(Some(change));
            }
            if log.news.wait_until(&mut state, deadline).timed_out() {
                return self.advance(&state);
            }
        }
    }

    fn advance(&mut self, state: &LogState) -> Result<Option<Change>, WatchError> {
        if self.stopped.load(Ordering::Relaxed) {
            return Err(WatchError::Stopped);
        }
        let Some(change) = state.after(self.seen)? else { return Ok(None) };
        self.seen = change.revision;
        Ok(Some(change.clone()))
    }
}

impl WatchStopper {
    /// Ends the watch: it shows no further change, and whoever waits for one is woken.
    pub fn stop(&self) {
        // Under the lock that the watch waits with, which also orders the flag: it sees the flag or hears the call.
        let _state = self.log.state.lock();
        self.stopped.store(true, Ordering::Relaxed);
        self.log.news.notify_all();
    }
}

/// The changes of the last while, oldest first. One per storage, shared with its watches.
pub(super) struct ChangeLog {
    state: Mutex<LogState>,
    news: Condvar,
    /// Most bytes of addresses that are retained.
    size_max: usize,
}

struct LogState {
    changes: VecDeque<Change>,
    /// Cost of `changes`, in bytes.
    size: usize,
    /// Changes up to here are no longer, or never were, in `changes`.
    forgotten: Revision,
    /// The last change; equal to `forgotten` if `changes` is empty.
    last: Revision,
    closed: bool,
}

impl ChangeLog {
    /// An empty log of a storage whose last change was `last`, retaining about `size_max` bytes.
    pub(super) fn new(last: Revision, size_max: usize) -> Arc<Self> {
        let state = LogState { changes: VecDeque::new(), size: 0, forgotten: last, last, closed: false };
        Arc::new(Self { state: Mutex::new(state), news: Condvar::new(), size_max })
    }

    /// Adds changes that can already be read, in the order of their revisions, and forgets the oldest beyond the bound.
    pub(super) fn publish(&self, changes: impl IntoIterator<Item = Change>) {
        let mut state = self.state.lock();
        for change in changes {
            state.last = change.revision;
            state.size += cost(&change);
            state.changes.push_back(change);
        }
        while state.size > self.size_max {
            let Some(oldest) = state.changes.pop_front() else { break };
            state.size -= cost(&oldest);
            state.forgotten = oldest.revision;
        }
        drop(state);
        self.news.notify_all();
    }

    /// Starts a watch after `from`.
    pub(super) fn watch(self: &Arc<Self>, from: Revision) -> Result<Watch, WatchError> {
        let state = self.state.lock();
        // A follower that has seen more than there is followed another history.
        if from > state.last {
            return Err(WatchError::Behind);
        }
        state.after(from)?;
        drop(state);
        Ok(Watch { log: Arc::clone(self), seen: from, stopped: Arc::default() })
    }

    /// The revision of the last change.
    pub(super) fn last(&self) -> Revision {
        self.state.lock().last
    }

    /// Ends all watches once they have shown what is retained.
    pub(super) fn close(&self) {
        self.state.lock().closed = true;
        self.news.notify_all();
    }
}

impl LogState {
    /// The first change after `seen`, if there is one yet.
    fn after(&self, seen: Revision) -> Result<Option<&Change>, WatchError> {
        if seen < self.forgotten {
            return Err(WatchError::Behind);
        }
        // Not an index from the difference of revisions: a storage may skip some.
        let position = self.changes.partition_point(|change| change.revision <= seen);
        match self.changes.get(position) {
            None if self.closed => Err(WatchError::Closed),
            change => Ok(change),
        }
    }
}

/// Bytes that a retained change counts for: its keys, and their bookkeeping.
fn cost(change: &Change) -> usize {
    let keys: usize = change.addresses.iter().map(|address| size_of::<Address>() + address.key.len()).sum();
    size_of::<Change>() + keys
}
