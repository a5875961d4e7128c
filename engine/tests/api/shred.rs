//! Shred secrets: what is deleted is worthless wherever else it is stored.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use claviger_algorithm::Algorithm;
use claviger_engine::crypto::random::SystemRandom;
use claviger_engine::key::id::KeyId;
use claviger_engine::key::material::SecretBytes;
use claviger_engine::key::state::KeyState;
use claviger_engine::key::version::KeyVersion;
use claviger_engine::limits::DELETION_WAIT_MIN;
use claviger_engine::shred::{MirrorError, ShredClass, ShredError, ShredTable};
use claviger_engine::storage::{Call, FailingStorage, MemoryStorage};
use claviger_engine::{Engine, EngineParts, Error, KeyRecord, ReadScope};

use crate::support::client::load;
use crate::support::installation::{new_key, start_by};
use crate::support::tamper::all_records;
use crate::support::{Client, Installation, Places, name, only};

/// What the files of an installation held at some moment.
struct Copy {
    data: Vec<u8>,
    mirror: Vec<u8>,
}

fn data_file(places: &Places) -> PathBuf {
    places.data().join("data.mdb")
}

/// The installation opened again, and a copy of its files as they were.
fn copied(installation: Installation) -> (Installation, Copy) {
    let (data, mirror) = (data_file(&installation.places), installation.places.mirrors()[0].clone());
    let mut copy = None;
    let installation = installation
        .restarted(|_| copy = Some(Copy { data: fs::read(data).unwrap(), mirror: fs::read(mirror).unwrap() }));
    (installation, copy.unwrap())
}

/// The installation opened again with the data folder of the copy, and its mirrors if they too are put back.
fn put_back(installation: Installation, copy: &Copy, with_mirrors: bool) -> Installation {
    let (data, mirrors) = (data_file(&installation.places), installation.places.mirrors());
    installation.restarted(|_| {
        fs::write(data, &copy.data).unwrap();
        for mirror in mirrors.iter().filter(|_| with_mirrors) {
            fs::write(mirror, &copy.mirror).unwrap();
        }
    })
}

fn delete(engine: &Engine, id: KeyId) -> KeyRecord {
    engine.request_deletion(id, DELETION_WAIT_MIN).unwrap();
    engine.delete_now(id, true).unwrap()
}

/// The key's record says that it lives, and nothing of it can be used.
fn is_worthless(installation: &Installation, id: KeyId) {
    let record = installation.engine.describe_key(id).unwrap();
    assert_eq!(record.state, KeyState::Available);
    assert!(installation.engine.shred_table().is_shredded(&record).unwrap());
    Client::new(&installation.engine).with(id, |key| assert_eq!(key.state(), KeyState::Deleted));
    assert!(matches!(installation.engine.rotate(id), Err(Error::KeyShredded(of)) if of == id));
}

/// The mirror of this number goes, or comes back.
fn move_mirror(places: &Places, number: usize, is_away: bool) {
    let here = &places.mirrors()[number];
    let there = here.with_extension("away");
    let (from, to) = if is_away { (here, &there) } else { (&there, here) };
    fs::rename(from, to).unwrap();
}

fn names_the_mirror<T>(result: Result<T, Error>, places: &Places, number: usize) {
    match result.err() {
        Some(Error::ShredTable(ShredError::Mirror { path, .. })) => assert_eq!(path, places.mirrors()[number]),
        Some(other) => panic!("{other}"),
        None => panic!("it was done"),
    }
}

// R-K11
#[test]
fn a_deleted_key_does_not_open_from_an_old_copy_of_the_data_but_with_as_old_a_mirror() {
    let installation = Installation::on_lmdb();
    let [id, kept] = ["key", "kept"].map(|name| installation.create(name, Algorithm::Xaes256Gcm));
    let sealed = [id, kept].map(|id| Client::new(&installation.engine).encrypt_one(id, b"", b"plaintext"));
    let (installation, copy) = copied(installation);
    let deleted = delete(&installation.engine, id).deleted.unwrap();
    let destroyed = deleted.destroyed.unwrap();
    assert_eq!(destroyed.class, ShredClass::File);
    assert!(destroyed.at_ms >= deleted.at_ms);

    let installation = put_back(installation, &copy, false);
    is_worthless(&installation, id);
    // What was not deleted is there.
    let opened = Client::new(&installation.engine).decrypt(kept, &[(b"", &sealed[1])]).unwrap();
    assert_eq!(only(opened).unwrap(), b"plaintext");
    // It can be deleted here too.
    assert_eq!(delete(&installation.engine, id).state, KeyState::Deleted);

    // The limit of it.
    let installation = put_back(installation, &copy, true);
    let opened = Client::new(&installation.engine).decrypt(id, &[(b"", &sealed[0])]).unwrap();
    assert_eq!(only(opened).unwrap(), b"plaintext");
}

// R-K11
#[test]
fn a_destroyed_version_does_not_open_from_an_old_copy_of_the_data_and_the_others_go_on() {
    let installation = Installation::on_lmdb();
    let id = installation.create("key", Algorithm::Xaes256Gcm);
    let first = Client::new(&installation.engine).encrypt_one(id, b"", b"first");
    installation.engine.rotate(id).unwrap();
    installation.engine.rotate(id).unwrap();
    let third = Client::new(&installation.engine).encrypt_one(id, b"", b"third");
    let (installation, copy) = copied(installation);
    let before = installation.engine.describe_key(id).unwrap();
    let after = installation.engine.destroy_version(id, KeyVersion::FIRST).unwrap();
    assert_ne!(after.shred_slot, before.shred_slot);
    assert_eq!(installation.engine.pending_destruction(id).unwrap(), None);
    assert_eq!(installation.engine.shred_table().taken(), (1, 0));
    // Said again, nothing moves.
    assert_eq!(installation.engine.destroy_version(id, KeyVersion::FIRST).unwrap(), after);
    let mut client = Client::new(&installation.engine);
    assert!(only(client.decrypt(id, &[(b"", &first)]).unwrap()).is_err());
    assert_eq!(only(client.decrypt(id, &[(b"", &third)]).unwrap()).unwrap(), b"third");
    drop(client);
    let (installation, newer) = copied(installation);
    let installation = put_back(installation, &copy, false);
    is_worthless(&installation, id);
    let installation = put_back(installation, &newer, false);
    let opened = Client::new(&installation.engine).decrypt(id, &[(b"", &third)]).unwrap();
    assert_eq!(only(opened).unwrap(), b"third");
    assert_eq!(installation.engine.rotate(id).unwrap().versions.len(), 4);
}

// R-K2, R-K11
#[test]
fn a_value_of_a_secret_that_is_not_kept_does_not_open_from_an_old_copy_of_the_data() {
    let installation = Installation::on_lmdb();
    let id = installation.create("key", Algorithm::Opaque);
    let value = |number: u32| SecretBytes::from(format!("value {number}").into_bytes());
    let slot = installation.engine.describe_key(id).unwrap().shred_slot;
    for number in 2..=10 {
        assert_eq!(installation.engine.update_secret(id, value(number), None).unwrap().shred_slot, slot);
    }
    let (installation, copy) = copied(installation);
    assert_ne!(installation.engine.update_secret(id, value(11), None).unwrap().shred_slot, slot);
    let random = SystemRandom::new();
    Client::new(&installation.engine).with(id, |key| {
        let mut scope = ReadScope::new(&random);
        assert_eq!(key.secret(&mut scope, None).unwrap().value, b"value 11");
        assert_eq!(key.secret(&mut scope, KeyVersion::new(2)).unwrap().value, b"value 2");
        assert!(key.secret(&mut scope, Some(KeyVersion::FIRST)).is_err());
    });
    is_worthless(&put_back(installation, &copy, false), id);
}

// R-K11
#[test]
fn a_mirror_that_is_away_lets_everything_be_done_that_needs_no_new_secret() {
    for number in [0, 1] {
        let installation = Installation::on_lmdb();
        let (engine, places) = (&installation.engine, &installation.places);
        let [id, old] = ["key", "old"].map(|name| installation.create(name, Algorithm::Xaes256Gcm));
        engine.rotate(id).unwrap();
        move_mirror(places, number, true);
        let before = all_records(&*installation.storage);
        names_the_mirror(installation.try_create("new", Algorithm::Xaes256Gcm), places, number);
        names_the_mirror(engine.destroy_version(id, KeyVersion::FIRST), places, number);
        assert_eq!(all_records(&*installation.storage), before, "nothing is half made");
        engine.rotate(id).unwrap();
        let sealed = Client::new(engine).encrypt_one(id, b"", b"plaintext");
        assert_eq!(only(Client::new(engine).decrypt(id, &[(b"", &sealed)]).unwrap()).unwrap(), b"plaintext");
        // Deleted for everybody, and not yet destroyed.
        let deleted = delete(engine, old).deleted.unwrap();
        assert_eq!((deleted.destroyed, engine.pending_destruction(old).unwrap()), (None, Some(deleted.at_ms)));
        assert_eq!(engine.pending_destructions().unwrap(), 1);
        engine.do_due().unwrap();

        // Not by a start either, which does without it and does not make it anew.
        let installation = installation.restarted(|_| ());
        let (engine, places) = (&installation.engine, &installation.places);
        assert!(matches!(engine.shred_table().status()[number].fault, Some(MirrorError::Missing)));
        assert_eq!(engine.describe_key(old).unwrap().deleted.unwrap().destroyed, None);
        assert_eq!(only(Client::new(engine).decrypt(id, &[(b"", &sealed)]).unwrap()).unwrap(), b"plaintext");
        names_the_mirror(installation.try_create("new", Algorithm::Xaes256Gcm), places, number);
        // It comes back, and a minute later all is done.
        move_mirror(places, number, false);
        engine.do_due().unwrap();
        assert!(engine.describe_key(old).unwrap().deleted.unwrap().destroyed.is_some());
        assert_eq!((engine.pending_destruction(old).unwrap(), engine.pending_destructions().unwrap()), (None, 0));
        let [one, other] = places.mirrors().map(|mirror| fs::read(mirror).unwrap());
        assert_eq!(one, other);
        installation.create("new", Algorithm::Xaes256Gcm);
        engine.destroy_version(id, KeyVersion::FIRST).unwrap();
        assert_eq!(engine.shred_table().taken(), (2, 0));
    }
}

// R-K2, R-K11
#[test]
fn a_secret_takes_values_while_a_mirror_is_away_until_one_would_have_to_be_destroyed() {
    let installation = Installation::on_lmdb();
    let (engine, places) = (&installation.engine, &installation.places);
    let id = installation.create("key", Algorithm::Opaque);
    let value = |number: u32| SecretBytes::from(format!("value {number}").into_bytes());
    move_mirror(places, 0, true);
    for number in 2..=10 {
        engine.update_secret(id, value(number), None).unwrap();
    }
    let before = all_records(&*installation.storage);
    names_the_mirror(engine.update_secret(id, value(11), None), places, 0);
    assert_eq!(all_records(&*installation.storage), before, "nothing is half made");
    move_mirror(places, 0, false);
    engine.do_due().unwrap();
    assert_eq!(engine.update_secret(id, value(11), None).unwrap().versions.len(), 10);
}

// R-K11
#[test]
fn a_start_without_any_mirror_is_refused() {
    let (places, _) = Installation::on_lmdb().close();
    for number in [0, 1] {
        move_mirror(&places, number, true);
    }
    let refused = places.shred_table().err().unwrap();
    assert!(matches!(refused, ShredError::NoMirror { .. }));
    for mirror in places.mirrors() {
        assert!(refused.to_string().contains(mirror.to_str().unwrap()), "{refused}");
        assert!(!mirror.exists(), "nothing is made anew");
    }
}

// R-K11, R-H1
#[test]
fn the_shred_table_of_another_installation_is_refused() {
    let (places, others) = (Places::new(), Places::new());
    let mixed = ShredTable::open(&others.mirrors(), places.system_keys().installation(), ShredClass::File);
    assert!(matches!(mixed.err(), Some(ShredError::Mirror { error: MirrorError::OtherInstallation, .. })));
    let started = Engine::start(EngineParts {
        storage: Arc::new(MemoryStorage::new()),
        system_keys: places.system_keys(),
        shred_table: others.shred_table().unwrap(),
        random: Arc::new(SystemRandom::new()),
        clock: Arc::new(claviger_engine::clock::SystemClock),
        cached_keys_max: 10,
        compute_threads: 1,
        audit: None,
    });
    assert!(matches!(started.err(), Some(Error::ShredTable(_))));
}

// R-K11
#[test]
fn keys_that_were_refused_leave_no_secret_behind() {
    let installation = Installation::on_lmdb();
    // All look whether the name is free before one of them takes it, or are refused then: whichever it is.
    let created: usize = thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|number: u32| {
                let installation = &installation;
                scope.spawn(move || {
                    let own = new_key(&format!("own-{number}"), Algorithm::HmacSha256);
                    let keys = vec![own, new_key("same", Algorithm::HmacSha256)];
                    match installation.engine.create_keys(installation.store, keys) {
                        Ok(records) => records.len(),
                        Err(Error::NameTaken(taken)) => {
                            assert_eq!(taken, name("same"));
                            0
                        }
                        Err(other) => panic!("{other}"),
                    }
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(created, 2);
    assert_eq!(installation.engine.shred_table().taken(), (2, 0));
}

// R-K11
#[test]
fn a_change_that_storage_did_not_take_leaves_no_secret_behind_whatever_it_says() {
    let storage = Arc::new(FailingStorage::new(MemoryStorage::new()));
    let installation = Installation::on(storage.clone());
    // The note of its secret, then the change itself.
    for call in [1, 2] {
        storage.fail(Call::Transact, call);
        assert!(matches!(installation.try_create("key", Algorithm::Xaes256Gcm), Err(Error::Storage(_))));
        assert_eq!(installation.engine.shred_table().taken(), (0, 0));
    }
    installation.create("key", Algorithm::Xaes256Gcm);
    assert_eq!(installation.engine.shred_table().taken(), (1, 0));
    assert_eq!(installation.engine.pending_destructions().unwrap(), 0);
}

// R-K11
#[test]
fn a_destruction_that_could_not_be_noted_is_noted_later() {
    let storage = Arc::new(FailingStorage::new(MemoryStorage::new()));
    let installation = Installation::on(storage.clone());
    let id = installation.create("key", Algorithm::Xaes256Gcm);
    installation.engine.request_deletion(id, DELETION_WAIT_MIN).unwrap();
    // The deletion itself, then the note.
    storage.fail(Call::Transact, 2);
    assert_eq!(installation.engine.delete_now(id, true).unwrap().deleted.unwrap().destroyed, None);
    assert_eq!(installation.engine.shred_table().taken(), (0, 0));
    installation.engine.do_due().unwrap();
    assert!(installation.engine.describe_key(id).unwrap().deleted.unwrap().destroyed.is_some());
    assert_eq!(installation.engine.pending_destruction(id).unwrap(), None);
}

// R-K11
#[test]
fn a_key_is_not_given_up_for_destroyed_while_a_mirror_is_away_that_may_have_it() {
    let installation = Installation::on_lmdb();
    let (installation, before) = copied(installation);
    let id = installation.create("key", Algorithm::Xaes256Gcm);
    let places = installation.places.mirrors();
    // The mirror that is there is older than the key; the one that has it is away.
    let installation = installation.restarted(|_| {
        fs::rename(&places[1], places[1].with_extension("away")).unwrap();
        fs::write(&places[0], &before.mirror).unwrap();
    });
    let record = installation.engine.describe_key(id).unwrap();
    names_the_mirror(installation.engine.shred_table().is_shredded(&record), &installation.places, 1);
    assert!(load(&installation.engine, id).is_err());
    assert_eq!(Client::new(&installation.engine).cached_state(id), None);
    move_mirror(&installation.places, 1, false);
    installation.engine.do_due().unwrap();
    Client::new(&installation.engine).encrypt_one(id, b"", b"plaintext");
}

// R-K11
#[test]
fn engines_on_one_table_see_what_the_other_one_does() {
    let installation = Installation::in_memory();
    let (storage, random) = (Arc::clone(&installation.storage), Arc::new(SystemRandom::new()));
    let beside = start_by(Arc::default(), storage, &installation.places, 10, random).unwrap();
    let id = installation.create("key", Algorithm::Xaes256Gcm);
    Client::new(&beside).with(id, |_| ());
    assert!(delete(&installation.engine, id).deleted.unwrap().destroyed.is_some());
}
