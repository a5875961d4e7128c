//! Deleting keys: requested, waited for, cancelled, made at once.

use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use claviger_algorithm::{Algorithm, Operation};
use claviger_engine::key::id::KeyId;
use claviger_engine::key::state::{KeyState, VersionState};
use claviger_engine::key::version::KeyVersion;
use claviger_engine::limits::{DELETION_WAIT_DEFAULT, DELETION_WAIT_MAX, DELETION_WAIT_MIN};
use claviger_engine::list::KeyFilter;
use claviger_engine::operation::{DataKeyForm, SignForm};
use claviger_engine::storage::{FailingStorage, MemoryStorage};
use claviger_engine::{Engine, Error, KeyRecord, LoadError};

use crate::support::client::{PATIENCE, load};
use crate::support::clock::{DAY, HOUR, milliseconds};
use crate::support::tamper::{all_records, key_address};
use crate::support::{Client, Installation, calls, name, only};

on_every_storage! {
    // R-K9, R-K10
    fn key_whose_deletion_is_requested_refuses_everything_but_its_public_key(installation) {
        let [aes, rsa, mac, secret] = [
            ("aes", Algorithm::Xaes256Gcm),
            ("ed25519", Algorithm::Ed25519),
            ("mac", Algorithm::HmacSha256),
            ("secret", Algorithm::Opaque),
        ].map(|(text, algorithm)| installation.create(text, algorithm));
        let mut client = Client::new(&installation.engine);
        let ciphertext = client.encrypt_one(aes, b"", b"plaintext");
        let public_key = client.with(rsa, |key| key.public_key(None)).unwrap().der;
        for id in [aes, rsa, mac, secret] {
            let record = installation.engine.request_deletion(id, DELETION_WAIT_DEFAULT).unwrap();
            assert_eq!(record.state, KeyState::DeletionRequested);
            assert_eq!(installation.engine.describe_key(id).unwrap(), record);
        }
        client.with(aes, |key| {
            refused(calls::encrypt(key, &[(b"", b"")]));
            refused(calls::decrypt(key, &[(b"", &ciphertext)]));
            refused(calls::generate_data_keys(key, DataKeyForm::Wrapped, 32, &[b""]));
            refused(calls::unwrap(key, &[(b"", &ciphertext)]));
            refused(calls::reencrypt(key, key, &[]));
        });
        client.with(rsa, |key| {
            refused(calls::sign(key, SignForm::Message, &[b""]));
            refused(calls::verify(key, None, SignForm::Message, &[]));
            assert_eq!(key.public_key(None).unwrap().der, public_key);
        });
        client.with(mac, |key| refused(calls::verify_mac(key, None, &[])));
        client.with(secret, |key| refused(key.secret(&mut calls::uncounted(), None)));
        let said = client.with(aes, |key| key.check(Operation::Decrypt)).unwrap_err().to_string();
        assert!(said.ends_with("is deletion requested: cancel its deletion first, then enable it"), "{said}");
    }

    // R-K10
    fn deletion_that_is_cancelled_leaves_the_key_disabled_and_whole(installation) {
        for before in [KeyState::Available, KeyState::Disabled] {
            let id = installation.create(&before.to_string(), Algorithm::Xaes256Gcm);
            let mut client = Client::new(&installation.engine);
            let ciphertext = client.encrypt_one(id, b"", b"plaintext");
            installation.engine.set_state(id, before).unwrap();
            installation.engine.request_deletion(id, DELETION_WAIT_MIN).unwrap();
            let record = installation.engine.cancel_deletion(id).unwrap();
            assert_eq!((record.state, record.deletion), (KeyState::Disabled, None));
            assert!(matches!(client.decrypt(id, &[]), Err(Error::KeyNotUsable { state: KeyState::Disabled, .. })));
            installation.engine.set_state(id, KeyState::Available).unwrap();
            assert_eq!(only(client.decrypt(id, &[(b"", &ciphertext)]).unwrap()).unwrap(), b"plaintext");
            // Nothing of it is left: no clock deletes the key later.
            installation.clock.pass(DAY * 100);
            assert_eq!(installation.engine.do_due().unwrap(), 0);
            assert_eq!(installation.engine.describe_key(id).unwrap().state, KeyState::Available);
        }
    }

    // R-K7, R-K10
    fn each_step_of_a_deletion_is_taken_from_its_own_states_only(installation) {
        type Step = fn(&Engine, KeyId) -> Result<KeyRecord, Error>;
        let request: Step = |engine, id| engine.request_deletion(id, DELETION_WAIT_DEFAULT);
        let steps: [(Step, &[KeyState]); 6] = [
            (request, &[KeyState::Available, KeyState::Disabled]),
            (|engine, id| engine.set_state(id, KeyState::Available), &[KeyState::Available, KeyState::Disabled]),
            (|engine, id| engine.set_state(id, KeyState::Disabled), &[KeyState::Available, KeyState::Disabled]),
            (Engine::cancel_deletion, &[KeyState::DeletionRequested]),
            (|engine, id| engine.delete_now(id, false), &[KeyState::DeletionRequested]),
            (Engine::rotate, &[KeyState::Available, KeyState::Disabled, KeyState::DeletionRequested]),
        ];
        let states = [KeyState::Available, KeyState::Disabled, KeyState::DeletionRequested, KeyState::Deleted];
        for (at, (step, allowed)) in steps.into_iter().enumerate() {
            for state in states {
                let id = in_state(installation, &format!("{at}-{}", state.id()), state);
                let before = installation.engine.describe_key(id).unwrap();
                let result = step(&installation.engine, id);
                if allowed.contains(&state) {
                    result.unwrap();
                } else {
                    assert!(matches!(result, Err(Error::KeyStateWrong { id: of, state: is, .. }) if of == id && is == state), "{at} {state}");
                    assert_eq!(installation.engine.describe_key(id).unwrap(), before);
                }
            }
        }
        let available = in_state(installation, "available", KeyState::Available);
        for state in [KeyState::DeletionRequested, KeyState::Deleted] {
            assert!(matches!(installation.engine.set_state(available, state), Err(Error::KeyStateWrong { .. })), "{state}");
        }
    }

    // R-K10
    fn a_wait_is_of_24_hours_to_30_days(installation) {
        let id = installation.create("key", Algorithm::Xaes256Gcm);
        for wait in [Duration::ZERO, DELETION_WAIT_MIN - HOUR, DELETION_WAIT_MAX + HOUR, Duration::MAX] {
            let refused = installation.engine.request_deletion(id, wait).unwrap_err();
            assert!(matches!(refused, Error::DeletionWait), "{wait:?}");
            assert_eq!(refused.to_string(), "a deletion waits for 24 to 720 hours");
        }
        for wait in [DELETION_WAIT_MIN, DELETION_WAIT_DEFAULT, DELETION_WAIT_MAX] {
            let deletion = installation.engine.request_deletion(id, wait).unwrap().deletion.unwrap();
            assert_eq!(deletion.deadline_ms - deletion.requested_ms, milliseconds(wait));
            installation.engine.cancel_deletion(id).unwrap();
        }
        assert_eq!(DELETION_WAIT_DEFAULT, HOUR * 72);
    }

    // R-K11
    fn deleted_key_leaves_no_material_and_no_name_behind(installation) {
        for algorithm in [Algorithm::Aes256Gcm, Algorithm::Ed25519, Algorithm::Opaque] {
            let id = installation.create("key", algorithm);
            if algorithm != Algorithm::Opaque {
                installation.engine.rotate(id).unwrap();
                installation.engine.set_rotation(id, Some(30)).unwrap();
            }
            Client::new(&installation.engine).with(id, |_| ());
            installation.engine.request_deletion(id, DELETION_WAIT_DEFAULT).unwrap();
            let record = installation.engine.delete_now(id, false).unwrap();
            assert_eq!((record.state, record.current(), record.deletion, record.rotation), (KeyState::Deleted, None, None, None));
            assert!(record.deleted.is_some_and(|deleted| deleted.at_ms >= record.created_ms));
            assert!(record.versions.iter().all(|summary| summary.state == VersionState::Destroyed));

            // Its record, the moment when that is due to go, that it is told of, and how often its versions were used if that was limited.
            let left: Vec<_> = all_records(&*installation.storage).into_iter().map(|(address, _)| address.key)
                .filter(|key| key.windows(16).any(|part| part == id.0)).collect();
            assert_eq!(left.iter().map(|key| key[0]).collect::<Vec<_>>(), if algorithm == Algorithm::Aes256Gcm { &b"Ddkuu"[..] } else { b"Ddk" }, "{algorithm}");
            assert_eq!(installation.engine.describe_key(id).unwrap(), record);
            assert_eq!(installation.engine.find_key(installation.store, &name("key")).unwrap(), None);
            assert_eq!(installation.engine.list_keys(installation.store, &KeyFilter::default(), None, 10).unwrap().keys, []);
        }
    }

    // R-K11
    fn name_of_a_deleted_key_is_free_and_the_new_key_is_another_one(installation) {
        let old = installation.create("key", Algorithm::Xaes256Gcm);
        let mut client = Client::new(&installation.engine);
        let ciphertext = client.encrypt_one(old, b"", b"plaintext");
        installation.engine.request_deletion(old, DELETION_WAIT_DEFAULT).unwrap();
        assert!(matches!(installation.try_create("key", Algorithm::Xaes256Gcm), Err(Error::NameTaken(_))));
        installation.engine.delete_now(old, true).unwrap();
        let new = installation.create("key", Algorithm::Xaes256Gcm);
        assert_ne!(new, old);
        assert!(only(client.decrypt(new, &[(b"", &ciphertext)]).unwrap()).is_err());
        assert_eq!(installation.engine.find_key(installation.store, &name("key")).unwrap(), Some(new));
        // The end of the old one does not touch the name.
        installation.clock.pass(DAY * 365);
        assert_eq!(installation.engine.do_due().unwrap(), 1);
        assert_eq!(installation.engine.find_key(installation.store, &name("key")).unwrap(), Some(new));
    }

    // R-K9, R-K11
    fn deleted_key_refuses_everything_and_says_so(installation) {
        for is_loaded_before in [true, false] {
            let id = installation.create("key", Algorithm::Ed25519);
            let mut client = Client::new(&installation.engine);
            if is_loaded_before {
                client.with(id, |_| ());
            }
            installation.engine.request_deletion(id, DELETION_WAIT_DEFAULT).unwrap();
            installation.engine.delete_now(id, false).unwrap();
            client.with(id, |key| {
                for operation in [Operation::Sign, Operation::Verify, Operation::ReadPublicKey, Operation::Encrypt] {
                    let said = key.check(operation).unwrap_err().to_string();
                    assert_eq!(said, format!("key {id} is deleted: it does not come back"));
                }
                deleted(calls::sign(key, SignForm::Message, &[b""]));
                deleted(key.public_key(None));
                deleted(key.public_key(Some(KeyVersion::FIRST)));
            });
            for change in [
                installation.engine.set_rotation(id, Some(1)),
                installation.engine.set_rotation(id, None),
                installation.engine.set_lowest_version(id, KeyVersion::FIRST),
                installation.engine.set_version_state(id, KeyVersion::FIRST, VersionState::Active),
                installation.engine.destroy_version(id, KeyVersion::FIRST),
            ] {
                assert!(matches!(change, Err(Error::KeyStateWrong { state: KeyState::Deleted, .. })));
            }
        }
    }
}

// R-K11
#[test]
fn load_that_was_under_way_does_not_bring_a_deleted_key_back() {
    let storage = Arc::new(FailingStorage::new(MemoryStorage::new()));
    let installation = Installation::on(storage.clone());
    let id = installation.create("key", Algorithm::Ed25519);
    installation.engine.request_deletion(id, DELETION_WAIT_DEFAULT).unwrap();
    // Held back where it has asked for the key's record; then the key goes.
    let pause = storage.pause_get(&key_address(id));
    let (done, is_done) = mpsc::channel();
    installation.engine.load(id, move |result| done.send(result).unwrap());
    assert!(pause.wait_until_reached(PATIENCE));
    thread::scope(|scope| {
        let deleting = scope.spawn(|| installation.engine.delete_now(id, false).unwrap());
        deleting.join().unwrap();
        pause.release();
    });
    assert_eq!(is_done.recv_timeout(PATIENCE).unwrap(), Ok(()));
    Client::new(&installation.engine).with(id, |key| {
        assert_eq!(key.state(), KeyState::Deleted);
        deleted(key.public_key(None));
    });
}

// R-K11
#[test]
fn deleted_key_stays_deleted_after_a_restart() {
    let installation = Installation::on_lmdb();
    let id = installation.create("key", Algorithm::Xaes256Gcm);
    installation.engine.request_deletion(id, DELETION_WAIT_DEFAULT).unwrap();
    let record = installation.engine.delete_now(id, false).unwrap();
    let installation = installation.restarted(|_| ());
    assert_eq!(installation.engine.describe_key(id).unwrap(), record);
    Client::new(&installation.engine).with(id, |key| deleted(calls::encrypt(key, &[])));
}

#[test]
fn steps_of_a_deletion_of_a_key_that_is_not_there_say_so() {
    let installation = Installation::in_memory();
    let id = KeyId([7; 16]);
    for result in [
        installation.engine.request_deletion(id, DELETION_WAIT_DEFAULT),
        installation.engine.cancel_deletion(id),
        installation.engine.delete_now(id, false),
    ] {
        assert!(matches!(result, Err(Error::KeyNotFound(of)) if of == id));
    }
    assert_eq!(load(&installation.engine, id), Err(LoadError::NotFound));
}

/// A key that has come to this state.
fn in_state(installation: &Installation, key_name: &str, state: KeyState) -> KeyId {
    let (engine, id) = (&installation.engine, installation.create(key_name, Algorithm::HmacSha256));
    match state {
        KeyState::Available => {}
        KeyState::Disabled => drop(engine.set_state(id, KeyState::Disabled).unwrap()),
        KeyState::DeletionRequested => drop(engine.request_deletion(id, DELETION_WAIT_DEFAULT).unwrap()),
        KeyState::Deleted => {
            engine.request_deletion(id, DELETION_WAIT_DEFAULT).unwrap();
            engine.delete_now(id, false).unwrap();
        }
    }
    assert_eq!(engine.describe_key(id).unwrap().state, state);
    id
}

#[track_caller]
fn refused<T>(result: Result<T, Error>) {
    assert!(matches!(result, Err(Error::KeyNotUsable { state: KeyState::DeletionRequested, .. })));
}

#[track_caller]
fn deleted<T>(result: Result<T, Error>) {
    assert!(matches!(result, Err(Error::KeyNotUsable { state: KeyState::Deleted, .. })));
}

// R-K20
#[test]
fn list_goes_on_behind_a_key_that_is_deleted_while_it_is_read() {
    let storage = Arc::new(FailingStorage::new(MemoryStorage::new()));
    let installation = Installation::on(storage.clone());
    let ids = ["a", "b", "c"].map(|name| installation.create(name, Algorithm::Xaes256Gcm));
    installation.engine.request_deletion(ids[1], DELETION_WAIT_MIN).unwrap();
    let pause = storage.pause_get(&key_address(ids[0]));
    let page = thread::scope(|scope| {
        let listing =
            scope.spawn(|| installation.engine.list_keys(installation.store, &KeyFilter::default(), None, 2).unwrap());
        assert!(pause.wait_until_reached(PATIENCE));
        installation.engine.delete_now(ids[1], false).unwrap();
        pause.release();
        listing.join().unwrap()
    });
    assert_eq!(page.keys.iter().map(|key| key.id).collect::<Vec<_>>(), [ids[0]]);
    let rest = installation.engine.list_keys(installation.store, &KeyFilter::default(), page.next.as_ref(), 2).unwrap();
    assert_eq!(rest.keys.iter().map(|key| key.id).collect::<Vec<_>>(), [ids[2]]);
    assert_eq!(rest.next, None);
}
