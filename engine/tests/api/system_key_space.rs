//! Rotation of the system key on a disk that is nearly full: it leaves to changes the room that they need.

use std::sync::Arc;

use claviger_algorithm::Algorithm;
use claviger_engine::backup::{Journal, JournalOptions};
use claviger_engine::change::NewKey;
use claviger_engine::clock::SystemClock;
use claviger_engine::crypto::random::SystemRandom;
use claviger_engine::storage::{FailingStorage, LmdbOptions, LmdbStorage, MemoryStorage, Storage, WriteAhead};
use claviger_engine::{Error, SystemKeyState};

use crate::support::{Installation, Places, name};
use crate::system_key::{wait_until, wait_until_renewed};

// R-H6, R-H7
#[test]
fn records_are_not_protected_anew_while_there_is_no_space_to_spare_and_it_goes_on_when_there_is() {
    let storage = Arc::new(FailingStorage::new(MemoryStorage::new()));
    let installation = Installation::on(storage.clone());
    let Installation { engine, store, places, .. } = &installation;
    let keys = (0..1_000).map(|n| NewKey::new(name(&format!("key-{n}")), Algorithm::HmacSha256));
    engine.create_keys(*store, keys.collect()).unwrap();

    storage.have_spare_space(false);
    let revision = storage.revision();
    engine.rotate_system_key(&places.tree(), None).unwrap();
    wait_until(|| engine.renewal().is_some_and(|renewal| renewal.failing.is_some()));
    let renewal = engine.renewal().unwrap();
    let why = renewal.failing.unwrap();
    assert!(why.contains("free some space; it goes on by itself"), "{why}");
    assert!(renewal.renewed == 0 && renewal.records >= 2_000, "{} of {}", renewal.renewed, renewal.records);
    // The rotation itself is a change, and changes go on.
    assert_eq!(storage.revision().0, revision.0 + 1);
    let id = installation.create("new", Algorithm::HmacSha256);
    engine.rotate(id).unwrap();
    assert_eq!(engine.system_keys()[0].state, SystemKeyState::BeingReplaced);
    let refused = engine.destroy_system_key(&places.tree(), 1, None);
    assert!(matches!(refused, Err(Error::SystemKeyNeeded { version: 1, .. })));

    storage.have_spare_space(true);
    // Looked at again at once, instead of in some minutes.
    engine.rotate_system_key(&places.tree(), None).unwrap();
    wait_until_renewed(engine);
    for version in [1, 2] {
        engine.destroy_system_key(&places.tree(), version, None).unwrap();
    }
}

// R-H6, R-H7
#[test]
fn space_to_spare_is_twice_the_floor_on_the_disk_of_the_data_and_on_that_of_the_journal() {
    let places = Places::new();
    let disk = rustix::fs::statvfs(places.data().parent().unwrap()).unwrap();
    // Enough for changes, and far from twice as much, whatever else the disk is used for meanwhile.
    let floor = disk.f_bavail * disk.f_frsize / 4 * 3;
    for (what, data_floor, journal_floor) in [("data folder", floor, 0), ("journal", 0, floor), ("", 0, 0)] {
        let places = Places::new();
        let options = JournalOptions {
            free_space_floor: journal_floor,
            ..JournalOptions::at(places.data().with_file_name("journal"))
        };
        let random = Arc::new(SystemRandom::new());
        let journal = Journal::open(options, places.system_keys().sealing(), random, Arc::new(SystemClock)).unwrap();
        let write_ahead: Option<Arc<dyn WriteAhead>> = Some(journal);
        let options = LmdbOptions { map_size: 0, free_space_floor: data_floor, write_ahead, ..LmdbOptions::default() };
        let storage = Arc::new(LmdbStorage::open(&places.data(), &options).unwrap());
        match storage.check_spare_space() {
            Ok(()) => assert_eq!(what, ""),
            Err(error) => {
                let error = error.to_string();
                assert!(!what.is_empty() && error.contains(&format!("on the disk of {what} /")), "{what}: {error}");
            }
        }
        // Changes find room.
        let installation = Installation::on(storage);
        installation.create("key", Algorithm::HmacSha256);
    }
}
