//! Disabling and enabling.

use std::sync::{Arc, mpsc};
use std::thread;

use claviger_algorithm::{Algorithm, Operation};
use claviger_engine::Error;
use claviger_engine::key::id::KeyId;
use claviger_engine::key::state::KeyState;
use claviger_engine::operation::{DataKeyForm, SignForm};
use claviger_engine::storage::{FailingStorage, MemoryStorage};

use crate::support::algorithms::signing;
use crate::support::client::PATIENCE;
use crate::support::installation::VALUE;
use crate::support::tamper::key_address;
use crate::support::{Client, Installation, calls, only};

on_every_storage! {
    // R-K9
    fn disabled_symmetric_key_refuses_everything(installation) {
        let id = installation.create("key", Algorithm::Xaes256Gcm);
        let target = installation.create("target", Algorithm::Xaes256Gcm);
        let mut client = Client::new(&installation.engine);
        let ciphertext = client.encrypt_one(id, b"context", b"plaintext");
        let item = (&b"context"[..], &ciphertext[..]);

        installation.engine.set_state(id, KeyState::Disabled).unwrap();
        client.with(id, |key| {
            refused(id, calls::encrypt(key, &[(b"", b"")]));
            refused(id, calls::decrypt(key, &[item]));
            refused(id, calls::generate_data_keys(key, DataKeyForm::Wrapped, 32, &[b""]));
            refused(id, calls::wrap(key, &[(b"", b"data key")]));
            refused(id, calls::unwrap(key, &[item]));
        });
        client.with_both(id, target, |key, target| {
            refused(id, calls::reencrypt(key, target, &[[item.0, b"", item.1]]));
            refused(id, calls::reencrypt(target, key, &[]));
        });
        assert_eq!(installation.engine.describe_key(id).unwrap().state, KeyState::Disabled);

        installation.engine.set_state(id, KeyState::Available).unwrap();
        let opened = client.with(id, |key| calls::decrypt(key, &[item])).unwrap();
        assert_eq!(only(opened).unwrap(), b"plaintext");
    }

    // R-K9
    fn disabled_asymmetric_key_refuses_everything_but_its_public_key(installation) {
        for algorithm in signing() {
            let id = installation.create(algorithm.row().name, algorithm);
            let mut client = Client::new(&installation.engine);
            let signed = only(client.with(id, |key| calls::sign(key, SignForm::Message, &[b"message"])).unwrap()).unwrap();
            let (_, signature) = calls::split_version(&signed);
            let public_key = client.with(id, |key| key.public_key(None)).unwrap().der;

            installation.engine.set_state(id, KeyState::Disabled).unwrap();
            client.with(id, |key| {
                for form in [SignForm::Message, SignForm::Digest] {
                    refused(id, calls::sign(key, form, &[&[0; 32]]));
                    refused(id, calls::verify(key, None, form, &[(b"message", signature)]));
                }
                assert_eq!(key.public_key(None).unwrap().der, public_key);
            });
            assert_eq!(installation.engine.describe_key(id).unwrap().state, KeyState::Disabled);

            installation.engine.set_state(id, KeyState::Available).unwrap();
            let verified = client.with(id, |key| calls::verify(key, None, SignForm::Message, &[(b"message", signature)]));
            assert_eq!(only(verified.unwrap()).unwrap(), 1_u32.to_be_bytes());
        }
    }

    // R-K9
    fn disabled_mac_key_and_secret_refuse_everything(installation) {
        let mac_key = installation.create("mac", Algorithm::HmacSha256);
        let secret = installation.create("secret", Algorithm::Opaque);
        let mut client = Client::new(&installation.engine);
        let made = only(client.with(mac_key, |key| calls::make_mac(key, &[b"message"])).unwrap()).unwrap();
        let (_, mac) = calls::split_version(&made);

        for id in [mac_key, secret] {
            installation.engine.set_state(id, KeyState::Disabled).unwrap();
        }
        client.with(mac_key, |key| {
            refused(mac_key, calls::make_mac(key, &[b"message"]));
            refused(mac_key, calls::verify_mac(key, None, &[(b"message", mac)]));
        });
        client.with(secret, |key| refused(secret, key.secret(&mut calls::uncounted(), None)));

        for id in [mac_key, secret] {
            installation.engine.set_state(id, KeyState::Available).unwrap();
        }
        assert!(only(client.with(mac_key, |key| calls::verify_mac(key, None, &[(b"message", mac)])).unwrap()).is_ok());
        client.with(secret, |key| assert_eq!(key.secret(&mut calls::uncounted(), None).unwrap().value, VALUE));
    }

    // R-K9
    fn disabled_key_that_is_not_in_memory_is_disabled_when_it_comes(installation) {
        let id = installation.create("key", Algorithm::Xaes256Gcm);
        installation.engine.set_state(id, KeyState::Disabled).unwrap();
        Client::new(&installation.engine).with(id, |key| refused(id, calls::encrypt(key, &[(b"", b"")])));
    }

    // R-K13
    fn disabled_key_rotates_and_stays_disabled(installation) {
        let id = installation.create("key", Algorithm::HmacSha256);
        let mut client = Client::new(&installation.engine);
        client.with(id, |_| ());
        installation.engine.set_state(id, KeyState::Disabled).unwrap();
        let record = installation.engine.rotate(id).unwrap();
        assert_eq!((record.state, record.versions.len()), (KeyState::Disabled, 2));
        client.with(id, |key| refused(id, calls::make_mac(key, &[b""])));
        installation.engine.set_state(id, KeyState::Available).unwrap();
        let made = only(client.with(id, |key| calls::make_mac(key, &[b""])).unwrap()).unwrap();
        assert_eq!(calls::split_version(&made).0, 2);
    }

    fn changing_to_the_state_at_hand_changes_nothing(installation) {
        let id = installation.create("key", Algorithm::HmacSha256);
        let revision = installation.storage.revision();
        let created = installation.engine.describe_key(id).unwrap();
        assert_eq!(installation.engine.set_state(id, KeyState::Available).unwrap(), created);
        assert_eq!(installation.storage.revision(), revision);
        let disabled = installation.engine.set_state(id, KeyState::Disabled).unwrap();
        assert!(disabled.changed_ms > created.changed_ms && disabled.created_ms == created.created_ms);
        assert_eq!(installation.engine.set_state(id, KeyState::Disabled).unwrap(), disabled);
    }

    fn state_of_one_key_is_that_of_no_other(installation) {
        let ids: Vec<_> = ["a", "b"].iter().map(|text| installation.create(text, Algorithm::Xaes256Gcm)).collect();
        let mut client = Client::new(&installation.engine);
        installation.engine.set_state(ids[0], KeyState::Disabled).unwrap();
        assert!(client.encrypt(ids[0], &[(b"", b"")]).is_err());
        assert!(client.encrypt(ids[1], &[(b"", b"")]).is_ok());
    }
}

// R-K9
#[test]
fn second_to_disable_is_answered_only_when_the_key_is_disabled_for_all() {
    let storage = Arc::new(FailingStorage::new(MemoryStorage::new()));
    let installation = Installation::on(storage.clone());
    let id = installation.create("key", Algorithm::Xaes256Gcm);
    let mut client = Client::new(&installation.engine);
    client.with(id, |_| ());
    // In the order of the reads: that of the first to disable, that of the cache which follows it, that of the second to disable.
    let place = key_address(id);
    let pauses = [(); 3].map(|()| storage.pause_get(&place));
    let [first_reads, cache_reads, second_reads] = pauses;
    let disable = || {
        let engine = Arc::clone(&installation.engine);
        move || engine.set_state(id, KeyState::Disabled).map(|record| record.state)
    };
    thread::scope(|scope| {
        let first = scope.spawn(disable());
        assert!(first_reads.wait_until_reached(PATIENCE));
        first_reads.release();
        assert!(cache_reads.wait_until_reached(PATIENCE));

        let (answer, answered) = mpsc::channel();
        let second = scope.spawn({
            let (disable, mut client) = (disable(), Client::new(&installation.engine));
            move || {
                let state = disable().unwrap();
                answer.send((state, client.cached_state(id))).unwrap();
            }
        });
        assert!(second_reads.wait_until_reached(PATIENCE));
        second_reads.release();
        // However long it runs now, it cannot be answered: the cache is still held back.
        for _ in 0..1_000 {
            thread::yield_now();
        }
        assert_eq!(client.cached_state(id), Some(KeyState::Available));
        assert!(answered.try_recv().is_err());

        cache_reads.release();
        assert_eq!(answered.recv_timeout(PATIENCE).unwrap(), (KeyState::Disabled, Some(KeyState::Disabled)));
        assert_eq!(first.join().unwrap().unwrap(), KeyState::Disabled);
        second.join().unwrap();
    });
}

#[test]
fn check_names_what_stands_in_the_way() {
    let installation = Installation::in_memory();
    let id = installation.create("key", Algorithm::Ed25519);
    let mut client = Client::new(&installation.engine);
    let not_allowed = client.with(id, |key| key.check(Operation::Encrypt)).unwrap_err();
    assert_eq!(not_allowed.to_string(), "a key for Ed25519 does not do this: encrypt");
    installation.engine.set_state(id, KeyState::Disabled).unwrap();
    let not_usable = client.with(id, |key| key.check(Operation::Sign)).unwrap_err();
    assert_eq!(not_usable.to_string(), format!("key {id} is disabled: enable it first"));
}

#[track_caller]
fn refused<T>(key: KeyId, result: Result<T, Error>) {
    match result {
        Err(Error::KeyNotUsable { id, state }) => assert_eq!((id, state), (key, KeyState::Disabled)),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("a disabled key was used"),
    }
}
