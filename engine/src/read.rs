//! Reading descriptions: of keys and key stores. Reads storage, so it is never called on a worker thread.

use crate::engine::Engine;
use crate::error::Error;
use crate::key::id::{KeyId, StoreId};
use crate::key::material::SecretBytes;
use crate::key::name::Name;
use crate::key::state::KeyState;
use crate::record::key_name::KeyNameRecord;
use crate::record::usage::KeyUsage;
use crate::record::{AuthorityRecord, KeyRecord, KeyStoreRecord, address};

/// The certificate authority of a key store, with its private key.
pub struct Authority {
    /// Its certificate, DER.
    pub certificate: Vec<u8>,
    /// Its private key, PKCS#8 DER.
    pub private_key: SecretBytes,
}

/// What is to be said of the uses of keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UseWarnings {
    /// Keys in memory whose current version has used half of what its algorithm allows.
    pub near_limit: Vec<KeyId>,
    /// Whether uses that are limited cannot be written now, nor the running time.
    pub limited_unwritten: bool,
    /// Whether statistics of uses cannot be written now.
    pub statistics_unwritten: bool,
}

/// How often the current version of a key was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UseCount {
    /// Items that were sealed. After an unclean stop it may be above the truth, never below.
    pub used: u64,
    /// How many the algorithm allows.
    pub limit: u64,
}

impl Engine {
    /// The description of a key, in every state; of a deleted one for 365 days.
    ///
    /// # Errors
    /// [`Error::KeyNotFound`], [`Error::Damaged`], [`Error::Storage`].
    pub fn describe_key(&self, id: KeyId) -> Result<KeyRecord, Error> {
        self.ledger.read_key(id).map(|(record, _)| record)
    }

    /// The id of the key that has this name, or this alias, in this store, if there is one.
    ///
    /// # Errors
    /// [`Error::Damaged`], [`Error::Storage`].
    pub fn find_key(&self, store: StoreId, name: &Name) -> Result<Option<KeyId>, Error> {
        let found = self.vault().read::<KeyNameRecord>(&address::key_name(store, name))?;
        Ok(found.map(|(named, _)| named.key))
    }

    /// The description of a key that a name stood for; `None` if the key was deleted since the name was read.
    ///
    /// # Errors
    /// [`Error::Damaged`], [`Error::Storage`].
    pub fn describe_named_key(&self, id: KeyId) -> Result<Option<KeyRecord>, Error> {
        match self.describe_key(id) {
            Ok(record) => Ok(Some(record).filter(|record| record.state != KeyState::Deleted)),
            Err(Error::KeyNotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// How a key was used until now, by version and by client; of a deleted one for 365 days.
    ///
    /// # Errors
    /// [`Error::Damaged`], [`Error::Storage`].
    pub fn key_usage(&self, id: KeyId) -> Result<KeyUsage, Error> {
        self.ledger.statistics.read(id)
    }

    /// How often the current version of a key was used, if its algorithm limits that.
    ///
    /// # Errors
    /// [`Error::Damaged`], [`Error::Storage`].
    pub fn use_count(&self, key: &KeyRecord) -> Result<Option<UseCount>, Error> {
        let (Some(limit), Some(version)) = (key.algorithm.row().use_limit, key.current()) else { return Ok(None) };
        let used = self.use_counts().counter(key.id, version, key.algorithm)?.used();
        Ok(Some(UseCount { used, limit }))
    }

    /// What is to be said of the uses of keys.
    #[must_use]
    pub fn use_warnings(&self) -> UseWarnings {
        let counts = self.use_counts();
        UseWarnings {
            near_limit: counts.near_their_limit().into_iter().map(|(id, _)| id).collect(),
            limited_unwritten: counts.is_failing(),
            statistics_unwritten: self.ledger.statistics.is_failing(),
        }
    }

    /// Keys that have 90 versions or more, of those that were read to be used, or changed, since the start.
    #[must_use]
    pub fn version_warnings(&self) -> Vec<KeyId> {
        self.ledger.source.near_version_limit()
    }

    /// The description of a key store.
    ///
    /// # Errors
    /// [`Error::KeyStoreNotFound`], [`Error::Damaged`], [`Error::Storage`].
    pub fn describe_store(&self, id: StoreId) -> Result<KeyStoreRecord, Error> {
        let (record, _) =
            self.vault().read::<KeyStoreRecord>(&address::key_store(id))?.ok_or(Error::KeyStoreNotFound(id))?;
        Ok(record)
    }

    /// The certificate authority of a key store, to issue a certificate with.
    ///
    /// # Errors
    /// [`Error::KeyStoreNotFound`], [`Error::Damaged`], [`Error::Storage`].
    pub fn authority(&self, id: StoreId) -> Result<Authority, Error> {
        let place = address::authority(id);
        let (record, _) = self.vault().read::<AuthorityRecord>(&place)?.ok_or(Error::KeyStoreNotFound(id))?;
        let private_key = self.vault().unwrap::<AuthorityRecord>(&place, None, &record.wrapped_private_key)?;
        Ok(Authority { certificate: record.certificate, private_key })
    }
}
