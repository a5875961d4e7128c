//! AES-256-GCM: what is sealed with a limit, and counted.

use claviger_algorithm::Algorithm;
use claviger_engine::key::id::KeyId;
use claviger_engine::read::UseCount;
use claviger_engine::{Engine, Error, ItemError};

use crate::support::{Client, Installation, Places, installation::create_store, only};

const LIMIT: u64 = 1 << 32;

fn used(engine: &Engine, id: KeyId) -> u64 {
    let UseCount { used, limit } = engine.use_count(&engine.describe_key(id).unwrap()).unwrap().unwrap();
    assert_eq!(limit, LIMIT);
    used
}

on_every_storage! {
    // R-K3
    fn decrypts_what_it_encrypted_before_and_after_a_rotation(installation) {
        let id = installation.create("key", Algorithm::Aes256Gcm);
        let mut client = Client::new(&installation.engine);
        let before = client.encrypt_one(id, b"context", b"plaintext");
        assert_eq!(before.len(), 9 + 82);
        installation.engine.rotate(id).unwrap();
        let after = client.encrypt_one(id, b"context", b"plaintext");
        for ciphertext in [&before, &after] {
            assert_eq!(only(client.decrypt(id, &[(b"context", ciphertext)]).unwrap()).unwrap(), b"plaintext");
            let other = only(client.decrypt(id, &[(b"contexu", ciphertext)]).unwrap());
            assert_eq!(other, Err(ItemError::DecryptionFailed));
        }
    }

    // R-K3
    fn every_item_that_is_sealed_is_counted_and_none_that_is_opened(installation) {
        let id = installation.create("key", Algorithm::Aes256Gcm);
        let mut client = Client::new(&installation.engine);
        assert_eq!(used(&installation.engine, id), 0);
        let sealed = client.encrypt(id, &[(b"", b"one"), (b"", b"two"), (b"", b"three")]).unwrap();
        assert_eq!(used(&installation.engine, id), 3);
        let sealed: Vec<_> = sealed.into_iter().map(Result::unwrap).collect();
        let opened = client.decrypt(id, &[(b"", &sealed[0]), (b"", &sealed[2])]).unwrap();
        assert_eq!(opened, [Ok(b"one".to_vec()), Ok(b"three".to_vec())]);
        assert_eq!(used(&installation.engine, id), 3);
    }

    // R-K3
    fn a_rotation_begins_a_new_count(installation) {
        let id = installation.create("key", Algorithm::Aes256Gcm);
        let mut client = Client::new(&installation.engine);
        client.encrypt_one(id, b"", b"plaintext");
        installation.engine.rotate(id).unwrap();
        assert_eq!(used(&installation.engine, id), 0);
        client.encrypt_one(id, b"", b"plaintext");
        assert_eq!(used(&installation.engine, id), 1);
    }

    // R-K3
    fn keys_without_a_limit_are_not_counted(installation) {
        let id = installation.create("key", Algorithm::Xaes256Gcm);
        Client::new(&installation.engine).encrypt_one(id, b"", b"plaintext");
        let record = installation.engine.describe_key(id).unwrap();
        assert_eq!(installation.engine.use_count(&record).unwrap(), None);
    }
}

// R-K3
#[test]
fn a_count_outlives_a_restart_in_good_order_exactly() {
    let places = Places::new();
    let engine = places.start();
    let store = create_store(&engine, "store").unwrap();
    let new = crate::support::installation::new_key("key", Algorithm::Aes256Gcm);
    let id = engine.create_keys(store, vec![new]).unwrap()[0].id;
    let mut client = Client::new(&engine);
    (0..20).for_each(|_| drop(client.encrypt_one(id, b"", b"plaintext")));
    drop((client, engine));
    let engine = places.start();
    assert_eq!(used(&engine, id), 20);
    Client::new(&engine).encrypt_one(id, b"", b"plaintext");
    assert_eq!(used(&engine, id), 21);
}

// R-K3
#[test]
fn keys_in_memory_are_not_forgotten_with_their_count() {
    // Two keys fit: the third pushes one out, whose count goes on where it was.
    let installation = Installation::with_capacity(2);
    let ids: Vec<_> = (0..6).map(|n| installation.create(&format!("key{n}"), Algorithm::Aes256Gcm)).collect();
    let mut client = Client::new(&installation.engine);
    for _ in 0..10 {
        ids.iter().for_each(|id| drop(client.encrypt_one(*id, b"", b"plaintext")));
    }
    assert!(ids.iter().all(|id| used(&installation.engine, *id) == 10));
}

// R-K3
#[test]
fn errors_say_what_to_do() {
    let (id, version) = (KeyId([1; 16]), claviger_engine::key::version::KeyVersion::FIRST);
    let said = Error::UseLimitReached { id, version }.to_string();
    assert!(said.ends_with("has been used as often as its algorithm allows: rotate the key"), "{said}");
}
