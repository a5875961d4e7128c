//! Stopping: a key store or a row of authentication data is disabled at once, even when nothing can be written.
//!
//! First it is in force in memory, then it is written. What could not be written stays in force until the process ends, and is written as soon as that can be done.

use std::collections::BTreeSet;

use parking_lot::Mutex;

use crate::engine::Engine;
use crate::error::Error;
use crate::key::id::{AccessRowId, StoreId};
use crate::key::state::KeyState;
use crate::ledger::Ledger;
use crate::limits::STOP_TRIES_MAX;
use crate::record::StoreState;

/// What is in force: nobody comes in by it any more.
#[derive(Debug)]
pub struct Stopped {
    /// Why it could not be written; `None` if it is durable. What is not durable is over when the process ends, unless it could be written before.
    pub not_durable: Option<Error>,
}

/// Something that is stopped, and could not be written yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum UnwrittenStop {
    /// A key store.
    Store(StoreId),
    /// A row of the authentication data of a key store.
    Row(StoreId, AccessRowId),
}

/// What is stopped in memory.
#[derive(Default)]
pub(crate) struct Stops(Mutex<BTreeSet<UnwrittenStop>>);

impl Stops {
    pub(crate) fn has(&self, stop: UnwrittenStop) -> bool {
        self.0.lock().contains(&stop)
    }

    /// The rows of a store that are.
    pub(crate) fn rows_of(&self, store: StoreId) -> BTreeSet<AccessRowId> {
        let of_store = |stop: &UnwrittenStop| match stop {
            UnwrittenStop::Row(of, row) if *of == store => Some(*row),
            UnwrittenStop::Row(..) | UnwrittenStop::Store(_) => None,
        };
        self.0.lock().iter().filter_map(of_store).collect()
    }

    fn all(&self) -> Vec<UnwrittenStop> {
        self.0.lock().iter().copied().collect()
    }

    fn insert(&self, stop: UnwrittenStop) {
        self.0.lock().insert(stop);
    }

    fn remove(&self, stop: UnwrittenStop) {
        self.0.lock().remove(&stop);
    }
}

impl UnwrittenStop {
    const fn store(self) -> StoreId {
        match self {
            Self::Store(store) | Self::Row(store, _) => store,
        }
    }
}

impl Engine {
    /// Disables a key store: it lets nobody in. In force when this returns, whether or not it could be written.
    ///
    /// # Errors
    /// [`Error::KeyStoreNotFound`].
    pub fn stop_store(&self, id: StoreId) -> Result<Stopped, Error> {
        self.store_by_id(id).ok_or(Error::KeyStoreNotFound(id))?;
        self.stop(UnwrittenStop::Store(id))
    }

    /// Disables a row of authentication data: nobody comes in by it any more. In force when this returns, whether or not it could be written.
    ///
    /// # Errors
    /// [`Error::KeyStoreNotFound`], [`Error::AccessRowNotFound`], [`Error::AccessStateWrong`] if its deletion is requested: then it lets nobody in already.
    pub fn stop_access(&self, store: StoreId, id: AccessRowId) -> Result<Stopped, Error> {
        let slot = self.store_by_id(store).ok_or(Error::KeyStoreNotFound(store))?;
        let policy = slot.policy();
        let held = policy.access.rows().iter().find(|held| held.row().id == id);
        let state = held.ok_or(Error::AccessRowNotFound(id))?.row().state;
        if state == KeyState::DeletionRequested {
            return Err(Error::AccessStateWrong { id, state, needed: "available or disabled" });
        }
        drop(policy);
        self.stop(UnwrittenStop::Row(store, id))
    }

    /// What is stopped and could not be written yet.
    #[must_use]
    pub fn unwritten_stops(&self) -> Vec<UnwrittenStop> {
        self.ledger.source.stops.all()
    }

    /// Whether something is stopped that could not be written yet.
    #[must_use]
    pub fn is_stop_unwritten(&self, stop: UnwrittenStop) -> bool {
        self.ledger.source.stops.has(stop)
    }

    fn stop(&self, stop: UnwrittenStop) -> Result<Stopped, Error> {
        if !self.ledger.makes_at_once() {
            // What is only tried, or waits for somebody, is no emergency.
            return self.ledger.write_stop(stop).map(|()| Stopped { not_durable: None });
        }
        let ledger = &self.ledger;
        ledger.source.stops.insert(stop);
        ledger.source.stop_in_memory(stop.store());
        ledger.epochs.wait_for_workers();
        self.waiters().store_changed(stop.store());
        Ok(Stopped { not_durable: ledger.write_stop(stop).err() })
    }
}

impl Ledger {
    /// Ends a stop that is not written, because it has been written now, or because what it was for is enabled.
    ///
    /// # Errors
    /// [`Error::Conflict`] if there is one, and the change after which it ends is not made at once.
    pub(crate) fn end_stop(&self, stop: UnwrittenStop) -> Result<(), Error> {
        if !self.source.stops.has(stop) {
            return Ok(());
        }
        if !self.makes_at_once() {
            return Err(Error::Conflict);
        }
        self.source.stops.remove(stop);
        self.source.refresh_store(stop.store());
        self.epochs.wait_for_workers();
        Ok(())
    }

    /// Writes what could not be written when it was stopped. What fails is logged.
    pub(crate) fn write_stops(&self) {
        for stop in self.source.stops.all() {
            match self.write_stop(stop) {
                Ok(()) => tracing::info!(?stop, "what was disabled in memory alone is written now"),
                Err(error) => {
                    tracing::error!(?stop, %error, "what is disabled in memory alone cannot be written: it is tried again in a minute");
                }
            }
        }
    }

    fn write_stop(&self, stop: UnwrittenStop) -> Result<(), Error> {
        let mut tries = 0;
        loop {
            tries += 1;
            let written = match stop {
                UnwrittenStop::Store(id) => self.write_store_state(id, StoreState::Disabled).map(|_| ()),
                UnwrittenStop::Row(store, id) => self.write_access_state(store, id, KeyState::Disabled).map(|_| ()),
            };
            match written {
                Err(Error::Conflict) if tries < STOP_TRIES_MAX => {}
                // Deleted meanwhile, or waiting for that: it lets nobody in.
                Ok(()) | Err(Error::AccessRowNotFound(_) | Error::AccessStateWrong { .. }) => break,
                Err(error) => return Err(error),
            }
        }
        self.end_stop(stop)
    }
}
