//! The system keys in memory: the keys that are derived from each. A system key is never used raw.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::backup::{Seal, Sealing};
use crate::crypto::record_key::{AuditKey, RecordKey};
use crate::crypto::wrap::{SystemKey, WrappingKey};
#[cfg(test)]
use crate::limits::SYSTEM_KEY_SIZE;

/// The unwrapped system keys of one installation, as the keys derived from them.
#[derive(Clone)]
pub struct SystemKeys {
    installation: [u8; 16],
    current: UnlockedKey,
    /// Ascending.
    older: BTreeMap<u32, UnlockedKey>,
}

/// One version of the system key. Its keys are wiped when the last holder lets go.
#[derive(Clone)]
pub(crate) struct UnlockedKey {
    /// Its number.
    pub(crate) version: u32,
    /// When it was made, in milliseconds since 1970.
    pub(crate) created_ms: u64,
    keys: Arc<DerivedKeys>,
}

/// What one system key is used for.
pub(crate) struct DerivedKeys {
    /// Wraps key material and the important part of authentication data.
    pub(crate) wrapping: WrappingKey,
    /// Authenticates records.
    pub(crate) record: RecordKey,
    /// Seals journal and backups.
    pub(crate) journal: Arc<Seal>,
    /// Authenticates the audit log.
    pub(crate) audit: AuditKey,
}

impl DerivedKeys {
    fn of(system_key: &SystemKey) -> Self {
        Self {
            wrapping: system_key.wrapping_key(),
            record: system_key.record_key(),
            journal: Arc::new(Seal::of(system_key)),
            audit: system_key.audit_key(),
        }
    }
}

impl SystemKeys {
    /// The keys of one installation; the one with the highest version is current. `None` if there is none.
    pub(super) fn new(installation: [u8; 16], keys: impl IntoIterator<Item = UnlockedKey>) -> Option<Self> {
        let mut older: BTreeMap<_, _> = keys.into_iter().map(|key| (key.version, key)).collect();
        let (_, current) = older.pop_last()?;
        Some(Self { installation, current, older })
    }

    /// The id of the installation, to which every wrap is bound.
    #[must_use]
    pub const fn installation(&self) -> [u8; 16] {
        self.installation
    }

    /// One system key of these bytes.
    #[cfg(test)]
    pub(crate) fn for_tests(key: [u8; SYSTEM_KEY_SIZE]) -> Self {
        Self::versions_for_tests(&[(1, key)])
    }

    /// System keys of these versions and bytes.
    #[cfg(test)]
    pub(crate) fn versions_for_tests(keys: &[(u32, [u8; SYSTEM_KEY_SIZE])]) -> Self {
        Self::new([9; 16], keys.iter().map(|(version, key)| UnlockedKey::new(*version, 0, key).unwrap())).unwrap()
    }

    /// The version that wraps new records, and its keys.
    pub(crate) fn current(&self) -> (u32, &DerivedKeys) {
        (self.current.version, &self.current.keys)
    }

    /// What journal and backups are sealed with.
    #[must_use]
    pub fn sealing(&self) -> Sealing {
        let seal = |key: &UnlockedKey| (key.version, Arc::clone(&key.keys.journal));
        Sealing::new(self.installation, seal(&self.current), self.older.values().map(seal))
    }

    /// The keys of a version.
    pub(crate) fn version(&self, version: u32) -> Option<&DerivedKeys> {
        let is_current = version == self.current.version;
        let found = if is_current { Some(&self.current) } else { self.older.get(&version) };
        found.map(|key| &*key.keys)
    }

    /// All versions, ascending; the last is current.
    pub(crate) fn all(&self) -> impl Iterator<Item = &UnlockedKey> {
        self.older.values().chain([&self.current])
    }

    /// Whether there are versions that have been replaced.
    pub(crate) fn has_older(&self) -> bool {
        !self.older.is_empty()
    }

    /// The same without a version that is not the current one.
    pub(crate) fn without(&self, version: u32) -> Self {
        let mut keys = self.clone();
        keys.older.remove(&version);
        keys
    }
}

impl UnlockedKey {
    /// A version from its secret bytes.
    ///
    /// # Errors
    /// [`WrongSize`].
    pub(super) fn new(version: u32, created_ms: u64, key: &[u8]) -> Result<Self, WrongSize> {
        let system_key = SystemKey::new(key.try_into().map_err(|_| WrongSize)?);
        Ok(Self { version, created_ms, keys: Arc::new(DerivedKeys::of(&system_key)) })
    }
}

/// A system key that is not 32 bytes long.
#[derive(Debug)]
pub(super) struct WrongSize;
