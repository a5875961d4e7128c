//! Import: begun, then completed by one try, or cancelled.

use std::fmt;
use std::sync::Arc;

use claviger_algorithm::{Algorithm, KeyKind};
use data_encoding::HEXLOWER;

use crate::change::{NewKey, NewMaterial};
use crate::crypto::key_wrap;
use crate::crypto::oaep::DecryptingKey;
use crate::engine::Engine;
use crate::error::Error;
use crate::key::id::{ImportId, KeyId, StoreId};
use crate::key::material::{KeyMaterial, SecretBytes};
use crate::key::name::Name;
use crate::key::state::KeyState;
use crate::limits::{IMPORT_TIME, IMPORT_TRIES_MAX, VERSIONS_MAX};
use crate::person::PersonId;
use crate::record::key::milliseconds;
use crate::record::{KeyRecord, address};

/// An import that is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    /// Its id.
    pub id: ImportId,
    /// The key store that the key is for, or in.
    pub store: StoreId,
    /// Who began it, and alone may complete it.
    pub requester: Requester,
    /// Name of the key.
    pub name: Name,
    /// Its algorithm.
    pub algorithm: Algorithm,
    /// What comes of it.
    pub target: ImportTarget,
    /// When it was begun, in milliseconds since 1970.
    pub created_ms: u64,
    /// The public half of the transport key, RSA-4096: SubjectPublicKeyInfo DER (RFC 5280 section 4.1).
    pub public_key: Vec<u8>,
}

/// What comes of an import.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImportTarget {
    /// A new key.
    NewKey {
        /// Whether its material may leave again.
        exportable: bool,
    },
    /// A new version of a key, which becomes the current one.
    NewVersion {
        /// The key.
        key: KeyId,
    },
}

/// An import to begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NewImport {
    /// Of a new key.
    Key {
        /// Its name.
        name: Name,
        /// Its algorithm.
        algorithm: Algorithm,
        /// Whether its material may leave again.
        exportable: bool,
    },
    /// Of a new version of a key, which becomes the current one.
    Version {
        /// The key.
        key: KeyId,
    },
}

/// Who asks, told apart from everybody else by these bytes: the SHA-256 of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Requester(pub [u8; 32]);

impl Import {
    /// When it ends at the latest, in milliseconds since 1970. It ends earlier if the installation has been running for as long.
    #[must_use]
    pub fn ends_ms(&self) -> u64 {
        self.created_ms.saturating_add(milliseconds(IMPORT_TIME))
    }
}

impl Engine {
    /// Begins an import: makes a transport key, which takes up to 2 seconds.
    ///
    /// # Errors
    /// [`Error::Locked`], [`Error::KeyStoreNotFound`], [`Error::TooManyImports`], [`Error::Entropy`], [`Error::ShredTable`], [`Error::Storage`]; for a new key [`Error::NameTaken`]; for a new
    /// version [`Error::KeyNotFound`], [`Error::KeyStateWrong`] if the key is deleted, [`Error::TooManyVersions`], [`Error::KeyShredded`].
    pub fn begin_import(&self, store: StoreId, new: NewImport, requester: Requester) -> Result<Import, Error> {
        self.ledger.source.lock.check()?;
        self.describe_store(store)?;
        let (name, algorithm, target) = match new {
            NewImport::Key { name, algorithm, exportable } => (name, algorithm, ImportTarget::NewKey { exportable }),
            NewImport::Version { key } => {
                let record = self.describe_key(key)?;
                if record.store != store {
                    return Err(Error::KeyNotFound(key));
                }
                (record.name, record.algorithm, ImportTarget::NewVersion { key })
            }
        };
        let created_ms = self.ledger.clock.now_ms();
        let id = ImportId::generate(&*self.ledger.random)?;
        let import = Import { id, store, requester, name, algorithm, target, created_ms, public_key: Vec::new() };
        self.check_target(&import)?;
        self.ledger.add_transport_key(import)
    }

    /// The open imports of a store, in the order of their beginnings. One that is damaged is logged and passed over.
    ///
    /// # Errors
    /// [`Error::KeyStoreNotFound`], [`Error::Storage`].
    pub fn imports(&self, store: StoreId) -> Result<Vec<Import>, Error> {
        self.describe_store(store)?;
        let mut imports = self.ledger.open_imports(&address::transport_keys_of(store))?;
        imports.sort_by_key(|import| (import.created_ms, import.id));
        Ok(imports)
    }

    /// An open import of a store.
    ///
    /// # Errors
    /// [`Error::ImportNotFound`], [`Error::Damaged`], [`Error::Storage`].
    pub fn import(&self, store: StoreId, id: ImportId) -> Result<Import, Error> {
        self.ledger.transport_key(store, id).map(|key| key.record.import)
    }

    /// Completes an import with `wrapped`: the OAEP block and AES-KWP of the material. The key is available at once, or the version the current one; a schedule
    /// of rotations that the key had ends, since what it would make is not imported.
    ///
    /// A try ends the import, whatever comes of it: with one try, nobody learns anything about a wrapped key by asking. What can be refused without using the
    /// transport key is refused before, and leaves the import open; it depends on nothing secret. That includes a mirror of the shred table that is away.
    ///
    /// # Errors
    /// Before the try: [`Error::Locked`]; [`Error::ImportNotFound`] if it is over, or another store's; [`Error::ImportOfAnother`]; [`Error::ImportSize`]; [`Error::NameTaken`];
    /// [`Error::KeyNotFound`], [`Error::KeyStateWrong`], [`Error::TooManyVersions`], [`Error::KeyShredded`]; [`Error::ShredTable`], [`Error::Damaged`], [`Error::Storage`].
    /// After it, if it came about at the same moment: those, and [`Error::Conflict`] if the key was changed again and again, as the cause of [`Error::ImportSpent`]. [`Error::ImportFailed`] if `wrapped` cannot be
    /// unwrapped, or what is in it is no good material of the algorithm: one error, whatever is wrong.
    pub fn complete_import(
        &self,
        store: StoreId,
        id: ImportId,
        requester: Requester,
        wrapped: &[u8],
    ) -> Result<KeyRecord, Error> {
        self.complete_import_as(store, id, requester, wrapped, None)
    }

    /// As [`Engine::complete_import`], by a key manager: a new key is assigned to him, who must be one who may create.
    ///
    /// # Errors
    /// As [`Engine::complete_import`], and [`Error::Person`], before the try if he is no such key manager then.
    pub fn complete_import_by(
        &self,
        store: StoreId,
        id: ImportId,
        requester: Requester,
        wrapped: &[u8],
        by: PersonId,
    ) -> Result<KeyRecord, Error> {
        self.complete_import_as(store, id, requester, wrapped, Some(by))
    }

    fn complete_import_as(
        &self,
        store: StoreId,
        id: ImportId,
        requester: Requester,
        wrapped: &[u8],
        by: Option<PersonId>,
    ) -> Result<KeyRecord, Error> {
        self.ledger.source.lock.check()?;
        let key = self.ledger.transport_key(store, id)?;
        if key.record.import.requester != requester {
            return Err(Error::ImportOfAnother(id));
        }
        if !key_wrap::is_wrapped_size(wrapped.len()) {
            return Err(Error::ImportSize);
        }
        self.check_target(&key.record.import)?;
        if let (ImportTarget::NewKey { .. }, Some(manager)) = (key.record.import.target, by) {
            self.must_take_key(manager, store)?;
        }
        let private_key = self.ledger.transport_private_key(&key)?;
        // Spent before it is used: whatever happens from here on, a crash included, nobody tries again.
        self.ledger.end_import(&key)?;
        let import = key.record.import;
        let material = open(import.algorithm, private_key, wrapped).ok_or(Error::ImportFailed)?;
        let put = self.put_imported(&import, &Arc::new(material), by);
        put.map_err(|cause| Error::ImportSpent { import: id, cause: Box::new(cause) })
    }

    /// Cancels an import: its transport key is gone.
    ///
    /// # Errors
    /// [`Error::ImportNotFound`], also for one whose record is damaged, which is removed; [`Error::Storage`].
    pub fn cancel_import(&self, store: StoreId, id: ImportId) -> Result<Import, Error> {
        self.ledger.cancel_transport_key(store, id)
    }

    /// Refuses an import that could not be completed as things stand.
    fn check_target(&self, import: &Import) -> Result<(), Error> {
        self.shred_table().must_have_room()?;
        match import.target {
            ImportTarget::NewKey { .. } if self.find_key(import.store, &import.name)?.is_some() => {
                Err(Error::NameTaken(import.name.clone()))
            }
            ImportTarget::NewKey { .. } => Ok(()),
            ImportTarget::NewVersion { key } => {
                let record = self.describe_key(key)?;
                if record.state == KeyState::Deleted {
                    return Err(Error::KeyStateWrong { id: key, state: record.state, needed: "not deleted" });
                }
                // Of a secret the oldest version makes room.
                let is_full = record.algorithm.row().kind != KeyKind::Secret && record.versions.len() >= VERSIONS_MAX;
                if is_full { Err(Error::TooManyVersions(key)) } else { self.shred_table().secret_of(&record).map(drop) }
            }
        }
    }

    /// Makes the key or version. There is no second try of the import, so that others may change the key at the same moment: then the change is tried again.
    fn put_imported(
        &self,
        import: &Import,
        material: &Arc<KeyMaterial>,
        by: Option<PersonId>,
    ) -> Result<KeyRecord, Error> {
        for _ in 1..IMPORT_TRIES_MAX {
            match self.try_put_imported(import, material, by) {
                Err(Error::Conflict) => {}
                put => return put,
            }
        }
        self.try_put_imported(import, material, by)
    }

    fn try_put_imported(
        &self,
        import: &Import,
        material: &Arc<KeyMaterial>,
        by: Option<PersonId>,
    ) -> Result<KeyRecord, Error> {
        let material = NewMaterial::Imported(Arc::clone(material));
        match import.target {
            ImportTarget::NewKey { exportable } => {
                let new = NewKey { exportable, ..NewKey::new(import.name.clone(), import.algorithm) };
                self.create_key_of(import.store, new, material, by)
            }
            ImportTarget::NewVersion { key } => self.ledger.change_key(key, |key| {
                key.must_live()?;
                key.add_version(material)?;
                (key.record.rotation, key.record.rotation_by_use) = (None, None);
                Ok(())
            }),
        }
    }
}

/// What was wrapped, if all of it is good.
fn open(algorithm: Algorithm, private_key: SecretBytes, wrapped: &[u8]) -> Option<KeyMaterial> {
    let private_key = KeyMaterial::import(TRANSPORT_ALGORITHM, private_key).ok()?;
    let private_key = DecryptingKey::new(&private_key).ok()?;
    let bytes = key_wrap::unwrap(&private_key, wrapped).ok()?;
    KeyMaterial::import_foreign(algorithm, bytes).ok()
}

/// What transport keys are.
pub(super) const TRANSPORT_ALGORITHM: Algorithm = Algorithm::Rsa4096OaepSha256;

impl fmt::Display for Requester {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        HEXLOWER.encode_display(&self.0).fmt(f)
    }
}
