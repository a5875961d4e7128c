//! What a record of a key takes and refuses, and when the clock has to look at it.

use super::about::tests::about;
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
        exportable: false,
        about: about(),
        aliases: ["cards", "old-records"].map(|alias| alias.parse().unwrap()).into(),
        shred_slot: 77,
        lowest_version: number(2),
        deletion: None,
        deleted: None,
        rotation: Some(Rotation { period_days: 90, next_ms: 1_000 }),
        rotation_by_use: Some(RotationByUse { items: Some(1 << 30), bytes: None }),
        versions: [(1, VersionState::Active), (3, VersionState::Current)].map(summary).to_vec(),
    }
}

fn number(number: u32) -> KeyVersion {
    KeyVersion::new(number).unwrap()
}

fn summary((version, state): (u32, VersionState)) -> VersionSummary {
    VersionSummary { version: number(version), state, created_ms: 7, origin: Origin::Generated }
}

pub(crate) fn deletion_requested() -> KeyRecord {
    let deletion = Deletion { requested_ms: 7, deadline_ms: 7 + 24 * HOUR, running_ms: 100 };
    KeyRecord { state: KeyState::DeletionRequested, deletion: Some(deletion), ..sample() }
}

pub(crate) fn deleted() -> KeyRecord {
    let versions = [(1, VersionState::Destroyed), (3, VersionState::Destroyed)].map(summary).to_vec();
    let deleted = Some(Deleted { at_ms: 8, running_ms: 100, destroyed: None });
    let aliases = BTreeSet::new();
    KeyRecord {
        state: KeyState::Deleted,
        deleted,
        aliases,
        shred_slot: 0,
        rotation: None,
        rotation_by_use: None,
        versions,
        ..sample()
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
    refused(|record| record.deleted = deleted().deleted, sample());
    refused(|record| record.deletion = None, deletion_requested());
    refused(|record| record.state = KeyState::Disabled, deletion_requested());
    refused(|record| record.state = KeyState::Deleted, deletion_requested());
    refused(|record| record.deleted = None, deleted());
    refused(|record| record.rotation = sample().rotation, deleted());
    refused(|record| record.rotation_by_use = sample().rotation_by_use, deleted());
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

// R-K12
#[test]
fn refuses_a_bound_of_use_of_nothing() {
    for (items, bytes) in [(None, None), (Some(0), None), (None, Some(0)), (Some(0), Some(1)), (Some(1), Some(0))] {
        refused(|record| record.rotation_by_use = Some(RotationByUse { items, bytes }), sample());
    }
}

/// A secret that was updated often.
fn secret() -> KeyRecord {
    let versions = (0..10).map(|age| summary((u32::MAX - 9 + age, VersionState::Active)));
    let mut record = KeyRecord { algorithm: Algorithm::Opaque, versions: versions.collect(), ..sample() };
    record.versions[9].state = VersionState::Current;
    record
}

// R-K14
#[test]
fn a_secret_has_its_newest_ten_versions_and_their_numbers_may_be_any() {
    refused(|eleven| eleven.versions.insert(0, summary((1, VersionState::Active))), secret());
}

// R-K21
#[test]
fn refuses_aliases_that_are_too_many_or_of_a_deleted_key_or_its_own_name() {
    let aliases = |count: usize| (0..count).map(|number| format!("alias-{number:02}").parse().unwrap()).collect();
    refused(|record| record.aliases = aliases(33), KeyRecord { aliases: aliases(32), ..sample() });
    refused(|record| record.aliases = aliases(1), deleted());
    refused(|record| record.aliases = ["payments".parse().unwrap()].into(), sample());
}

// R-K21
#[test]
fn refuses_aliases_that_are_not_each_once_and_in_order() {
    for names in [["b", "a"], ["a", "a"]] {
        let mut writer = Writer::default();
        writer.u16(2);
        for name in names {
            writer.sized(name.as_bytes());
        }
        assert_eq!(aliases(&mut Reader::new(&writer.finish())), None, "{names:?}");
    }
}

// R-K11
#[test]
fn what_is_kept_of_a_deleted_key_is_over_when_both_clocks_say_so() {
    let deleted = deleted().deleted.unwrap();
    let (year, month) = (8 + 365 * 24 * HOUR, 100 + 30 * 24 * HOUR);
    assert!(deleted.is_over(year, month));
    for (now, running) in [(year - 1, u64::MAX), (u64::MAX, month - 1), (u64::MAX, 0), (0, month)] {
        assert!(!deleted.is_over(now, running), "{now} {running}");
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
    let at_the_end = Some(Deleted { at_ms: u64::MAX, running_ms: 0, destroyed: None });
    assert_eq!(KeyRecord { deleted: at_the_end, ..deleted() }.due_ms(), Some(u64::MAX));
}

const HOUR: u64 = 3_600_000;
