//! The record of a key: what it is, its state, its versions. Its material stands in one record for each version.

use std::time::Duration;

use claviger_algorithm::Algorithm;

use super::Record;
use super::codec::{Reader, Writer};
use crate::key::id::{KeyId, StoreId};
use crate::key::name::Name;
use crate::key::state::{KeyState, VersionState};
use crate::key::version::KeyVersion;
use crate::limits::{
    DELETED_KEY_KEPT, DELETION_WAIT_MAX, DELETION_WAIT_MIN, ROTATION_PERIOD_DAYS_MAX, VERSIONS_MAX, VERSIONS_WARNING,
};

/// What is stored of a key beside its material. All of it may be printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRecord {
    /// Its id, which never changes.
    pub id: KeyId,
    /// The key store that holds it.
    pub store: StoreId,
    /// Its name, unique in the store. That of a deleted key may be another key's by now.
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
    /// The lowest version that decrypts: what older ones have encrypted is refused.
    pub lowest_version: KeyVersion,
    /// The request of its deletion, while that is its state.
    pub deletion: Option<Deletion>,
    /// When it was deleted, in milliseconds since 1970, if it was.
    pub deleted_ms: Option<u64>,
    /// When it is rotated by the clock, if it is.
    pub rotation: Option<Rotation>,
    /// 1..=100 versions, ascending; exactly one of them current, or all destroyed if the key is deleted.
    pub versions: Vec<VersionSummary>,
}

/// A deletion that was requested. It is made when the wall clock has reached the deadline and the installation has been running for as long since the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deletion {
    /// When it was requested, in milliseconds since 1970.
    pub requested_ms: u64,
    /// When it is made at the earliest, in milliseconds since 1970.
    pub deadline_ms: u64,
    /// For how long the installation had been running in all when it was requested, in milliseconds.
    pub running_ms: u64,
}

/// Rotation by the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// 1..=730 days.
    pub period_days: u16,
    /// When it is rotated next, in milliseconds since 1970. Rotation by hand does not move it.
    pub next_ms: u64,
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
    /// The version that encrypts and signs; none if the key is deleted.
    #[must_use]
    pub fn current(&self) -> Option<KeyVersion> {
        self.versions.iter().find(|summary| summary.state == VersionState::Current).map(|summary| summary.version)
    }

    /// Whether the key has 90 versions or more, destroyed ones counted: time to make another key.
    #[must_use]
    pub fn is_near_version_limit(&self) -> bool {
        self.state != KeyState::Deleted && self.versions.len() >= VERSIONS_WARNING
    }

    /// When the clock has to look at the key next: for its rotation, its deletion, or the end of what is kept of it.
    pub(crate) fn due_ms(&self) -> Option<u64> {
        let rotation = self.rotation.map(|rotation| rotation.next_ms);
        let deletion = self.deletion.map(|deletion| deletion.deadline_ms);
        let purge = self.deleted_ms.map(|deleted| deleted.saturating_add(milliseconds(DELETED_KEY_KEPT)));
        [rotation, deletion, purge].into_iter().flatten().min()
    }

    fn is_consistent(&self) -> bool {
        let in_state = |state| self.versions.iter().filter(|summary| summary.state == state).count();
        let is_deleted = self.state == KeyState::Deleted;
        let (current, destroyed) = if is_deleted { (0, self.versions.len()) } else { (1, 0) };
        (1..=VERSIONS_MAX).contains(&self.versions.len())
            && self.versions.is_sorted_by(|a, b| a.version < b.version)
            && in_state(VersionState::Current) == current
            && in_state(VersionState::Destroyed) >= destroyed
            && self.versions.last().is_some_and(|newest| self.lowest_version <= newest.version)
            && self.deletion.is_some() == (self.state == KeyState::DeletionRequested)
            && self.deletion.is_none_or(|deletion| deletion.is_consistent())
            && self.deleted_ms.is_some() == is_deleted
            && self.rotation.is_none_or(|rotation| rotation.is_consistent() && !is_deleted)
    }
}

impl Deletion {
    /// How long the deletion waits, in milliseconds of the wall clock and of running time.
    pub(crate) const fn wait_ms(&self) -> u64 {
        self.deadline_ms.saturating_sub(self.requested_ms)
    }

    /// Whether both clocks say that the wait is over.
    pub(crate) const fn is_due(&self, now_ms: u64, running_ms: u64) -> bool {
        now_ms >= self.deadline_ms && running_ms.saturating_sub(self.running_ms) >= self.wait_ms()
    }

    fn is_consistent(&self) -> bool {
        let bounds = milliseconds(DELETION_WAIT_MIN)..=milliseconds(DELETION_WAIT_MAX);
        self.deadline_ms >= self.requested_ms && bounds.contains(&self.wait_ms())
    }
}

impl Rotation {
    /// A cycle of so many days that begins now.
    pub(crate) fn starting(period_days: u16, now_ms: u64) -> Self {
        let mut rotation = Self { period_days, next_ms: now_ms };
        rotation.next_ms = now_ms.saturating_add(rotation.period_ms());
        rotation
    }

    /// The period, in milliseconds.
    pub(crate) fn period_ms(&self) -> u64 {
        milliseconds(DAY * u32::from(self.period_days))
    }

    /// The same cycle after what was due until now: cycles that were missed count as one.
    pub(crate) fn after(&self, now_ms: u64) -> Self {
        let missed = now_ms.saturating_sub(self.next_ms).checked_div(self.period_ms()).unwrap_or(0);
        let next_ms = self.next_ms.saturating_add(missed.saturating_add(1).saturating_mul(self.period_ms()));
        Self { next_ms, ..*self }
    }

    fn is_consistent(&self) -> bool {
        (1..=ROTATION_PERIOD_DAYS_MAX).contains(&self.period_days)
    }
}

/// As milliseconds; the spans of the engine are far below 584 million years.
pub(crate) fn milliseconds(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

impl Record for KeyRecord {
    // 2 was a key without deletion and rotation, never released.
    const RECORD_TYPE: u8 = 8;

    fn encode(&self, out: &mut Writer) {
        out.bytes(&self.id.0).bytes(&self.store.0).sized(self.name.as_str().as_bytes());
        out.u8(self.algorithm.id()).u8(self.state.id()).u64(self.created_ms).u64(self.changed_ms).u32(self.shred_slot);
        out.u32(self.lowest_version.get());
        out.optional(self.deletion.as_ref(), |out, deletion| {
            out.u64(deletion.requested_ms).u64(deletion.deadline_ms).u64(deletion.running_ms);
        });
        out.optional(self.deleted_ms.as_ref(), |out, deleted_ms| {
            out.u64(*deleted_ms);
        });
        out.optional(self.rotation.as_ref(), |out, rotation| {
            out.u16(rotation.period_days).u64(rotation.next_ms);
        });
        // At most VERSIONS_MAX, by `is_consistent`.
        out.u16(u16::try_from(self.versions.len()).unwrap_or(u16::MAX));
        for summary in &self.versions {
            out.u32(summary.version.get()).u8(summary.state.id()).u64(summary.created_ms);
        }
    }

    fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        let record = Self {
            id: KeyId(reader.array()?),
            store: StoreId(reader.array()?),
            name: Name::from_bytes(reader.sized()?).ok()?,
            algorithm: Algorithm::from_id(reader.u8()?)?,
            state: KeyState::from_id(reader.u8()?)?,
            created_ms: reader.u64()?,
            changed_ms: reader.u64()?,
            shred_slot: reader.u32()?,
            lowest_version: KeyVersion::new(reader.u32()?)?,
            deletion: reader.optional(Deletion::decode)?,
            deleted_ms: reader.optional(Reader::u64)?,
            rotation: reader.optional(Rotation::decode)?,
            versions: versions(reader)?,
        };
        record.is_consistent().then_some(record)
    }
}

fn versions(reader: &mut Reader<'_>) -> Option<Vec<VersionSummary>> {
    let count = usize::from(reader.u16()?);
    if count > VERSIONS_MAX {
        return None;
    }
    (0..count).map(|_| VersionSummary::decode(reader)).collect()
}

impl VersionSummary {
    fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        let version = KeyVersion::new(reader.u32()?)?;
        let state = VersionState::from_id(reader.u8()?)?;
        Some(Self { version, state, created_ms: reader.u64()? })
    }
}

impl Deletion {
    fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        Some(Self { requested_ms: reader.u64()?, deadline_ms: reader.u64()?, running_ms: reader.u64()? })
    }
}

impl Rotation {
    fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        Some(Self { period_days: reader.u16()?, next_ms: reader.u64()? })
    }
}

const DAY: Duration = Duration::from_hours(24);

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn sample() -> KeyRecord {
        KeyRecord {
            id: KeyId([1; 16]),
            store: StoreId([2; 16]),
            name: "payments".parse().unwrap(),
            algorithm: Algorithm::Xaes256Gcm,
            state: KeyState::Available,
            created_ms: 5,
            changed_ms: 6,
            shred_slot: 0,
            lowest_version: number(2),
            deletion: None,
            deleted_ms: None,
            rotation: Some(Rotation { period_days: 90, next_ms: 1_000 }),
            versions: [(1, VersionState::Active), (3, VersionState::Current)].map(summary).to_vec(),
        }
    }

    fn number(number: u32) -> KeyVersion {
        KeyVersion::new(number).unwrap()
    }

    fn summary((version, state): (u32, VersionState)) -> VersionSummary {
        VersionSummary { version: number(version), state, created_ms: 7 }
    }

    pub(crate) fn deletion_requested() -> KeyRecord {
        let deletion = Deletion { requested_ms: 7, deadline_ms: 7 + 24 * HOUR, running_ms: 100 };
        KeyRecord { state: KeyState::DeletionRequested, deletion: Some(deletion), ..sample() }
    }

    pub(crate) fn deleted() -> KeyRecord {
        let versions = [(1, VersionState::Destroyed), (3, VersionState::Destroyed)].map(summary).to_vec();
        KeyRecord { state: KeyState::Deleted, deleted_ms: Some(8), rotation: None, versions, ..sample() }
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

    #[track_caller]
    fn refused(alter: impl FnOnce(&mut KeyRecord), mut record: KeyRecord) {
        assert_eq!(decoded(&encoded(&record)).as_ref(), Some(&record));
        alter(&mut record);
        assert_eq!(decoded(&encoded(&record)), None, "{record:?}");
    }

    #[test]
    fn decodes_what_was_encoded() {
        for record in [sample(), deletion_requested(), deleted()] {
            assert_eq!(decoded(&encoded(&record)), Some(record));
        }
    }

    #[test]
    fn refuses_every_truncation() {
        for record in [sample(), deletion_requested(), deleted()] {
            let bytes = encoded(&record);
            for size in 0..bytes.len() {
                assert_eq!(decoded(&bytes[..size]), None, "{size} bytes");
            }
        }
    }

    #[test]
    fn refuses_inconsistent_versions() {
        refused(|two_current| two_current.versions[0].state = VersionState::Current, sample());
        refused(|none_current| none_current.versions[1].state = VersionState::Active, sample());
        refused(|destroyed| destroyed.versions[1].state = VersionState::Destroyed, sample());
        refused(|descending| descending.versions.reverse(), sample());
        refused(|none| none.versions.clear(), sample());
        refused(|lowest| lowest.lowest_version = number(4), sample());
    }

    // R-K7, R-K10
    #[test]
    fn refuses_a_state_and_a_deletion_that_do_not_fit_together() {
        refused(|record| record.state = KeyState::DeletionRequested, sample());
        refused(|record| record.state = KeyState::Deleted, sample());
        refused(|record| record.deletion = deletion_requested().deletion, sample());
        refused(|record| record.deleted_ms = Some(8), sample());
        refused(|record| record.deletion = None, deletion_requested());
        refused(|record| record.state = KeyState::Disabled, deletion_requested());
        refused(|record| record.state = KeyState::Deleted, deletion_requested());
        refused(|record| record.deleted_ms = None, deleted());
        refused(|record| record.rotation = sample().rotation, deleted());
        refused(|record| record.versions[1].state = VersionState::Current, deleted());
        refused(|record| record.versions[0].state = VersionState::Disabled, deleted());
        refused(|record| record.state = KeyState::Available, deleted());
    }

    // R-K10
    #[test]
    fn refuses_a_wait_out_of_bounds() {
        for deadline_ms in [0, 6, 7, 7 + 24 * HOUR - 1, 7 + 30 * 24 * HOUR + 1, u64::MAX] {
            let alter = |record: &mut KeyRecord| record.deletion.as_mut().unwrap().deadline_ms = deadline_ms;
            refused(alter, deletion_requested());
        }
    }

    // R-K12
    #[test]
    fn refuses_a_period_out_of_bounds() {
        for period_days in [0, 731, u16::MAX] {
            refused(|record| record.rotation.as_mut().unwrap().period_days = period_days, sample());
        }
    }

    // R-K10
    #[test]
    fn a_deletion_is_due_when_both_clocks_say_so() {
        let deletion = deletion_requested().deletion.unwrap();
        let (deadline, run_for_a_day) = (deletion.deadline_ms, 100 + 24 * HOUR);
        assert!(deletion.is_due(deadline, run_for_a_day));
        for (now, running) in [
            (deadline - 1, u64::MAX),
            (0, run_for_a_day),
            (deadline, run_for_a_day - 1),
            (u64::MAX, 100),
            (u64::MAX, 0),
            (deadline, 24 * HOUR),
        ] {
            assert!(!deletion.is_due(now, running), "{now} {running}");
        }
    }

    // R-K12
    #[test]
    fn cycles_that_were_missed_count_as_one() {
        let rotation = Rotation { period_days: 1, next_ms: 1_000 };
        let day = 24 * HOUR;
        for (now, next) in [(1_000, 1), (1_000 + day - 1, 1), (1_000 + day, 2), (1_000 + 10 * day, 11)] {
            assert_eq!(rotation.after(now), Rotation { period_days: 1, next_ms: 1_000 + next * day }, "{now}");
        }
        assert_eq!(rotation.after(u64::MAX).next_ms, u64::MAX);
    }

    #[test]
    fn the_clock_looks_at_what_comes_first() {
        assert_eq!(sample().due_ms(), Some(1_000));
        assert_eq!(KeyRecord { rotation: None, ..sample() }.due_ms(), None);
        assert_eq!(KeyRecord { rotation: None, ..deletion_requested() }.due_ms(), Some(7 + 24 * HOUR));
        assert_eq!(deletion_requested().due_ms(), Some(1_000));
        assert_eq!(deleted().due_ms(), Some(8 + 365 * 24 * HOUR));
        assert_eq!(KeyRecord { deleted_ms: Some(u64::MAX), ..deleted() }.due_ms(), Some(u64::MAX));
    }

    const HOUR: u64 = 3_600_000;
}
