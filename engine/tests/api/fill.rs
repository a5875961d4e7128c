//! Keys that are loaded before they are used.

use std::sync::Arc;
use std::thread;

use claviger_algorithm::Algorithm;
use claviger_engine::key::id::KeyId;
use claviger_engine::key::state::KeyState;
use claviger_engine::limits::DELETION_WAIT_MIN;
use claviger_engine::storage::{Address, Call, Database, FailingStorage, MemoryStorage};
use claviger_engine::{Engine, KeyEntry, LoadError};

use crate::support::client::{PATIENCE, load};
use crate::support::tamper::{alter, delete, key_address, version_address};
use crate::support::{Client, Installation};

/// Keys of a few algorithms, in the order in which they are loaded.
fn create(installation: &Installation, count: usize) -> Vec<KeyId> {
    let algorithms = [Algorithm::Xaes256Gcm, Algorithm::HmacSha256, Algorithm::Aes256Gcm, Algorithm::Opaque];
    let some = algorithms.iter().cycle().zip(0..count);
    let mut ids: Vec<_> = some.map(|(algorithm, n)| installation.create(&n.to_string(), *algorithm)).collect();
    ids.sort_by_key(|id| id.0);
    ids
}

fn fill(engine: &Engine) {
    engine.fill_cache().unwrap();
    wait_until_filled(engine);
}

fn wait_until_filled(engine: &Engine) {
    while engine.is_filling() {
        thread::yield_now();
    }
}

/// A storage that can be held back, and what stands on it.
fn on_failing_storage(keys: usize) -> (Arc<FailingStorage<MemoryStorage>>, Installation, Vec<KeyId>) {
    let storage = Arc::new(FailingStorage::new(MemoryStorage::new()));
    let installation = Installation::on(storage.clone());
    let ids = create(&installation, keys);
    (storage, installation, ids)
}

on_every_storage! {
    fn keys_are_loaded_before_they_are_used_only_if_that_is_wanted(installation) {
        let ids = create(installation, 9);
        let engine = &installation.engine;
        let mut client = Client::new(engine);
        client.with(ids[3], |_| ());
        assert_eq!((engine.cached_keys(), engine.is_filling()), (1, false));
        fill(engine);
        assert!(ids.iter().all(|id| client.cached_state(*id) == Some(KeyState::Available)));
        let activity = engine.cache_activity();
        assert_eq!((activity.keys, activity.loads, activity.filled, activity.unfilled), (9, 1, 8, 0));
        // Whoever wants it twice has it once.
        fill(engine);
        assert_eq!(engine.cache_activity(), activity);
    }

    fn more_keys_than_one_page_has_are_loaded(installation) {
        let new = |n: usize| crate::support::installation::new_key(&n.to_string(), Algorithm::Xaes256Gcm);
        for some in 0..11 {
            installation.engine.create_keys(installation.store, (some * 100..some * 100 + 100).map(new).collect()).unwrap();
        }
        fill(&installation.engine);
        assert_eq!(installation.engine.cached_keys(), 1_100);
    }

    // R-H1
    fn keys_that_cannot_be_read_are_counted_and_left_to_whoever_uses_them(installation) {
        let ids = create(installation, 9);
        let bad = [ids[2], ids[7]];
        alter(&*installation.storage, &key_address(bad[0]));
        alter(&*installation.storage, &version_address(bad[1], 1));
        fill(&installation.engine);
        let activity = installation.engine.cache_activity();
        assert_eq!((activity.keys, activity.filled, activity.unfilled, activity.failed_loads), (7, 7, 2, 0));
        for id in bad {
            assert_eq!(load(&installation.engine, id), Err(LoadError::Unavailable));
        }
    }

    fn key_whose_uses_are_not_known_is_left_to_whoever_uses_it(installation) {
        let id = installation.create("key", Algorithm::Aes256Gcm);
        let uses = Address::new(Database::Keys, [b"u", &id.0[..], &1_u32.to_be_bytes()].concat());
        delete(&*installation.storage, &uses);
        fill(&installation.engine);
        let activity = installation.engine.cache_activity();
        assert_eq!((activity.keys, activity.unfilled), (0, 1));
        assert_eq!(load(&installation.engine, id), Ok(()));
    }

    fn deleted_keys_are_passed_over_and_disabled_ones_are_not(installation) {
        let ids = create(installation, 4);
        let engine = &installation.engine;
        engine.request_deletion(ids[1], DELETION_WAIT_MIN).unwrap();
        engine.delete_now(ids[1], false).unwrap();
        engine.set_state(ids[2], KeyState::Disabled).unwrap();
        fill(engine);
        let mut client = Client::new(engine);
        let states: Vec<_> = ids.iter().map(|id| client.cached_state(*id)).collect();
        let available = Some(KeyState::Available);
        assert_eq!(states, [available, None, Some(KeyState::Disabled), available]);
        assert_eq!(engine.cache_activity().unfilled, 0);
    }

    // R-A13
    fn locked_daemon_loads_nothing_until_it_is_unlocked(installation) {
        create(installation, 5);
        let engine = &installation.engine;
        engine.lock("a theft").unwrap();
        fill(engine);
        assert_eq!(engine.cached_keys(), 0);
        engine.unlock().unwrap();
        wait_until_filled(engine);
        assert_eq!(engine.cached_keys(), 5);
        engine.lock("another").unwrap();
        assert_eq!(engine.cached_keys(), 0);
        engine.unlock().unwrap();
        wait_until_filled(engine);
        assert_eq!(engine.cached_keys(), 5);
    }
}

#[test]
fn cache_is_filled_up_to_its_capacity_and_nothing_goes_for_it() {
    let installation = Installation::with_capacity(6);
    let ids = create(&installation, 20);
    let mut client = Client::new(&installation.engine);
    let used: Vec<_> = ids.iter().rev().copied().take(3).collect();
    used.iter().for_each(|id| client.with(*id, |_| ()));
    fill(&installation.engine);
    let activity = installation.engine.cache_activity();
    assert_eq!((activity.keys, activity.filled, activity.evictions), (6, 3, 0));
    assert!(used.iter().all(|id| client.cached_state(*id).is_some()));
    // What is used from then on takes the places of what is not.
    ids[3..6].iter().for_each(|id| client.with(*id, |_| ()));
    assert!(used.iter().chain(&ids[3..6]).all(|id| client.cached_state(*id).is_some()));
    assert!(ids[..3].iter().all(|id| client.cached_state(*id).is_none()));
}

// R-A13
#[test]
fn lock_during_the_walk_ends_it_and_leaves_nothing_in_memory() {
    let (storage, installation, ids) = on_failing_storage(8);
    let engine = &installation.engine;
    for place in [key_address(ids[4]), version_address(ids[4], 1)] {
        let pause = storage.pause_get(&place);
        if engine.is_locked() {
            engine.unlock().unwrap();
        }
        engine.fill_cache().unwrap();
        assert!(pause.wait_until_reached(PATIENCE));
        assert_eq!(engine.cached_keys(), 4);
        // It does not wait for what hangs.
        assert_eq!(engine.lock("a theft").unwrap().keys_left, 0);
        pause.release();
        wait_until_filled(engine);
        assert_eq!(engine.cached_keys(), 0);
    }
    engine.unlock().unwrap();
    wait_until_filled(engine);
    assert_eq!(engine.cached_keys(), 8);
}

// R-A13
#[test]
fn lock_and_unlock_within_one_load_leave_no_gap() {
    let (storage, installation, ids) = on_failing_storage(8);
    let engine = &installation.engine;
    let pause = storage.pause_get(&key_address(ids[4]));
    engine.fill_cache().unwrap();
    assert!(pause.wait_until_reached(PATIENCE));
    engine.lock("").unwrap();
    engine.unlock().unwrap();
    pause.release();
    wait_until_filled(engine);
    assert_eq!(engine.cached_keys(), 8);
}

// R-K9
#[test]
fn change_during_the_walk_is_in_force_when_it_is_acknowledged() {
    let (storage, installation, ids) = on_failing_storage(4);
    let engine = &installation.engine;
    let pause = storage.pause_get(&key_address(ids[2]));
    engine.fill_cache().unwrap();
    assert!(pause.wait_until_reached(PATIENCE));
    for id in &ids {
        engine.set_state(*id, KeyState::Disabled).unwrap();
    }
    let mut client = Client::new(engine);
    assert_eq!(client.cached_state(ids[2]), None);
    pause.release();
    wait_until_filled(engine);
    assert!(ids.iter().all(|id| client.cached_state(*id) == Some(KeyState::Disabled)));
}

// R-P4
#[test]
fn whoever_uses_a_key_does_not_wait_for_the_walk_that_is_at_it() {
    let (storage, installation, ids) = on_failing_storage(4);
    let pause = storage.pause_get(&version_address(ids[1], 1));
    installation.engine.fill_cache().unwrap();
    assert!(pause.wait_until_reached(PATIENCE));
    let mut client = Client::new(&installation.engine);
    for id in &ids {
        assert_eq!(client.with(*id, KeyEntry::state), KeyState::Available);
    }
    assert!(installation.engine.is_filling());
    pause.release();
    wait_until_filled(&installation.engine);
    let activity = installation.engine.cache_activity();
    assert_eq!((activity.keys, activity.loads, activity.filled), (4, 3, 1));
}

#[test]
fn walk_that_is_stopped_ends_after_the_key_at_hand_and_does_not_begin_again() {
    let (storage, installation, ids) = on_failing_storage(6);
    let engine = &installation.engine;
    let pause = storage.pause_get(&key_address(ids[1]));
    engine.fill_cache().unwrap();
    assert!(pause.wait_until_reached(PATIENCE));
    engine.stop_filling();
    pause.release();
    engine.lock("").unwrap();
    engine.unlock().unwrap();
    engine.fill_cache().unwrap();
    assert!(!engine.is_filling());
    // Whoever uses keys is served to the end.
    assert_eq!(load(engine, ids[5]), Ok(()));
    // Dropping the engine waits for the thread.
    drop(installation);
    assert_eq!(Arc::strong_count(&storage), 1);
}

#[test]
fn engine_that_ends_during_the_walk_ends_the_walk() {
    let (storage, installation, ids) = on_failing_storage(6);
    let pause = storage.pause_get(&key_address(ids[1]));
    installation.engine.fill_cache().unwrap();
    assert!(pause.wait_until_reached(PATIENCE));
    let ending = thread::spawn(move || drop(installation));
    pause.release();
    ending.join().unwrap();
    assert_eq!(Arc::strong_count(&storage), 1);
}

#[test]
fn storage_that_cannot_be_walked_ends_the_walk_and_nothing_else() {
    let (storage, installation, ids) = on_failing_storage(3);
    storage.fail(Call::Scan, 1);
    fill(&installation.engine);
    assert_eq!(installation.engine.cached_keys(), 0);
    assert_eq!(load(&installation.engine, ids[0]), Ok(()));
    // The first read of the walk fails: that key is left out, and the walk goes on.
    let (storage, installation, _) = on_failing_storage(3);
    storage.fail(Call::Get, 1);
    fill(&installation.engine);
    let activity = installation.engine.cache_activity();
    assert_eq!((activity.keys, activity.unfilled), (2, 1));
}
