//! What is there after an engine has ended: everything that was acknowledged, and nothing of the engine.

use std::sync::{Arc, mpsc};
use std::thread;

use claviger_algorithm::Algorithm;
use claviger_engine::crypto::random::SystemRandom;
use claviger_engine::key::id::KeyId;
use claviger_engine::key::state::KeyState;
use claviger_engine::list::KeyFilter;
use claviger_engine::operation::SignForm;
use claviger_engine::storage::{FailingStorage, LmdbOptions, LmdbStorage, MemoryStorage, StorageError};
use claviger_engine::{Error, KeyEntry, LoadError};

use crate::support::client::PATIENCE;
use crate::support::installation::{VALUE, create_store, new_key};
use crate::support::tamper::key_address;
use crate::support::{Client, Installation, Places, calls, name, only, start};

#[test]
fn everything_that_was_acknowledged_survives_a_restart() {
    let installation = Installation::on_lmdb();
    let [data, mac_key, ecdsa, ml_dsa, secret, disabled] = [
        ("data", Algorithm::Xaes256Gcm),
        ("mac", Algorithm::HmacSha512),
        ("ecdsa", Algorithm::EcdsaP384Sha384),
        ("ml-dsa", Algorithm::MlDsa87),
        ("secret", Algorithm::Opaque),
        ("disabled", Algorithm::Ed25519),
    ]
    .map(|(text, algorithm)| installation.create(text, algorithm));
    let mut client = Client::new(&installation.engine);
    let old = client.encrypt_one(data, b"context", b"old");
    let mac = only(client.with(mac_key, |key| calls::make_mac(key, &[b"message"])).unwrap()).unwrap();
    let signed = [ecdsa, ml_dsa].map(|id| {
        let signed = client.with(id, |key| calls::sign(key, SignForm::Message, &[b"message"])).unwrap();
        (id, only(signed).unwrap())
    });
    for id in [data, mac_key, ecdsa, ml_dsa] {
        installation.engine.rotate(id).unwrap();
    }
    installation.engine.set_state(disabled, KeyState::Disabled).unwrap();
    let new = client.encrypt_one(data, b"context", b"new");
    let records = installation.engine.list_keys(installation.store, &KeyFilter::default(), None, 10).unwrap().keys;
    drop(client);

    let (places, store) = installation.close();
    let engine = places.start();
    assert_eq!(engine.list_keys(store, &KeyFilter::default(), None, 10).unwrap().keys, records);
    assert_eq!(engine.store_by_name(&name("store")).unwrap().id(), store);
    let mut client = Client::new(&engine);
    let opened = client.decrypt(data, &[(b"context", &old), (b"context", &new)]).unwrap();
    assert_eq!(opened, [Ok(b"old".to_vec()), Ok(b"new".to_vec())]);
    client.with(mac_key, |key| {
        let item = (&b"message"[..], calls::split_version(&mac).1);
        assert_eq!(only(calls::verify_mac(key, None, &[item]).unwrap()).unwrap(), 1_u32.to_be_bytes());
    });
    for (id, signed) in signed {
        let item = (&b"message"[..], calls::split_version(&signed).1);
        let verified = client.with(id, |key| calls::verify(key, None, SignForm::Message, &[item])).unwrap();
        assert_eq!(only(verified).unwrap(), 1_u32.to_be_bytes());
    }
    client.with(secret, |key| assert_eq!(key.secret(&mut calls::uncounted(), None).unwrap().value, VALUE));
    assert_eq!(client.with(disabled, KeyEntry::state), KeyState::Disabled);
    assert_eq!(engine.rotate(data).unwrap().versions.len(), 3);
}

// R-O7
#[test]
fn data_folder_is_free_as_soon_as_its_engine_is_gone() {
    let places = Places::new();
    let mut ids: Vec<KeyId> = Vec::new();
    for round in 0..20 {
        let engine = places.start();
        let store = match engine.store_by_name(&name("store")) {
            Some(slot) => slot.id(),
            None => create_store(&engine, "store").unwrap(),
        };
        let new = vec![new_key(&format!("key-{round}"), Algorithm::Xaes256Gcm)];
        ids.push(engine.create_keys(store, new).unwrap()[0].id);
        // Loads are under way and workers are there when the engine goes.
        let workers: Vec<_> = (0..3).map(|_| engine.worker()).collect();
        let (done, is_done) = mpsc::channel();
        for id in &ids {
            let done = done.clone();
            engine.load(*id, move |result| done.send(result).unwrap());
        }
        drop(workers);
        drop(engine);
        // What was queued was done before the engine was gone.
        let results: Vec<_> = is_done.try_iter().collect();
        assert_eq!(results, vec![Ok(()); ids.len()]);
    }
}

// R-O7
#[test]
fn data_folder_belongs_to_one_engine_at_a_time() {
    let installation = Installation::on_lmdb();
    let second = LmdbStorage::open(&installation.places.data(), &LmdbOptions::default());
    assert!(matches!(second.err(), Some(StorageError::AlreadyOpen { .. })));
    installation.create("key", Algorithm::HmacSha256);
}

#[test]
fn dropped_engine_holds_storage_no_more_while_others_do() {
    let (storage, places) = (Arc::new(MemoryStorage::new()), Places::new());
    for _ in 0..20 {
        let engine = start(storage.clone(), &places, 10, Arc::new(SystemRandom::new()));
        assert!(Arc::strong_count(&storage) > 1);
        drop(engine.unwrap());
        assert_eq!(Arc::strong_count(&storage), 1, "a thread of the engine is still there");
    }
}

// R-H1
#[test]
fn data_of_another_installation_is_refused_at_once() {
    let storage = Arc::new(MemoryStorage::new());
    let start_with_keys_of = |places: &Places| start(storage.clone(), places, 10, Arc::new(SystemRandom::new()));
    drop(start_with_keys_of(&Places::new()).unwrap());
    assert!(matches!(start_with_keys_of(&Places::new()), Err(Error::Damaged(_))));
}

#[test]
fn engine_that_is_dropped_finishes_the_load_that_is_under_way() {
    let storage = Arc::new(FailingStorage::new(MemoryStorage::new()));
    let installation = Installation::on(storage.clone());
    let missing = KeyId([7; 16]);
    let pause = storage.pause_get(&key_address(missing));
    let (done, is_done) = mpsc::channel();
    installation.engine.load(missing, move |result| done.send(result).unwrap());
    assert!(pause.wait_until_reached(PATIENCE));
    let dropping = thread::spawn(move || drop(installation.engine));
    pause.release();
    dropping.join().unwrap();
    assert_eq!(is_done.try_recv().unwrap(), Err(LoadError::NotFound));
    let held_by_the_test = 2;
    assert_eq!(Arc::strong_count(&storage), held_by_the_test);
}
