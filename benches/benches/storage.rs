//! `storage/...`: values put and read, on memory and on LMDB. Puts to LMDB are durable: they measure the disk.
#![expect(clippy::expect_used, reason = "a benchmark that cannot be set up has nothing to report but why")]

use std::hint::black_box;

use claviger_benches::{criterion, input};
use claviger_engine::storage::{Address, Database, LmdbOptions, LmdbStorage, MemoryStorage, Storage, Write};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

/// Bytes of a value: about those of a wrapped symmetric key.
const VALUE_SIZE: usize = 200;

/// Values that are there to be read.
const COUNT: usize = 10_000;

/// Writes of one transaction.
const TOGETHER: [usize; 2] = [1, 64];

fn storages(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let options = LmdbOptions { free_space_floor: 0, ..LmdbOptions::default() };
    let lmdb = LmdbStorage::open(&folder.path().join("data"), &options).expect("a data folder");
    for (name, storage) in [("memory", &MemoryStorage::new() as &dyn Storage), ("lmdb", &lmdb)] {
        put(criterion, name, storage);
        get(criterion, name, storage);
    }
}

fn put(criterion: &mut Criterion, name: &str, storage: &dyn Storage) {
    let mut group = criterion.benchmark_group(format!("storage/{name}/put"));
    let mut number = 0;
    for together in TOGETHER {
        group.throughput(Throughput::Elements(together as u64));
        group.bench_function(format!("{together}values"), |bencher| {
            bencher.iter(|| {
                number += together;
                let writes: Vec<_> = (number..number + together).map(|number| write(number % COUNT)).collect();
                storage.transact(&[], &writes).expect("a change")
            });
        });
    }
}

fn get(criterion: &mut Criterion, name: &str, storage: &dyn Storage) {
    let writes: Vec<_> = (0..COUNT).map(write).collect();
    for some in writes.chunks(1_000) {
        storage.transact(&[], some).expect("a change");
    }
    let mut group = criterion.benchmark_group(format!("storage/{name}/get"));
    group.throughput(Throughput::Elements(1));
    // A step that is prime to the count visits all, and none after its neighbour.
    let mut number = 0;
    group.bench_function(format!("{COUNT}values"), |bencher| {
        bencher.iter(|| {
            number = (number + 7_919) % COUNT;
            black_box(storage.get(&address(number)).expect("a value"))
        });
    });
}

fn write(number: usize) -> Write {
    Write::Put { address: address(number), value: input(number, VALUE_SIZE) }
}

fn address(number: usize) -> Address {
    Address::new(Database::Keys, format!("benchmark/{number:08}"))
}

criterion_group! { name = storage; config = criterion(); targets = storages }
criterion_main!(storage);
