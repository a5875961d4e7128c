//! The keys that journal and backups are sealed with: derived from each version of the system key, used for nothing else.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::crypto::record_key::RecordKey;
use crate::crypto::wrap::{SystemKey, WrappingKey};

/// What journal and backups of one installation are sealed with.
pub struct Sealing {
    installation: [u8; 16],
    current: u32,
    versions: BTreeMap<u32, Arc<Seal>>,
}

/// The keys of one version of the system key.
pub(crate) struct Seal {
    /// Seals records.
    pub(super) wrapping: WrappingKey,
    /// Authenticates headers, and the sizes of records before anything is allocated for them.
    pub(super) authentication: RecordKey,
}

impl Sealing {
    /// The keys of the current version, with which new files are sealed, and those of older ones.
    pub(crate) fn new(
        installation: [u8; 16],
        (current, seal): (u32, Arc<Seal>),
        older: impl IntoIterator<Item = (u32, Arc<Seal>)>,
    ) -> Self {
        let mut versions: BTreeMap<_, _> = older.into_iter().collect();
        versions.insert(current, seal);
        Self { installation, current, versions }
    }

    /// The installation whose files these keys seal.
    pub(super) const fn installation(&self) -> [u8; 16] {
        self.installation
    }

    /// The version that new files are sealed with.
    pub(super) const fn current(&self) -> u32 {
        self.current
    }

    /// The keys of a version, if it is there.
    pub(super) fn version(&self, version: u32) -> Option<&Arc<Seal>> {
        self.versions.get(&version)
    }
}

impl Seal {
    /// The keys that are derived from this system key.
    pub(crate) fn of(system_key: &SystemKey) -> Self {
        let (wrapping, authentication) = system_key.journal_keys();
        Self { wrapping, authentication }
    }
}
