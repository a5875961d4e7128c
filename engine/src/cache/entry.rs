//! One key in the cache: state and unwrapped material of its versions, never changed, replaced as a whole.

use std::ops::Deref;
use std::sync::Arc;

use claviger_algorithm::{Algorithm, Operation};

use super::StoreSlot;
use crate::crypto::mac::MacKey;
use crate::crypto::oaep::DecryptingKey;
use crate::crypto::signature::SigningKey;
use crate::crypto::symmetric::SymmetricKey;
use crate::error::Error;
use crate::key::id::KeyId;
use crate::key::material::SecretBytes;
use crate::key::state::KeyState;
use crate::key::version::KeyVersion;
use crate::usage::UseCounter;

/// A key as one revision of its record describes it. Its secret bytes are wiped when the last holder drops it: the cache, a frame, a job.
pub struct KeyEntry {
    pub(crate) id: KeyId,
    pub(crate) store: Arc<StoreSlot>,
    pub(crate) algorithm: Algorithm,
    pub(crate) state: KeyState,
    /// The lowest version that decrypts.
    pub(crate) lowest_version: KeyVersion,
    /// Whether it gets another version after some use.
    pub(crate) rotates_by_use: bool,
    /// The current version first, then the active ones, newest first. A deleted key has none.
    pub(crate) versions: Versions,
}

/// Versions of a cached key. Most keys have one, which needs no allocation of its own.
pub(crate) enum Versions {
    /// One.
    One(EntryVersion),
    /// None, or several.
    Several(Box<[EntryVersion]>),
}

/// One version of a cached key.
pub(crate) struct EntryVersion {
    pub(crate) version: KeyVersion,
    pub(crate) key: PreparedKey,
    /// Whether it may seal without being counted.
    pub(crate) uses: Uses,
}

/// Uses of a version, as its algorithm wants them counted.
pub(crate) enum Uses {
    /// No number that anyone reaches.
    Unlimited,
    /// Counted before they happen.
    Counted(UseCounter),
    /// They must be counted and cannot be: the version is not the current one, or its count is damaged. It opens, and does not seal.
    Barred,
}

/// Key material, as ready for use as it pays to keep it.
pub(crate) enum PreparedKey {
    /// A value that is handed out.
    Opaque(Box<SecretBytes>),
    /// Material for bursts: preparing it costs 0.3 microseconds a burst, keeping it prepared, as is done for some, 2 KB a key.
    Symmetric(SymmetricKey),
    /// A prepared MAC key.
    Mac(Box<MacKey>),
    /// A parsed private key that signs: parsing is what must not happen at each request.
    Signing(Box<SigningKey>),
    /// A parsed private key that decrypts.
    Decrypting(Box<DecryptingKey>),
}

impl From<Vec<EntryVersion>> for Versions {
    fn from(versions: Vec<EntryVersion>) -> Self {
        match <[EntryVersion; 1]>::try_from(versions) {
            Ok([one]) => Self::One(one),
            Err(versions) => Self::Several(versions.into()),
        }
    }
}

impl Deref for Versions {
    type Target = [EntryVersion];

    fn deref(&self) -> &[EntryVersion] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Several(versions) => versions,
        }
    }
}

impl KeyEntry {
    /// The id of the key.
    #[must_use]
    pub const fn id(&self) -> KeyId {
        self.id
    }

    /// The key store that holds the key, with its policy.
    #[must_use]
    pub fn store(&self) -> &StoreSlot {
        &self.store
    }

    /// The algorithm of the key.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The state of the key.
    #[must_use]
    pub const fn state(&self) -> KeyState {
        self.state
    }

    /// Whether the key does `operation` now.
    ///
    /// # Errors
    /// [`Error::KeyNotUsable`] by its state, [`Error::OperationNotAllowed`] by its algorithm.
    pub fn check(&self, operation: Operation) -> Result<(), Error> {
        let is_usable = match self.state {
            KeyState::Available => true,
            KeyState::Disabled | KeyState::DeletionRequested => operation == Operation::ReadPublicKey,
            KeyState::Deleted => false,
        };
        if !is_usable {
            return Err(self.not_usable());
        }
        if !self.algorithm.row().operations.contains(operation) {
            return Err(self.not_allowed(operation));
        }
        Ok(())
    }

    /// The error that says that keys of this algorithm do not do `operation`.
    pub(crate) const fn not_allowed(&self, operation: Operation) -> Error {
        Error::OperationNotAllowed { algorithm: self.algorithm, operation }
    }

    const fn not_usable(&self) -> Error {
        Error::KeyNotUsable { id: self.id, state: self.state }
    }

    /// The version that encrypts and signs.
    ///
    /// # Errors
    /// [`Error::KeyNotUsable`] for a deleted key.
    pub(crate) fn current(&self) -> Result<&EntryVersion, Error> {
        self.versions.first().ok_or_else(|| self.not_usable())
    }

    /// The version of this number.
    pub(crate) fn version(&self, version: KeyVersion) -> Option<&EntryVersion> {
        self.versions.iter().find(|entry| entry.version == version)
    }

    /// The version of this number, or the current one.
    ///
    /// # Errors
    /// [`Error::KeyVersionNotFound`].
    pub(crate) fn version_or_current(&self, version: Option<KeyVersion>) -> Result<&EntryVersion, Error> {
        match version {
            None => self.current(),
            Some(version) => self.version(version).ok_or(Error::KeyVersionNotFound { id: self.id, version }),
        }
    }

    /// The versions that a request to verify or decrypt means: the one that it names; or, if it names none, all of them, in their order.
    ///
    /// # Errors
    /// [`Error::KeyVersionNotFound`].
    pub(crate) fn named_versions(&self, version: Option<KeyVersion>) -> Result<&[EntryVersion], Error> {
        match version {
            None => Ok(&self.versions),
            Some(_) => self.version_or_current(version).map(std::slice::from_ref),
        }
    }

    /// As [`KeyEntry::version`], if it decrypts.
    pub(crate) fn decrypting_version(&self, version: KeyVersion) -> Option<&EntryVersion> {
        self.version(version).filter(|entry| entry.version >= self.lowest_version)
    }

    /// As [`KeyEntry::named_versions`], of those that decrypt.
    ///
    /// # Errors
    /// [`Error::KeyVersionNotFound`].
    pub(crate) fn decrypting_versions(&self, version: Option<KeyVersion>) -> Result<&[EntryVersion], Error> {
        match version {
            Some(version) if version < self.lowest_version => Err(Error::KeyVersionNotFound { id: self.id, version }),
            Some(_) => self.named_versions(version),
            None => {
                // The current version is the newest, so that all stand in descending order.
                let count = self.versions.partition_point(|entry| entry.version >= self.lowest_version);
                Ok(self.versions.get(..count).unwrap_or_default())
            }
        }
    }
}
