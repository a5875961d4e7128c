//! Import: what comes in, and who may bring it (R-K18).

mod ending;
mod material;

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
