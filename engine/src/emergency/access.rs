//! A key store or a row of authentication data is disabled at once.

use std::sync::Arc;

use super::{Stopped, UnwrittenStop};
use crate::engine::Engine;
use crate::error::Error;
use crate::key::id::{AccessRowId, StoreId};
use crate::key::state::KeyState;

impl Engine {
    /// Disables a key store: it lets nobody in. In force when this returns, whether or not it could be written.
    ///
    /// # Errors
    /// [`Error::KeyStoreNotFound`].
    pub fn stop_store(&self, id: StoreId) -> Result<Stopped, Error> {
        self.store_by_id(id).ok_or(Error::KeyStoreNotFound(id))?;
        self.stop(id, UnwrittenStop::Store(id))
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
        self.stop(store, UnwrittenStop::Row(store, id))
    }

    fn stop(&self, store: StoreId, stop: UnwrittenStop) -> Result<Stopped, Error> {
        let ledger = &self.ledger;
        if !ledger.makes_at_once() || ledger.is_beside() {
            // What is only tried, or was waiting for somebody, is no emergency: what is not written, because it was taken back at the same moment, is not in force.
            let written = ledger.write_later_stop(stop);
            if written.as_ref().is_err_and(|error| !error.is_made()) {
                return written.map(|()| Stopped::of(Ok(())));
            }
            if ledger.makes_at_once() {
                self.waiters().store_changed(store);
            }
            return Ok(Stopped::of(written.map_err(Arc::new)));
        }
        let writing = ledger.source.stops.insert(stop, ledger.act(), None);
        ledger.source.stop_in_memory(store);
        ledger.epochs.wait_for_workers();
        self.waiters().store_changed(store);
        Ok(ledger.write_stop_in_time(stop, writing))
    }
}
