//! What the processes write, and how it is checked: every transaction of a thread raises a number in two places at
//! once and leaves a trace in a third.

use std::collections::BTreeMap;
use std::path::Path;

use claviger_engine::storage::{
    Address, Compare, Database, LmdbOptions, LmdbStorage, Revision, Storage, TransactError, Write,
};

/// Threads that write at the same time.
pub(crate) const THREADS: u8 = 4;

/// The last number that each thread was told is durable.
pub(crate) type Acknowledged = BTreeMap<u8, u64>;

/// The smallest map, so that it also grows; no floor, so that a disk can be filled.
pub(crate) fn open(folder: &Path) -> LmdbStorage {
    LmdbStorage::open(folder, &LmdbOptions { map_size: 0, free_space_floor: 0, ..LmdbOptions::default() }).unwrap()
}

/// The number that a thread has reached: 0 at first.
pub(crate) fn reached(storage: &dyn Storage, thread: u8) -> u64 {
    storage.get(&left(thread)).unwrap().map_or(0, |versioned| number(&versioned.value))
}

/// Raises the number of a thread, which no other thread does, from `n - 1` to `n`.
pub(crate) fn raise(storage: &dyn Storage, thread: u8, n: u64) -> Result<Revision, TransactError> {
    let expected = storage.get(&left(thread))?.map(|versioned| versioned.revision);
    let compares = [Compare { address: left(thread), expected }, Compare::absent(trace(thread, n))];
    let put = |address| Write::Put { address, value: content(thread, n) };
    storage.transact(&compares, &[put(left(thread)), put(right(thread)), put(trace(thread, n))])
}

/// Checks that all that was acknowledged is there, and nothing in part; returns what each thread has reached.
pub(crate) fn check(storage: &dyn Storage, acknowledged: &Acknowledged, context: &str) -> Acknowledged {
    let mut reached_by_all = Acknowledged::new();
    for thread in 0..THREADS {
        let reached = reached(storage, thread);
        let last = acknowledged.get(&thread).copied().unwrap_or(0);
        assert!(reached >= last, "{context}: thread {thread} was told {last}, and {reached} is there");
        assert!(reached <= last + 1, "{context}: thread {thread} asked for one after {last}, and {reached} is there");
        let traces = (1..=reached).map(|n| (trace(thread, n), n));
        let places = [(left(thread), reached), (right(thread), reached)].into_iter().filter(|_| reached > 0);
        for (address, n) in places.chain(traces) {
            let found = storage.get(&address).unwrap().map(|versioned| versioned.value);
            assert_eq!(found, Some(content(thread, n)), "{context}: {address}");
        }
        assert_eq!(storage.get(&trace(thread, reached + 1)).unwrap(), None, "{context}: torn transaction");
        reached_by_all.insert(thread, reached);
    }
    assert_eq!(storage.revision(), Revision(reached_by_all.values().sum()), "{context}: each transaction counts once");
    reached_by_all
}

fn left(thread: u8) -> Address {
    Address::new(Database::Keys, [thread])
}

fn right(thread: u8) -> Address {
    Address::new(Database::Authentication, [thread])
}

fn trace(thread: u8, n: u64) -> Address {
    Address::new(Database::Meta, [&[thread], &n.to_be_bytes()[..]].concat())
}

/// From some bytes to more than a page of LMDB.
fn content(thread: u8, n: u64) -> Vec<u8> {
    let filler = vec![thread; usize::try_from(n * 7_919 % 6_000).unwrap()];
    [&n.to_be_bytes(), &filler[..]].concat()
}

fn number(value: &[u8]) -> u64 {
    u64::from_be_bytes(value[..8].try_into().unwrap())
}
