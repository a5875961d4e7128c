//! Who waits for a change of a key: told once the cache has followed it.
//!
//! Nobody is asked whether anything has changed, neither by a thread nor by a frame: a waiter leaves a call here, and the thread that follows storage makes it. So keys that
//! nobody waits for cost nothing, and waiting costs memory alone.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::key::id::{KeyId, StoreId};

/// Those who wait, by the key that they wait for.
#[derive(Default)]
pub(crate) struct KeyWaiters {
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    /// Numbers the waits.
    next: u64,
    keys: HashMap<KeyId, WaitersOfKey>,
}

/// Those who wait for one key; at least one.
struct WaitersOfKey {
    store: StoreId,
    calls: HashMap<u64, Call>,
}

type Call = Box<dyn FnOnce() + Send>;

/// A wait for the next change of a key. Dropping it ends the wait.
#[must_use = "dropping it ends the wait"]
pub struct KeyWait {
    waiters: Arc<KeyWaiters>,
    key: KeyId,
    number: u64,
}

impl KeyWaiters {
    /// Has `changed` called once, when the key or its store next changes. Whoever looks at the key after this has returned misses no change.
    pub(crate) fn wait(
        self: &Arc<Self>,
        key: KeyId,
        store: StoreId,
        changed: impl FnOnce() + Send + 'static,
    ) -> KeyWait {
        let mut table = self.table.lock();
        let number = table.next;
        table.next += 1;
        let of_key = table.keys.entry(key).or_insert_with(|| WaitersOfKey { store, calls: HashMap::new() });
        of_key.calls.insert(number, Box::new(changed));
        KeyWait { waiters: Arc::clone(self), key, number }
    }

    /// A key has changed, and the cache has followed.
    pub(crate) fn key_changed(&self, key: KeyId) {
        let called = self.table.lock().keys.remove(&key);
        // The lock is let go of first: who is called may begin to wait again.
        called.into_iter().for_each(WaitersOfKey::call);
    }

    /// A key store has changed, and with it who may use its keys.
    pub(crate) fn store_changed(&self, store: StoreId) {
        self.call_those(|waiters| waiters.store == store);
    }

    /// It is not known what has changed.
    pub(crate) fn all_changed(&self) {
        self.call_those(|_| true);
    }

    fn call_those(&self, are_meant: impl Fn(&WaitersOfKey) -> bool) {
        let called: Vec<_> = self.table.lock().keys.extract_if(|_, waiters| are_meant(waiters)).collect();
        called.into_iter().for_each(|(_, waiters)| waiters.call());
    }

    /// How many wait.
    pub(crate) fn count(&self) -> usize {
        self.table.lock().keys.values().map(|waiters| waiters.calls.len()).sum()
    }
}

impl WaitersOfKey {
    fn call(self) {
        self.calls.into_values().for_each(|call| call());
    }
}

impl Drop for KeyWait {
    fn drop(&mut self) {
        let mut table = self.waiters.table.lock();
        let Some(waiters) = table.keys.get_mut(&self.key) else { return };
        let call = waiters.calls.remove(&self.number);
        if waiters.calls.is_empty() {
            table.keys.remove(&self.key);
        }
        // What the call holds may wait for the lock when it is dropped.
        drop(table);
        drop(call);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    const KEYS: [KeyId; 2] = [KeyId([1; 16]), KeyId([2; 16])];
    const STORES: [StoreId; 2] = [StoreId([3; 16]), StoreId([4; 16])];

    /// Waits for a key of the store of the same number, and counts the calls.
    fn wait(waiters: &Arc<KeyWaiters>, number: usize, called: &Arc<AtomicU32>) -> KeyWait {
        let called = Arc::clone(called);
        waiters.wait(KEYS[number], STORES[number], move || {
            called.fetch_add(1, Ordering::Relaxed);
        })
    }

    fn scene() -> (Arc<KeyWaiters>, [Arc<AtomicU32>; 2], Vec<KeyWait>) {
        let (waiters, called) = (Arc::<KeyWaiters>::default(), [(); 2].map(|()| Arc::default()));
        let waits = (0..6).map(|number| wait(&waiters, number % 2, &called[number % 2])).collect();
        (waiters, called, waits)
    }

    fn calls(called: &[Arc<AtomicU32>; 2]) -> [u32; 2] {
        called.each_ref().map(|called| called.load(Ordering::Relaxed))
    }

    // R-K2
    #[test]
    fn each_who_waits_for_a_key_is_called_once() {
        let (waiters, called, _waits) = scene();
        waiters.key_changed(KEYS[0]);
        assert_eq!(calls(&called), [3, 0]);
        waiters.key_changed(KEYS[0]);
        assert_eq!((calls(&called), waiters.count()), ([3, 0], 3));
        waiters.store_changed(STORES[1]);
        waiters.all_changed();
        assert_eq!((calls(&called), waiters.count()), ([3, 3], 0));
    }

    // R-K2
    #[test]
    fn a_change_of_what_nobody_waits_for_calls_nobody() {
        let (waiters, called, _waits) = scene();
        waiters.key_changed(KeyId([9; 16]));
        waiters.store_changed(StoreId([9; 16]));
        assert_eq!((calls(&called), waiters.count()), ([0, 0], 6));
    }

    // R-K2
    #[test]
    fn a_wait_that_has_ended_leaves_nothing_behind() {
        let (waiters, called, mut waits) = scene();
        drop(waits.swap_remove(0));
        waiters.key_changed(KEYS[0]);
        assert_eq!(calls(&called), [2, 0]);
        drop(waits);
        assert_eq!(waiters.count(), 0);
        assert!(waiters.table.lock().keys.is_empty());
        waiters.all_changed();
        assert_eq!(calls(&called), [2, 0]);
    }

    // R-K2
    #[test]
    fn who_is_called_may_wait_again_at_once() {
        let (waiters, called) = (Arc::<KeyWaiters>::default(), Arc::<AtomicU32>::default());
        let again = Arc::new(Mutex::new(None));
        let first = waiters.wait(KEYS[0], STORES[0], {
            let (waiters, called, again) = (Arc::clone(&waiters), Arc::clone(&called), Arc::clone(&again));
            move || *again.lock() = Some(wait(&waiters, 0, &called))
        });
        waiters.all_changed();
        assert_eq!(waiters.count(), 1);
        drop(first);
        waiters.key_changed(KEYS[0]);
        assert_eq!((called.load(Ordering::Relaxed), waiters.count()), (1, 0));
    }
}
