//! Policies of key stores, as they are read from the vault and put in force.
//!
//! Storage is read before anything is held that a stop needs: a disk that hangs keeps nobody in.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use super::VaultSource;
use crate::access::{AccessTable, HeldRow};
use crate::cache::StorePolicy;
use crate::emergency::UnwrittenStop;
use crate::error::Error;
use crate::key::id::{AccessRowId, StoreId};
use crate::limits::SCAN_PAGE_RECORDS;
use crate::record::{AccessRow, AuthorityRecord, KeyStoreRecord, StoreState, address};

/// In which order policies are put in force.
#[derive(Default)]
pub(super) struct Publishing {
    /// Numbers the policies that are put in force.
    generations: AtomicU64,
    /// Numbers the reads of records, as they begin.
    reads: AtomicU64,
    /// Of each store, the read whose policy is in force. Held while a policy is made and put in force, so that none comes after a later one; never while storage is read.
    published: Mutex<BTreeMap<StoreId, u64>>,
}

/// What records say of a key store.
struct StoreRecords {
    store: KeyStoreRecord,
    authority: AuthorityRecord,
    rows: Vec<Arc<HeldRow>>,
}

impl VaultSource {
    /// Puts the policy of a store in force as its records say, unless that of a later read is. A store whose records cannot be read lets nobody in.
    pub(crate) fn refresh_store(&self, id: StoreId) {
        let number = self.publishing.reads.fetch_add(1, Ordering::SeqCst);
        let read = self.read_store(id);
        let mut published = self.publishing.published.lock();
        if published.get(&id).is_some_and(|published| *published > number) {
            return;
        }
        published.insert(id, number);
        match read {
            Ok(records) => {
                self.stores.publish(id, self.policy(id, records));
            }
            Err(error) => {
                tracing::error!(store = %id, %error, "a key store cannot be read: it lets nobody in");
                if let Some(slot) = self.stores.by_id(id) {
                    let name = slot.policy().name.clone();
                    let generation = self.next_generation();
                    self.stores.publish(id, StorePolicy::closed(name, generation));
                }
            }
        }
    }

    /// As [`VaultSource::refresh_store`] for every store that there is.
    ///
    /// # Errors
    /// [`Error::Storage`], [`Error::Damaged`], [`Error::SystemKeyMissing`]: the list of the stores cannot be read.
    pub(crate) fn refresh_stores(&self) -> Result<(), Error> {
        let mut after = None;
        loop {
            let page = self.vault.scan::<KeyStoreRecord>(&address::key_stores(), after.as_ref(), SCAN_PAGE_RECORDS)?;
            for (_, store) in &page {
                self.refresh_store(store.id);
            }
            match page.into_iter().next_back() {
                Some((last, _)) => after = Some(last),
                None => return Ok(()),
            }
        }
    }

    /// Puts what is stopped of a store in force, whatever storage says of it, and even if that cannot be read.
    pub(crate) fn stop_in_memory(&self, id: StoreId) {
        let _published = self.publishing.published.lock();
        let Some(slot) = self.stores.by_id(id) else { return };
        let mut policy = StorePolicy::clone(&slot.policy());
        if self.stops.has(UnwrittenStop::Store(id)) {
            (policy.state, policy.open_public_keys) = (StoreState::Disabled, false);
        }
        policy.access = Arc::new(self.table(id, policy.access.rows().to_vec()));
        policy.generation = self.next_generation();
        self.stores.publish(id, policy);
    }

    /// Counts the policies that were put in force: a number that is the same as before says that nothing has changed.
    pub(crate) fn generation(&self) -> u64 {
        self.publishing.generations.load(Ordering::SeqCst)
    }

    /// The rows of the authentication data of a store, in the order of their ids. One that cannot be read lets nobody in: it is logged, and left out.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub(crate) fn read_access_rows(&self, store: StoreId) -> Result<Vec<AccessRow>, Error> {
        let mut rows = Vec::new();
        let mut after = None;
        loop {
            let prefix = address::access_rows(store);
            let page = self.vault.storage().scan(&prefix, after.as_ref(), SCAN_PAGE_RECORDS)?;
            for (place, found) in &page {
                match self.vault.open::<AccessRow>(place, &found.value) {
                    Ok(row) if address::access_row(row.store, row.id) == *place => rows.push(row),
                    Ok(_) => {
                        tracing::error!(%store, %place, "authentication data stand in a wrong place: they let nobody in")
                    }
                    Err(error) => {
                        tracing::error!(%store, %error, "authentication data cannot be read: they let nobody in")
                    }
                }
            }
            match page.into_iter().next_back() {
                Some((last, _)) => after = Some(last),
                None => return Ok(rows),
            }
        }
    }

    /// When a row was last used, in milliseconds since 1970, if it was.
    pub(crate) fn last_use_of(&self, id: AccessRowId) -> Option<u64> {
        let last_ms = self.access_uses.of(&self.vault, id).load(Ordering::Relaxed);
        (last_ms > 0).then_some(last_ms)
    }

    fn read_store(&self, id: StoreId) -> Result<StoreRecords, Error> {
        let missing = || Error::KeyStoreNotFound(id);
        let (store, _) = self.vault.read::<KeyStoreRecord>(&address::key_store(id))?.ok_or_else(missing)?;
        let (authority, _) = self.vault.read::<AuthorityRecord>(&address::authority(id))?.ok_or_else(missing)?;
        let rows = self.read_access_rows(id)?.into_iter();
        let held = rows.map(|row| {
            let last_use = self.access_uses.of(&self.vault, row.id);
            Arc::new(HeldRow::new(row, last_use))
        });
        Ok(StoreRecords { store, authority, rows: held.collect() })
    }

    /// What records come to, under what is stopped now.
    fn policy(&self, id: StoreId, records: StoreRecords) -> StorePolicy {
        let StoreRecords { store, authority, rows } = records;
        let KeyStoreRecord {
            name,
            methods,
            state,
            open_public_keys,
            declared_hardware_address,
            records_requests,
            quotas,
            ..
        } = store;
        let state = if self.stops.has(UnwrittenStop::Store(id)) { StoreState::Disabled } else { state };
        StorePolicy {
            name,
            methods: Some(methods),
            state,
            open_public_keys: open_public_keys && state == StoreState::Available,
            authority: authority.certificate.into(),
            access: Arc::new(self.table(id, rows)),
            declared_hardware_address,
            records_requests,
            quotas,
            generation: self.next_generation(),
        }
    }

    fn table(&self, store: StoreId, rows: Vec<Arc<HeldRow>>) -> AccessTable {
        let stopped = self.stops.rows_of(store);
        AccessTable::of(rows, |row| stopped.contains(&row))
    }

    fn next_generation(&self) -> u64 {
        self.publishing.generations.fetch_add(1, Ordering::SeqCst)
    }
}
