//! How stops come to be written, and how they end.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use super::{Locked, Stopped, UnwrittenStop};
use crate::error::Error;
use crate::key::state::KeyState;
use crate::ledger::Ledger;
use crate::limits::{STOP_TRIES_MAX, STOP_WRITTEN_WITHIN};
use crate::record::StoreState;

/// A stop that is being written: all who have ordered it wait for the same one.
#[derive(Default)]
pub(super) struct Writing {
    outcome: Mutex<Option<Result<(), Arc<Error>>>>,
    told: Condvar,
}

impl Writing {
    /// Tells what has become of it.
    fn tell(&self, outcome: Result<(), Arc<Error>>) {
        *self.outcome.lock() = Some(outcome);
        self.told.notify_all();
    }

    /// What has become of it.
    ///
    /// # Errors
    /// Why it is not written; [`Error::StopPending`] if that is not known in time.
    fn wait(&self, within: Duration) -> Result<(), Arc<Error>> {
        let mut outcome = self.outcome.lock();
        self.told.wait_while_for(&mut outcome, |outcome| outcome.is_none(), within);
        outcome.clone().unwrap_or_else(|| Err(Arc::new(Error::StopPending)))
    }
}

impl Ledger {
    /// Writes what could not be written when it was stopped, on behalf of whoever ordered it. What fails is logged.
    pub(crate) fn write_stops(&self) {
        for stop in self.source.stops.all() {
            match self.write_stop_as_ordered(stop) {
                Ok(()) => tracing::info!(?stop, "what was stopped in memory alone is written now"),
                Err(error) if error.is_made() => {
                    tracing::warn!(?stop, %error, "what was stopped in memory alone is written now");
                }
                Err(error) => {
                    tracing::error!(?stop, %error, "what is stopped in memory alone cannot be written: it is tried again in some seconds");
                }
            }
        }
    }

    /// Enables by `write` what a stop may be for, and ends the stop, if it was ordered before this.
    ///
    /// # Errors
    /// Those of `write`; [`Error::Conflict`] if it is stopped at the same time: then it stays so.
    pub(crate) fn enable<T>(&self, stop: UnwrittenStop, write: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
        let stops = &self.source.stops;
        if !self.makes_at_once() {
            self.settle_stop(stop)?;
            return once_made(write(), || self.refuse_stopped(stop));
        }
        let _writing = stops.begin_writing();
        let number = stops.number(stop);
        once_made(write(), || {
            if let Some(waiting) = stops.end_former(stop, number)? {
                self.follow_end_of(stop);
                tell(waiting, Err(Arc::new(Error::StopEnded)));
            }
            Ok(())
        })
    }

    /// Writes a stop that is in force, as far as the disks answer in time; what takes longer goes on. `begins`: whether nobody writes it yet.
    pub(super) fn write_stop_in_time(&self, stop: UnwrittenStop, (writing, begins): (Arc<Writing>, bool)) -> Stopped {
        if begins {
            let ledger = self.clone();
            // What comes of it too late, the log says.
            let writer = thread::Builder::new().name("write-stop".into()).spawn(move || ledger.write_stop(stop));
            if writer.is_err() {
                tell(self.source.stops.leave_writing(stop), Err(Arc::new(Error::Closed)));
            }
        }
        Stopped::of(writing.wait(STOP_WRITTEN_WITHIN))
    }

    /// Writes that something is stopped that is no emergency, and not in force until that is made. What is stopped in memory is ended by its own writer.
    ///
    /// # Errors
    /// [`Error::Conflict`] if it is not made at once, and stopped in memory at the same time; why it cannot be written.
    pub(super) fn write_later_stop(&self, stop: UnwrittenStop) -> Result<(), Error> {
        let written = self.put_stop(stop, None);
        if self.makes_at_once() { written } else { once_made(written, || self.refuse_stopped(stop)) }
    }

    /// Writes what is stopped in memory alone, if it is: so that a change that is only tried or made later, with others, builds on what is in force.
    fn settle_stop(&self, stop: UnwrittenStop) -> Result<(), Error> {
        match self.at_once().write_stop_as_ordered(stop) {
            Err(error) if error.is_made() => Ok(()),
            // Others who wait for it are told why.
            Err(error) => Err(Arc::into_inner(error).unwrap_or(Error::Conflict)),
            Ok(()) => Ok(()),
        }
    }

    /// Refuses a change that is not made at once after which a stop would end: somebody has ordered it just now.
    fn refuse_stopped(&self, stop: UnwrittenStop) -> Result<(), Error> {
        if self.source.stops.has(stop) { Err(Error::Conflict) } else { Ok(()) }
    }

    fn write_stop_as_ordered(&self, stop: UnwrittenStop) -> Result<(), Arc<Error>> {
        let Some(order) = self.source.stops.order(stop) else { return Ok(()) };
        self.on_behalf_of(order.act).write_stop(stop)
    }

    /// Writes a stop, if there is one, ends what it was in memory, and tells who waits for that.
    fn write_stop(&self, stop: UnwrittenStop) -> Result<(), Arc<Error>> {
        let stops = &self.source.stops;
        let _writing = stops.begin_writing();
        // Whoever has ended it has told that.
        let Some(order) = stops.order(stop) else { return Ok(()) };
        let written = self.put_stop(stop, order.locked).map_err(Arc::new);
        let waiting = match &written {
            Err(error) if !error.is_made() => stops.leave_writing(stop),
            _ => {
                let waiting = stops.end(stop);
                self.follow_end_of(stop);
                waiting
            }
        };
        tell(waiting, written.clone());
        written
    }

    /// Writes that something is stopped.
    fn put_stop(&self, stop: UnwrittenStop, locked: Option<Locked>) -> Result<(), Error> {
        let mut tries = 0;
        loop {
            tries += 1;
            let written = match stop {
                UnwrittenStop::Lock => self.write_lock(locked.clone().unwrap_or_default()),
                UnwrittenStop::Store(id) => self.write_store_state(id, StoreState::Disabled).map(drop),
                UnwrittenStop::Row(store, id) => self.write_access_state(store, id, KeyState::Disabled).map(drop),
            };
            match written {
                Err(Error::Conflict) if tries < STOP_TRIES_MAX => {}
                // Deleted meanwhile, or waiting for that: it lets nobody in.
                Err(Error::AccessRowNotFound(_) | Error::AccessStateWrong { .. }) => return Ok(()),
                written => return written,
            }
        }
    }

    /// Puts in force what storage says of what is not stopped in memory any more.
    fn follow_end_of(&self, stop: UnwrittenStop) {
        match stop {
            UnwrittenStop::Lock => self.source.refresh_lock(),
            UnwrittenStop::Store(store) | UnwrittenStop::Row(store, _) => self.source.refresh_store(store),
        }
        self.epochs.wait_for_workers();
    }
}

/// Does what comes after a change, if that was made, be it in the audit log yet or not; gives what came of the change.
///
/// # Errors
/// Those of `then`; those of the change.
pub(super) fn once_made<T>(made: Result<T, Error>, then: impl FnOnce() -> Result<(), Error>) -> Result<T, Error> {
    if made.as_ref().err().is_none_or(Error::is_made) {
        then()?;
    }
    made
}

fn tell(waiting: Option<Arc<Writing>>, outcome: Result<(), Arc<Error>>) {
    if let Some(waiting) = waiting {
        waiting.tell(outcome);
    }
}
