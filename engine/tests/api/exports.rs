//! Export: what leaves, and what does not (R-K6).

use std::sync::{Arc, mpsc};
use std::thread;

use claviger_algorithm::Algorithm;
use claviger_engine::change::NewKey;
use claviger_engine::crypto::key_wrap::ReceiverKey;
use claviger_engine::key::id::KeyId;
use claviger_engine::key::material::SecretBytes;
use claviger_engine::key::state::{KeyState, VersionState};
use claviger_engine::key::version::KeyVersion;
use claviger_engine::limits::{DELETION_WAIT_DEFAULT, EXPORT_TRIES_MAX};
use claviger_engine::storage::{FailingStorage, MemoryStorage};
use claviger_engine::transfer::{Exported, NewImport};
use claviger_engine::{Engine, Error, Origin};

use crate::support::client::PATIENCE;
use crate::support::tamper::{key_address, version_address};
use crate::support::transfer::Receiver;
use crate::support::{Client, Installation, calls, name, only};

fn create_exportable(installation: &Installation, key_name: &str, algorithm: Algorithm) -> KeyId {
    let new = NewKey { exportable: true, ..NewKey::new(name(key_name), algorithm) };
    installation.engine.create_keys(installation.store, vec![new]).unwrap()[0].id
}

fn export(engine: &Engine, id: KeyId, version: Option<KeyVersion>, receiver: &ReceiverKey) -> Result<Exported, Error> {
    engine.export_key(id, version, receiver, |exported| exported)
}

fn mac(client: &mut Client, id: KeyId) -> Vec<u8> {
    let made = only(client.with(id, |key| calls::make_mac(key, &[b"message"])).unwrap()).unwrap();
    calls::split_version(&made).1.to_vec()
}

fn number(number: u32) -> KeyVersion {
    KeyVersion::new(number).unwrap()
}

on_every_storage! {
    // R-K6
    fn exported_material_is_that_of_the_key(installation) {
        let receiver = Receiver::new();
        let id = create_exportable(installation, "webhooks", Algorithm::HmacSha256);
        let exported = export(&installation.engine, id, None, &receiver.key()).unwrap();
        assert_eq!((exported.key, exported.version.get(), exported.algorithm), (id, 1, Algorithm::HmacSha256));
        let again = installation.import_key("copy", Algorithm::HmacSha256, &receiver.unwrap(&exported.wrapped));
        let mut client = Client::new(&installation.engine);
        assert_eq!(mac(&mut client, id), mac(&mut client, again.id));
        let twice = export(&installation.engine, id, None, &receiver.key()).unwrap();
        assert_ne!(twice.wrapped, exported.wrapped, "each time wrapped anew");
    }

    // R-K6
    fn a_key_that_was_not_created_for_it_does_not_leave(installation) {
        let receiver = Receiver::new();
        for algorithm in [Algorithm::Opaque, Algorithm::Xaes256Gcm, Algorithm::HmacSha256, Algorithm::Ed25519] {
            let id = installation.create(algorithm.name(), algorithm);
            let refused = export(&installation.engine, id, None, &receiver.key());
            assert!(matches!(refused, Err(Error::NotExportable(key)) if key == id), "{algorithm}");
        }
    }
}

// R-K6, R-K18
#[test]
fn what_leaves_one_installation_comes_into_another_wrapped_to_its_transport_key() {
    let (from, to) = (Installation::in_memory(), Installation::in_memory());
    for algorithm in [Algorithm::Xaes256Gcm, Algorithm::HmacSha512, Algorithm::EcdsaP256Sha256, Algorithm::MlDsa65] {
        let id = create_exportable(&from, algorithm.name(), algorithm);
        let new = NewImport::Key { name: name(algorithm.name()), algorithm, exportable: true };
        let import = to.begin(new).unwrap();
        let receiver = ReceiverKey::from_der(&import.public_key).unwrap();
        let wrapped = export(&from.engine, id, None, &receiver).unwrap().wrapped;
        let record = to.engine.complete_import(to.store, import.id, crate::support::transfer::ADA, &wrapped).unwrap();
        assert_eq!((record.exportable, record.versions[0].origin), (true, Origin::Imported));
        // Exported again, it is the same.
        let receiver = Receiver::new();
        let [before, after] = [(&from, id), (&to, record.id)]
            .map(|(at, id)| receiver.unwrap(&export(&at.engine, id, None, &receiver.key()).unwrap().wrapped));
        assert_eq!(before, after, "{algorithm}");
    }
}

// R-K6
#[test]
fn only_what_works_leaves() {
    let (installation, receiver) = (Installation::in_memory(), Receiver::new());
    let id = create_exportable(&installation, "webhooks", Algorithm::HmacSha256);
    let engine = &installation.engine;
    for _ in 0..3 {
        engine.rotate(id).unwrap();
    }
    let export_version = |version: Option<u32>| export(engine, id, version.map(number), &receiver.key());
    assert_eq!(export_version(None).unwrap().version, number(4));
    assert_eq!(export_version(Some(1)).unwrap().version, number(1), "an active one");
    assert_ne!(
        receiver.unwrap(&export_version(Some(1)).unwrap().wrapped),
        receiver.unwrap(&export_version(None).unwrap().wrapped)
    );
    engine.set_version_state(id, number(2), VersionState::Disabled).unwrap();
    engine.destroy_version(id, number(3)).unwrap();
    for (version, expected) in [(2, VersionState::Disabled), (3, VersionState::Destroyed)] {
        let refused = export_version(Some(version));
        assert!(matches!(refused, Err(Error::KeyVersionNotUsable { state, .. }) if state == expected), "{version}");
    }
    assert!(matches!(export_version(Some(5)), Err(Error::KeyVersionNotFound { .. })));
    engine.set_state(id, KeyState::Disabled).unwrap();
    assert!(matches!(export_version(None), Err(Error::KeyNotUsable { state: KeyState::Disabled, .. })));
    engine.request_deletion(id, DELETION_WAIT_DEFAULT).unwrap();
    assert!(matches!(export_version(None), Err(Error::KeyNotUsable { state: KeyState::DeletionRequested, .. })));
    engine.delete_now(id, true).unwrap();
    assert!(matches!(export_version(None), Err(Error::KeyNotUsable { state: KeyState::Deleted, .. })));
    let absent = KeyId([7; 16]);
    let refused = export(engine, absent, None, &receiver.key());
    assert!(matches!(refused, Err(Error::KeyNotFound(key)) if key == absent));
}

/// What an export gives that is held back where it has read the wrapped material; then `meanwhile` is done.
fn exported_while(
    meanwhile: impl Fn(&Installation, KeyId),
    times: u32,
) -> (Installation, KeyId, Result<Exported, Error>, Receiver) {
    let storage = Arc::new(FailingStorage::new(MemoryStorage::new()));
    let (installation, receiver) = (Installation::on(storage.clone()), Receiver::new());
    let id = create_exportable(&installation, "webhooks", Algorithm::HmacSha256);
    installation.engine.rotate(id).unwrap();
    let mut pause = storage.pause_get(&version_address(id, 2));
    let exported = thread::scope(|scope| {
        let exporting = scope.spawn(|| export(&installation.engine, id, None, &receiver.key()));
        for number in 1..=times {
            assert!(pause.wait_until_reached(PATIENCE), "try {number}");
            meanwhile(&installation, id);
            let next = storage.pause_get(&version_address(id, 2));
            std::mem::replace(&mut pause, next).release();
        }
        drop(pause);
        exporting.join().unwrap()
    });
    (installation, id, exported, receiver)
}

// R-K6, R-K9
#[test]
fn nothing_leaves_after_an_acknowledged_change_that_forbids_it() {
    let disable = |at: &Installation, id| drop(at.engine.set_state(id, KeyState::Disabled).unwrap());
    let (_, _, refused, _) = exported_while(disable, 1);
    assert!(matches!(refused, Err(Error::KeyNotUsable { state: KeyState::Disabled, .. })), "{refused:?}");

    let delete = |at: &Installation, id| {
        at.engine.request_deletion(id, DELETION_WAIT_DEFAULT).unwrap();
        at.engine.delete_now(id, true).unwrap();
    };
    let (_, _, refused, _) = exported_while(delete, 1);
    assert!(matches!(refused, Err(Error::KeyNotUsable { state: KeyState::Deleted, .. })), "{refused:?}");
}

// R-K6, R-K9
#[test]
fn nothing_leaves_after_a_change_that_is_acknowledged_between_the_last_look_and_the_answer() {
    let storage = Arc::new(FailingStorage::new(MemoryStorage::new()));
    let (installation, receiver) = (Installation::on(storage.clone()), Receiver::new());
    let id = create_exportable(&installation, "webhooks", Algorithm::HmacSha256);
    let material = storage.pause_get(&version_address(id, 1));
    let refused = thread::scope(|scope| {
        let exporting = scope.spawn(|| export(&installation.engine, id, None, &receiver.key()));
        assert!(material.wait_until_reached(PATIENCE));
        let last_look = storage.pause_get(&key_address(id));
        material.release();
        // It has found the key available.
        assert!(last_look.wait_until_reached(PATIENCE));
        installation.engine.set_state(id, KeyState::Disabled).unwrap();
        last_look.release();
        exporting.join().unwrap()
    });
    assert!(matches!(refused, Err(Error::KeyNotUsable { state: KeyState::Disabled, .. })), "{refused:?}");
}

// R-K6, R-K9
#[test]
fn a_change_that_comes_while_the_answer_is_made_is_acknowledged_after_it() {
    let (installation, receiver) = (Installation::in_memory(), Receiver::new());
    let id = create_exportable(&installation, "webhooks", Algorithm::HmacSha256);
    let (say, said) = mpsc::channel();
    thread::scope(|scope| {
        let answered = installation.engine.export_key(id, None, &receiver.key(), |exported| {
            scope.spawn(|| {
                installation.engine.set_state(id, KeyState::Disabled).unwrap();
                say.send("acknowledged").unwrap();
            });
            // The change is made by now, and cannot be acknowledged however long this takes.
            while installation.engine.describe_key(id).unwrap().state != KeyState::Disabled {
                thread::yield_now();
            }
            (0..1_000).for_each(|_| thread::yield_now());
            assert!(said.try_recv().is_err());
            exported
        });
        assert_eq!(answered.unwrap().key, id);
        assert_eq!(said.recv_timeout(PATIENCE), Ok("acknowledged"));
    });
}

// R-K6
#[test]
fn changes_of_other_keys_do_not_fail_an_export() {
    let storage = Arc::new(FailingStorage::new(MemoryStorage::new()));
    let (installation, receiver) = (Installation::on(storage.clone()), Receiver::new());
    let id = create_exportable(&installation, "webhooks", Algorithm::HmacSha256);
    let other = installation.create("other", Algorithm::HmacSha256);
    let material = storage.pause_get(&version_address(id, 1));
    let exported = thread::scope(|scope| {
        let exporting = scope.spawn(|| export(&installation.engine, id, None, &receiver.key()));
        assert!(material.wait_until_reached(PATIENCE));
        let mut look = storage.pause_get(&key_address(id));
        material.release();
        for _ in 0..2 * EXPORT_TRIES_MAX {
            assert!(look.wait_until_reached(PATIENCE));
            installation.engine.rotate(other).unwrap();
            let next = storage.pause_get(&key_address(id));
            std::mem::replace(&mut look, next).release();
        }
        drop(look);
        exporting.join().unwrap()
    });
    assert_eq!(exported.unwrap().version, number(1));
}

// R-K6, R-K11
#[test]
fn a_key_that_gets_another_shred_secret_meanwhile_leaves_all_the_same() {
    let destroy = |at: &Installation, id| drop(at.engine.destroy_version(id, number(1)).unwrap());
    let (installation, id, exported, receiver) = exported_while(destroy, 1);
    let exported = exported.unwrap();
    assert_eq!(exported.version, number(2));
    let copy = installation.import_key("copy", Algorithm::HmacSha256, &receiver.unwrap(&exported.wrapped));
    let mut client = Client::new(&installation.engine);
    assert_eq!(mac(&mut client, id), mac(&mut client, copy.id));
}

// R-K6
#[test]
fn an_export_gives_up_at_last_on_a_key_that_is_changed_each_time() {
    let change = |at: &Installation, id| {
        let state = at.engine.describe_key(id).unwrap().versions[0].state;
        let other = if state == VersionState::Active { VersionState::Disabled } else { VersionState::Active };
        at.engine.set_version_state(id, number(1), other).unwrap();
    };
    let (_, _, refused, _) = exported_while(change, EXPORT_TRIES_MAX);
    assert!(matches!(refused, Err(Error::Conflict)), "{refused:?}");
}

// R-K6
#[test]
fn an_exportable_secret_leaves_unless_it_is_empty() {
    let (installation, receiver) = (Installation::in_memory(), Receiver::new());
    for (key_name, value) in [("password", &b"hunter2"[..]), ("empty", b"")] {
        let value = Some(SecretBytes::from(value.to_vec()));
        let new = NewKey { exportable: true, value, ..NewKey::new(name(key_name), Algorithm::Opaque) };
        installation.engine.create_keys(installation.store, vec![new]).unwrap();
    }
    let export_named = |key_name| {
        let id = installation.engine.find_key(installation.store, &name(key_name)).unwrap().unwrap();
        export(&installation.engine, id, None, &receiver.key())
    };
    assert_eq!(receiver.unwrap(&export_named("password").unwrap().wrapped), b"hunter2");
    assert!(matches!(export_named("empty"), Err(Error::NothingToExport(_))));
}
