//! Transport keys in storage: the open imports of an installation.
//!
//! Each is wrapped with a shred secret of its own, as keys are, which stands in the shred table under the id of the import. It is destroyed when the import is over, however it
//! ends: what backups and free pages hold of the transport key opens nothing any more, and an import that comes back with an old copy of storage stays over.

use crate::crypto::oaep::DecryptingKey;
use crate::error::Error;
use crate::key::id::{ImportId, KeyId, StoreId};
use crate::key::material::{GenerateError, KeyMaterial, SecretBytes};
use crate::ledger::Ledger;
use crate::limits::{IMPORTS_IN_ALL_MAX, IMPORTS_MAX, SCAN_PAGE_RECORDS};
use crate::record::transport_key::TransportKeyRecord;
use crate::record::{PendingDestruction, address};
use crate::shred::{ShredError, ShredSecret, Slot};
use crate::storage::{Address, Compare, Revision, Versioned, Write};

use super::import::{Import, TRANSPORT_ALGORITHM};

/// The transport key of an open import.
pub(super) struct TransportKey {
    /// What it is for, and the wrapped private half.
    pub(super) record: TransportKeyRecord,
    place: Address,
    revision: Revision,
}

impl Ledger {
    /// Makes the transport key of `import`, and opens it.
    ///
    /// # Errors
    /// [`Error::TooManyImports`], [`Error::Entropy`], [`Error::ShredTable`], [`Error::Storage`].
    pub(super) fn add_transport_key(&self, import: Import) -> Result<Import, Error> {
        // Before the key is made, which takes seconds, and again when others may have made theirs.
        self.check_room(import.store)?;
        let private_key = KeyMaterial::generate(TRANSPORT_ALGORITHM, &*self.random).map_err(|error| match error {
            GenerateError::Opaque => Error::ValueMismatch,
            GenerateError::Entropy(error) => Error::Entropy(error),
        })?;
        let (store, id) = (import.store, import.id);
        let damaged = |_| Error::Damaged(address::transport_keys_at(store, id).to_string());
        let public_key = DecryptingKey::new(&private_key).map_err(damaged)?.public_key_der().to_vec();
        let (private_key, import) = (private_key.into_bytes(), Import { public_key, ..import });
        let secret = ShredSecret::generate(&*self.random)?;
        let running_ms = self.use_counts().running_ms();
        let mut record = TransportKeyRecord { import, running_ms, wrapped_private_key: Vec::new() };
        let _one_at_a_time = self.imports.lock();
        self.check_room(store)?;
        self.with_slots(&[(secret_id(id), &secret)], |slots, landed| {
            let slot = slots.first().ok_or(Error::Conflict)?;
            let place = address::transport_key(store, id, *slot);
            record.wrapped_private_key =
                self.vault().wrap::<TransportKeyRecord>(&place, Some(&secret), private_key.expose())?;
            let writes: Vec<_> = landed.into_iter().chain([self.vault().put(place.clone(), &record)]).collect();
            self.commit(&[Compare::absent(place)], &writes)
        })?;
        Ok(record.import)
    }

    /// The transport key of an open import of `store`.
    ///
    /// # Errors
    /// [`Error::ImportNotFound`], [`Error::Damaged`], [`Error::SystemKeyMissing`], [`Error::Storage`].
    pub(super) fn transport_key(&self, store: StoreId, id: ImportId) -> Result<TransportKey, Error> {
        match self.find_transport_key(store, id)?.map(|found| found.condition) {
            Some(Condition::Open(key)) => Ok(key),
            Some(Condition::Unreadable(error)) => Err(error),
            Some(Condition::Over) | None => Err(Error::ImportNotFound(id)),
        }
    }

    /// Its private half, PKCS#8.
    ///
    /// # Errors
    /// [`Error::ImportNotFound`] if its shred secret was destroyed, [`Error::ShredTable`], [`Error::Damaged`], [`Error::SystemKeyMissing`].
    pub(super) fn transport_private_key(&self, key: &TransportKey) -> Result<SecretBytes, Error> {
        let secret = self.shred_secret_at(&key.place)?;
        self.vault().unwrap::<TransportKeyRecord>(&key.place, secret.as_ref(), &key.record.wrapped_private_key)
    }

    /// Ends an import: its transport key is gone from storage when this returns, and opens nothing any more, as soon as every mirror of the shred table is there.
    ///
    /// # Errors
    /// [`Error::ImportNotFound`] if another has ended it, [`Error::Conflict`], [`Error::Storage`]: it was not ended by this.
    pub(super) fn end_import(&self, key: &TransportKey) -> Result<(), Error> {
        let Import { store, id, .. } = key.record.import;
        let compares = [Compare::unchanged(key.place.clone(), key.revision)];
        match self.commit(&compares, &self.end_writes(&key.place)) {
            // Gone, or protected anew by a system key that is barred by now.
            Err(Error::Conflict) => return self.transport_key(store, id).and(Err(Error::Conflict)),
            ended => ended?,
        }
        self.destroy_secret_of_import(id);
        Ok(())
    }

    /// Cancels an open import.
    ///
    /// # Errors
    /// [`Error::ImportNotFound`], also for one whose record is damaged, which is removed; [`Error::SystemKeyMissing`], [`Error::Storage`].
    pub(super) fn cancel_transport_key(&self, store: StoreId, id: ImportId) -> Result<Import, Error> {
        let missing = Error::ImportNotFound(id);
        let Some(Found { place, condition }) = self.find_transport_key(store, id)? else { return Err(missing) };
        match condition {
            Condition::Open(key) => self.end_import(&key).map(|()| key.record.import),
            Condition::Unreadable(error @ Error::Damaged(_)) => {
                tracing::error!(import = %id, %store, %error, "an import was damaged, and is cancelled");
                self.commit(&[], &self.end_writes(&place))?;
                self.destroy_secret_of_import(id);
                Err(missing)
            }
            Condition::Unreadable(error) => Err(error),
            Condition::Over => Err(missing),
        }
    }

    /// The open imports at `prefix`. One that cannot be read is logged, and passed over.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub(super) fn open_imports(&self, prefix: &Address) -> Result<Vec<Import>, Error> {
        let mut imports = Vec::new();
        for Found { place, condition } in self.find_transport_keys(prefix)? {
            match condition {
                Condition::Open(key) => imports.push(key.record.import),
                Condition::Unreadable(error) => tracing::error!(%place, %error, "an import cannot be read"),
                Condition::Over => {}
            }
        }
        Ok(imports)
    }

    /// Removes the transport keys of imports that are over, and those that are damaged: nobody can use them. Gives how many there were. Their shred secrets are noted to be destroyed.
    ///
    /// # Errors
    /// [`Error::Storage`], [`Error::Closed`], [`Error::Conflict`].
    pub(crate) fn remove_ended_imports(&self) -> Result<usize, Error> {
        let (mut writes, mut count) = (Vec::new(), 0);
        for Found { place, condition } in self.find_transport_keys(&address::transport_keys())? {
            match condition {
                Condition::Over => tracing::info!(%place, "the time of an import is over"),
                Condition::Unreadable(error @ Error::Damaged(_)) => {
                    tracing::error!(%place, %error, "an import is damaged: it is removed, begin another one");
                }
                Condition::Unreadable(_) | Condition::Open(_) => continue,
            }
            writes.extend(self.end_writes(&place));
            count += 1;
        }
        if !writes.is_empty() {
            self.commit(&[], &writes)?;
        }
        Ok(count)
    }

    /// The shred secret of an import; `None` if it was destroyed, so that the import is over, whatever storage says.
    ///
    /// # Errors
    /// [`ShredError::Mirror`], [`ShredError::Damaged`].
    pub(crate) fn secret_of_import(&self, id: ImportId, slot: Slot) -> Result<Option<ShredSecret>, ShredError> {
        self.source.shred_table.secret(slot, secret_id(id))
    }

    /// The writes that remove what stands at `place`, and note that its shred secret is to be destroyed.
    fn end_writes(&self, place: &Address) -> Vec<Write> {
        let mut writes = vec![Write::Delete { address: place.clone() }];
        if let Some((_, id, slot)) = address::parse_transport_key(place) {
            let pending = PendingDestruction { since_ms: self.clock.now_ms(), was_used: true };
            writes.push(self.vault().put(address::pending_destruction(secret_id(id), slot), &pending));
        }
        writes
    }

    fn destroy_secret_of_import(&self, id: ImportId) {
        if let Err(error) = self.destroy_pending(&address::pending_destructions_of(secret_id(id))) {
            tracing::warn!(import = %id, %error, "over, but its transport key is not yet destroyed: it is tried again each minute");
        }
    }

    fn find_transport_key(&self, store: StoreId, id: ImportId) -> Result<Option<Found>, Error> {
        Ok(self.find_transport_keys(&address::transport_keys_at(store, id))?.pop())
    }

    fn find_transport_keys(&self, prefix: &Address) -> Result<Vec<Found>, Error> {
        let (now_ms, running_ms) = (self.clock.now_ms(), self.use_counts().running_ms());
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let page = self.vault().storage().scan(prefix, after.as_ref(), SCAN_PAGE_RECORDS)?;
            let Some((last, _)) = page.last() else { return Ok(all) };
            after = Some(last.clone());
            all.extend(page.into_iter().map(|(place, stored)| {
                let condition = self.condition(&place, &stored, now_ms, running_ms);
                Found { place, condition }
            }));
        }
    }

    fn condition(&self, place: &Address, stored: &Versioned, now_ms: u64, running_ms: u64) -> Condition {
        let record: TransportKeyRecord = match self.vault().open(place, &stored.value) {
            Ok(record) => record,
            Err(error) => return Condition::Unreadable(error),
        };
        let slot = match address::parse_transport_key(place) {
            Some((store, id, slot)) if (store, id) == (record.import.store, record.import.id) => slot,
            _ => return Condition::Unreadable(Error::Damaged(place.to_string())),
        };
        // While a mirror is away it may be there: then it is not found out here but when it is needed.
        let is_shredded = matches!(self.secret_of_import(record.import.id, slot), Ok(None));
        if is_shredded || record.has_ended(now_ms, running_ms) {
            Condition::Over
        } else {
            Condition::Open(TransportKey { record, place: place.clone(), revision: stored.revision })
        }
    }

    /// What is damaged takes room too, until it is removed.
    fn check_room(&self, store: StoreId) -> Result<(), Error> {
        let mut taken = self.find_transport_keys(&address::transport_keys())?;
        taken.retain(|found| !matches!(found.condition, Condition::Over));
        let of_store = address::transport_keys_of(store);
        let of_store = taken.iter().filter(|found| found.place.starts_with(&of_store)).count();
        if of_store >= IMPORTS_MAX || taken.len() >= IMPORTS_IN_ALL_MAX { Err(Error::TooManyImports) } else { Ok(()) }
    }
}

/// What stands at the place of a transport key.
struct Found {
    place: Address,
    condition: Condition,
}

enum Condition {
    /// It can be completed.
    Open(TransportKey),
    /// Its time is over, or its shred secret was destroyed.
    Over,
    /// It is damaged, or needs a system key that is not there.
    Unreadable(Error),
}

/// Under which id the shred secret of an import stands in the table: ids are random, so no key has it.
pub(crate) const fn secret_id(id: ImportId) -> KeyId {
    KeyId(id.0)
}
