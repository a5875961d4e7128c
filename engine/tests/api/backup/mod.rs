//! Backups of a running engine: made, verified, restored, and the journal pruned to them.

mod pruning;
mod restoring;

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use claviger_algorithm::Algorithm;
use claviger_engine::backup::{
    BackupError, BackupParts, Backups, Inventory, Journal, JournalOptions, Outcome, Progress, Restore, Restored,
};
use claviger_engine::clock::SystemClock;
use claviger_engine::crypto::random::SystemRandom;
use claviger_engine::key::id::{KeyId, StoreId};
use claviger_engine::key::state::KeyState;
use claviger_engine::limits::{DELETION_WAIT_DEFAULT, UNWRITTEN_USES_MAX};
use claviger_engine::storage::{LmdbOptions, LmdbStorage, Storage, StorageError, WriteAhead};
use claviger_engine::{Engine, Error};

use crate::support::installation::{create_store, new_key};
use crate::support::tamper::{delete, key_address, put, version_address};
use crate::support::{Client, Places, name, only, start};

/// An installation with a journal and backups.
struct Site {
    // Dropped in this order.
    backups: Backups,
    engine: Arc<Engine>,
    storage: Arc<dyn Storage>,
    store: StoreId,
    places: Places,
}

impl Site {
    fn new() -> Self {
        Self::at(Places::new())
    }

    fn at(places: Places) -> Self {
        Self::with(places, false)
    }

    fn with(places: Places, begin_anew: bool) -> Self {
        let random = Arc::new(SystemRandom::new());
        let keys = places.system_keys();
        let options =
            JournalOptions { free_space_floor: 0, begin_anew, ..JournalOptions::at(folder(&places, "journal")) };
        let journal = Journal::open(options, keys.sealing(), random.clone(), Arc::new(SystemClock)).unwrap();
        let write_ahead: Option<Arc<dyn WriteAhead>> = Some(journal.clone());
        let options = LmdbOptions { map_size: 0, free_space_floor: 0, write_ahead, ..LmdbOptions::default() };
        let storage: Arc<dyn Storage> = Arc::new(LmdbStorage::open(&places.data(), &options).unwrap());
        let engine = start(Arc::clone(&storage), &places, 100, random.clone()).unwrap();
        let parts = BackupParts {
            folder: folder(&places, "backup"),
            journal,
            storage: Arc::clone(&storage),
            random,
            clock: Arc::new(SystemClock),
        };
        let backups = Backups::open(&engine, parts).unwrap();
        let store = engine.store_by_name(&name("store")).map(|store| store.id());
        let store = store.unwrap_or_else(|| create_store(&engine, "store").unwrap());
        Self { backups, engine, storage, store, places }
    }

    /// Ends the process; the places stay.
    fn close(self) -> Places {
        self.places
    }

    fn create(&self, key: &str, algorithm: Algorithm) -> KeyId {
        self.engine.create_keys(self.store, vec![new_key(key, algorithm)]).unwrap()[0].id
    }

    fn back_up(&self) -> String {
        let made = self.backups.create().unwrap();
        self.backups.wait();
        assert_eq!(self.backups.work(&made).unwrap().outcome, Some(Outcome::Done));
        made
    }

    /// What a verification says.
    fn verify(&self, backup: &str) -> Outcome {
        self.backups.verify(backup).unwrap();
        self.backups.wait();
        assert!(!folder(&self.places, "backup").join("verifying").exists());
        self.backups.work(backup).unwrap().outcome.unwrap()
    }
}

fn folder(places: &Places, of: &str) -> PathBuf {
    places.data().with_file_name(of)
}

/// Loses the data folder and restores it.
fn restore(places: &Places, backup: Option<&str>) -> Result<Restored, BackupError> {
    let _may_be_missing = fs::remove_dir_all(places.data());
    let backup = backup.map(|backup| folder(places, "backup").join(backup));
    let (journal, data) = (folder(places, "journal"), places.data());
    let restore = Restore { backup: backup.as_deref(), journal: Some(&journal), target: &data, now_ms: 0 };
    restore.run(
        places.system_keys(),
        &places.shred_table().unwrap(),
        Arc::new(SystemRandom::new()),
        &Progress::default(),
    )
}

fn failure(outcome: Outcome) -> String {
    match outcome {
        Outcome::Failed(why) => why,
        Outcome::Done => panic!("it was done"),
    }
}

// R-H7
#[test]
fn verified_backup_tells_what_a_restore_gives_and_touches_nothing() {
    let site = Site::new();
    site.create("a", Algorithm::Xaes256Gcm);
    let backup = site.back_up();
    let file = site.backups.file(&backup).unwrap();
    assert_eq!((file.revision, file.verified), (site.storage.revision(), None));
    let rotated = site.create("b", Algorithm::HmacSha256);
    site.engine.rotate(rotated).unwrap();
    let before = site.storage.revision();
    assert_eq!(site.verify(&backup), Outcome::Done);
    assert_eq!(site.storage.revision(), before);
    let verified = site.backups.list().unwrap()[0].verified.unwrap();
    assert_eq!(verified.revision, before);
    let Inventory { stores, keys, versions, records } = verified.inventory;
    assert_eq!((stores, keys, versions), (1, 2, 3));
    assert!(records > 8);
}

// R-H7
#[test]
fn verification_finds_what_is_damaged_in_storage_and_names_it() {
    type Damage = fn(&Site, KeyId);
    let cases: [(Damage, &str); 5] = [
        (|site, id| put(&*site.storage, &key_address(id), b"no record".to_vec()), "is damaged"),
        (
            |site, id| {
                let mut value = site.storage.get(&version_address(id, 1)).unwrap().unwrap().value;
                value[20] ^= 1;
                put(&*site.storage, &version_address(id, 1), value);
            },
            "is damaged",
        ),
        (|site, id| delete(&*site.storage, &version_address(id, 1)), "does not lead"),
        (|site, id| delete(&*site.storage, &key_address(id)), "does not lead"),
        (
            |site, id| {
                let other = site.create("other", Algorithm::Xaes256Gcm);
                let value = site.storage.get(&version_address(other, 1)).unwrap().unwrap().value;
                put(&*site.storage, &version_address(id, 1), value);
            },
            "is damaged",
        ),
    ];
    for (damage, expected) in cases {
        let site = Site::new();
        let id = site.create("key", Algorithm::Xaes256Gcm);
        let backup = site.back_up();
        assert_eq!(site.verify(&backup), Outcome::Done);
        damage(&site, id);
        let why = failure(site.verify(&backup));
        assert!(why.contains(expected), "{why}");
        // What was verified once does not stay so.
        assert_eq!(site.backups.file(&backup).unwrap().verified, None);
        assert!(matches!(site.backups.prune(&backup), Err(BackupError::NotVerified(_))));
    }
}

// R-H7, R-A13
#[test]
fn verification_unwraps_no_key_while_it_is_locked_and_takes_nothing_back() {
    let site = Site::new();
    site.create("key", Algorithm::Xaes256Gcm);
    let backup = site.back_up();
    assert_eq!(site.verify(&backup), Outcome::Done);
    let verified = site.backups.file(&backup).unwrap().verified;
    assert!(verified.is_some());
    site.engine.lock("a theft").unwrap();
    let why = failure(site.verify(&backup));
    assert!(why.contains("the daemon is locked"), "{why}");
    assert_eq!(site.backups.file(&backup).unwrap().verified, verified);
    site.engine.unlock().unwrap();
    assert_eq!(site.verify(&backup), Outcome::Done);
}

// R-H7
#[test]
fn verification_that_cannot_be_tried_takes_nothing_back_and_removes_nothing_of_others() {
    let site = Site::new();
    let backup = site.back_up();
    assert_eq!(site.verify(&backup), Outcome::Done);
    let others = folder(&site.places, "backup").join("verifying/notes.txt");
    fs::create_dir(others.parent().unwrap()).unwrap();
    fs::write(&others, b"of a person").unwrap();
    site.backups.verify(&backup).unwrap();
    site.backups.wait();
    let why = failure(site.backups.work(&backup).unwrap().outcome.unwrap());
    assert!(why.contains("verifying is not empty"), "{why}");
    assert!(others.exists() && site.backups.file(&backup).unwrap().verified.is_some());
}

// R-H7
#[test]
fn folder_of_backups_is_of_one_process() {
    let site = Site::new();
    site.back_up();
    let other = Site::new();
    let parts = BackupParts {
        folder: folder(&site.places, "backup"),
        journal: Journal::open(
            JournalOptions::at(folder(&other.places, "another-journal")),
            other.places.system_keys().sealing(),
            Arc::new(SystemRandom::new()),
            Arc::new(SystemClock),
        )
        .unwrap(),
        storage: Arc::clone(&other.storage),
        random: Arc::new(SystemRandom::new()),
        clock: Arc::new(SystemClock),
    };
    assert!(matches!(Backups::open(&other.engine, parts), Err(BackupError::FolderInUse(_))));
}

// R-K11, R-H7
#[test]
fn key_that_is_refused_because_the_journal_is_away_takes_no_slot() {
    let site = Site::new();
    site.create("kept", Algorithm::Xaes256Gcm);
    let taken = site.engine.shred_table().taken();
    let (journal, away) = (folder(&site.places, "journal"), folder(&site.places, "away"));
    fs::rename(&journal, &away).unwrap();
    for _ in 0..3 {
        let refused = site.engine.create_keys(site.store, vec![new_key("refused", Algorithm::Xaes256Gcm)]);
        assert!(matches!(refused, Err(Error::Storage(StorageError::WriteAhead(_)))), "{refused:?}");
    }
    assert_eq!(site.engine.shred_table().taken(), taken);
    fs::rename(&away, &journal).unwrap();
    site.create("refused", Algorithm::Xaes256Gcm);
}

// R-H7
#[test]
fn one_work_at_a_time_and_none_is_left_at_the_end() {
    let site = Site::new();
    for n in 0..3 {
        let keys = (0..300).map(|m| new_key(&format!("key-{n}-{m}"), Algorithm::Xaes256Gcm)).collect();
        site.engine.create_keys(site.store, keys).unwrap();
    }
    let backup = site.back_up();
    site.backups.verify(&backup).unwrap();
    match site.backups.create() {
        Err(BackupError::Busy(busy)) => assert_eq!(busy, backup),
        // It was done by then.
        Ok(_) => assert_eq!(site.backups.work(&backup).map(|work| work.outcome), None),
        Err(error) => panic!("{error}"),
    }
    let backups = folder(&site.places, "backup");
    let places = site.close();
    let left: Vec<_> = fs::read_dir(&backups).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| name != "verifying"), "{left:?}");
    drop(places);
}

// R-H7
#[test]
fn what_a_killed_process_left_in_the_folder_of_backups_is_removed_by_the_next_start() {
    let site = Site::new();
    let backups = folder(&site.places, "backup");
    let places = site.close();
    fs::create_dir_all(backups.join("verifying")).unwrap();
    fs::write(backups.join("backup-1.new"), b"half").unwrap();
    fs::write(backups.join("backup-1.verified.new"), b"half").unwrap();
    fs::write(backups.join("notes.txt"), b"of a person").unwrap();
    let site = Site::at(places);
    let mut left: Vec<_> = fs::read_dir(&backups).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["backup.lock", "notes.txt"]);
    for bad in ["notes.txt", "../journal/journal-1", "backup-01", "backup-0", "", "backup-1.verified"] {
        assert!(matches!(site.backups.file(bad), Err(BackupError::NoSuchBackup(_))), "{bad}");
    }
}
