//! The settings of a key store.

use crate::engine::Engine;
use crate::error::Error;
use crate::key::id::StoreId;
use crate::record::{KeyStoreRecord, address};
use crate::storage::Compare;

/// What is to be set of a key store; what is not said stays as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreSettings {
    /// How long deletions of its keys wait unless said otherwise: 24..=720 hours. Deletions that are requested already wait as long as was said then.
    pub deletion_wait_hours: Option<u16>,
    /// Whether public keys are given to clients that it does not admit, too.
    pub open_public_keys: Option<bool>,
}

impl Engine {
    /// Sets settings of a key store. When this returns, they are in force on every connection.
    ///
    /// # Errors
    /// [`Error::DeletionWait`], [`Error::KeyStoreNotFound`], [`Error::Conflict`], [`Error::Storage`]: nothing was set.
    pub fn set_store_settings(&self, id: StoreId, settings: StoreSettings) -> Result<KeyStoreRecord, Error> {
        let place = address::key_store(id);
        let (mut record, revision) = self.vault().read::<KeyStoreRecord>(&place)?.ok_or(Error::KeyStoreNotFound(id))?;
        if let Some(hours) = settings.deletion_wait_hours {
            record.deletion_wait_hours = hours;
        }
        if let Some(open) = settings.open_public_keys {
            record.open_public_keys = open;
        }
        if !record.is_consistent() {
            return Err(Error::DeletionWait);
        }
        // Written even where nothing is new: whoever made it so may still be waiting, and what is said here must be in force.
        let write = self.vault().put(place.clone(), &record);
        self.ledger.commit(&[Compare::unchanged(place, revision)], &[write])?;
        Ok(record)
    }
}
