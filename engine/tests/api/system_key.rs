//! Rotation of the system key: everything is protected anew while everything is used, and then the old one can be destroyed.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::time::Instant;

use claviger_algorithm::Algorithm;
use claviger_engine::crypto::random::{EntropyError, Random, SystemRandom};
use claviger_engine::key::id::KeyId;
use claviger_engine::limits::DELETION_WAIT_DEFAULT;
use claviger_engine::storage::Address;
use claviger_engine::{Engine, Error, SystemKeyState, SystemKeyStatus};

use crate::support::client::PATIENCE;
use crate::support::clock::DAY;
use crate::support::installation::{VALUE, start_by};
use crate::support::tamper::{all_records, key_address, put, version_address};
use crate::support::{Client, Installation, calls, name, only, start};

on_every_storage! {
    // R-H6, R-H1
    fn everything_is_protected_by_the_new_system_key_and_is_what_it_was(installation) {
        let scene = Scene::new(installation);
        assert_eq!(versions_of_records(installation), [1].into());
        assert_eq!(scene.rotate(), 2);
        assert_eq!(versions_of_records(installation), [2].into());
        scene.assert_all_works();
        installation.engine.destroy_system_key(&installation.places.tree(), 1, None).unwrap();
        scene.assert_all_works();
        assert_eq!(states(&installation.engine), [(2, SystemKeyState::Current)]);
    }

    // R-H6, R-K11
    fn material_whose_shred_secret_is_gone_does_not_keep_an_old_system_key(installation) {
        let id = installation.create("shredded", Algorithm::Xaes256Gcm);
        let before = all_records(&*installation.storage);
        installation.engine.request_deletion(id, DELETION_WAIT_DEFAULT).unwrap();
        installation.engine.delete_now(id, true).unwrap();
        // As an old copy of the data has it.
        for (address, found) in before {
            put(&*installation.storage, &address, found.value);
        }
        assert!(installation.storage.get(&version_address(id, 1)).unwrap().is_some());
        let scene = Scene::new(installation);
        scene.rotate();
        assert!(installation.storage.get(&version_address(id, 1)).unwrap().is_none());
        installation.engine.destroy_system_key(&installation.places.tree(), 1, None).unwrap();
        scene.assert_all_works();
    }

    // R-H6
    fn several_rotations_in_a_row_end_with_the_newest_key(installation) {
        let scene = Scene::new(installation);
        let tree = installation.places.tree();
        for version in 2..=5 {
            assert_eq!(installation.engine.rotate_system_key(&tree, None).unwrap(), version);
        }
        wait_until_renewed(&installation.engine);
        assert_eq!(versions_of_records(installation), [5].into());
        let unused = (1..=4).map(|version| (version, SystemKeyState::Unused));
        assert_eq!(states(&installation.engine), unused.chain([(5, SystemKeyState::Current)]).collect::<Vec<_>>());
        for version in [3, 1, 4, 2] {
            installation.engine.destroy_system_key(&tree, version, None).unwrap();
        }
        scene.assert_all_works();
    }

    // R-H6
    fn the_current_system_key_and_unknown_ones_are_not_destroyed(installation) {
        let tree = installation.places.tree();
        for version in [0, 2, u32::MAX] {
            let refused = installation.engine.destroy_system_key(&tree, version, None);
            assert!(matches!(refused, Err(Error::SystemKeyNotFound(missing)) if missing == version));
        }
        let refused = installation.engine.destroy_system_key(&tree, 1, None);
        assert!(matches!(refused, Err(Error::SystemKeyNeeded { version: 1, .. })));
        assert_eq!(states(&installation.engine), [(1, SystemKeyState::Current)]);
    }

    // R-H6
    fn a_system_key_that_a_record_needs_is_not_destroyed_until_that_is_protected_anew(installation) {
        let scene = Scene::new(installation);
        let address = version_address(scene.id, 1);
        let before = installation.storage.get(&address).unwrap().unwrap().value;
        scene.rotate();
        // As if somebody had been about to write it all the time.
        put(&*installation.storage, &address, before);
        let tree = installation.places.tree();
        let refused = installation.engine.destroy_system_key(&tree, 1, None).unwrap_err().to_string();
        assert!(refused.contains("1 records need it") && refused.contains(&address.to_string()), "{refused}");
        wait_until_renewed(&installation.engine);
        assert_eq!(versions_of_records(installation), [2].into());
        installation.engine.destroy_system_key(&tree, 1, None).unwrap();
        scene.assert_all_works();
    }

    // R-H6
    fn a_damaged_record_keeps_its_system_key_until_it_is_restored(installation) {
        let scene = Scene::new(installation);
        let address = key_address(installation.create("damaged", Algorithm::Ed25519));
        let good = installation.storage.get(&address).unwrap().unwrap().value;
        let mut bad = good.clone();
        *bad.last_mut().unwrap() ^= 1;
        put(&*installation.storage, &address, bad);
        let tree = installation.places.tree();
        installation.engine.rotate_system_key(&tree, None).unwrap();
        wait_until(|| installation.engine.renewal().is_some_and(|renewal| renewal.failing.is_some()));
        let failing = installation.engine.renewal().unwrap().failing.unwrap();
        assert!(failing.contains(&address.to_string()), "{failing}");
        assert_eq!(states(&installation.engine)[0], (1, SystemKeyState::BeingReplaced));
        let refused = installation.engine.destroy_system_key(&tree, 1, None).unwrap_err().to_string();
        assert!(refused.contains(&address.to_string()), "{refused}");
        // Everything else is done, and works.
        scene.assert_all_works();
        put(&*installation.storage, &address, good);
        assert!(installation.engine.destroy_system_key(&tree, 1, None).is_err(), "it needs the old key still");
        wait_until_renewed(&installation.engine);
        installation.engine.destroy_system_key(&tree, 1, None).unwrap();
        scene.assert_all_works();
    }

    // R-H6, R-H2
    fn older_copies_of_the_system_key_file_do_not_open_newer_data(installation) {
        let scene = Scene::new(installation);
        let path = installation.places.system_key_path();
        let copy = fs::read(&path).unwrap();
        scene.rotate();
        let newest = fs::read(&path).unwrap();
        fs::write(&path, copy).unwrap();
        // While it runs too: nothing is added to a file that is not its own.
        let refused = installation.engine.rotate_system_key(&installation.places.tree(), None);
        assert!(matches!(refused, Err(Error::Hierarchy(_))), "{refused:?}");
        let started = start(Arc::clone(&installation.storage), &installation.places, 10, Arc::new(SystemRandom::new()));
        assert!(matches!(started, Err(Error::SystemKeyMissing(2))));
        fs::write(&path, newest).unwrap();
        scene.assert_all_works();
    }

    // R-H6, R-H1
    fn data_from_before_does_not_open_once_its_system_key_is_destroyed(installation) {
        let scene = Scene::new(installation);
        let before = all_records(&*installation.storage);
        scene.rotate();
        installation.engine.destroy_system_key(&installation.places.tree(), 1, None).unwrap();
        for (address, found) in before {
            put(&*installation.storage, &address, found.value);
        }
        assert!(matches!(installation.engine.describe_key(scene.id), Err(Error::SystemKeyMissing(1))));
        let started = start(Arc::clone(&installation.storage), &installation.places, 10, Arc::new(SystemRandom::new()));
        assert!(matches!(started, Err(Error::SystemKeyMissing(1))));
    }

    // R-H6, R-K3
    fn uses_of_keys_with_a_limit_are_counted_on(installation) {
        let id = installation.create("counted", Algorithm::Aes256Gcm);
        let mut client = Client::new(&installation.engine);
        let scene = Scene::new(installation);
        for round in 1..=3 {
            for _ in 0..5 {
                client.encrypt_one(id, b"", b"plaintext");
            }
            scene.rotate();
            let key = installation.engine.describe_key(id).unwrap();
            assert_eq!(installation.engine.use_count(&key).unwrap().unwrap().used, 5 * round);
        }
    }

    // R-H6
    fn deleted_keys_stay_deleted_and_purged_ones_purged(installation) {
        let scene = Scene::new(installation);
        let engine = &installation.engine;
        let ids: Vec<_> = (0..40).map(|n| installation.create(&format!("doomed-{n}"), Algorithm::Xaes256Gcm)).collect();
        let tree = installation.places.tree();
        for (n, id) in ids.iter().enumerate() {
            if n % 10 == 0 {
                engine.rotate_system_key(&tree, None).unwrap();
            }
            engine.request_deletion(*id, DELETION_WAIT_DEFAULT).unwrap();
            engine.delete_now(*id, true).unwrap();
        }
        wait_until_renewed(engine);
        for id in &ids {
            assert_eq!(engine.describe_key(*id).unwrap().state, claviger_engine::key::state::KeyState::Deleted);
            assert_eq!(installation.storage.get(&version_address(*id, 1)).unwrap(), None);
        }
        installation.clock.pass(366 * DAY);
        engine.rotate_system_key(&tree, None).unwrap();
        // A key that is protected anew in the same moment is purged at the next look.
        wait_until(|| {
            engine.do_due().unwrap();
            ids.iter().all(|id| engine.describe_key(*id).is_err())
        });
        wait_until_renewed(engine);
        assert!(ids.iter().all(|id| installation.storage.get(&key_address(*id)).unwrap().is_none()));
        scene.assert_all_works();
    }
}

// R-H6
#[test]
fn a_rotation_without_random_bytes_or_root_key_changes_nothing() {
    struct Empty;
    impl Random for Empty {
        fn fill(&self, _: &mut [u8]) -> Result<(), EntropyError> {
            Err(EntropyError)
        }
    }
    let installation = Installation::in_memory();
    let scene = Scene::new(&installation);
    let file = fs::read(installation.places.system_key_path()).unwrap();
    let (tree, other) = (installation.places.tree(), Installation::in_memory());
    let (storage, places) = (Arc::clone(&installation.storage), &installation.places);
    let starved = start_by(Arc::default(), storage, places, 10, Arc::new(Empty)).unwrap();
    assert!(matches!(starved.rotate_system_key(&tree, None), Err(Error::Hierarchy(_))));
    let refused = installation.engine.rotate_system_key(&other.places.tree(), None);
    assert!(matches!(refused, Err(Error::Hierarchy(_))), "the files of another installation");
    assert_eq!(fs::read(installation.places.system_key_path()).unwrap(), file);
    assert_eq!(states(&installation.engine), [(1, SystemKeyState::Current)]);
    assert_eq!(installation.engine.renewal(), None);
    scene.assert_all_works();
}

// R-H6
#[test]
fn a_rotation_is_gone_on_with_by_the_next_process() {
    for installation in [Installation::in_memory(), Installation::on_lmdb()] {
        let scene = Scene::new(&installation);
        let expected = scene.expected();
        // Copies of everything as it was, put back: as if the process had ended before it came to anything.
        let before = all_records(&*installation.storage);
        scene.rotate();
        let records = before.iter().filter(|(address, _)| installation.storage.get(address).unwrap().is_some());
        for (address, found) in records {
            put(&*installation.storage, address, found.value.clone());
        }
        let installation = installation.restarted(|_| ());
        wait_until_renewed(&installation.engine);
        assert_eq!(versions_of_records(&installation), [2].into());
        assert_eq!(states(&installation.engine)[0], (1, SystemKeyState::Unused));
        installation.engine.destroy_system_key(&installation.places.tree(), 1, None).unwrap();
        let installation = installation.restarted(|_| ());
        assert_eq!(states(&installation.engine), [(2, SystemKeyState::Current)]);
        Scene::again(&installation, expected).assert_all_works();
    }
}

// R-H6
#[test]
fn a_rotation_of_the_root_key_disturbs_nothing() {
    let installation = Installation::on_lmdb();
    let scene = Scene::new(&installation);
    let expected = scene.expected();
    let tree = installation.places.tree();
    installation.engine.rotate_system_key(&tree, None).unwrap();
    assert_eq!(tree.rotate_root_key(&SystemRandom::new()).unwrap(), 2);
    wait_until_renewed(&installation.engine);
    installation.engine.destroy_system_key(&tree, 1, None).unwrap();
    assert_eq!(installation.engine.rotate_system_key(&tree, None).unwrap(), 3);
    let installation = installation.restarted(|_| ());
    wait_until_renewed(&installation.engine);
    Scene::again(&installation, expected).assert_all_works();
}

/// Keys of several kinds, each with what it made before.
struct Scene<'a> {
    installation: &'a Installation,
    id: KeyId,
    made: Made,
}

/// What keys made, by which to tell that they are the same.
#[derive(Clone)]
struct Made {
    ids: Vec<KeyId>,
    sealed: Vec<Vec<u8>>,
    secret: KeyId,
    mac: (KeyId, Vec<u8>),
}

impl<'a> Scene<'a> {
    fn new(installation: &'a Installation) -> Self {
        let create = |key_name: &str, algorithm| installation.create(key_name, algorithm);
        let ids = vec![create("xaes", Algorithm::Xaes256Gcm), create("gcm", Algorithm::Aes256Gcm)];
        let (secret, mac) = (create("secret", Algorithm::Opaque), create("mac", Algorithm::HmacSha256));
        let mut client = Client::new(&installation.engine);
        let sealed = ids.iter().map(|id| client.encrypt_one(*id, b"context", b"plaintext")).collect();
        let tag = client.with(mac, |key| only(calls::make_mac(key, &[b"message"]).unwrap()).unwrap());
        // Older versions are protected anew too.
        installation.engine.rotate(ids[0]).unwrap();
        let id = ids[0];
        Self { installation, id, made: Made { ids, sealed, secret, mac: (mac, tag) } }
    }

    fn expected(&self) -> Made {
        self.made.clone()
    }

    fn again(installation: &'a Installation, made: Made) -> Self {
        Self { installation, id: made.ids[0], made }
    }

    /// Rotates the system key, and waits until all is done.
    fn rotate(&self) -> u32 {
        let Installation { engine, places, .. } = self.installation;
        let version = engine.rotate_system_key(&places.tree(), None).unwrap();
        wait_until_renewed(engine);
        version
    }

    /// In memory, and read anew from storage by another engine.
    fn assert_all_works(&self) {
        let Installation { engine, storage, places, .. } = self.installation;
        self.assert_works_with(engine);
        let random = Arc::new(SystemRandom::new());
        let anew = start_by(Arc::default(), Arc::clone(storage), places, 10, random).unwrap();
        self.assert_works_with(&anew);
    }

    fn assert_works_with(&self, engine: &Arc<Engine>) {
        let mut client = Client::new(engine);
        let Made { ids, sealed, secret, mac: (mac, tag) } = &self.made;
        for (id, sealed) in ids.iter().zip(sealed) {
            let opened = client.decrypt(*id, &[(b"context", sealed)]).unwrap();
            assert_eq!(only(opened).unwrap(), b"plaintext");
            client.encrypt_one(*id, b"", b"new");
        }
        client.with(*secret, |key| assert_eq!(key.secret(&mut calls::uncounted(), None).unwrap().value, VALUE));
        assert_eq!(client.with(*mac, |key| only(calls::make_mac(key, &[b"message"]).unwrap()).unwrap()), *tag);
        assert_eq!(engine.authority(self.installation.store).unwrap().private_key.expose(), b"private key");
        assert_eq!(engine.find_key(self.installation.store, &name("mac")).unwrap(), Some(*mac));
    }
}

fn states(engine: &Engine) -> Vec<(u32, SystemKeyState)> {
    engine.system_keys().into_iter().map(|SystemKeyStatus { version, state, .. }| (version, state)).collect()
}

pub(crate) fn wait_until_renewed(engine: &Engine) {
    wait_until(|| engine.renewal().is_none());
}

pub(crate) fn wait_until(is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "it does not come to that");
        std::thread::yield_now();
    }
}

/// By which versions of the system key records are protected: their own, and that of the wraps in them.
fn versions_of_records(installation: &Installation) -> std::collections::BTreeSet<u32> {
    let records = all_records(&*installation.storage).into_iter().filter(|(_, found)| !found.value.is_empty());
    records.flat_map(|(address, found)| versions_of(&address, &found.value)).collect()
}

fn versions_of(address: &Address, value: &[u8]) -> Vec<u32> {
    let number = |at: usize| u32::from_be_bytes(value[at..at + 4].try_into().unwrap());
    let wraps: BTreeMap<u8, usize> = [(b'v', 10), (b'a', 10 + b"certificate".len() + 4)].into();
    std::iter::once(2).chain(wraps.get(&address.key[0]).copied()).map(number).collect()
}
