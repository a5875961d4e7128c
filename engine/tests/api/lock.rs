//! The lock: no key is used until somebody unlocks, whatever the disks do.

use std::sync::{Arc, mpsc};
use std::time::Duration;

use claviger_algorithm::Algorithm;
use claviger_engine::audit::AuditFilter;
use claviger_engine::emergency::UnwrittenStop;
use claviger_engine::key::state::KeyState;
use claviger_engine::key::version::KeyVersion;
use claviger_engine::limits::{DELETION_WAIT_MIN, LOCK_TEXT_SIZE_MAX};
use claviger_engine::storage::{Call, FailingStorage, MemoryStorage};
use claviger_engine::transfer::NewImport;
use claviger_engine::{Act, Error, LoadError};

use crate::support::client::load;
use crate::support::clock::DAY;
use crate::support::installation::{new_key, new_secret};
use crate::support::tamper::{all_records, delete, put};
use crate::support::transfer::Receiver;
use crate::support::{Client, Installation, name};

type Failing = Arc<FailingStorage<MemoryStorage>>;

fn on_failing_storage() -> (Failing, Installation) {
    let storage: Failing = Arc::new(FailingStorage::new(MemoryStorage::new()));
    let installation = Installation::on(Arc::<FailingStorage<MemoryStorage>>::clone(&storage));
    (storage, installation)
}

fn is_locked<T>(result: Result<T, Error>) -> bool {
    matches!(result, Err(Error::Locked))
}

on_every_storage! {
    // R-A13
    fn while_it_is_locked_no_key_is_in_memory_and_none_is_loaded(installation) {
        let engine = &installation.engine;
        let keys = [Algorithm::Xaes256Gcm, Algorithm::HmacSha256, Algorithm::Opaque];
        let keys = keys.map(|algorithm| installation.create(algorithm.row().name, algorithm));
        let mut client = Client::new(engine);
        let sealed = client.encrypt_one(keys[0], b"", b"plaintext");
        keys.iter().for_each(|id| load(engine, *id).unwrap());
        assert_eq!((engine.cached_keys(), engine.locked()), (3, None));
        installation.clock.pass(DAY);
        let before = installation.clock.shows();
        let now = engine.lock("a theft").unwrap();
        assert!(now.stopped.not_durable.is_none() && now.stopped.not_logged.is_none());
        assert_eq!((now.keys_left, engine.cached_keys()), (0, 0));
        assert_eq!(engine.locked(), Some(now.locked.clone()));
        assert_eq!(now.locked.reason, "a theft");
        assert!((before..=installation.clock.shows()).contains(&now.locked.since_ms));
        for id in keys {
            assert_eq!(client.cached_state(id), None);
            assert_eq!(client.try_with(id, |_| ()), Err(LoadError::Locked));
        }
        assert!(client.worker().enter().is_locked());
        // Once more changes nothing of what is said.
        installation.clock.pass(DAY);
        assert_eq!(engine.lock("another").unwrap().locked, now.locked);
        engine.unlock().unwrap();
        assert_eq!(engine.locked(), None);
        assert!(client.decrypt(keys[0], &[(b"", &sealed)]).unwrap()[0].is_ok());
        engine.unlock().unwrap();
    }

    // R-A13
    fn while_it_is_locked_no_material_is_made_or_given_out_and_other_changes_go_on(installation) {
        let (engine, store) = (&installation.engine, installation.store);
        let exportable = claviger_engine::change::NewKey { exportable: true, ..new_key("exportable", Algorithm::Xaes256Gcm) };
        let id = engine.create_keys(store, vec![exportable]).unwrap()[0].id;
        let secret = engine.create_keys(store, vec![new_secret("secret", b"value".to_vec())]).unwrap()[0].id;
        engine.rotate(id).unwrap();
        let import = |text| NewImport::Key { name: name(text), algorithm: Algorithm::HmacSha256, exportable: false };
        let (begun, receiver) = (installation.begin(import("begun")).unwrap(), Receiver::new().key());
        engine.lock("").unwrap();
        assert!(is_locked(installation.try_create("another", Algorithm::HmacSha256)));
        assert!(is_locked(engine.rotate(id)));
        assert!(is_locked(engine.update_secret(secret, b"other".to_vec().into(), None)));
        assert!(is_locked(engine.destroy_version(id, KeyVersion::FIRST)));
        assert!(is_locked(engine.export_key(id, None, &receiver, |_| ())));
        assert!(is_locked(installation.begin(import("another"))));
        assert!(is_locked(installation.complete(&begun, &[7; 32])));
        assert!(is_locked(engine.try_out(|engine| engine.rotate(id))), "what is asked for is not tried either");
        assert_eq!(engine.import(store, begun.id).unwrap().id, begun.id, "the import is open still");
        assert_eq!(engine.describe_key(id).unwrap().versions.len(), 2);
        // What keeps out, and what needs no material.
        engine.set_state(secret, KeyState::Disabled).unwrap();
        engine.stop_store(store).unwrap();
        engine.cancel_import(store, begun.id).unwrap();
        engine.request_deletion(id, DELETION_WAIT_MIN).unwrap();
        engine.delete_now(id, true).unwrap();
        engine.unlock().unwrap();
        assert_eq!(engine.describe_key(id).unwrap().state, KeyState::Deleted);
        assert_eq!(load(engine, secret), Ok(()));
    }

    // R-A13, R-K12
    fn rotations_and_deletions_wait_until_it_is_unlocked(installation) {
        let engine = &installation.engine;
        let [rotated, deleted] = ["rotated", "deleted"].map(|text| installation.create(text, Algorithm::HmacSha256));
        engine.set_rotation(rotated, Some(1)).unwrap();
        engine.request_deletion(deleted, DELETION_WAIT_MIN).unwrap();
        engine.lock("").unwrap();
        installation.clock.pass(DAY * 3);
        assert_eq!(engine.do_due().unwrap(), 0);
        assert!(!engine.schedule_is_stalled());
        assert_eq!(engine.describe_key(deleted).unwrap().state, KeyState::DeletionRequested);
        engine.unlock().unwrap();
        assert_eq!(engine.do_due().unwrap(), 2);
        assert_eq!(engine.describe_key(rotated).unwrap().versions.len(), 2);
        assert_eq!(engine.describe_key(deleted).unwrap().state, KeyState::Deleted);
    }

    // R-A13
    fn who_waits_for_a_change_is_called_when_it_is_locked(installation) {
        let secret = installation.create("secret", Algorithm::Opaque);
        let (called, is_called) = mpsc::channel();
        let mut client = Client::new(&installation.engine);
        let engine = Arc::clone(&installation.engine);
        let _wait = client.with(secret, |key| engine.wait_for_change(key, move || called.send(()).unwrap()));
        installation.engine.lock("").unwrap();
        is_called.recv_timeout(Duration::from_mins(1)).unwrap();
    }
}

// R-A13
#[test]
fn a_lock_outlives_the_process_and_so_does_its_end() {
    let installation = Installation::on_lmdb();
    let id = installation.create("key", Algorithm::Xaes256Gcm);
    let locked = installation.engine.lock("a theft").unwrap().locked;
    let installation = installation.restarted(|_| {});
    assert_eq!(installation.engine.locked(), Some(locked));
    assert_eq!(load(&installation.engine, id), Err(LoadError::Locked));
    installation.engine.unlock().unwrap();
    let installation = installation.restarted(|_| {});
    assert_eq!(installation.engine.locked(), None);
    assert_eq!(load(&installation.engine, id), Ok(()));
}

// R-A13
#[test]
fn what_cannot_be_written_is_locked_all_the_same_and_written_when_that_is_possible() {
    let (storage, installation) = on_failing_storage();
    let (engine, id) = (&installation.engine, installation.create("key", Algorithm::Xaes256Gcm));
    load(engine, id).unwrap();
    for call in [Call::Transact, Call::Get] {
        storage.fail(call, 1);
        let now = engine.lock("a theft").unwrap();
        assert!(matches!(now.stopped.not_durable.as_deref(), Some(Error::Storage(_))), "{call:?}");
        assert_eq!((engine.cached_keys(), load(engine, id)), (0, Err(LoadError::Locked)));
        assert_eq!(engine.unwritten_stops(), [UnwrittenStop::Lock]);
    }
    // What cannot be written is not unlocked either.
    storage.fail(Call::Transact, 1);
    assert!(matches!(engine.unlock(), Err(Error::Storage(_))));
    assert!(engine.is_locked());
    storage.fail(Call::Transact, 1);
    assert_eq!(engine.write_stops(), [UnwrittenStop::Lock]);
    assert_eq!(engine.write_stops(), []);
    assert!(engine.is_locked());
    let installation = installation.restarted(|_| {});
    assert_eq!(installation.engine.locked().unwrap().reason, "a theft");
}

// R-A13
#[test]
fn a_lock_that_was_never_written_ends_by_unlocking_or_with_the_process() {
    let (storage, installation) = on_failing_storage();
    storage.fail(Call::Transact, 1);
    assert!(installation.engine.lock("").unwrap().stopped.not_durable.is_some());
    installation.engine.unlock().unwrap();
    assert!(!installation.engine.is_locked() && installation.engine.write_stops().is_empty());
    storage.fail(Call::Transact, 1);
    assert!(installation.engine.lock("").unwrap().stopped.not_durable.is_some());
    let installation = installation.restarted(|_| {});
    assert!(!installation.engine.is_locked());
}

// R-A13
#[test]
fn a_key_that_is_used_while_it_is_locked_is_told_as_left_until_that_has_ended() {
    let installation = Installation::in_memory();
    let (engine, id) = (&installation.engine, installation.create("key", Algorithm::Xaes256Gcm));
    load(engine, id).unwrap();
    let pinned = engine.pin(id).unwrap();
    assert_eq!(engine.lock("").unwrap().keys_left, 1);
    assert!(!pinned.is_in_force());
    drop(pinned);
    assert_eq!(engine.lock("").unwrap().keys_left, 0);
}

// R-A13, R-H1
#[test]
fn a_lock_that_cannot_be_read_is_one_until_somebody_unlocks_it() {
    let installation = Installation::in_memory();
    installation.engine.lock("a theft").unwrap();
    let (place, stored) = all_records(&*installation.storage).into_iter().find(|(place, _)| place.key == b"L").unwrap();
    let altered = [&stored.value[..stored.value.len() - 1], &[!stored.value.last().unwrap()]].concat();
    put(&*installation.storage, &place, altered);
    let mut installation = installation.restarted(|_| {});
    for _ in 0..2 {
        let locked = installation.engine.locked().unwrap();
        assert!(locked.reason.contains("damaged"), "{locked:?}");
        assert_eq!(locked.since_ms, 0);
        installation.engine.unlock().unwrap();
        installation = installation.restarted(|_| {});
        assert!(!installation.engine.is_locked());
        delete(&*installation.storage, &place);
        installation = installation.restarted(|_| {});
    }
}

// R-A13, R-O3
#[test]
fn the_audit_log_tells_who_has_locked_even_if_that_is_written_later() {
    let installation = Installation::audited();
    let by = |actor: &str| installation.engine.on_behalf_of(act(actor, "lock"));
    let hidden = installation.places.audit_folder().with_file_name("hidden");
    std::fs::rename(installation.places.audit_folder(), &hidden).unwrap();
    let now = by("ada").lock("a theft").unwrap();
    assert!(matches!(now.stopped.not_durable.as_deref(), Some(Error::Audit(_))), "{now:?}");
    assert_eq!(now.locked.by, "ada");
    assert_eq!(installation.engine.write_stops(), [UnwrittenStop::Lock]);
    assert!(installation.engine.is_locked());
    std::fs::rename(&hidden, installation.places.audit_folder()).unwrap();
    assert_eq!(installation.engine.write_stops(), []);
    let page = installation.engine.audit_page(&AuditFilter::default(), 0, 1_000).unwrap().unwrap();
    let told = page.records.iter().find(|record| record.event.operation == "lock").unwrap();
    assert_eq!((told.event.actor.as_str(), told.event.shown.as_str()), ("ada", "by order"));
    assert!(installation.engine.verify_audit(1).unwrap().unwrap().findings.is_empty());
}

// R-A13
#[test]
fn texts_of_a_lock_are_bounded_and_shown_as_they_are() {
    let installation = Installation::in_memory();
    let reason = format!("\u{202e}{}", "é".repeat(LOCK_TEXT_SIZE_MAX));
    let locked = installation.engine.on_behalf_of(act("\u{1b}ada", "lock")).lock(&reason).unwrap().locked;
    assert_eq!(locked.by, "?ada");
    assert!(locked.reason.starts_with("?éé") && locked.reason.len() <= LOCK_TEXT_SIZE_MAX, "{}", locked.reason.len());
    assert_eq!(installation.restarted(|_| {}).engine.locked(), Some(locked));
}

// R-A13
#[test]
fn a_lock_cannot_be_part_of_other_changes() {
    let installation = Installation::in_memory();
    let tried = installation.engine.try_out(|engine| engine.lock("").map(drop));
    assert!(matches!(tried, Err(Error::Conflict)));
    assert!(!installation.engine.is_locked());
}

fn act(actor: &str, operation: &'static str) -> Act {
    Act {
        actor: actor.to_owned(),
        operation,
        shown: "by order".to_owned(),
        trace_id: String::new(),
        store: None,
        keys: Vec::new(),
        guards: Vec::new(),
        expected: None,
    }
}
