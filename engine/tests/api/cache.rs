//! The cache of unwrapped keys: what is loaded, how often, what goes, and what never comes back.

use std::collections::BTreeSet;
use std::sync::{Arc, mpsc};
use std::thread;

use claviger_algorithm::Algorithm;
use claviger_engine::key::id::KeyId;
use claviger_engine::key::state::KeyState;
use claviger_engine::limits::{CACHED_KEYS_MIN, STORAGE_QUEUE_SIZE, STORAGE_THREADS};
use claviger_engine::list::KeyFilter;
use claviger_engine::storage::{Address, Call, FailingStorage, MemoryStorage};
use claviger_engine::{KeyEntry, LoadError};

use crate::support::client::{PATIENCE, load};
use crate::support::installation::new_key;
use crate::support::tamper::{key_address, version_address};
use crate::support::{Client, CountingStorage, Installation, calls, only};

on_every_storage! {
    fn key_is_loaded_at_its_first_use(installation) {
        let id = installation.create("key", Algorithm::Xaes256Gcm);
        let mut client = Client::new(&installation.engine);
        assert_eq!((client.cached_state(id), installation.engine.cached_keys()), (None, 0));
        load(&installation.engine, id).unwrap();
        assert_eq!((client.cached_state(id), installation.engine.cached_keys()), (Some(KeyState::Available), 1));
        load(&installation.engine, id).unwrap();
        assert_eq!(installation.engine.cached_keys(), 1);
    }

    fn missing_key_is_not_found_and_leaves_nothing_behind(installation) {
        let missing = KeyId([7; 16]);
        assert_eq!(load(&installation.engine, missing), Err(LoadError::NotFound));
        let mut client = Client::new(&installation.engine);
        assert_eq!((client.cached_state(missing), installation.engine.cached_keys()), (None, 0));
        assert!(client.worker().enter().pin(missing).is_none());
    }

    fn changed_key_stays_loaded(installation) {
        let id = installation.create("key", Algorithm::Xaes256Gcm);
        let mut client = Client::new(&installation.engine);
        client.with(id, |_| ());
        installation.engine.rotate(id).unwrap();
        assert_eq!(client.cached_state(id), Some(KeyState::Available));
        installation.engine.set_state(id, KeyState::Disabled).unwrap();
        assert_eq!(client.cached_state(id), Some(KeyState::Disabled));
        assert_eq!(installation.engine.cached_keys(), 1);
    }

    // R-K9
    fn pinned_key_is_in_force_until_it_changes(installation) {
        let [id, other] = ["a", "b"].map(|text| installation.create(text, Algorithm::Xaes256Gcm));
        let mut client = Client::new(&installation.engine);
        let changes: [fn(&Installation, KeyId); 3] = [
            |installation, id| drop(installation.engine.rotate(id).unwrap()),
            |installation, id| drop(installation.engine.set_state(id, KeyState::Disabled).unwrap()),
            |installation, id| drop(installation.engine.set_state(id, KeyState::Available).unwrap()),
        ];
        for change in changes {
            client.with(id, |_| ());
            let pinned = client.worker().enter().pin(id).unwrap();
            change(installation, other);
            assert!(pinned.is_in_force(), "another key's change is none of this one");
            let before = pinned.entry().state();
            change(installation, id);
            assert!(!pinned.is_in_force());
            assert_eq!(pinned.entry().state(), before, "what was pinned does not change");
        }
    }
}

#[test]
fn missing_key_is_loaded_once_however_many_ask() {
    let storage = Arc::new(FailingStorage::new(CountingStorage::new(MemoryStorage::new())));
    let installation = Installation::on(storage.clone());
    let id = installation.create("key", Algorithm::Xaes256Gcm);
    let (place, version_place) = (key_address(id), version_address(id, 1));
    let (reads, version_reads) = (storage.inner().reads(&place), storage.inner().reads(&version_place));
    let pause = storage.pause_get(&place);
    let (done, is_done) = mpsc::channel();
    let ask = |count| {
        for _ in 0..count {
            let done = done.clone();
            installation.engine.load(id, move |result| done.send(result).unwrap());
        }
    };
    ask(1);
    assert!(pause.wait_until_reached(PATIENCE));
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| ask(8));
        }
    });
    assert!(is_done.try_recv().is_err());
    pause.release();
    for _ in 0..65 {
        assert_eq!(is_done.recv_timeout(PATIENCE).unwrap(), Ok(()));
    }
    assert_eq!(storage.inner().reads(&place) - reads, 1);
    assert_eq!(storage.inner().reads(&version_place) - version_reads, 1);
}

/// A load that has read `place` waits while `change` happens; what it then installs is returned.
fn overtaken<T>(
    place: fn(KeyId) -> Address,
    change: impl FnOnce(&Installation, KeyId),
    look: impl FnOnce(&KeyEntry) -> T,
) -> T {
    let storage = Arc::new(FailingStorage::new(MemoryStorage::new()));
    let installation = Installation::on(storage.clone());
    let id = installation.create("key", Algorithm::HmacSha256);
    let pause = storage.pause_get(&place(id));
    let (done, is_done) = mpsc::channel();
    installation.engine.load(id, move |result| done.send(result).unwrap());
    assert!(pause.wait_until_reached(PATIENCE));
    change(&installation, id);
    pause.release();
    assert_eq!(is_done.recv_timeout(PATIENCE).unwrap(), Ok(()));
    let mut client = Client::new(&installation.engine);
    let frame = client.worker().enter();
    look(frame.key(id).entry().unwrap())
}

// R-K9
#[test]
fn load_in_flight_does_not_bring_back_the_state_before_a_change() {
    let places: [fn(KeyId) -> Address; 2] = [key_address, |id| version_address(id, 1)];
    for place in places {
        let disable = |installation: &Installation, id| {
            installation.engine.set_state(id, KeyState::Disabled).unwrap();
        };
        assert_eq!(overtaken(place, disable, KeyEntry::state), KeyState::Disabled);
        let rotate = |installation: &Installation, id| {
            installation.engine.rotate(id).unwrap();
        };
        let made = overtaken(place, rotate, |key| only(calls::make_mac(key, &[b""]).unwrap()).unwrap());
        assert_eq!(calls::split_version(&made).0, 2);
    }
}

// R-K9
#[test]
fn change_is_acknowledged_only_after_the_cache_has_followed() {
    let storage = Arc::new(FailingStorage::new(MemoryStorage::new()));
    let installation = Installation::on(storage.clone());
    let id = installation.create("key", Algorithm::HmacSha256);
    let mut client = Client::new(&installation.engine);
    client.with(id, |_| ());
    // The first read is that of the change itself, the second that of the cache.
    let [own, cache] = [(); 2].map(|()| storage.pause_get(&key_address(id)));
    own.release();
    thread::scope(|scope| {
        let change = scope.spawn(|| installation.engine.set_state(id, KeyState::Disabled).map(|record| record.state));
        // The change is durable, but the cache has not followed: the key is still served.
        assert!(cache.wait_until_reached(PATIENCE));
        assert_eq!(client.cached_state(id), Some(KeyState::Available));
        assert!(!change.is_finished());
        cache.release();
        assert_eq!(change.join().unwrap().unwrap(), KeyState::Disabled);
        assert_eq!(client.cached_state(id), Some(KeyState::Disabled));
    });
}

#[test]
fn storage_that_fails_during_a_load_is_told_and_the_next_load_works() {
    let storage = Arc::new(FailingStorage::new(MemoryStorage::new()));
    let installation = Installation::on(storage.clone());
    let id = installation.create("key", Algorithm::Xaes256Gcm);
    for read in 1..=2 {
        storage.fail(Call::Get, read);
        assert_eq!(load(&installation.engine, id), Err(LoadError::Unavailable), "read {read}");
        assert_eq!(installation.engine.cached_keys(), 0);
    }
    assert_eq!(load(&installation.engine, id), Ok(()));
    assert_eq!(installation.engine.cached_keys(), 1);
}

// R-K9
#[test]
fn key_that_cannot_be_read_after_a_change_is_not_served_as_it_was() {
    let storage = Arc::new(FailingStorage::new(MemoryStorage::new()));
    let installation = Installation::on(storage.clone());
    let id = installation.create("key", Algorithm::Xaes256Gcm);
    let mut client = Client::new(&installation.engine);
    client.with(id, |_| ());
    let pinned = client.worker().enter().pin(id).unwrap();
    // The first read is that of the change itself, the second that of the cache.
    storage.fail(Call::Get, 2);
    installation.engine.set_state(id, KeyState::Disabled).unwrap();
    assert_eq!((client.cached_state(id), installation.engine.cached_keys()), (None, 0));
    assert!(!pinned.is_in_force());
    assert_eq!(client.with(id, KeyEntry::state), KeyState::Disabled);
    assert_eq!(installation.engine.cached_keys(), 1);
}

#[test]
fn failed_change_changes_nothing() {
    let storage = Arc::new(FailingStorage::new(MemoryStorage::new()));
    let installation = Installation::on(storage.clone());
    let id = installation.create("key", Algorithm::HmacSha256);
    let mut client = Client::new(&installation.engine);
    client.with(id, |_| ());
    let record = installation.engine.describe_key(id).unwrap();
    for call in [Call::Get, Call::Transact] {
        storage.fail(call, 1);
        assert!(installation.engine.set_state(id, KeyState::Disabled).is_err());
        storage.fail(call, 1);
        assert!(installation.engine.rotate(id).is_err());
        storage.fail(call, 1);
        assert!(installation.try_create("another", Algorithm::HmacSha256).is_err());
    }
    assert_eq!(installation.engine.describe_key(id).unwrap(), record);
    assert_eq!(client.cached_state(id), Some(KeyState::Available));
    assert_eq!(
        installation.engine.list_keys(installation.store, &KeyFilter::default(), None, 10).unwrap().keys,
        [record]
    );
}

// R-P4
#[test]
fn loads_beyond_the_queue_are_refused_at_once() {
    let storage = Arc::new(FailingStorage::new(MemoryStorage::new()));
    let installation = Installation::on(storage.clone());
    let id_of = |n: usize| KeyId(u128::try_from(n).unwrap().to_be_bytes());
    let (done, is_done) = mpsc::channel();
    let ask = |n| {
        let done = done.clone();
        installation.engine.load(id_of(n), move |result| done.send((n, result)).unwrap());
    };
    let busy: Vec<_> = (0..STORAGE_THREADS).map(|n| storage.pause_get(&key_address(id_of(n)))).collect();
    (0..STORAGE_THREADS).for_each(ask);
    assert!(busy.iter().all(|pause| pause.wait_until_reached(PATIENCE)));

    let full = STORAGE_THREADS + STORAGE_QUEUE_SIZE;
    (STORAGE_THREADS..full).for_each(ask);
    assert!(is_done.try_recv().is_err());
    ask(full);
    assert_eq!(is_done.try_recv().unwrap(), (full, Err(LoadError::Overloaded)));
    // Who asks for what is waiting already, waits with it.
    ask(full - 1);
    assert!(is_done.try_recv().is_err());
    drop(busy);
    for _ in 0..=full {
        assert_eq!(is_done.recv_timeout(PATIENCE).unwrap().1, Err(LoadError::NotFound));
    }
    ask(full);
    assert_eq!(is_done.recv_timeout(PATIENCE).unwrap(), (full, Err(LoadError::NotFound)));
}

#[test]
fn keys_that_do_not_all_fit_work_all_the_same() {
    const THREADS: u64 = 4;
    let installation = Installation::with_capacity(8);
    let new = (0..40).map(|n| new_key(&n.to_string(), Algorithm::Xaes256Gcm)).collect();
    let ids: Vec<_> =
        installation.engine.create_keys(installation.store, new).unwrap().iter().map(|record| record.id).collect();
    let mut client = Client::new(&installation.engine);
    let ciphertexts: Vec<_> = ids.iter().map(|id| client.encrypt_one(*id, b"context", &id.0)).collect();
    assert!(installation.engine.cached_keys() <= 8);

    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (installation, ids, ciphertexts) = (&installation, &ids, &ciphertexts);
            scope.spawn(move || {
                let mut client = Client::new(&installation.engine);
                let mut chooser = Chooser(thread + 1);
                for round in 0..500 {
                    let at = chooser.next(ids.len());
                    let opened = only(client.decrypt(ids[at], &[(b"context", &ciphertexts[at])]).unwrap());
                    assert_eq!(opened.unwrap(), ids[at].0, "thread {thread}, round {round}");
                    let sealed = client.encrypt_one(ids[at], b"", &[7]);
                    assert_eq!(only(client.decrypt(ids[at], &[(b"", &sealed)]).unwrap()).unwrap(), [7]);
                    // Each of the loads that are running may exceed the bound by the key that it has just brought.
                    assert!(installation.engine.cached_keys() <= 8 + STORAGE_THREADS);
                }
            });
        }
    });
    client.encrypt_one(ids[0], b"", b"");
    assert!(installation.engine.cached_keys() <= 8);
}

// R-K9
#[test]
fn evicted_key_comes_back_as_it_is_now() {
    let installation = Installation::with_capacity(CACHED_KEYS_MIN);
    let ids: Vec<_> = (0..6).map(|n| installation.create(&n.to_string(), Algorithm::HmacSha256)).collect();
    let mut client = Client::new(&installation.engine);
    for id in &ids {
        client.with(*id, |_| ());
    }
    assert_eq!(client.cached_state(ids[0]), None, "too many others were used since");
    installation.engine.set_state(ids[0], KeyState::Disabled).unwrap();
    assert_eq!(client.with(ids[0], KeyEntry::state), KeyState::Disabled);
}

#[test]
fn key_that_is_held_is_not_evicted_until_it_is_let_go() {
    let installation = Installation::with_capacity(CACHED_KEYS_MIN);
    let ids: Vec<_> = (0..8).map(|n| installation.create(&n.to_string(), Algorithm::HmacSha256)).collect();
    let mut client = Client::new(&installation.engine);
    client.with(ids[0], |_| ());
    let held = installation.engine.pin(ids[0]).unwrap();
    for id in &ids[1..] {
        client.with(*id, |_| ());
        assert!(held.is_in_force());
        assert!(installation.engine.cached_keys() <= CACHED_KEYS_MIN + 1);
    }
    drop(held);
    for id in &ids[1..] {
        client.with(*id, |_| ());
    }
    assert_eq!(client.cached_state(ids[0]), None);
    assert!(installation.engine.pin(ids[0]).is_none());
    assert_eq!(installation.engine.cached_keys(), CACHED_KEYS_MIN);
}

#[test]
fn keys_in_use_outlive_those_that_were_used_once() {
    let installation = Installation::with_capacity(4);
    let hot = installation.create("hot", Algorithm::HmacSha256);
    let mut client = Client::new(&installation.engine);
    client.with(hot, |_| ());
    for n in 0..40 {
        let id = installation.create(&n.to_string(), Algorithm::HmacSha256);
        client.with(id, |_| ());
        // The first round of the hand knows only keys that were used, and this one may be the first that it meets.
        if n < 8 {
            client.with(hot, |_| ());
        }
        assert_eq!(client.cached_state(hot), Some(KeyState::Available), "after {n} others");
    }
}

#[test]
fn two_keys_at_once_find_room_in_the_smallest_cache() {
    let installation = Installation::with_capacity(0);
    let ids: BTreeSet<_> = (0..4).map(|n| installation.create(&n.to_string(), Algorithm::Xaes256Gcm)).collect();
    let mut client = Client::new(&installation.engine);
    for one in &ids {
        for other in &ids {
            let both = client.with_both(*one, *other, |one, other| [one.id(), other.id()]);
            assert_eq!(both, [*one, *other]);
        }
    }
}

#[test]
fn cache_of_a_million_keys_costs_nothing_while_it_is_empty() {
    let installation = Installation::with_capacity(1_000_000);
    let id = installation.create("key", Algorithm::Xaes256Gcm);
    Client::new(&installation.engine).encrypt_one(id, b"", b"");
    assert_eq!(installation.engine.cached_keys(), 1);
}

/// A small generator of numbers from a seed (xorshift), so that a run can be repeated.
struct Chooser(u64);

impl Chooser {
    fn next(&mut self, count: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(count).unwrap()).unwrap()
    }
}
