//! Changes: of key stores and keys. Each is one transaction of storage, durable and in force everywhere when its method returns.
//!
//! They block, and must not be made from inside a frame: they would wait for it. How a change comes into force, `ledger.rs` tells. Here is creation; `state`, `version` and
//! `secret` are the life of a key after it, `about` and `alias` what people say of it and how they call it, `store` the settings of
//! key stores, `system_key` what all of them are protected by.

mod about;
mod alias;
mod material;
mod person;
mod secret;
mod state;
mod store;
mod system_key;
mod version;

pub use about::AboutChange;
pub(crate) use material::NewMaterial;
pub use person::{NewPerson, PersonChange};
pub use store::StoreSettings;

use std::collections::BTreeSet;

use claviger_algorithm::Algorithm;

use crate::approval::ApprovalPolicy;
use crate::engine::Engine;
use crate::error::Error;
use crate::key::id::{KeyId, StoreId};
use crate::key::material::SecretBytes;
use crate::key::name::Name;
use crate::key::state::{KeyState, VersionState};
use crate::key::version::KeyVersion;
use crate::limits::{CREATE_KEYS_MAX, DELETION_WAIT_HOURS_DEFAULT};
use crate::person::PersonId;
use crate::record::key_name::KeyNameRecord;
use crate::record::key_store::AccessMethods;
use crate::record::reference::Reference;
use crate::record::{About, AuthorityRecord, KeyRecord, KeyStoreRecord, Quotas, StoreState, VersionSummary, address};
use crate::shred::ShredSecret;
use crate::storage::{Compare, Write};

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
    /// Whether its material may leave, wrapped to a public key. It never changes.
    pub exportable: bool,
    /// What people say of it.
    pub about: About,
}

impl NewKey {
    /// A key that is made here, is not exportable, and of which nothing is said yet.
    #[must_use]
    pub fn new(name: Name, algorithm: Algorithm) -> Self {
        Self { name, algorithm, value: None, exportable: false, about: About::default() }
    }
}

impl Engine {
    /// Creates a key store.
    ///
    /// # Errors
    /// [`Error::NameTaken`], [`Error::Entropy`], [`Error::Storage`].
    pub fn create_store(&self, new: NewKeyStore) -> Result<KeyStoreRecord, Error> {
        let id = StoreId::generate(&*self.ledger.random)?;
        let record = KeyStoreRecord {
            id,
            name: new.name,
            created_ms: self.ledger.clock.now_ms(),
            methods: new.methods,
            deletion_wait_hours: DELETION_WAIT_HOURS_DEFAULT,
            open_public_keys: false,
            state: StoreState::Available,
            declared_hardware_address: false,
            records_requests: false,
            quotas: Quotas::default(),
        };
        let place = address::authority(id);
        let wrapped_private_key =
            self.vault().wrap::<AuthorityRecord>(&place, None, new.authority_private_key.expose())?;
        let authority = AuthorityRecord { certificate: new.authority_certificate, wrapped_private_key };
        let name_place = address::key_store_name(&record.name);
        let compares = [Compare::absent(name_place.clone())];
        let writes = [
            self.vault().put(name_place, &Reference(id.0)),
            self.vault().put(address::key_store(id), &record),
            self.vault().put(place, &authority),
            self.vault().put(address::approval_policy(Some(id)), &ApprovalPolicy::OFF),
        ];
        self.ledger.commit(&compares, &writes).map_err(|error| taken(error, &record.name))?;
        Ok(record)
    }

    /// Creates keys, all or none. They are available at once. RSA keys take up to seconds each.
    ///
    /// # Errors
    /// [`Error::KeyStoreNotFound`], [`Error::NameTaken`], [`Error::KeyCount`], [`Error::ValueMismatch`], [`Error::SecretTooLarge`], [`Error::InvalidAbout`],
    /// [`Error::Entropy`], [`Error::ShredTable`] if a mirror of the shred table cannot be written, [`Error::Storage`]: no key was created.
    pub fn create_keys(&self, store: StoreId, new: Vec<NewKey>) -> Result<Vec<KeyRecord>, Error> {
        self.create_new_keys(store, new, None)
    }

    /// As [`Engine::create_keys`], by a key manager who may create: in the same step the keys are assigned to him.
    ///
    /// # Errors
    /// As [`Engine::create_keys`], and [`PersonError`](crate::person::PersonError) if he is no such key manager, or manages too many keys: no key was created.
    pub fn create_keys_by(&self, store: StoreId, new: Vec<NewKey>, by: PersonId) -> Result<Vec<KeyRecord>, Error> {
        self.create_new_keys(store, new, Some(by))
    }

    fn create_new_keys(&self, store: StoreId, new: Vec<NewKey>, by: Option<PersonId>) -> Result<Vec<KeyRecord>, Error> {
        if !(1..=CREATE_KEYS_MAX).contains(&new.len()) {
            return Err(Error::KeyCount);
        }
        self.describe_store(store)?;
        let mut names = BTreeSet::new();
        for key in &new {
            key.about.check()?;
            let free = self.find_key(store, &key.name)?.is_none();
            if !free || !names.insert(key.name.clone()) {
                return Err(Error::NameTaken(key.name.clone()));
            }
        }
        self.create(store, new.into_iter().map(|mut key| (key.value.take().into(), key)), by)
    }

    /// Creates a key of this material, whatever `new` has for a value; assigned to `by`, if it is a key manager who creates it.
    ///
    /// # Errors
    /// [`Error::NameTaken`], [`Error::ValueMismatch`] if the material is of another algorithm, [`Error::Entropy`], [`Error::ShredTable`], [`Error::Storage`],
    /// [`Error::Person`].
    pub(crate) fn create_key_of(
        &self,
        store: StoreId,
        new: NewKey,
        material: NewMaterial,
        by: Option<PersonId>,
    ) -> Result<KeyRecord, Error> {
        self.create(store, std::iter::once((material, new)), by)?.pop().ok_or(Error::KeyCount)
    }

    /// Creates keys, all or none: first their shred secrets, then themselves, with to whom they are assigned.
    fn create(
        &self,
        store: StoreId,
        new: impl Iterator<Item = (NewMaterial, NewKey)>,
        by: Option<PersonId>,
    ) -> Result<Vec<KeyRecord>, Error> {
        let (mut records, mut secrets) = (Vec::new(), Vec::new());
        let (mut compares, mut writes) = (Vec::new(), Vec::new());
        for (material, key) in new {
            let secret = ShredSecret::generate(&*self.ledger.random)?;
            records.push(self.new_key(store, key, material, &secret, &mut compares, &mut writes)?);
            secrets.push(secret);
        }
        let _changing = by.map(|_| self.ledger.source.persons.changing.lock());
        if let Some(manager) = by {
            let ids: Vec<_> = records.iter().map(|record| record.id).collect();
            self.assign_created(manager, store, &ids, &mut compares, &mut writes)?;
        }
        let keys: Vec<_> = records.iter().map(|record| record.id).zip(&secrets).collect();
        let created = self.ledger.with_slots(&keys, |slots, landed| {
            writes.extend(landed);
            for (record, slot) in records.iter_mut().zip(slots) {
                record.shred_slot = slot.get();
                self.ledger.put_key(None, record, &mut writes);
            }
            self.ledger.commit(&compares, &writes)
        });
        created.map_err(|error| self.taken_among(error, &records))?;
        Ok(records)
    }

    /// Which name was taken between the look at the names and the change: nothing else is a condition of creation.
    fn taken_among(&self, error: Error, records: &[KeyRecord]) -> Error {
        let is_taken = |record: &&KeyRecord| matches!(self.find_key(record.store, &record.name), Ok(Some(_)));
        match records.iter().find(is_taken) {
            Some(record) => taken(error, &record.name),
            None => error,
        }
    }

    /// A key that has no slot yet, and the writes of everything but its record.
    fn new_key(
        &self,
        store: StoreId,
        new: NewKey,
        material: NewMaterial,
        secret: &ShredSecret,
        compares: &mut Vec<Compare>,
        writes: &mut Vec<Write>,
    ) -> Result<KeyRecord, Error> {
        let id = KeyId::generate(&*self.ledger.random)?;
        let now = self.ledger.clock.now_ms();
        let name_place = address::key_name(store, &new.name);
        let origin = self.ledger.new_version(id, KeyVersion::FIRST, new.algorithm, material, secret, writes)?;
        let first =
            VersionSummary { version: KeyVersion::FIRST, state: VersionState::Current, created_ms: now, origin };
        let record = KeyRecord {
            id,
            store,
            name: new.name,
            algorithm: new.algorithm,
            state: KeyState::Available,
            created_ms: now,
            changed_ms: now,
            exportable: new.exportable,
            about: new.about,
            aliases: BTreeSet::new(),
            shred_slot: 0,
            lowest_version: KeyVersion::FIRST,
            deletion: None,
            deleted: None,
            rotation: None,
            rotation_by_use: None,
            versions: vec![first],
        };
        writes.push(self.vault().put(name_place.clone(), &KeyNameRecord::name_of(id)));
        compares.push(Compare::absent(name_place));
        Ok(record)
    }
}

fn taken(error: Error, name: &Name) -> Error {
    match error {
        Error::Conflict => Error::NameTaken(name.clone()),
        other => other,
    }
}
