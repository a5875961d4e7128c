//! What is stopped in memory, and how it comes to be written.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::thread;

use crossbeam_channel::bounded;
use parking_lot::Mutex;

use crate::act::Act;
use crate::audit::AuditError;
use crate::engine::Engine;
use crate::error::Error;
use crate::key::id::{AccessRowId, StoreId};
use crate::key::state::KeyState;
use crate::ledger::Ledger;
use crate::limits::{STOP_TRIES_MAX, STOP_WRITTEN_WITHIN};
use crate::record::StoreState;

/// What is in force: nobody comes in by it any more.
#[derive(Debug)]
pub struct Stopped {
    /// Why it could not be written; `None` if it is durable. What is not durable is over when the process ends, unless it could be written before.
    pub not_durable: Option<Error>,
    /// It is durable, and why its record is not in the audit log yet: it is kept beside the data, and goes there as soon as it can.
    pub not_logged: Option<Error>,
}

/// Something that is stopped, and could not be written yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum UnwrittenStop {
    /// Everything: the daemon is locked.
    Lock,
    /// A key store.
    Store(StoreId),
    /// A row of the authentication data of a key store.
    Row(StoreId, AccessRowId),
}

/// What is stopped in memory, and who has ordered it.
#[derive(Default)]
pub(crate) struct Stops(Mutex<BTreeMap<UnwrittenStop, Arc<Act>>>);

impl Stops {
    pub(crate) fn has(&self, stop: UnwrittenStop) -> bool {
        self.0.lock().contains_key(&stop)
    }

    /// The rows of a store that are.
    pub(crate) fn rows_of(&self, store: StoreId) -> BTreeSet<AccessRowId> {
        let of_store = |stop: &UnwrittenStop| match stop {
            UnwrittenStop::Row(of, row) if *of == store => Some(*row),
            UnwrittenStop::Row(..) | UnwrittenStop::Store(_) | UnwrittenStop::Lock => None,
        };
        self.0.lock().keys().filter_map(of_store).collect()
    }

    /// Of two who order the same, the first is told of.
    pub(super) fn insert(&self, stop: UnwrittenStop, act: &Act) {
        // What the actor may do was decided: nothing of it is asked again when it is written later.
        let by = Act { guards: Vec::new(), expected: None, ..act.clone() };
        self.0.lock().entry(stop).or_insert_with(|| Arc::new(by));
    }

    pub(super) fn remove(&self, stop: UnwrittenStop) {
        self.0.lock().remove(&stop);
    }

    fn all(&self) -> Vec<(UnwrittenStop, Arc<Act>)> {
        self.0.lock().iter().map(|(stop, act)| (*stop, Arc::clone(act))).collect()
    }
}

impl Stopped {
    /// What became of writing it.
    pub(super) fn of(written: Result<(), Error>) -> Self {
        match written {
            Err(error) if is_made(&error) => Self { not_durable: None, not_logged: Some(error) },
            written => Self { not_durable: written.err(), not_logged: None },
        }
    }
}

impl Engine {
    /// What is stopped and could not be written yet.
    #[must_use]
    pub fn unwritten_stops(&self) -> Vec<UnwrittenStop> {
        self.ledger.source.stops.all().into_iter().map(|(stop, _)| stop).collect()
    }

    /// Whether something is stopped that could not be written yet.
    #[must_use]
    pub fn is_stop_unwritten(&self, stop: UnwrittenStop) -> bool {
        self.ledger.source.stops.has(stop)
    }

    /// Writes what could not be written when it was stopped, as a thread of the engine does every few seconds; gives what is left. Blocks.
    pub fn write_stops(&self) -> Vec<UnwrittenStop> {
        self.ledger.write_stops();
        self.unwritten_stops()
    }
}

impl Ledger {
    /// Writes what could not be written when it was stopped, on behalf of whoever ordered it. What fails is logged.
    pub(crate) fn write_stops(&self) {
        for (stop, act) in self.source.stops.all() {
            match self.on_behalf_of(act).write_stop(stop) {
                Ok(()) => tracing::info!(?stop, "what was stopped in memory alone is written now"),
                Err(error) if is_made(&error) => {
                    tracing::warn!(?stop, %error, "what was stopped in memory alone is written now");
                }
                Err(error) => {
                    tracing::error!(?stop, %error, "what is stopped in memory alone cannot be written: it is tried again in some seconds");
                }
            }
        }
    }

    /// Writes what is stopped in memory alone, if it is: so that a change that is only tried or made later, with others, builds on what is in force.
    ///
    /// # Errors
    /// Why it cannot be written.
    pub(crate) fn settle_stop(&self, stop: UnwrittenStop) -> Result<(), Error> {
        if self.makes_at_once() || !self.source.stops.has(stop) {
            return Ok(());
        }
        let found = self.source.stops.all().into_iter().find(|(found, _)| *found == stop);
        match found.map_or(Ok(()), |(_, act)| self.at_once().on_behalf_of(act).write_stop(stop)) {
            Err(error) if is_made(&error) => Ok(()),
            written => written,
        }
    }

    /// Ends a stop that is not written, because it has been written now, or because what it was for is enabled.
    ///
    /// # Errors
    /// [`Error::Conflict`] if there is one, and the change after which it ends is not made at once: somebody has ordered it just now.
    pub(crate) fn end_stop(&self, stop: UnwrittenStop) -> Result<(), Error> {
        if !self.source.stops.has(stop) {
            return Ok(());
        }
        if !self.makes_at_once() {
            return Err(Error::Conflict);
        }
        self.source.stops.remove(stop);
        match stop {
            UnwrittenStop::Lock => self.source.refresh_lock(),
            UnwrittenStop::Store(store) | UnwrittenStop::Row(store, _) => self.source.refresh_store(store),
        }
        self.epochs.wait_for_workers();
        Ok(())
    }

    /// Writes a stop that is in force, as far as the disks answer in time; what takes longer goes on.
    pub(super) fn write_stop_in_time(&self, stop: UnwrittenStop) -> Stopped {
        let (written, answer) = bounded(1);
        let ledger = self.clone();
        let writer = thread::Builder::new().name("write-stop".into()).spawn(move || {
            // Gone if it came too late: then the log says what became of it.
            let _late = written.send(ledger.write_stop(stop));
        });
        Stopped::of(match writer {
            Ok(_) => answer.recv_timeout(STOP_WRITTEN_WITHIN).unwrap_or(Err(Error::StopPending)),
            Err(_) => Err(Error::Closed),
        })
    }

    /// Writes a stop, and ends what it was in memory.
    pub(super) fn write_stop(&self, stop: UnwrittenStop) -> Result<(), Error> {
        let is_in_memory = self.source.stops.has(stop);
        // Others may have written it meanwhile, and somebody ended it: then it is not written once more.
        let is_wanted = || !is_in_memory || self.source.stops.has(stop);
        let mut tries = 0;
        while is_wanted() {
            tries += 1;
            let written = match stop {
                UnwrittenStop::Lock => self.write_lock(),
                UnwrittenStop::Store(id) => self.write_store_state(id, StoreState::Disabled, is_wanted).map(drop),
                UnwrittenStop::Row(store, id) => {
                    self.write_access_state(store, id, KeyState::Disabled, is_wanted).map(drop)
                }
            };
            match written {
                Err(Error::Conflict) if tries < STOP_TRIES_MAX => {}
                // Deleted meanwhile, or waiting for that: it lets nobody in.
                Ok(()) | Err(Error::AccessRowNotFound(_) | Error::AccessStateWrong { .. }) => {
                    return self.end_stop(stop);
                }
                Err(error) if is_made(&error) => {
                    self.end_stop(stop)?;
                    return Err(error);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Whether it says that a change was made, and is not in the audit log yet.
const fn is_made(error: &Error) -> bool {
    matches!(error, Error::Audit(AuditError::NotYetLogged(_)))
}
