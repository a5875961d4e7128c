//! Journal, backup and restore over real folders.

mod gaps;
mod refused;
mod unjournaled;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use super::header::HEADER_SIZE;
use super::journal::{Journal, JournalOptions, Segments};
use super::replay::{self, Replayed, Sources};
use super::restore::open_scratch;
use super::{BackupError, Progress, Sealing, create};
use crate::clock::SystemClock;
use crate::crypto::random::SystemRandom;
use crate::hierarchy::SystemKeys;
use crate::storage::{
    Address, Database, LmdbOptions, LmdbStorage, NewChange, Revision, Storage, StorageError, TransactError, Versioned,
    Write, WriteAhead,
};

/// A data folder, a journal and a place for backups.
struct Site {
    folder: tempfile::TempDir,
    segment_size: usize,
}

impl Site {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), segment_size: usize::MAX }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn journal(&self) -> Arc<Journal> {
        let options = JournalOptions {
            free_space_floor: 0,
            segment_size: self.segment_size,
            ..JournalOptions::at(self.path("journal"))
        };
        Journal::open(options, sealing(), Arc::new(SystemRandom::new()), Arc::new(SystemClock)).unwrap()
    }

    fn open(&self) -> (LmdbStorage, Arc<Journal>) {
        let journal = self.journal();
        (self.storage(&journal).unwrap(), journal)
    }

    fn storage(&self, journal: &Arc<Journal>) -> Result<LmdbStorage, StorageError> {
        let write_ahead: Option<Arc<dyn WriteAhead>> = Some(journal.clone());
        let options = LmdbOptions { map_size: 0, free_space_floor: 0, write_ahead, ..LmdbOptions::default() };
        LmdbStorage::open(&self.path("data"), &options)
    }

    fn back_up(&self, name: &str, storage: &dyn Storage, journal: &Journal) {
        let path = self.path(name);
        create::create(&path, storage, journal, &SystemRandom::new(), 0, &Progress::default()).unwrap();
    }

    /// What a restore gives, and what is in it.
    fn restore(&self, backup: Option<&str>) -> Result<(Replayed, Contents), BackupError> {
        let (target, backup) = (self.path("restored"), backup.map(|name| self.path(name)));
        let sources = Sources { backup: backup.as_deref(), journal: Some(&self.path("journal")) };
        let replayed = replay::fill(&target, &sources, &sealing(), &Progress::default());
        let restored = replayed.map(|replayed| {
            let storage = open_scratch(&target).unwrap();
            assert_eq!(storage.revision(), replayed.revision);
            (replayed, contents(&storage))
        });
        let _may_be_missing = fs::remove_dir_all(&target);
        restored
    }

    fn segment(&self, number: u64) -> PathBuf {
        Segments::path(&self.path("journal"), number)
    }
}

type Contents = BTreeMap<Address, Versioned>;

fn contents(storage: &dyn Storage) -> Contents {
    Database::ALL
        .into_iter()
        .flat_map(|database| storage.scan(&Address::new(database, ""), None, usize::MAX).unwrap())
        .collect()
}

fn sealing() -> Sealing {
    SystemKeys::for_tests([3; 32]).sealing()
}

fn put(key: &str, value: &str) -> Write {
    Write::Put { address: Address::new(Database::Keys, key), value: value.into() }
}

fn set(storage: &dyn Storage, key: &str, value: &str) -> Revision {
    storage.transact(&[], &[put(key, value)]).unwrap()
}

fn delete(storage: &dyn Storage, key: &str) -> Revision {
    storage.transact(&[], &[Write::Delete { address: Address::new(Database::Keys, key) }]).unwrap()
}

fn said<T>(result: Result<T, BackupError>) -> String {
    result.err().unwrap().to_string()
}

// R-H7
#[test]
fn journal_alone_gives_back_every_change_of_several_runs() {
    let site = Site::new();
    for run in 0..3 {
        let (storage, _journal) = site.open();
        set(&storage, "a", &run.to_string());
        set(&storage, &format!("b{run}"), "");
        delete(&storage, "b0");
    }
    let (storage, _journal) = site.open();
    let expected = contents(&storage);
    drop(storage);
    fs::remove_dir_all(site.path("data")).unwrap();
    let (replayed, restored) = site.restore(None).unwrap();
    assert_eq!(restored, expected);
    assert_eq!((replayed.revision, replayed.changes, replayed.segments), (Revision(9), 9, 4));
    assert!(replayed.torn.is_none());
}

// R-H7
#[test]
fn backup_and_the_journal_after_it_give_back_everything() {
    let site = Site::new();
    let (storage, journal) = site.open();
    for n in 0..100 {
        set(&storage, &format!("{n}"), "before");
    }
    site.back_up("backup-1", &storage, &journal);
    set(&storage, "7", "after");
    delete(&storage, "8");
    let (replayed, restored) = site.restore(Some("backup-1")).unwrap();
    assert_eq!(restored, contents(&storage));
    assert_eq!((replayed.revision, replayed.changes, replayed.segments), (Revision(102), 2, 1));
    // The segment before is no longer needed.
    fs::remove_file(site.segment(1)).unwrap();
    assert_eq!(site.restore(Some("backup-1")).unwrap().1, contents(&storage));
    assert!(said(site.restore(None)).contains("segment 1 of journal"));
}

// R-H7
#[test]
fn backup_is_of_one_moment_while_changes_run_and_the_map_grows() {
    let site = Site::new();
    let (storage, journal) = site.open();
    let value = "x".repeat(2_000);
    for n in 0..300 {
        set(&storage, &format!("filler {n:04}"), &value);
    }
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // Both keys always have the same value, at the front and at the back of what a snapshot shows.
            for n in 0_u32.. {
                let writes = [put("a", &n.to_string()), put("z", &n.to_string()), put(&format!("m{n}"), &value)];
                storage.transact(&[], &writes).unwrap();
                if stop.load(std::sync::atomic::Ordering::Relaxed) {
                    return;
                }
            }
        });
        for n in 1..=10 {
            site.back_up(&format!("backup-{n}"), &storage, &journal);
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    let without_journal = |name: &str| {
        let target = site.path("moment");
        let sources = Sources { backup: Some(&site.path(name)), journal: None };
        let replayed = replay::fill(&target, &sources, &sealing(), &Progress::default()).unwrap();
        let found = contents(&open_scratch(&target).unwrap());
        fs::remove_dir_all(&target).unwrap();
        (replayed.revision, found)
    };
    for n in 1..=10 {
        let name = format!("backup-{n}");
        let (revision, found) = without_journal(&name);
        let of = |key: &str| found.get(&Address::new(Database::Keys, key)).map(|found| found.value.clone());
        assert_eq!(of("a"), of("z"), "{name}");
        assert!(found.values().all(|found| found.revision <= revision), "{name}");
        assert_eq!(site.restore(Some(&name)).unwrap().1, contents(&storage), "{name} with the journal");
    }
}

// R-H7
#[test]
fn what_was_written_ahead_and_never_made_is_not_restored_and_what_was_made_is() {
    let site = Site::new();
    let (storage, journal) = site.open();
    set(&storage, "made", "1");
    // As in a crash between journal and storage: the record is there, the change is not.
    journal.append(Revision(1), &[NewChange { revision: Revision(2), writes: &[put("never made", "2")] }]).unwrap();
    drop((storage, journal));
    // Before a restart nobody can know; what nobody was told of may be there.
    assert_eq!(site.restore(None).unwrap().0.revision, Revision(2));
    let (storage, _journal) = site.open();
    assert_eq!(storage.revision(), Revision(1));
    set(&storage, "made after", "2");
    let (replayed, restored) = site.restore(None).unwrap();
    assert_eq!(restored, contents(&storage));
    assert_eq!(restored.len(), 2);
    assert_eq!(replayed.revision, Revision(2));
}

// R-H7
#[test]
fn change_that_was_withdrawn_is_not_restored() {
    let site = Site::new();
    let (storage, journal) = site.open();
    set(&storage, "made", "1");
    journal.append(Revision(1), &[NewChange { revision: Revision(2), writes: &[put("refused", "2")] }]).unwrap();
    journal.withdraw(Revision(1)).unwrap();
    set(&storage, "made after", "2");
    assert_eq!(site.restore(None).unwrap().1, contents(&storage));
}

// R-H7
#[test]
fn segments_follow_each_other_at_their_size() {
    let site = Site { segment_size: 2_000, ..Site::new() };
    let (storage, _journal) = site.open();
    for n in 0..50 {
        set(&storage, &n.to_string(), &"x".repeat(300));
    }
    let (replayed, restored) = site.restore(None).unwrap();
    assert_eq!(restored, contents(&storage));
    assert!((5..20).contains(&replayed.segments), "{}", replayed.segments);
}

// R-H7
#[test]
fn last_record_that_was_cut_off_anywhere_is_dropped_and_everything_before_it_is_there() {
    let site = Site::new();
    let (storage, journal) = site.open();
    set(&storage, "a", "1");
    let before = contents(&storage);
    let end = fs::metadata(site.segment(1)).unwrap().len();
    set(&storage, "b", "2");
    drop((storage, journal));
    let whole = fs::read(site.segment(1)).unwrap();
    let torn = |bytes: &[u8], what: &str| {
        fs::write(site.segment(1), bytes).unwrap();
        let (replayed, restored) = site.restore(None).unwrap();
        assert_eq!(restored, before, "{what}");
        assert_eq!(replayed.torn, Some(site.segment(1)), "{what}");
    };
    let end = usize::try_from(end).unwrap();
    // Each cut is read by the same code; restoring all of them would take long, so that is done for some.
    let every = whole.len() - end;
    for cut in [1, 2, 7, 8, 20, 51, 52, 53, 100, every - 17, every - 1] {
        torn(&whole[..end + cut], &format!("cut at {cut}"));
        // What a file system may leave of what was not synced.
        let zeros = vec![0; every - cut];
        torn(&[&whole[..end + cut], &zeros].concat(), &format!("zeros from {cut} on"));
    }
    fs::write(site.segment(1), &whole[..end]).unwrap();
    assert!(site.restore(None).unwrap().0.torn.is_none(), "cut between two records");
}

// R-H7
#[test]
fn torn_record_is_taken_away_by_the_next_start_which_goes_on() {
    let site = Site::new();
    let (storage, journal) = site.open();
    set(&storage, "a", "1");
    journal.append(Revision(1), &[NewChange { revision: Revision(2), writes: &[put("torn", "")] }]).unwrap();
    drop((storage, journal));
    let bytes = fs::read(site.segment(1)).unwrap();
    fs::write(site.segment(1), &bytes[..bytes.len() - 3]).unwrap();
    let (storage, _journal) = site.open();
    set(&storage, "b", "2");
    let (replayed, restored) = site.restore(None).unwrap();
    assert_eq!(restored, contents(&storage));
    assert!(replayed.torn.is_none());
}

// R-H7
#[test]
fn neither_contents_nor_addresses_stand_in_the_clear() {
    let site = Site::new();
    let (storage, journal) = site.open();
    set(&storage, "an address to look for", "a value to look for");
    site.back_up("backup-1", &storage, &journal);
    for path in [site.segment(1), site.segment(2), site.path("backup-1")] {
        let bytes = fs::read(&path).unwrap();
        for needle in [&b"an address"[..], b"a value"] {
            assert!(!bytes.windows(needle.len()).any(|window| window == needle), "{}", path.display());
        }
    }
}
