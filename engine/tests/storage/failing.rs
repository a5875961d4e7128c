//! The wrapper that fails and stalls on order does so exactly as ordered.

use std::thread;
use std::time::Duration;

use claviger_engine::storage::{Call, FailingStorage, MemoryStorage, Revision, Storage, StorageError, TransactError};

use crate::support::{delete, key, put, set, value};

#[test]
fn fails_on_the_ordered_call_only() {
    let storage = FailingStorage::new(MemoryStorage::new());
    let address = key("a");
    storage.fail(Call::Transact, 2);
    storage.fail(Call::Get, 1);
    storage.fail(Call::Scan, 3);
    set(&storage, &address, "1");
    let refused = storage.transact(&[], &[put(&address, "2")]);
    assert!(matches!(refused, Err(TransactError::Storage(StorageError::System { .. }))));
    assert_eq!(storage.revision(), Revision(1), "a failed call has no effect");
    set(&storage, &address, "3");
    assert!(storage.get(&address).is_err());
    assert_eq!(value(&storage, &address).unwrap(), b"3");
    let scans: Vec<_> = (0..4).map(|_| storage.scan(&address, None, 1).is_ok()).collect();
    assert_eq!(scans, [true, true, false, true]);
}

#[test]
fn paused_get_returns_what_it_read_before_the_pause() {
    let storage = FailingStorage::new(MemoryStorage::new());
    let address = key("a");
    set(&storage, &address, "old");
    let pause = storage.pause_get(&address);
    thread::scope(|scope| {
        let load = scope.spawn(|| value(&storage, &address));
        assert!(pause.wait_until_reached(Duration::from_secs(60)));
        storage.transact(&[], &[delete(&address)]).unwrap();
        assert_eq!(value(&storage, &address), None, "only one get is paused");
        pause.release();
        assert_eq!(load.join().unwrap().unwrap(), b"old");
    });
}

#[test]
fn pause_that_nobody_reaches_says_so() {
    let storage = FailingStorage::new(MemoryStorage::new());
    let pause = storage.pause_get(&key("a"));
    assert_eq!(value(&storage, &key("b")), None, "another address is not paused");
    assert!(!pause.wait_until_reached(Duration::ZERO));
    drop(pause);
    assert_eq!(value(&storage, &key("a")), None, "a dropped pause holds nobody");
}
