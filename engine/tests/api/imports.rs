//! Import: what comes in, and who may bring it (R-K18).

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use claviger_algorithm::Algorithm;
use claviger_engine::key::id::{ImportId, KeyId, StoreId};
use claviger_engine::key::state::{KeyState, VersionState};
use claviger_engine::limits::{
    DELETION_WAIT_DEFAULT, IMPORT_TRIES_MAX, IMPORT_WRAPPED_SIZE_MAX, IMPORTS_MAX, VERSIONS_MAX,
};
use claviger_engine::list::KeyFilter;
use claviger_engine::storage::{Address, Call, FailingStorage, MemoryStorage};
use claviger_engine::transfer::{Import, ImportTarget, NewImport, Requester};
use claviger_engine::{Error, Origin};
use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::independent::Sealing;
use crate::support::client::PATIENCE;
use crate::support::clock::{DAY, HOUR, milliseconds};
use crate::support::installation::create_store;
use crate::support::tamper::{all_records, key_address, put};
use crate::support::transfer::{ADA, wrap};
use crate::support::{Client, Installation, calls, name, only};
use crate::system_key::wait_until_renewed;

/// A key that nobody draws twice.
const MATERIAL: [u8; 32] = *b"material that was made elsewhere";

fn mac(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(key).unwrap();
    mac.update(message);
    mac.finalize().into_bytes().to_vec()
}

/// The MAC of a message, and the version that has made it.
fn made(client: &mut Client, id: KeyId, message: &[u8]) -> (u32, Vec<u8>) {
    let made = only(client.with(id, |key| calls::make_mac(key, &[message])).unwrap()).unwrap();
    let (version, mac) = calls::split_version(&made);
    (version, mac.to_vec())
}

fn transport_keys(installation: &Installation) -> usize {
    all_records(&*installation.storage).iter().filter(|(address, _)| address.key.starts_with(b"t")).count()
}

/// The only one.
fn transport_key(installation: &Installation) -> (Address, Vec<u8>) {
    let mut all = all_records(&*installation.storage);
    all.retain(|(address, _)| address.key.starts_with(b"t"));
    let [(address, stored)] = <[_; 1]>::try_from(all).unwrap();
    (address, stored.value)
}

fn taken_slots(installation: &Installation) -> u32 {
    installation.engine.shred_table().taken().0
}

/// A mirror of the shred table, and where it is while it is away.
fn away(installation: &Installation) -> (PathBuf, PathBuf) {
    let [mirror, _] = installation.places.mirrors();
    let aside = mirror.with_extension("away");
    fs::rename(&mirror, &aside).unwrap();
    (mirror, aside)
}

#[track_caller]
fn not_open<T>(result: Result<T, Error>, import: &Import) {
    assert!(matches!(result, Err(Error::ImportNotFound(id)) if id == import.id));
}

on_every_storage! {
    // R-K18
    fn imported_material_is_a_key_that_works_and_says_where_it_came_from(installation) {
        let import = installation.begin_key("webhooks", Algorithm::HmacSha256);
        assert_eq!((import.name.as_str(), import.algorithm), ("webhooks", Algorithm::HmacSha256));
        assert_eq!((import.requester, import.target), (ADA, ImportTarget::NewKey { exportable: false }));
        assert_eq!(import.ends_ms() - import.created_ms, milliseconds(DAY));
        assert_eq!(installation.engine.imports(installation.store).unwrap(), std::slice::from_ref(&import));
        assert_eq!(installation.engine.import(installation.store, import.id).unwrap(), import);
        let record = installation.complete(&import, &MATERIAL).unwrap();
        assert_eq!((record.name.as_str(), record.state), ("webhooks", KeyState::Available));
        assert_eq!((record.exportable, record.rotation), (false, None), "rotation is off until ordered");
        assert_eq!(record.versions.iter().map(|version| version.origin).collect::<Vec<_>>(), [Origin::Imported]);
        assert_eq!(installation.engine.describe_key(record.id).unwrap(), record);
        let mut client = Client::new(&installation.engine);
        assert_eq!(made(&mut client, record.id, b"message"), (1, mac(&MATERIAL, b"message")));
        let found = installation.engine.find_key(installation.store, &name("webhooks")).unwrap();
        assert_eq!(found, Some(record.id));
    }

    // R-K18
    fn a_transport_key_is_used_once(installation) {
        let import = installation.begin_key("webhooks", Algorithm::HmacSha256);
        assert_eq!(transport_keys(installation), 1);
        installation.complete(&import, &MATERIAL).unwrap();
        not_open(installation.complete(&import, &MATERIAL), &import);
        not_open(installation.engine.import(installation.store, import.id), &import);
        assert!(installation.engine.imports(installation.store).unwrap().is_empty());
        assert_eq!(transport_keys(installation), 0, "nothing is left of it");
    }
}

// R-K18
#[test]
fn a_try_in_vain_spends_the_transport_key() {
    let installation = Installation::in_memory();
    let import = installation.begin_key("webhooks", Algorithm::HmacSha256);
    let mut wrapped = wrap(&import.public_key, &MATERIAL);
    wrapped[0] ^= 1;
    let tried = installation.engine.complete_import(installation.store, import.id, ADA, &wrapped);
    assert!(matches!(tried, Err(Error::ImportFailed)));
    not_open(installation.complete(&import, &MATERIAL), &import);
    assert_eq!(transport_keys(&installation), 0);
    assert_eq!(installation.engine.find_key(installation.store, &name("webhooks")).unwrap(), None);
}

// R-K18
#[test]
fn an_import_is_completed_by_its_requester_in_its_store_or_not_at_all() {
    let installation = Installation::in_memory();
    let import = installation.begin_key("webhooks", Algorithm::HmacSha256);
    let wrapped = wrap(&import.public_key, &MATERIAL);
    let other = create_store(&installation.engine, "other").unwrap();
    let complete =
        |store, id, requester, wrapped: &[u8]| installation.engine.complete_import(store, id, requester, wrapped);
    not_open(complete(other, import.id, ADA, &wrapped), &import);
    not_open(complete(StoreId([7; 16]), import.id, ADA, &wrapped), &import);
    let of_another = complete(installation.store, import.id, Requester([7; 32]), &wrapped);
    assert!(matches!(of_another, Err(Error::ImportOfAnother(id)) if id == import.id));
    let unknown = ImportId([7; 16]);
    let refused = complete(installation.store, unknown, ADA, &wrapped);
    assert!(matches!(refused, Err(Error::ImportNotFound(id)) if id == unknown));
    not_open(installation.engine.import(other, import.id), &import);
    not_open(installation.engine.cancel_import(other, import.id), &import);
    assert!(installation.engine.imports(other).unwrap().is_empty());
    assert!(complete(installation.store, import.id, ADA, &wrapped).is_ok(), "none of this has ended it");
}

// R-K18
#[test]
fn sizes_that_cannot_be_are_told_and_leave_the_import_open() {
    let installation = Installation::in_memory();
    let import = installation.begin_key("webhooks", Algorithm::HmacSha256);
    for size in [0, 1, 511, 512, 519, 520, 527, 529, 552 - 1, IMPORT_WRAPPED_SIZE_MAX + 1, IMPORT_WRAPPED_SIZE_MAX + 8]
    {
        let refused = installation.engine.complete_import(installation.store, import.id, ADA, &vec![7; size]);
        assert!(matches!(refused, Err(Error::ImportSize)), "{size}");
    }
    installation.complete(&import, &MATERIAL).unwrap();
}

// R-K18
#[test]
fn a_cancelled_import_is_over() {
    let installation = Installation::in_memory();
    let import = installation.begin_key("webhooks", Algorithm::HmacSha256);
    assert_eq!(installation.engine.cancel_import(installation.store, import.id).unwrap(), import);
    not_open(installation.complete(&import, &MATERIAL), &import);
    not_open(installation.engine.cancel_import(installation.store, import.id), &import);
    assert_eq!(transport_keys(&installation), 0);
}

// R-K18
#[test]
fn an_import_ends_after_a_day_and_its_transport_key_is_removed() {
    let installation = Installation::in_memory();
    installation.clock.hold();
    let import = installation.begin_key("webhooks", Algorithm::HmacSha256);
    installation.clock.pass(DAY - Duration::from_millis(1));
    assert_eq!(installation.engine.do_due().unwrap(), 0);
    assert_eq!(installation.engine.imports(installation.store).unwrap().len(), 1);
    installation.clock.pass(Duration::from_millis(1));
    assert!(installation.engine.imports(installation.store).unwrap().is_empty());
    not_open(installation.complete(&import, &MATERIAL), &import);
    not_open(installation.engine.cancel_import(installation.store, import.id), &import);
    assert_eq!(transport_keys(&installation), 1);
    assert_eq!(installation.engine.do_due().unwrap(), 0, "no key was changed");
    assert_eq!(transport_keys(&installation), 0);
}

// R-K18
#[test]
fn an_import_is_over_too_when_the_clock_is_put_back_behind_it_by_a_day_but_not_by_an_hour() {
    let installation = Installation::in_memory();
    installation.clock.hold();
    let import = installation.begin_key("webhooks", Algorithm::HmacSha256);
    installation.clock.put_back(HOUR);
    assert_eq!(installation.engine.imports(installation.store).unwrap().len(), 1);
    installation.clock.put_back(DAY);
    not_open(installation.complete(&import, &MATERIAL), &import);
}

// R-K18
#[test]
fn an_import_is_over_after_a_day_of_running_too_however_often_the_clock_is_put_back() {
    let installation = Installation::in_memory();
    installation.clock.hold();
    let import = installation.begin_key("webhooks", Algorithm::HmacSha256);
    let half = DAY / 2;
    installation.clock.pass(half);
    installation.clock.put_back(half);
    installation.clock.pass(half - Duration::from_millis(1));
    assert_eq!(installation.engine.imports(installation.store).unwrap().len(), 1);
    installation.clock.put_back(half);
    installation.clock.pass(Duration::from_millis(1));
    assert!(installation.engine.imports(installation.store).unwrap().is_empty());
    not_open(installation.complete(&import, &MATERIAL), &import);
    installation.engine.do_due().unwrap();
    assert_eq!((transport_keys(&installation), taken_slots(&installation)), (0, 0));
}

// R-K11, R-K18
#[test]
fn the_shred_secret_of_an_import_is_destroyed_however_it_ends() {
    let installation = Installation::in_memory();
    installation.clock.hold();
    let spent_in_vain = installation.begin_key("a", Algorithm::HmacSha256);
    let cancelled = installation.begin_key("b", Algorithm::HmacSha256);
    let ended = installation.begin_key("c", Algorithm::HmacSha256);
    assert_eq!(taken_slots(&installation), 3);
    assert!(matches!(installation.complete(&spent_in_vain, &[0; 32]), Err(Error::ImportFailed)));
    assert_eq!(taken_slots(&installation), 2);
    installation.engine.cancel_import(installation.store, cancelled.id).unwrap();
    assert_eq!(taken_slots(&installation), 1);
    installation.clock.pass(DAY);
    installation.engine.do_due().unwrap();
    not_open(installation.engine.import(installation.store, ended.id), &ended);
    assert_eq!(taken_slots(&installation), 0);
    installation.import_key("d", Algorithm::HmacSha256, &MATERIAL);
    assert_eq!(taken_slots(&installation), 1, "that of the key");
    assert_eq!(installation.engine.pending_destructions().unwrap(), 0);
}

// R-K11, R-K18
#[test]
fn an_import_that_comes_back_with_an_old_copy_of_storage_stays_over() {
    let installation = Installation::in_memory();
    let import = installation.begin_key("webhooks", Algorithm::HmacSha256);
    let (place, stored) = transport_key(&installation);
    let id = installation.complete(&import, &MATERIAL).unwrap().id;
    installation.engine.request_deletion(id, DELETION_WAIT_DEFAULT).unwrap();
    installation.engine.delete_now(id, true).unwrap();
    put(&*installation.storage, &place, stored);
    assert!(installation.engine.imports(installation.store).unwrap().is_empty());
    not_open(installation.complete(&import, &MATERIAL), &import);
    not_open(installation.engine.cancel_import(installation.store, import.id), &import);
    installation.engine.do_due().unwrap();
    assert_eq!(transport_keys(&installation), 0, "it is removed");
}

// R-K11, R-K18
#[test]
fn a_secret_that_cannot_be_destroyed_yet_is_when_the_mirror_is_back() {
    let installation = Installation::in_memory();
    let import = installation.begin_key("webhooks", Algorithm::HmacSha256);
    let (mirror, aside) = away(&installation);
    installation.engine.cancel_import(installation.store, import.id).unwrap();
    not_open(installation.engine.import(installation.store, import.id), &import);
    assert_eq!(installation.engine.pending_destructions().unwrap(), 1);
    fs::rename(aside, mirror).unwrap();
    installation.engine.do_due().unwrap();
    assert_eq!((installation.engine.pending_destructions().unwrap(), taken_slots(&installation)), (0, 0));
}

// R-K18
#[test]
fn an_import_is_not_spent_while_a_mirror_of_the_shred_table_is_away() {
    let installation = Installation::in_memory();
    let id = installation.create("key", Algorithm::HmacSha256);
    let imports = [
        installation.begin_key("webhooks", Algorithm::HmacSha256),
        installation.begin(NewImport::Version { key: id }).unwrap(),
    ];
    let (mirror, aside) = away(&installation);
    for (import, material) in imports.iter().flat_map(|import| [(import, MATERIAL), (import, [0; 32])]) {
        let refused = installation.complete(import, &material);
        assert!(matches!(refused, Err(Error::ShredTable(_))), "good or not, the same is said: {refused:?}");
    }
    let refused = installation.begin(NewImport::Version { key: id });
    assert!(matches!(refused, Err(Error::ShredTable(_))), "{refused:?}");
    fs::rename(aside, mirror).unwrap();
    installation.engine.do_due().unwrap();
    for import in imports {
        installation.complete(&import, &MATERIAL).unwrap();
    }
}

// R-K18
#[test]
fn a_key_that_is_changed_at_the_same_moment_gets_the_imported_version_all_the_same() {
    let storage = Arc::new(FailingStorage::new(MemoryStorage::new()));
    let installation = Installation::on(storage.clone());
    let id = installation.create("webhooks", Algorithm::HmacSha256);
    let import = installation.begin(NewImport::Version { key: id }).unwrap();
    let wrapped = wrap(&import.public_key, &MATERIAL);
    // That by which it is seen what stands in the way, and that on which the change builds.
    let [looks, changes] = [(); 2].map(|()| storage.pause_get(&key_address(id)));
    let record = thread::scope(|scope| {
        let completing =
            scope.spawn(|| installation.engine.complete_import(installation.store, import.id, ADA, &wrapped));
        assert!(looks.wait_until_reached(PATIENCE));
        looks.release();
        assert!(changes.wait_until_reached(PATIENCE));
        installation.engine.rotate(id).unwrap();
        changes.release();
        completing.join().unwrap().unwrap()
    });
    let origins: Vec<_> = record.versions.iter().map(|version| version.origin).collect();
    assert_eq!(origins, [Origin::Generated, Origin::Generated, Origin::Imported]);
    assert_eq!(made(&mut Client::new(&installation.engine), id, b"message"), (3, mac(&MATERIAL, b"message")));
}

// R-K18
#[test]
fn an_import_gives_up_at_last_on_a_key_that_is_changed_each_time() {
    let storage = Arc::new(FailingStorage::new(MemoryStorage::new()));
    let installation = Installation::on(storage.clone());
    let id = installation.create("webhooks", Algorithm::HmacSha256);
    let import = installation.begin(NewImport::Version { key: id }).unwrap();
    let wrapped = wrap(&import.public_key, &MATERIAL);
    let looks = storage.pause_get(&key_address(id));
    let refused = thread::scope(|scope| {
        let completing =
            scope.spawn(|| installation.engine.complete_import(installation.store, import.id, ADA, &wrapped));
        assert!(looks.wait_until_reached(PATIENCE));
        let mut changes = storage.pause_get(&key_address(id));
        looks.release();
        for number in 1..=IMPORT_TRIES_MAX {
            assert!(changes.wait_until_reached(PATIENCE), "try {number}");
            installation.engine.rotate(id).unwrap();
            let next = storage.pause_get(&key_address(id));
            std::mem::replace(&mut changes, next).release();
        }
        completing.join().unwrap()
    });
    let refused = refused.unwrap_err();
    assert!(matches!(&refused, Error::ImportSpent { cause, .. } if matches!(**cause, Error::Conflict)), "{refused:?}");
    let said = format!(
        "the key was changed by somebody else again and again at the same moment; import {} is over all the same: begin another one",
        import.id
    );
    assert_eq!(refused.to_string(), said);
    not_open(installation.complete(&import, &MATERIAL), &import);
}

// R-K18
#[test]
fn a_damaged_import_stands_in_nobodys_way() {
    let installation = Installation::in_memory();
    let damage = |installation: &Installation| {
        let (place, mut stored) = transport_key(installation);
        stored[7] ^= 1;
        put(&*installation.storage, &place, stored);
    };
    let cancelled = installation.begin_key("a", Algorithm::HmacSha256);
    damage(&installation);
    let refused = installation.complete(&cancelled, &MATERIAL);
    assert!(matches!(refused, Err(Error::Damaged(_))), "{refused:?}");
    assert!(installation.engine.imports(installation.store).unwrap().is_empty());
    not_open(installation.engine.cancel_import(installation.store, cancelled.id), &cancelled);
    assert_eq!((transport_keys(&installation), taken_slots(&installation)), (0, 0), "cancelled all the same");

    let left = installation.begin_key("b", Algorithm::HmacSha256);
    damage(&installation);
    // As many as may be, less one.
    let (place, stored) = transport_key(&installation);
    for number in 2..IMPORTS_MAX {
        let id = [u8::try_from(number).unwrap(); 16];
        let key = [&place.key[..17], &id, &place.key[33..]].concat();
        put(&*installation.storage, &Address { key, ..place.clone() }, stored.clone());
    }
    let good = installation.begin_key("good", Algorithm::HmacSha256);
    let one_more = NewImport::Key { name: name("more"), algorithm: Algorithm::Opaque, exportable: false };
    assert!(matches!(installation.begin(one_more), Err(Error::TooManyImports)), "they take room");
    assert_eq!(installation.engine.imports(installation.store).unwrap(), std::slice::from_ref(&good));
    installation.engine.do_due().unwrap();
    not_open(installation.engine.import(installation.store, left.id), &left);
    assert_eq!((transport_keys(&installation), taken_slots(&installation)), (1, 1));
    installation.complete(&good, &MATERIAL).unwrap();
}

// R-H6, R-K18
#[test]
fn an_import_that_is_open_while_the_system_key_is_rotated_is_completed() {
    let installation = Installation::on_lmdb();
    let import = installation.begin_key("webhooks", Algorithm::HmacSha256);
    let (_, before) = transport_key(&installation);
    installation.engine.rotate_system_key(&installation.places.tree(), None).unwrap();
    wait_until_renewed(&installation.engine);
    let (_, after) = transport_key(&installation);
    assert_ne!(before, after, "protected anew");
    installation.complete(&import, &MATERIAL).unwrap();
}

// R-K18
#[test]
fn material_and_transport_key_stand_nowhere_in_plain() {
    let installation = Installation::in_memory();
    installation.import_key("webhooks", Algorithm::HmacSha256, &MATERIAL);
    let import = installation.begin_key("records", Algorithm::Xaes256Gcm);
    for (address, versioned) in all_records(&*installation.storage) {
        assert!(!versioned.value.windows(MATERIAL.len()).any(|window| window == MATERIAL), "{address}");
        // The version and the algorithm of PKCS#8, as in every RSA key.
        let rsa = [2, 1, 0, 0x30, 13, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 13, 1, 1, 1, 5, 0, 4, 0x82];
        assert!(!versioned.value.windows(rsa.len()).any(|window| window == rsa), "{address}");
    }
    assert!(!import.public_key.is_empty());
}

// R-K3, R-K18
#[test]
fn what_imported_keys_encrypt_another_implementation_opens_with_the_material() {
    let installation = Installation::in_memory();
    let mut client = Client::new(&installation.engine);
    for algorithm in [Algorithm::Xaes256Gcm, Algorithm::Aes256Gcm] {
        let id = installation.import_key(algorithm.name(), algorithm, &MATERIAL).id;
        let sealing = Sealing {
            algorithm: algorithm.id(),
            key: MATERIAL,
            key_id: id.0,
            version: 1,
            purpose: 1,
            context: b"context".to_vec(),
        };
        let ciphertext = client.encrypt_one(id, b"context", b"plaintext");
        assert_eq!(sealing.open(&ciphertext).as_deref(), Ok(&b"plaintext"[..]), "{algorithm}");
        let theirs = sealing.seal(&vec![7; sealing.nonce_size()], b"theirs");
        assert_eq!(only(client.decrypt(id, &[(b"context", &theirs)]).unwrap()).unwrap(), b"theirs", "{algorithm}");
    }
}

// R-K18
#[test]
fn a_new_version_is_imported_into_a_key_and_ends_its_schedule() {
    let installation = Installation::in_memory();
    let id = installation.create("webhooks", Algorithm::HmacSha256);
    installation.engine.set_rotation(id, Some(90)).unwrap();
    let mut client = Client::new(&installation.engine);
    let (_, before) = made(&mut client, id, b"message");
    let import = installation.begin(NewImport::Version { key: id }).unwrap();
    assert_eq!((import.name.as_str(), import.algorithm), ("webhooks", Algorithm::HmacSha256));
    assert_eq!(import.target, ImportTarget::NewVersion { key: id });
    let record = installation.complete(&import, &MATERIAL).unwrap();
    let versions: Vec<_> = record.versions.iter().map(|version| (version.state, version.origin)).collect();
    assert_eq!(versions, [(VersionState::Active, Origin::Generated), (VersionState::Current, Origin::Imported)]);
    assert_eq!(record.rotation, None, "what it would make is not imported");
    assert_eq!(made(&mut client, id, b"message"), (2, mac(&MATERIAL, b"message")));
    let verified = client.with(id, |key| calls::verify_mac(key, None, &[(b"message", &before)])).unwrap();
    assert!(only(verified).is_ok(), "the version before still verifies");

    // By order of its owner it is rotated all the same.
    let rotated = installation.engine.set_rotation(id, Some(1)).unwrap();
    assert!(rotated.rotation.is_some());
    let rotated = installation.engine.rotate(id).unwrap();
    assert_eq!(rotated.versions.last().unwrap().origin, Origin::Generated);
}

// R-K2, R-K18
#[test]
fn secrets_are_imported_and_keep_their_newest_ten_versions() {
    let installation = Installation::in_memory();
    let record = installation.import_key("password", Algorithm::Opaque, b"hunter2");
    let mut client = Client::new(&installation.engine);
    let read = |client: &mut Client| {
        client.with(record.id, |key| key.secret(&mut calls::uncounted(), None).unwrap().value.to_vec())
    };
    assert_eq!(read(&mut client), b"hunter2");
    for number in 2..=10_u8 {
        installation.engine.update_secret(record.id, vec![number].into(), None).unwrap();
    }
    let import = installation.begin(NewImport::Version { key: record.id }).unwrap();
    let updated = installation.complete(&import, b"hunter3").unwrap();
    assert_eq!((updated.versions.len(), updated.current().unwrap().get()), (10, 11));
    assert_eq!(read(&mut client), b"hunter3");
}

// R-K18
#[test]
fn material_that_is_not_good_for_its_algorithm_is_the_one_failure() {
    let installation = Installation::in_memory();
    for (algorithm, bad) in [
        (Algorithm::Xaes256Gcm, &[0; 32][..]),
        (Algorithm::Aes256Gcm, &MATERIAL[..16]),
        (Algorithm::HmacSha512, &MATERIAL),
        (Algorithm::Ed25519, &MATERIAL),
        (Algorithm::Rsa4096PssSha256, b"-----BEGIN PRIVATE KEY-----"),
    ] {
        let import = installation.begin_key("key", algorithm);
        let said = installation.complete(&import, bad).unwrap_err();
        assert!(matches!(said, Error::ImportFailed), "{algorithm}");
        assert_eq!(said.to_string(), Error::ImportFailed.to_string());
        not_open(installation.complete(&import, bad), &import);
    }
    assert_eq!(installation.engine.list_keys(installation.store, &KeyFilter::default(), None, 10).unwrap().keys, []);
}

// R-K18
#[test]
fn an_import_that_could_not_be_completed_is_not_begun() {
    let installation = Installation::in_memory();
    let id = installation.create("taken", Algorithm::HmacSha256);
    let begin = |new| installation.begin(new).unwrap_err();
    let new = NewImport::Key { name: name("taken"), algorithm: Algorithm::HmacSha256, exportable: false };
    assert!(matches!(begin(new.clone()), Error::NameTaken(_)));
    let absent = KeyId([7; 16]);
    assert!(matches!(begin(NewImport::Version { key: absent }), Error::KeyNotFound(key) if key == absent));
    let other = create_store(&installation.engine, "other").unwrap();
    let of_other = installation.engine.begin_import(other, NewImport::Version { key: id }, ADA);
    assert!(matches!(of_other, Err(Error::KeyNotFound(key)) if key == id), "a key of another store");
    let nowhere = installation.engine.begin_import(StoreId([7; 16]), new, ADA);
    assert!(matches!(nowhere, Err(Error::KeyStoreNotFound(_))));
    for _ in 1..VERSIONS_MAX {
        installation.engine.rotate(id).unwrap();
    }
    assert!(matches!(begin(NewImport::Version { key: id }), Error::TooManyVersions(key) if key == id));
    installation.engine.request_deletion(id, DELETION_WAIT_DEFAULT).unwrap();
    installation.engine.delete_now(id, true).unwrap();
    assert!(matches!(begin(NewImport::Version { key: id }), Error::KeyStateWrong { .. }));
    assert_eq!(transport_keys(&installation), 0);
}

// R-K18
#[test]
fn what_has_come_between_is_told_before_the_try_and_can_be_put_right() {
    let installation = Installation::in_memory();
    let import = installation.begin_key("webhooks", Algorithm::HmacSha256);
    let id = installation.create("webhooks", Algorithm::HmacSha256);
    let refused = installation.complete(&import, &MATERIAL);
    assert!(matches!(refused, Err(Error::NameTaken(_))), "{refused:?}");
    let version = installation.begin(NewImport::Version { key: id }).unwrap();
    installation.engine.request_deletion(id, DELETION_WAIT_DEFAULT).unwrap();
    installation.engine.delete_now(id, true).unwrap();
    let refused = installation.complete(&version, &MATERIAL);
    assert!(matches!(refused, Err(Error::KeyStateWrong { .. })), "{refused:?}");
    installation.complete(&import, &MATERIAL).unwrap();
}

// R-K9, R-K18
#[test]
fn a_disabled_key_takes_a_new_version_and_stays_disabled() {
    let installation = Installation::in_memory();
    let id = installation.create("webhooks", Algorithm::HmacSha256);
    installation.engine.set_state(id, KeyState::Disabled).unwrap();
    let import = installation.begin(NewImport::Version { key: id }).unwrap();
    let record = installation.complete(&import, &MATERIAL).unwrap();
    assert_eq!((record.state, record.current().unwrap().get()), (KeyState::Disabled, 2));
}

// R-K18
#[test]
fn of_many_who_complete_an_import_at_once_one_does() {
    let installation = Installation::in_memory();
    let import = installation.begin_key("webhooks", Algorithm::HmacSha256);
    let wrapped = wrap(&import.public_key, &MATERIAL);
    let complete = || installation.engine.complete_import(installation.store, import.id, ADA, &wrapped);
    let results: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(complete)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    for refused in results.into_iter().filter_map(Result::err) {
        assert!(matches!(refused, Error::ImportNotFound(_) | Error::NameTaken(_)), "{refused}");
    }
}

// R-K18
#[test]
fn a_transport_key_is_spent_before_it_is_used() {
    let storage = Arc::new(FailingStorage::new(MemoryStorage::new()));
    let installation = Installation::on(storage.clone());
    let import = installation.begin_key("webhooks", Algorithm::HmacSha256);
    // The first change spends it, the second one notes that its shred secret is destroyed, the third one would be the key.
    storage.fail(Call::Transact, 3);
    let refused = installation.complete(&import, &MATERIAL);
    let spent =
        |error: &Error| matches!(error, Error::ImportSpent { cause, .. } if matches!(**cause, Error::Storage(_)));
    assert!(refused.as_ref().is_err_and(spent), "{refused:?}");
    assert_eq!(installation.engine.find_key(installation.store, &name("webhooks")).unwrap(), None);
    not_open(installation.complete(&import, &MATERIAL), &import);
}

// R-K18
#[test]
fn an_import_that_cannot_be_spent_is_not_tried() {
    let storage = Arc::new(FailingStorage::new(MemoryStorage::new()));
    let installation = Installation::on(storage.clone());
    let import = installation.begin_key("webhooks", Algorithm::HmacSha256);
    for material in [&MATERIAL[..], b"not good at all"] {
        storage.fail(Call::Transact, 1);
        let refused = installation.complete(&import, material);
        assert!(matches!(refused, Err(Error::Storage(_))), "good or not, the same is said: {refused:?}");
    }
    installation.complete(&import, &MATERIAL).unwrap();
}

// R-K18
#[test]
fn an_import_and_what_came_of_one_outlive_the_process() {
    let installation = Installation::on_lmdb();
    let id = installation.import_key("webhooks", Algorithm::HmacSha256, &MATERIAL).id;
    let import = installation.begin_key("others", Algorithm::HmacSha256);
    let installation = installation.restarted(|_| {});
    let mut client = Client::new(&installation.engine);
    assert_eq!(made(&mut client, id, b"message"), (1, mac(&MATERIAL, b"message")));
    assert_eq!(installation.engine.imports(installation.store).unwrap(), std::slice::from_ref(&import));
    installation.complete(&import, &MATERIAL).unwrap();
}

// R-K18
#[test]
fn a_store_has_a_bounded_number_of_open_imports() {
    let installation = Installation::in_memory();
    let imports: Vec<_> =
        (0..IMPORTS_MAX).map(|number| installation.begin_key(&format!("key-{number}"), Algorithm::Opaque)).collect();
    let one_more = NewImport::Key { name: name("more"), algorithm: Algorithm::Opaque, exportable: false };
    assert!(matches!(installation.begin(one_more.clone()), Err(Error::TooManyImports)));
    let other = create_store(&installation.engine, "other").unwrap();
    installation.engine.begin_import(other, one_more.clone(), ADA).unwrap();
    let listed = installation.engine.imports(installation.store).unwrap();
    assert_eq!(listed, imports, "in the order of their beginnings");
    installation.engine.cancel_import(installation.store, imports[0].id).unwrap();
    installation.begin(one_more).unwrap();
}
