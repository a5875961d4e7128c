//! What the clock does with authentication data: it makes deletions that were requested.

use crate::error::Error;
use crate::key::id::{AccessRowId, StoreId};
use crate::ledger::Ledger;
use crate::record::address;
use crate::storage::{Compare, Write};

impl Ledger {
    /// Makes the deletions of rows whose wait is over by both clocks, and writes what was noted in memory. What fails is logged, and tried again at the next look.
    pub(crate) fn tend_access(&self) {
        self.write_stops();
        for (store, id) in self.due_access() {
            match self.delete_access_if_due(store, id) {
                Ok(false) | Err(Error::Conflict | Error::AccessRowNotFound(_)) => {}
                Ok(true) => {
                    tracing::info!(%store, row = %id, "the wait for their deletion is over: authentication data are deleted")
                }
                Err(error) => {
                    tracing::error!(%store, row = %id, %error, "authentication data cannot be deleted: it is tried again in a minute");
                }
            }
        }
        if let Err(error) = self.source.access_uses.write(self.vault()) {
            tracing::warn!(%error, "when authentication data were last used cannot be written: it is tried again in a minute");
        }
    }

    /// The rows whose deletion is due by the wall clock.
    fn due_access(&self) -> Vec<(StoreId, AccessRowId)> {
        let now_ms = self.clock.now_ms();
        let mut due = Vec::new();
        for store in self.source.stores.all() {
            let policy = store.policy();
            let rows = policy.access.rows().iter().map(|held| held.row());
            let over = rows.filter(|row| row.deletion.is_some_and(|deletion| now_ms >= deletion.deadline_ms));
            due.extend(over.map(|row| (row.store, row.id)));
        }
        due
    }

    fn delete_access_if_due(&self, store: StoreId, id: AccessRowId) -> Result<bool, Error> {
        let (row, revision) = self.read_access(store, id)?;
        let (now_ms, running_ms) = (self.clock.now_ms(), self.use_counts().running_ms());
        if !row.deletion.is_some_and(|deletion| deletion.is_due(now_ms, running_ms)) {
            return Ok(false);
        }
        let place = address::access_row(store, id);
        let writes = [place.clone(), address::access_use(id)].map(|address| Write::Delete { address });
        self.commit(&[Compare::unchanged(place, revision)], &writes)?;
        self.source.access_uses.forget(id);
        Ok(true)
    }
}
