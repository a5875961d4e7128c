//! What only a storage in a folder can do, and what it refuses.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use claviger_engine::limits::{MAP_SIZE_UNIT, READERS_MAX, VALUE_SIZE_MAX};
use claviger_engine::storage::{
    Compare, LmdbOptions, LmdbStorage, Revision, Storage, StorageError, TransactError, WatchError,
};

use crate::support::{DataFolder, key, options, put, set, value};

#[test]
fn reopened_folder_has_everything_and_counts_on() {
    let folder = DataFolder::new();
    let storage = folder.open();
    let first = set(&storage, &key("a"), "1");
    let second = set(&storage, &key("b"), "2");
    drop(storage);

    let storage = folder.open();
    assert_eq!(storage.revision(), second);
    assert_eq!(storage.get(&key("a")).unwrap().unwrap().revision, first);
    assert_eq!(value(&storage, &key("b")).unwrap(), b"2");
    // What was changed before is not in the log of this opening.
    assert_eq!(storage.watch(first).err(), Some(WatchError::Behind));
    let mut watch = storage.watch(second).unwrap();
    let third = set(&storage, &key("c"), "3");
    assert!(third > second);
    assert_eq!(watch.next().unwrap().revision, third);
}

#[test]
fn folder_and_files_are_for_the_owner_only() {
    let folder = DataFolder::new();
    let storage = folder.open();
    set(&storage, &key("a"), "1");
    let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(folder.path()), 0o700);
    let files: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 3);
    for file in files {
        assert_eq!(mode(file.clone()), 0o600, "{}", file.display());
    }
}

#[test]
fn file_that_readers_write_to_through_memory_has_all_its_room_from_the_start() {
    let folder = DataFolder::new();
    let _storage = folder.open();
    let file = fs::metadata(folder.path().join("lock.mdb")).unwrap();
    assert!(file.blocks() * 512 >= file.len(), "{} blocks for {} bytes", file.blocks(), file.len());
    assert!(file.len() >= u64::from(READERS_MAX) * 64);
}

// R-O7
#[test]
fn second_opening_in_one_process_is_refused() {
    let folder = DataFolder::new();
    let storage = folder.open();
    let link = folder.path().with_file_name("link");
    symlink(folder.path(), &link).unwrap();
    for path in [folder.path(), link] {
        let error = refusal(&path, &options());
        assert!(matches!(error, StorageError::AlreadyOpen { .. }), "{error}");
        assert!(error.to_string().contains(folder.path().to_str().unwrap()), "{error}");
    }
    drop(storage);
    folder.open();
}

#[test]
fn folder_of_another_user_is_refused() {
    let folder = DataFolder::new();
    drop(folder.open());
    let set_mode = |path: &Path, mode| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    set_mode(folder.path().parent().unwrap(), 0o755);
    let root = rustix::process::geteuid().is_root();
    if !root {
        set_mode(&folder.path(), 0o000);
    }
    // Root passes everywhere, so this one thread gives it up.
    let stranger = thread::spawn({
        let path = folder.path();
        move || {
            if root {
                let nobody = rustix::process::Uid::from_raw(65_534);
                rustix::thread::set_thread_uid(nobody).unwrap();
            }
            refusal(&path, &options())
        }
    });
    let error = stranger.join().unwrap();
    set_mode(&folder.path(), 0o700);
    assert!(matches!(error, StorageError::Permission { .. }), "{error}");
    assert!(error.to_string().contains("run clavigerd as the owner"), "{error}");
    folder.open();
}

#[test]
fn folder_that_cannot_be_made_is_refused() {
    let folder = DataFolder::new();
    let missing_parent = folder.path().join("deeper");
    let error = refusal(&missing_parent, &options());
    assert!(matches!(error, StorageError::System { action: "create", .. }), "{error}");
    fs::write(folder.path(), "a file").unwrap();
    let error = refusal(&folder.path(), &options());
    assert!(matches!(error, StorageError::System { .. }), "{error}");
    assert_eq!(fs::read(folder.path()).unwrap(), b"a file");
}

#[test]
fn foreign_data_file_is_refused_and_left_alone() {
    let folder = DataFolder::new();
    fs::create_dir(folder.path()).unwrap();
    let foreign = [7; 8_192];
    fs::write(folder.path().join("data.mdb"), foreign).unwrap();
    let error = refusal(&folder.path(), &options());
    assert!(matches!(error, StorageError::Damaged { .. }), "{error}");
    assert_eq!(fs::read(folder.path().join("data.mdb")).unwrap(), foreign);
    // The refusal gives the folder up: once it is in order it can be opened.
    fs::remove_file(folder.path().join("data.mdb")).unwrap();
    folder.open();
}

#[test]
fn new_folder_below_the_free_space_floor_is_refused() {
    let folder = DataFolder::new();
    let error = refusal(&folder.path(), &LmdbOptions { free_space_floor: u64::MAX, ..options() });
    assert!(matches!(error, StorageError::FreeSpaceFloor { floor: u64::MAX, .. }), "{error}");
}

#[test]
fn below_the_free_space_floor_changes_are_refused_and_reads_go_on() {
    let folder = DataFolder::new();
    let revision = set(&folder.open(), &key("a"), "1");
    let full = LmdbOptions { free_space_floor: u64::MAX, ..options() };
    let storage = LmdbStorage::open(&folder.path(), &full).unwrap();
    let result = storage.transact(&[], &[put(&key("a"), "2")]);
    let Err(TransactError::Storage(error @ StorageError::FreeSpaceFloor { .. })) = result else { panic!("{result:?}") };
    assert!(error.to_string().contains("free some space"), "{error}");
    assert_eq!(value(&storage, &key("a")).unwrap(), b"1");
    assert_eq!(storage.scan(&key(""), None, 10).unwrap().len(), 1);
    let check = Compare::unchanged(key("a"), revision);
    assert_eq!(storage.transact(&[check], &[]).unwrap(), revision, "a check changes nothing and needs no room");
    drop(storage);
    // A refusal beforehand ends nothing.
    set(&folder.open(), &key("a"), "2");
}

#[test]
fn map_grows_under_load_without_losing_a_write_or_a_reader() {
    const WRITERS: u8 = 4;
    const WRITES: u16 = 100;
    const SIZE: usize = 10_000;
    let folder = DataFolder::new();
    let storage = folder.open();
    let address = |writer: u8, n: u16| key([&[writer], &n.to_be_bytes()[..]].concat());
    let written = AtomicBool::new(false);
    thread::scope(|scope| {
        let readers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let mut shown = 0_usize;
                    while !written.load(Ordering::Acquire) {
                        for (address, versioned) in storage.scan(&key(""), None, 100).unwrap() {
                            assert_eq!(versioned.value, vec![address.key[2]; SIZE], "{address}");
                            shown += 1;
                        }
                    }
                    shown
                })
            })
            .collect();
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let storage = &storage;
                scope.spawn(move || {
                    for n in 0..WRITES {
                        set(storage, &address(writer, n), vec![n.to_be_bytes()[1]; SIZE]);
                    }
                })
            })
            .collect();
        let outcomes: Vec<_> = writers.into_iter().map(|writer| writer.join()).collect();
        written.store(true, Ordering::Release);
        outcomes.into_iter().for_each(|outcome| outcome.unwrap());
        for reader in readers {
            assert!(reader.join().unwrap() > 0);
        }
    });
    let file_size = fs::metadata(folder.path().join("data.mdb")).unwrap().len();
    assert!(file_size > 32 * MAP_SIZE_UNIT as u64, "the map had to grow five times and more: {file_size} bytes");
    assert_eq!(storage.revision(), Revision(u64::from(WRITERS) * u64::from(WRITES)));
    drop(storage);
    let storage = folder.open();
    for (writer, n) in (0..WRITERS).flat_map(|writer| (0..WRITES).map(move |n| (writer, n))) {
        assert_eq!(value(&storage, &address(writer, n)).unwrap(), vec![n.to_be_bytes()[1]; SIZE]);
    }
}

#[test]
fn one_transaction_larger_than_several_doublings_of_the_map_is_made_whole() {
    let folder = DataFolder::new();
    let storage = folder.open();
    let writes: Vec<_> = (0..30_u8).map(|n| put(&key([n]), vec![n; VALUE_SIZE_MAX])).collect();
    let mut watch = storage.watch(storage.revision()).unwrap();
    let revision = storage.transact(&[], &writes).unwrap();
    assert_eq!(revision, Revision(1), "repeated attempts count once");
    assert_eq!(watch.next().unwrap().addresses.len(), writes.len());
    assert_eq!(watch.next_timeout(Duration::ZERO).unwrap(), None);
    for n in 0..30_u8 {
        assert_eq!(value(&storage, &key([n])).unwrap(), vec![n; VALUE_SIZE_MAX]);
    }
}

fn refusal(path: &Path, options: &LmdbOptions) -> StorageError {
    LmdbStorage::open(path, options).err().unwrap()
}
