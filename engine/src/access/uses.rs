//! When rows of authentication data were last used: noted in memory, written each minute. Statistics: a kill loses the last minute.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::error::Error;
use crate::key::id::AccessRowId;
use crate::limits::WRITTEN_KEYS_MAX;
use crate::record::access::AccessUse;
use crate::record::address;
use crate::record::vault::Vault;

/// The last uses of all rows that are in memory.
#[derive(Default)]
pub(crate) struct AccessUses(Mutex<HashMap<AccessRowId, LastUse>>);

struct LastUse {
    last_ms: Arc<AtomicU64>,
    /// What storage has.
    written_ms: u64,
}

impl AccessUses {
    /// The last use of a row, in milliseconds since 1970; 0: never. What storage knows of it is read when it is asked for first.
    pub(crate) fn of(&self, vault: &Vault, id: AccessRowId) -> Arc<AtomicU64> {
        if let Some(known) = self.0.lock().get(&id) {
            return Arc::clone(&known.last_ms);
        }
        let written_ms = match vault.read::<AccessUse>(&address::access_use(id)) {
            Ok(found) => found.map_or(0, |(found, _)| found.last_ms),
            Err(error) => {
                tracing::error!(row = %id, %error, "when authentication data were last used cannot be read: it counts from now");
                0
            }
        };
        let new = || LastUse { last_ms: Arc::new(written_ms.into()), written_ms };
        Arc::clone(&self.0.lock().entry(id).or_insert_with(new).last_ms)
    }

    /// A row is gone: nothing is written of it any more.
    pub(crate) fn forget(&self, id: AccessRowId) {
        self.0.lock().remove(&id);
    }

    /// Writes what is not written yet.
    ///
    /// # Errors
    /// [`Error::Storage`]: it is tried again at the next call.
    pub(crate) fn write(&self, vault: &Vault) -> Result<(), Error> {
        let unwritten: Vec<_> = {
            let uses = self.0.lock();
            let last = uses.iter().map(|(id, used)| (*id, used.last_ms.load(Ordering::Relaxed), used.written_ms));
            last.filter(|(_, last_ms, written_ms)| last_ms > written_ms).map(|(id, last_ms, _)| (id, last_ms)).collect()
        };
        for some in unwritten.chunks(WRITTEN_KEYS_MAX) {
            let put = |(id, last_ms): &(AccessRowId, u64)| {
                vault.put(address::access_use(*id), &AccessUse { last_ms: *last_ms })
            };
            vault.transact(&[], &some.iter().map(put).collect::<Vec<_>>())?;
            let mut uses = self.0.lock();
            for (id, last_ms) in some {
                if let Some(used) = uses.get_mut(id) {
                    used.written_ms = *last_ms;
                }
            }
        }
        Ok(())
    }
}
