//! Keys and key stores as they are read from the vault: records into cache entries.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use claviger_algorithm::{KeyKind, Operation};
use parking_lot::Mutex;

use crate::cache::{EntryVersion, KeyEntry, KeySource, PreparedKey, StorePolicy, StoreSlot, Stores, Uses};
use crate::crypto::mac::MacKey;
use crate::crypto::oaep::DecryptingKey;
use crate::crypto::signature::SigningKey;
use crate::crypto::symmetric::SymmetricKey;
use crate::error::Error;
use crate::key::id::{KeyId, StoreId};
use crate::key::material::{KeyMaterial, MaterialError, SecretBytes};
use crate::key::state::VersionState;
use crate::limits::SCAN_PAGE_RECORDS;
use crate::record::key_version::KeyVersionRecord;
use crate::record::vault::Vault;
use crate::record::{AuthorityRecord, KeyRecord, KeyStoreRecord, address};
use crate::usage::UseCounts;

/// Reads from a vault; gives each key the place of its store.
pub(crate) struct VaultSource {
    pub(crate) vault: Arc<Vault>,
    pub(crate) stores: Arc<Stores>,
    pub(crate) use_counts: Arc<UseCounts>,
    /// Numbers the policies that are put in force.
    generations: AtomicU64,
    /// Keys with nearly as many versions as a key may have, of those that were read to be used, or changed.
    near_version_limit: Mutex<BTreeSet<KeyId>>,
}

impl VaultSource {
    pub(crate) const fn new(vault: Arc<Vault>, stores: Arc<Stores>, use_counts: Arc<UseCounts>) -> Self {
        Self {
            vault,
            stores,
            use_counts,
            generations: AtomicU64::new(0),
            near_version_limit: Mutex::new(BTreeSet::new()),
        }
    }

    /// Remembers whether a key has nearly as many versions as a key may have.
    pub(crate) fn note_versions(&self, record: &KeyRecord) {
        let mut near = self.near_version_limit.lock();
        if record.is_near_version_limit() {
            near.insert(record.id);
        } else {
            near.remove(&record.id);
        }
    }

    /// The keys that [`VaultSource::note_versions`] remembers.
    pub(crate) fn near_version_limit(&self) -> Vec<KeyId> {
        self.near_version_limit.lock().iter().copied().collect()
    }

    /// Puts the policy of a store in force as its records say. A store whose records cannot be read lets nobody in.
    pub(crate) fn refresh_store(&self, id: StoreId) {
        match self.policy(id) {
            Ok(policy) => {
                self.stores.publish(id, policy);
            }
            Err(error) => {
                tracing::error!(store = %id, %error, "a key store cannot be read: it lets nobody in");
                if let Some(slot) = self.stores.by_id(id) {
                    let name = slot.policy().name.clone();
                    let generation = self.next_generation();
                    self.stores.publish(id, StorePolicy { name, methods: None, authority: Vec::new(), generation });
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

    fn policy(&self, id: StoreId) -> Result<StorePolicy, Error> {
        let missing = || Error::KeyStoreNotFound(id);
        let (store, _) = self.vault.read::<KeyStoreRecord>(&address::key_store(id))?.ok_or_else(missing)?;
        let (authority, _) = self.vault.read::<AuthorityRecord>(&address::authority(id))?.ok_or_else(missing)?;
        let generation = self.next_generation();
        Ok(StorePolicy { name: store.name, methods: Some(store.methods), authority: authority.certificate, generation })
    }

    fn next_generation(&self) -> u64 {
        self.generations.fetch_add(1, Ordering::Relaxed)
    }

    fn store_of(&self, record: &KeyRecord) -> Result<Arc<StoreSlot>, Error> {
        self.stores.by_id(record.store).ok_or(Error::KeyStoreNotFound(record.store))
    }

    fn version(&self, record: &KeyRecord, summary: &crate::record::VersionSummary) -> Result<EntryVersion, Error> {
        let place = address::key_version(record.id, summary.version);
        let damaged = || Error::Damaged(place.to_string());
        let (stored, _) = self.vault.read::<KeyVersionRecord>(&place)?.ok_or_else(damaged)?;
        let bytes = self.vault.unwrap::<KeyVersionRecord>(&place, &stored.wrapped)?;
        let key = prepare(record, bytes).map_err(|_| damaged())?;
        Ok(EntryVersion { version: summary.version, key, uses: self.uses(record, summary)? })
    }

    fn uses(&self, record: &KeyRecord, summary: &crate::record::VersionSummary) -> Result<Uses, Error> {
        let Some(limit) = record.algorithm.row().use_limit else { return Ok(Uses::Unlimited) };
        if summary.state != VersionState::Current {
            return Ok(Uses::Barred);
        }
        match self.use_counts.counter(record.id, summary.version, limit) {
            Ok(counter) => Ok(Uses::Counted(counter)),
            // What was sealed must still open.
            Err(error @ Error::Damaged(_)) => {
                tracing::error!(key = %record.id, %error, "the uses of a key are not known: it does not encrypt until it is rotated");
                Ok(Uses::Barred)
            }
            Err(error) => Err(error),
        }
    }
}

impl KeySource for VaultSource {
    fn load(&self, id: KeyId) -> Result<KeyEntry, Error> {
        let (record, _) = self.vault.read::<KeyRecord>(&address::key(id))?.ok_or(Error::KeyNotFound(id))?;
        if record.id != id {
            return Err(Error::Damaged(address::key(id).to_string()));
        }
        self.note_versions(&record);
        // What is not used is not unwrapped. A deleted key has no version left.
        let mut summaries: Vec<_> = record.versions.iter().filter(|summary| summary.state.is_usable()).collect();
        summaries.sort_by_key(|summary| (summary.state != VersionState::Current, std::cmp::Reverse(summary.version)));
        let versions =
            summaries.into_iter().map(|summary| self.version(&record, summary)).collect::<Result<Vec<_>, _>>()?;
        let store = self.store_of(&record)?;
        let KeyRecord { algorithm, state, lowest_version, .. } = record;
        Ok(KeyEntry { id, store, algorithm, state, lowest_version, versions: versions.into() })
    }
}

/// Unwrapped bytes into a key that is ready for use. They are checked as if they came from outside.
fn prepare(record: &KeyRecord, bytes: SecretBytes) -> Result<PreparedKey, MaterialError> {
    let row = record.algorithm.row();
    let material = KeyMaterial::import(record.algorithm, bytes)?;
    Ok(match row.kind {
        KeyKind::Secret => PreparedKey::Opaque(material.into_bytes()),
        KeyKind::Symmetric => PreparedKey::Symmetric(SymmetricKey::new(&material)?),
        KeyKind::Mac => PreparedKey::Mac(Box::new(MacKey::new(&material)?)),
        KeyKind::Asymmetric if row.does(Operation::AsymmetricDecrypt) => {
            PreparedKey::Decrypting(Box::new(DecryptingKey::new(&material)?))
        }
        KeyKind::Asymmetric => PreparedKey::Signing(Box::new(SigningKey::new(&material)?)),
    })
}
