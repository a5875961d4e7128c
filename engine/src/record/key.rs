//! The record of a key: what it is, its state, its versions. Its material stands in one record for each version.

use claviger_algorithm::Algorithm;

use super::Record;
use super::codec::{Reader, Writer};
use crate::key::id::{KeyId, StoreId};
use crate::key::name::Name;
use crate::key::state::{KeyState, VersionState};
use crate::key::version::KeyVersion;
use crate::limits::VERSIONS_MAX;

/// What is stored of a key beside its material. All of it may be printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRecord {
    /// Its id, which never changes.
    pub id: KeyId,
    /// The key store that holds it.
    pub store: StoreId,
    /// Its name, unique in the store.
    pub name: Name,
    /// Algorithm; kind, purpose and padding follow from it. Fixed at creation.
    pub algorithm: Algorithm,
    /// State of the key, covering all versions.
    pub state: KeyState,
    /// When it was created, in milliseconds since 1970.
    pub created_ms: u64,
    /// When it was last changed, in milliseconds since 1970.
    pub changed_ms: u64,
    /// Slot of its shred secret; 0 = none yet.
    pub shred_slot: u32,
    /// 1..=100 versions, ascending, exactly one of them current.
    pub versions: Vec<VersionSummary>,
}

/// What is stored of a version beside its material.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VersionSummary {
    /// Its number.
    pub version: KeyVersion,
    /// Its own state.
    pub state: VersionState,
    /// When it was created, in milliseconds since 1970.
    pub created_ms: u64,
}

impl KeyRecord {
    /// The version that encrypts and signs.
    #[must_use]
    pub fn current(&self) -> Option<KeyVersion> {
        self.versions.iter().find(|summary| summary.state == VersionState::Current).map(|summary| summary.version)
    }

    fn is_consistent(&self) -> bool {
        let current = self.versions.iter().filter(|summary| summary.state == VersionState::Current).count();
        let ascending = self.versions.is_sorted_by(|a, b| a.version < b.version);
        (1..=VERSIONS_MAX).contains(&self.versions.len()) && ascending && current == 1
    }
}

impl Record for KeyRecord {
    const RECORD_TYPE: u8 = 2;

    fn encode(&self, out: &mut Writer) {
        out.bytes(&self.id.0).bytes(&self.store.0).sized(self.name.as_str().as_bytes());
        out.u8(self.algorithm.id()).u8(self.state.id()).u64(self.created_ms).u64(self.changed_ms).u32(self.shred_slot);
        // At most VERSIONS_MAX, by `is_consistent`.
        out.u16(u16::try_from(self.versions.len()).unwrap_or(u16::MAX));
        for summary in &self.versions {
            out.u32(summary.version.get()).u8(summary.state.id()).u64(summary.created_ms);
        }
    }

    fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        let id = KeyId(reader.array()?);
        let store = StoreId(reader.array()?);
        let name = Name::from_bytes(reader.sized()?).ok()?;
        let algorithm = Algorithm::from_id(reader.u8()?)?;
        let state = KeyState::from_id(reader.u8()?)?;
        let (created_ms, changed_ms, shred_slot) = (reader.u64()?, reader.u64()?, reader.u32()?);
        let count = usize::from(reader.u16()?);
        if count > VERSIONS_MAX {
            return None;
        }
        let versions = (0..count).map(|_| VersionSummary::decode(reader)).collect::<Option<Vec<_>>>()?;
        let record = Self { id, store, name, algorithm, state, created_ms, changed_ms, shred_slot, versions };
        record.is_consistent().then_some(record)
    }
}

impl VersionSummary {
    fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        let version = KeyVersion::new(reader.u32()?)?;
        let state = VersionState::from_id(reader.u8()?)?;
        Some(Self { version, state, created_ms: reader.u64()? })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn sample() -> KeyRecord {
        let version =
            |number, state| VersionSummary { version: KeyVersion::new(number).unwrap(), state, created_ms: 7 };
        KeyRecord {
            id: KeyId([1; 16]),
            store: StoreId([2; 16]),
            name: "payments".parse().unwrap(),
            algorithm: Algorithm::Xaes256Gcm,
            state: KeyState::Available,
            created_ms: 5,
            changed_ms: 6,
            shred_slot: 0,
            versions: vec![version(1, VersionState::Active), version(3, VersionState::Current)],
        }
    }

    fn encoded(record: &KeyRecord) -> Vec<u8> {
        let mut writer = Writer::default();
        record.encode(&mut writer);
        writer.finish()
    }

    fn decoded(bytes: &[u8]) -> Option<KeyRecord> {
        let mut reader = Reader::new(bytes);
        let record = KeyRecord::decode(&mut reader)?;
        reader.finish()?;
        Some(record)
    }

    #[test]
    fn decodes_what_was_encoded() {
        assert_eq!(decoded(&encoded(&sample())), Some(sample()));
    }

    #[test]
    fn refuses_every_truncation() {
        let bytes = encoded(&sample());
        for size in 0..bytes.len() {
            assert_eq!(decoded(&bytes[..size]), None, "{size} bytes");
        }
    }

    #[test]
    fn refuses_inconsistent_versions() {
        let mut two_current = sample();
        two_current.versions[0].state = VersionState::Current;
        let mut none_current = sample();
        none_current.versions[1].state = VersionState::Active;
        let mut descending = sample();
        descending.versions.reverse();
        let mut none = sample();
        none.versions.clear();
        for record in [two_current, none_current, descending, none] {
            assert_eq!(decoded(&encoded(&record)), None);
        }
    }
}
