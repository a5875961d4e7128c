//! Keys and key stores as they are read from the vault: records into cache entries.
//!
//! Here keys · `policies` key stores.

mod policies;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use claviger_algorithm::{KeyKind, Operation};
use parking_lot::Mutex;

use self::policies::Publishing;
use crate::access::AccessUses;
use crate::cache::{EntryVersion, Fault, KeyEntry, KeySource, PreparedKey, StoreSlot, Stores, Uses};
use crate::crypto::mac::MacKey;
use crate::crypto::oaep::DecryptingKey;
use crate::crypto::signature::SigningKey;
use crate::crypto::symmetric::SymmetricKey;
use crate::emergency::{Lock, Stops};
use crate::error::Error;
use crate::key::id::KeyId;
use crate::key::material::{KeyMaterial, MaterialError, SecretBytes};
use crate::key::state::{KeyState, VersionState};
use crate::person::Persons;
use crate::record::key_version::KeyVersionRecord;
use crate::record::vault::Vault;
use crate::record::{KeyRecord, address};
use crate::shred::{ShredSecret, ShredTable};
use crate::usage::UseCounts;

/// Reads from a vault; gives each key the place of its store.
pub(crate) struct VaultSource {
    pub(crate) vault: Arc<Vault>,
    pub(crate) stores: Arc<Stores>,
    pub(crate) persons: Persons,
    pub(crate) use_counts: Arc<UseCounts>,
    pub(crate) shred_table: Arc<ShredTable>,
    publishing: Publishing,
    /// What is stopped, and could not be written yet.
    pub(crate) stops: Stops,
    /// Whether any key is used.
    pub(crate) lock: Lock,
    /// When rows of authentication data were last used.
    pub(crate) access_uses: AccessUses,
    /// Counts changes of aliases.
    alias_changes: AtomicU64,
    /// Keys with nearly as many versions as a key may have, of those that were read to be used, or changed.
    near_version_limit: Mutex<BTreeSet<KeyId>>,
}

impl VaultSource {
    pub(crate) fn new(
        vault: Arc<Vault>,
        stores: Arc<Stores>,
        use_counts: Arc<UseCounts>,
        shred_table: Arc<ShredTable>,
    ) -> Self {
        Self {
            vault,
            stores,
            persons: Persons::default(),
            use_counts,
            shred_table,
            publishing: Publishing::default(),
            stops: Stops::default(),
            lock: Lock::default(),
            access_uses: AccessUses::default(),
            alias_changes: AtomicU64::new(0),
            near_version_limit: Mutex::new(BTreeSet::new()),
        }
    }

    /// Some alias has changed.
    pub(crate) fn note_alias(&self) {
        self.alias_changes.fetch_add(1, Ordering::SeqCst);
    }

    /// How often [`VaultSource::note_alias`] was called.
    pub(crate) fn alias_changes(&self) -> u64 {
        self.alias_changes.load(Ordering::SeqCst)
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

    fn store_of(&self, record: &KeyRecord) -> Result<Arc<StoreSlot>, Error> {
        self.stores.by_id(record.store).ok_or(Error::KeyStoreNotFound(record.store))
    }

    /// The key that `record`, which stands at the place of `id`, describes.
    fn entry(&self, id: KeyId, record: &KeyRecord, faults: &mut dyn FnMut(Fault)) -> Result<KeyEntry, Error> {
        if record.id != id {
            return Err(Error::Damaged(address::key(id).to_string()));
        }
        self.note_versions(record);
        // What is not used is not unwrapped. A deleted key has no version left.
        let mut summaries: Vec<_> = record.versions.iter().filter(|summary| summary.state.is_usable()).collect();
        summaries.sort_by_key(|summary| (summary.state != VersionState::Current, std::cmp::Reverse(summary.version)));
        let mut versions = Vec::with_capacity(summaries.len());
        if !summaries.is_empty() {
            let secret = self.shred_table.secret_of(record)?;
            for summary in summaries {
                versions.push(self.version(record, summary, &secret, faults)?);
            }
        }
        let store = self.store_of(record)?;
        let KeyRecord { algorithm, state, lowest_version, rotation_by_use, .. } = *record;
        let rotates_by_use = rotation_by_use.is_some();
        Ok(KeyEntry { id, store, algorithm, state, lowest_version, rotates_by_use, versions: versions.into() })
    }

    /// A key whose record lives and whose shred secret is gone: it is what it would be had the record been told.
    fn shredded_entry(&self, record: &KeyRecord) -> Result<KeyEntry, Error> {
        let store = self.store_of(record)?;
        let KeyRecord { id, algorithm, lowest_version, .. } = *record;
        Ok(KeyEntry {
            id,
            store,
            algorithm,
            state: KeyState::Deleted,
            lowest_version,
            rotates_by_use: false,
            versions: Vec::new().into(),
        })
    }

    fn version(
        &self,
        record: &KeyRecord,
        summary: &crate::record::VersionSummary,
        secret: &ShredSecret,
        faults: &mut dyn FnMut(Fault),
    ) -> Result<EntryVersion, Error> {
        let place = address::key_version(record.id, summary.version);
        let damaged = || Error::Damaged(place.to_string());
        let (stored, _) = self.vault.read::<KeyVersionRecord>(&place)?.ok_or_else(damaged)?;
        let bytes = self.vault.unwrap::<KeyVersionRecord>(&place, Some(secret), &stored.wrapped)?;
        let key = prepare(record, bytes).map_err(|_| damaged())?;
        Ok(EntryVersion { version: summary.version, key, uses: self.uses(record, summary, faults)? })
    }

    fn uses(
        &self,
        record: &KeyRecord,
        summary: &crate::record::VersionSummary,
        faults: &mut dyn FnMut(Fault),
    ) -> Result<Uses, Error> {
        if record.algorithm.row().use_limit.is_none() {
            return Ok(Uses::Unlimited);
        }
        if summary.state != VersionState::Current {
            return Ok(Uses::Barred);
        }
        match self.use_counts.counter(record.id, summary.version, record.algorithm) {
            Ok(counter) => Ok(Uses::Counted(counter)),
            // What was sealed must still open.
            Err(error @ Error::Damaged(_)) => {
                faults(Fault::UsesNotKnown(record.id, error));
                Ok(Uses::Barred)
            }
            Err(error) => Err(error),
        }
    }
}

impl KeySource for VaultSource {
    fn load(&self, id: KeyId, faults: &mut dyn FnMut(Fault)) -> Result<KeyEntry, Error> {
        let place = address::key(id);
        loop {
            // Whoever locks after this look has the load repeated.
            self.lock.check()?;
            let (record, revision) = self.vault.read::<KeyRecord>(&place)?.ok_or(Error::KeyNotFound(id))?;
            let mut found = Vec::new();
            let loaded = self.entry(id, &record, &mut |fault| found.push(fault));
            // A version that is missing was destroyed meanwhile, if the record has changed since it was read, and one that does not open has another shred secret by now: then the
            // record as it is now is loaded.
            let may_be_stale = matches!(loaded, Err(Error::Damaged(_) | Error::KeyShredded(_)));
            if may_be_stale && self.vault.read::<KeyRecord>(&place)?.is_none_or(|(_, now)| now != revision) {
                continue;
            }
            found.into_iter().for_each(&mut *faults);
            if let Err(error @ Error::KeyShredded(_)) = loaded {
                faults(Fault::Shredded(error));
                return self.shredded_entry(&record);
            }
            return loaded;
        }
    }
}

/// Unwrapped bytes into a key that is ready for use. They are checked as if they came from outside.
fn prepare(record: &KeyRecord, bytes: SecretBytes) -> Result<PreparedKey, MaterialError> {
    let row = record.algorithm.row();
    let material = KeyMaterial::import(record.algorithm, bytes)?;
    Ok(match row.kind {
        KeyKind::Secret => PreparedKey::Opaque(Box::new(material.into_bytes())),
        KeyKind::Symmetric => PreparedKey::Symmetric(SymmetricKey::new(&material)?),
        KeyKind::Mac => PreparedKey::Mac(Box::new(MacKey::new(&material)?)),
        KeyKind::Asymmetric if row.does(Operation::AsymmetricDecrypt) => {
            PreparedKey::Decrypting(Box::new(DecryptingKey::new(&material)?))
        }
        KeyKind::Asymmetric => PreparedKey::Signing(Box::new(SigningKey::new(&material)?)),
    })
}

#[cfg(test)]
mod tests {
    use claviger_algorithm::Algorithm;

    use super::*;
    use crate::change::NewKey;
    use crate::key::version::KeyVersion;
    use crate::storage::{FailingStorage, MemoryStorage, Storage, Write};
    use crate::{Engine, EngineParts};

    /// A key of two versions, on a storage that can be held back.
    fn key_of_two_versions() -> (Arc<FailingStorage<MemoryStorage>>, Arc<Engine>, KeyId) {
        let storage = Arc::new(FailingStorage::new(MemoryStorage::new()));
        let engine = Engine::start(EngineParts::for_tests(storage.clone())).unwrap();
        let new = NewKey::new("key".parse().unwrap(), Algorithm::Xaes256Gcm);
        let id = engine.create_keys(engine.store_for_tests(), vec![new]).unwrap()[0].id;
        engine.rotate(id).unwrap();
        (storage, engine, id)
    }

    /// What a load gives that has read the record of the key when `meanwhile` happens.
    fn load_while(meanwhile: impl FnOnce(&FailingStorage<MemoryStorage>, &Engine, KeyId)) -> Result<KeyEntry, Error> {
        let (storage, engine, id) = key_of_two_versions();
        let pause = storage.pause_get(&address::key(id));
        let source = Arc::clone(&engine.ledger.source);
        std::thread::scope(|scope| {
            let loading = scope.spawn(move || source.load(id, &mut |fault| panic!("{fault}")));
            assert!(pause.wait_until_reached(std::time::Duration::from_mins(1)));
            meanwhile(&storage, &engine, id);
            pause.release();
            loading.join().unwrap()
        })
    }

    // R-K8
    #[test]
    fn version_that_is_destroyed_during_a_load_does_not_fail_the_load() {
        let entry = load_while(|_, engine, id| drop(engine.destroy_version(id, KeyVersion::FIRST).unwrap())).unwrap();
        assert_eq!(entry.versions.iter().map(|entry| entry.version.get()).collect::<Vec<_>>(), [2]);
    }

    // R-K11
    #[test]
    fn key_that_is_deleted_during_a_load_is_loaded_as_deleted() {
        let entry = load_while(|_, engine, id| {
            engine.request_deletion(id, crate::limits::DELETION_WAIT_DEFAULT).unwrap();
            engine.delete_now(id, false).unwrap();
        });
        assert!(entry.unwrap().versions.is_empty());
    }

    // R-H1
    #[test]
    fn version_that_is_missing_without_a_change_of_its_key_is_damage() {
        let loaded = load_while(|storage, _, id| {
            let address = address::key_version(id, KeyVersion::FIRST);
            storage.transact(&[], &[Write::Delete { address }]).unwrap();
        });
        assert!(matches!(loaded, Err(Error::Damaged(_))));
    }
}
