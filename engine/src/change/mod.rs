//! Changes: of key stores and keys. Each is one transaction of storage, durable and in force everywhere when its method returns.
//!
//! A change reads what it builds on, writes on the condition that this has not moved, waits until the cache has followed, then until every worker has left the frame
//! that it was in. After that nothing completes under the old state. So changes block, and must not be made from inside a frame: they would wait for it.

use std::collections::BTreeSet;

use claviger_algorithm::{Algorithm, KeyKind};

use crate::engine::Engine;
use crate::error::Error;
use crate::key::id::{KeyId, StoreId};
use crate::key::material::{GenerateError, KeyMaterial, SecretBytes};
use crate::key::name::Name;
use crate::key::state::{KeyState, VersionState};
use crate::key::version::KeyVersion;
use crate::limits::{CREATE_KEYS_MAX, SECRET_SIZE_MAX, VERSIONS_MAX};
use crate::record::key_store::AccessMethods;
use crate::record::key_version::{KeyVersionRecord, Origin};
use crate::record::reference::Reference;
use crate::record::{AuthorityRecord, KeyRecord, KeyStoreRecord, VersionSummary, address};
use crate::storage::{Compare, Revision, Write};

/// A key store to create.
pub struct NewKeyStore {
    /// Its name.
    pub name: Name,
    /// Who may come in: at least one method, by the type.
    pub methods: AccessMethods,
    /// Certificate of its authority, DER.
    pub authority_certificate: Vec<u8>,
    /// Private key of its authority, PKCS#8 DER.
    pub authority_private_key: SecretBytes,
}

/// A key to create.
pub struct NewKey {
    /// Its name.
    pub name: Name,
    /// Its algorithm; kind, purpose and padding follow from it.
    pub algorithm: Algorithm,
    /// The value of a secret; `None` for every other kind, which is made here.
    pub value: Option<SecretBytes>,
}

impl Engine {
    /// Creates a key store.
    ///
    /// # Errors
    /// [`Error::NameTaken`], [`Error::Entropy`], [`Error::Storage`].
    pub fn create_store(&self, new: NewKeyStore) -> Result<KeyStoreRecord, Error> {
        let id = StoreId::generate(&*self.random)?;
        let record = KeyStoreRecord { id, name: new.name, created_ms: self.clock.now_ms(), methods: new.methods };
        let place = address::authority(id);
        let wrapped_private_key = self.vault().wrap::<AuthorityRecord>(&place, new.authority_private_key.expose())?;
        let authority = AuthorityRecord { certificate: new.authority_certificate, wrapped_private_key };
        let name_place = address::key_store_name(&record.name);
        let compares = [Compare::absent(name_place.clone())];
        let writes = [
            self.vault().put(name_place, &Reference(id.0)),
            self.vault().put(address::key_store(id), &record),
            self.vault().put(place, &authority),
        ];
        self.commit(&compares, &writes).map_err(|error| taken(error, &record.name))?;
        Ok(record)
    }

    /// Creates keys, all or none. They are available at once. RSA keys take up to seconds each.
    ///
    /// # Errors
    /// [`Error::KeyStoreNotFound`], [`Error::NameTaken`], [`Error::KeyCount`], [`Error::ValueMismatch`], [`Error::SecretTooLarge`], [`Error::Entropy`],
    /// [`Error::Storage`]: no key was created.
    pub fn create_keys(&self, store: StoreId, new: Vec<NewKey>) -> Result<Vec<KeyRecord>, Error> {
        if !(1..=CREATE_KEYS_MAX).contains(&new.len()) {
            return Err(Error::KeyCount);
        }
        self.describe_store(store)?;
        let mut names = BTreeSet::new();
        for key in &new {
            let free = self.find_key(store, &key.name)?.is_none();
            if !free || !names.insert(key.name.clone()) {
                return Err(Error::NameTaken(key.name.clone()));
            }
        }
        let mut records = Vec::with_capacity(new.len());
        let (mut compares, mut writes) = (Vec::new(), Vec::new());
        for key in new {
            let record = self.new_key(store, key, &mut compares, &mut writes)?;
            records.push(record);
        }
        self.commit(&compares, &writes).map_err(|error| self.taken_among(error, &records))?;
        Ok(records)
    }

    /// Adds a version to a key and makes it the current one. The versions before go on decrypting and verifying.
    ///
    /// # Errors
    /// [`Error::KeyNotFound`], [`Error::TooManyVersions`], [`Error::ValueMismatch`] for a secret, [`Error::Conflict`], [`Error::Entropy`], [`Error::Storage`].
    pub fn rotate(&self, id: KeyId) -> Result<KeyRecord, Error> {
        let place = address::key(id);
        let (mut record, revision) = self.vault().read::<KeyRecord>(&place)?.ok_or(Error::KeyNotFound(id))?;
        if record.versions.len() >= VERSIONS_MAX {
            return Err(Error::TooManyVersions(id));
        }
        let newest = record.versions.last().map(|summary| summary.version);
        let version = newest.map_or(Some(KeyVersion::FIRST), KeyVersion::next).ok_or(Error::TooManyVersions(id))?;
        let mut writes = Vec::new();
        self.new_version(id, version, record.algorithm, None, &mut writes)?;
        for summary in &mut record.versions {
            summary.state = VersionState::Active;
        }
        let now = self.clock.now_ms();
        record.versions.push(VersionSummary { version, state: VersionState::Current, created_ms: now });
        record.changed_ms = now;
        writes.push(self.vault().put(place.clone(), &record));
        self.commit(&[Compare::unchanged(place, revision)], &writes)?;
        Ok(record)
    }

    /// Disables or enables a key. When this returns, no operation completes under the state before.
    ///
    /// # Errors
    /// [`Error::KeyNotFound`], [`Error::Conflict`], [`Error::Storage`].
    pub fn set_state(&self, id: KeyId, state: KeyState) -> Result<KeyRecord, Error> {
        let place = address::key(id);
        let (mut record, revision) = self.vault().read::<KeyRecord>(&place)?.ok_or(Error::KeyNotFound(id))?;
        if record.state == state {
            // Whoever made it so may still be waiting: what is said here must be in force too.
            self.wait_until_in_force(revision)?;
            return Ok(record);
        }
        record.state = state;
        record.changed_ms = self.clock.now_ms();
        self.commit(&[Compare::unchanged(place.clone(), revision)], &[self.vault().put(place, &record)])?;
        Ok(record)
    }

    /// The one way of every change: durable, followed by the cache, left behind by all workers.
    fn commit(&self, compares: &[Compare], writes: &[Write]) -> Result<(), Error> {
        self.follower.check()?;
        let revision = self.vault().transact(compares, writes)?;
        self.wait_until_in_force(revision)
    }

    /// Waits until nothing completes any more under what was before `revision`.
    fn wait_until_in_force(&self, revision: Revision) -> Result<(), Error> {
        self.follower.wait_for(revision)?;
        self.epochs.wait_for_workers();
        Ok(())
    }

    /// Which name was taken between the look at the names and the change: nothing else is a condition of creation.
    fn taken_among(&self, error: Error, records: &[KeyRecord]) -> Error {
        let is_taken = |record: &&KeyRecord| matches!(self.find_key(record.store, &record.name), Ok(Some(_)));
        match records.iter().find(is_taken) {
            Some(record) => taken(error, &record.name),
            None => error,
        }
    }

    fn new_key(
        &self,
        store: StoreId,
        new: NewKey,
        compares: &mut Vec<Compare>,
        writes: &mut Vec<Write>,
    ) -> Result<KeyRecord, Error> {
        let id = KeyId::generate(&*self.random)?;
        let now = self.clock.now_ms();
        let first = VersionSummary { version: KeyVersion::FIRST, state: VersionState::Current, created_ms: now };
        let record = KeyRecord {
            id,
            store,
            name: new.name,
            algorithm: new.algorithm,
            state: KeyState::Available,
            created_ms: now,
            changed_ms: now,
            shred_slot: 0,
            versions: vec![first],
        };
        let name_place = address::key_name(store, &record.name);
        self.new_version(id, KeyVersion::FIRST, record.algorithm, new.value, writes)?;
        writes.push(self.vault().put(address::key(id), &record));
        writes.push(self.vault().put(name_place.clone(), &Reference(id.0)));
        compares.push(Compare::absent(name_place));
        Ok(record)
    }

    /// The writes of one version: its wrapped material, which is `value` for a secret, else newly made; and its count of uses, if these are limited.
    fn new_version(
        &self,
        id: KeyId,
        version: KeyVersion,
        algorithm: Algorithm,
        value: Option<SecretBytes>,
        writes: &mut Vec<Write>,
    ) -> Result<(), Error> {
        let (origin, bytes) = match (algorithm.row().kind, value) {
            (KeyKind::Secret, Some(value)) if value.len() > SECRET_SIZE_MAX => return Err(Error::SecretTooLarge),
            (KeyKind::Secret, Some(value)) => (Origin::Registered, value),
            (KeyKind::Secret, None) | (_, Some(_)) => return Err(Error::ValueMismatch),
            (_, None) => {
                let material = KeyMaterial::generate(algorithm, &*self.random).map_err(|error| match error {
                    GenerateError::Opaque => Error::ValueMismatch,
                    GenerateError::Entropy(error) => Error::Entropy(error),
                })?;
                (Origin::Generated, material.into_bytes())
            }
        };
        let place = address::key_version(id, version);
        let wrapped = self.vault().wrap::<KeyVersionRecord>(&place, bytes.expose())?;
        writes.push(self.vault().put(place, &KeyVersionRecord { origin, wrapped }));
        if algorithm.row().use_limit.is_some() {
            writes.push(self.vault().put(address::use_count(id, version), &self.use_counts().none_yet()));
        }
        Ok(())
    }
}

fn taken(error: Error, name: &Name) -> Error {
    match error {
        Error::Conflict => Error::NameTaken(name.clone()),
        other => other,
    }
}
