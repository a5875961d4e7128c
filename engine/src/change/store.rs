//! The settings of a key store.

use crate::engine::Engine;
use crate::error::Error;
use crate::key::id::StoreId;
use crate::record::{KeyStoreRecord, Quota};

/// What is to be set of a key store; what is not said stays as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreSettings {
    /// How long deletions of its keys wait unless said otherwise: 24..=720 hours. Deletions that are requested already wait as long as was said then.
    pub deletion_wait_hours: Option<u16>,
    /// Whether public keys are given to clients that it does not admit, too.
    pub open_public_keys: Option<bool>,
    /// Whether the hardware address that a client says it has counts where the server sees none: weak.
    pub declared_hardware_address: Option<bool>,
    /// Whether each request of a client is recorded in the audit log.
    pub records_requests: Option<bool>,
    /// How much work all its clients together may have done: a quota, or none any more.
    pub quota: Option<Option<Quota>>,
    /// How much work each client may have done: a quota, or none any more.
    pub client_quota: Option<Option<Quota>>,
}

impl Engine {
    /// Sets settings of a key store. When this returns, they are in force on every connection.
    ///
    /// # Errors
    /// [`Error::DeletionWait`], [`Error::KeyStoreNotFound`], [`Error::Conflict`], [`Error::Storage`]: nothing was set.
    pub fn set_store_settings(&self, id: StoreId, settings: StoreSettings) -> Result<KeyStoreRecord, Error> {
        self.ledger.change_store(id, |record| {
            if let Some(hours) = settings.deletion_wait_hours {
                record.deletion_wait_hours = hours;
            }
            if let Some(open) = settings.open_public_keys {
                record.open_public_keys = open;
            }
            if let Some(counts) = settings.declared_hardware_address {
                record.declared_hardware_address = counts;
            }
            if let Some(records) = settings.records_requests {
                record.records_requests = records;
            }
            if let Some(quota) = settings.quota {
                record.quotas.store = quota;
            }
            if let Some(quota) = settings.client_quota {
                record.quotas.client = quota;
            }
            if record.is_consistent() { Ok(()) } else { Err(Error::DeletionWait) }
        })
    }
}
