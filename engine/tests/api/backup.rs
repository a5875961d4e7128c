//! Backups of a running engine: made, verified, restored, and the journal pruned to them.

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
fn keys_that_were_made_before_and_after_a_backup_open_what_they_sealed() {
    let site = Site::new();
    let before = site.create("before", Algorithm::Xaes256Gcm);
    let backup = site.back_up();
    let after = site.create("after", Algorithm::Xaes256Gcm);
    site.engine.rotate(before).unwrap();
    let deleted = site.create("deleted", Algorithm::Xaes256Gcm);
    site.engine.request_deletion(deleted, DELETION_WAIT_DEFAULT).unwrap();
    site.engine.delete_now(deleted, true).unwrap();
    let sealed = [before, after].map(|id| Client::new(&site.engine).encrypt_one(id, b"context", b"text"));
    let mut places = site.close();
    for from in [Some(backup.as_str()), None] {
        restore(&places, from).unwrap();
        let site = Site::at(places);
        let mut client = Client::new(&site.engine);
        for (id, sealed) in [before, after].into_iter().zip(&sealed) {
            assert_eq!(only(client.decrypt(id, &[(b"context", sealed)]).unwrap()).unwrap(), b"text");
        }
        assert_eq!(site.engine.describe_key(deleted).unwrap().state, KeyState::Deleted);
        drop(client);
        places = site.close();
    }
}

// R-K3, R-H7
#[test]
fn restored_counts_of_uses_are_raised_as_after_a_kill() {
    let site = Site::new();
    let id = site.create("counted", Algorithm::Aes256Gcm);
    let backup = site.back_up();
    let places = site.close();
    restore(&places, Some(&backup)).unwrap();
    let site = Site::at(places);
    let counted = site.engine.use_count(&site.engine.describe_key(id).unwrap()).unwrap().unwrap();
    assert_eq!(counted.used, UNWRITTEN_USES_MAX);
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

// R-H7
#[test]
fn journal_is_pruned_to_what_a_verified_backup_needs() {
    let mut site = Site::new();
    for n in 0..3 {
        site.create(&format!("key-{n}"), Algorithm::Xaes256Gcm);
        site = Site::at(site.close());
    }
    let backup = site.back_up();
    assert!(matches!(site.backups.prune(&backup), Err(BackupError::NotVerified(_))));
    assert!(matches!(site.backups.prune("backup-9"), Err(BackupError::NoSuchBackup(_))));
    assert_eq!(site.verify(&backup), Outcome::Done);
    assert_eq!(site.backups.prune(&backup).unwrap(), [1, 2, 3, 4]);
    assert!(site.backups.prune(&backup).unwrap().is_empty());
    let last = site.create("last", Algorithm::Xaes256Gcm);
    let places = site.close();
    assert!(matches!(
        restore(&places, None),
        Err(BackupError::SegmentMissing { number: 1, .. } | BackupError::NotInOrder(_))
    ));
    restore(&places, Some(&backup)).unwrap();
    let site = Site::at(places);
    assert_eq!(site.engine.describe_key(last).unwrap().state, KeyState::Available);
}

// R-H7
#[test]
fn pruning_never_touches_a_journal_that_the_backup_does_not_lead_to() {
    let mut site = Site::new();
    for n in 0..3 {
        site.create(&format!("key-{n}"), Algorithm::Xaes256Gcm);
        site = Site::at(site.close());
    }
    let backup = site.back_up();
    assert_eq!(site.verify(&backup), Outcome::Done);
    let places = site.close();
    let journal = folder(&places, "journal");
    fs::remove_dir_all(&journal).unwrap();
    // A new journal whose numbers are below those of the backup's.
    let site = Site::with(places, true);
    assert!(site.backups.journal().has_gap());
    let refused = site.backups.prune(&backup);
    assert!(matches!(refused, Err(BackupError::Gap(_) | BackupError::SegmentMissing { .. })), "{refused:?}");
    let later = site.create("later", Algorithm::Xaes256Gcm);
    assert!(journal.join("journal-1").exists());
    let backup = site.back_up();
    assert!(!site.backups.journal().has_gap());
    assert_eq!(site.verify(&backup), Outcome::Done);
    assert_eq!(site.backups.prune(&backup).unwrap(), [1]);
    let places = site.close();
    restore(&places, Some(&backup)).unwrap();
    assert_eq!(Site::at(places).engine.describe_key(later).unwrap().state, KeyState::Available);
}

// R-H7
#[test]
fn nothing_is_pruned_while_a_segment_after_the_backup_is_missing() {
    let site = Site::new();
    let backup = site.back_up();
    let second = site.back_up();
    assert_eq!(site.verify(&backup), Outcome::Done);
    let journal = folder(&site.places, "journal");
    for number in [2, 3] {
        let (segment, away) = (journal.join(format!("journal-{number}")), journal.join("away"));
        fs::rename(&segment, &away).unwrap();
        let refused = site.backups.prune(&backup);
        assert!(matches!(refused, Err(BackupError::SegmentMissing { .. })), "{refused:?}");
        fs::rename(&away, &segment).unwrap();
    }
    assert!(matches!(site.backups.prune(&second), Err(BackupError::NotVerified(_))));
    assert_eq!(site.backups.prune(&backup).unwrap(), [1]);
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

// R-H7, R-K19
#[test]
fn key_with_a_limit_encrypts_no_more_after_a_restore_without_the_journal_until_it_is_rotated() {
    let site = Site::new();
    let [limited, unlimited] = [("limited", Algorithm::Aes256Gcm), ("unlimited", Algorithm::Xaes256Gcm)]
        .map(|(key, algorithm)| site.create(key, algorithm));
    let seal = |engine: &Arc<Engine>, id| Client::new(engine).encrypt(id, &[(b"context", b"text")]);
    let sealed = only(seal(&site.engine, limited).unwrap()).unwrap();
    let backup = site.back_up();
    only(seal(&site.engine, limited).unwrap()).unwrap();
    let places = site.close();
    fs::remove_dir_all(places.data()).unwrap();
    fs::remove_dir_all(folder(&places, "journal")).unwrap();
    let (backup, data) = (folder(&places, "backup").join(backup), places.data());
    let restore = Restore { backup: Some(&backup), journal: None, target: &data, now_ms: 0 };
    let (keys, shred_table) = (places.system_keys(), places.shred_table().unwrap());
    let restored = restore.run(keys, &shred_table, Arc::new(SystemRandom::new()), &Progress::default()).unwrap();
    drop(shred_table);
    assert_eq!(restored.spent, 1);
    let engine = places.start();
    assert!(matches!(seal(&engine, limited), Err(Error::UseLimitReached { .. })));
    assert!(seal(&engine, unlimited).is_ok());
    let opened = Client::new(&engine).decrypt(limited, &[(b"context", &sealed)]);
    assert_eq!(only(opened.unwrap()).unwrap(), b"text");
    engine.rotate(limited).unwrap();
    assert!(seal(&engine, limited).is_ok());
}

// R-H7
#[test]
fn refused_restore_leaves_the_target_as_it_was() {
    let site = Site::new();
    site.create("key", Algorithm::Xaes256Gcm);
    let backup = site.back_up();
    let places = site.close();
    let data = places.data();
    let run = |backup: &str| {
        let (backup, journal) = (folder(&places, "backup").join(backup), folder(&places, "journal"));
        let restore = Restore { backup: Some(&backup), journal: Some(&journal), target: &data, now_ms: 0 };
        restore.run(
            places.system_keys(),
            &places.shred_table().unwrap(),
            Arc::new(SystemRandom::new()),
            &Progress::default(),
        )
    };
    let before = fs::read(data.join("data.mdb")).unwrap();
    assert!(matches!(run(&backup), Err(BackupError::NotEmpty(_))));
    assert!(fs::read(data.join("data.mdb")).unwrap() == before);
    fs::remove_dir_all(&data).unwrap();
    // Another installation's.
    let other = Site::new();
    let foreign = folder(&other.places, "backup").join(other.back_up());
    fs::copy(foreign, folder(&places, "backup").join("foreign")).unwrap();
    assert!(matches!(run("foreign"), Err(BackupError::OtherInstallation(_))));
    assert!(!data.exists());
    // Damaged at its very end: found when half of it is restored already.
    let path = folder(&places, "backup").join(&backup);
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    fs::create_dir(&data).unwrap();
    assert!(matches!(run(&backup), Err(BackupError::Damaged { .. })));
    assert_eq!(fs::read_dir(&data).unwrap().count(), 0);
    fs::write(&path, &whole).unwrap();
    run(&backup).unwrap();
}

// R-H7
#[test]
fn restore_that_was_cut_short_is_not_started_on_and_is_begun_anew() {
    let site = Site::new();
    site.create("key", Algorithm::Xaes256Gcm);
    let places = site.close();
    let data = places.data();
    // As a process leaves it that was killed between moving the data and removing its scratch folder.
    fs::create_dir(data.join("restoring")).unwrap();
    let options = LmdbOptions { free_space_floor: 0, ..LmdbOptions::default() };
    let refused = LmdbStorage::open(&data, &options).err().unwrap().to_string();
    assert!(refused.contains("clavigerd restore"), "{refused}");
    let journal = folder(&places, "journal");
    let restore = Restore { backup: None, journal: Some(&journal), target: &data, now_ms: 0 };
    let restored = restore
        .run(places.system_keys(), &places.shred_table().unwrap(), Arc::new(SystemRandom::new()), &Progress::default())
        .unwrap();
    assert_eq!(restored.inventory.keys, 1);
    Site::at(places);
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

// R-K11, R-H7
#[test]
fn key_that_was_deleted_after_the_backup_stays_deleted_although_the_journal_is_lost() {
    let site = Site::new();
    let [kept, deleted] = ["kept", "deleted"].map(|key| site.create(key, Algorithm::Xaes256Gcm));
    let backup = site.back_up();
    site.engine.request_deletion(deleted, DELETION_WAIT_DEFAULT).unwrap();
    site.engine.delete_now(deleted, true).unwrap();
    let places = site.close();
    fs::remove_dir_all(places.data()).unwrap();
    fs::remove_dir_all(folder(&places, "journal")).unwrap();
    let (backup, data) = (folder(&places, "backup").join(backup), places.data());
    let restore = Restore { backup: Some(&backup), journal: None, target: &data, now_ms: 77 };
    let (keys, shred_table) = (places.system_keys(), places.shred_table().unwrap());
    let restored = restore.run(keys, &shred_table, Arc::new(SystemRandom::new()), &Progress::default()).unwrap();
    drop(shred_table);
    assert_eq!((restored.destroyed, restored.inventory.keys), (1, 1));
    let engine = places.start();
    let record = engine.describe_key(deleted).unwrap();
    assert_eq!((record.state, record.deleted.unwrap().at_ms), (KeyState::Deleted, 77));
    assert_eq!(engine.find_key(record.store, &name("deleted")).unwrap(), None);
    assert_eq!(engine.describe_key(kept).unwrap().state, KeyState::Available);
    // Its name is free.
    engine.create_keys(record.store, vec![new_key("deleted", Algorithm::Xaes256Gcm)]).unwrap();
}

// R-K11, R-H7
#[test]
fn without_any_mirror_of_the_shred_table_nothing_is_restored() {
    let site = Site::new();
    site.create("key", Algorithm::Xaes256Gcm);
    let backup = site.back_up();
    let other = Site::new();
    let places = site.close();
    fs::remove_dir_all(places.data()).unwrap();
    let (backup, data) = (folder(&places, "backup").join(backup), places.data());
    let restore = Restore { backup: Some(&backup), journal: None, target: &data, now_ms: 0 };
    // Another installation's table knows of none of these keys, and must not be asked.
    let table = other.places.shred_table().unwrap();
    assert!(restore.run(places.system_keys(), &table, Arc::new(SystemRandom::new()), &Progress::default()).is_err());
    assert!(!data.exists());
}

// R-H6, R-H7
#[test]
fn old_system_key_is_kept_until_a_verified_backup_can_do_without_it() {
    let site = Site::new();
    let key = site.create("key", Algorithm::Xaes256Gcm);
    let old = site.back_up();
    assert_eq!(site.verify(&old), Outcome::Done);
    let tree = site.places.tree();
    site.engine.rotate_system_key(&tree, Some(&site.backups)).unwrap();
    while site.engine.renewal().is_some() {
        std::thread::yield_now();
    }
    let destroy = || site.engine.destroy_system_key(&tree, 1, Some(&site.backups));
    let Err(Error::SystemKeyNeeded { needed_by, .. }) = destroy() else { panic!("it was destroyed") };
    assert!(needed_by.contains("claviger backup verify"), "{needed_by}");
    let new = site.back_up();
    assert!(destroy().is_err(), "the new one is not verified");
    assert_eq!(site.verify(&new), Outcome::Done);
    destroy().unwrap();
    let later = site.create("later", Algorithm::Xaes256Gcm);
    assert_eq!(site.verify(&new), Outcome::Done);
    // What was sealed by the old key alone is neither listed nor restored.
    assert_eq!(site.backups.list().unwrap().len(), 1);
    let places = site.close();
    assert!(matches!(restore(&places, Some(&old)), Err(BackupError::SystemKeyMissing { version: 1, .. })));
    restore(&places, Some(&new)).unwrap();
    let site = Site::at(places);
    for id in [key, later] {
        assert_eq!(site.engine.describe_key(id).unwrap().state, KeyState::Available);
    }
}
