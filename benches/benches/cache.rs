//! `cache/...`: from a key id to the key, as each frame does it, on one thread and on two at once.

use std::hint::black_box;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use claviger_benches::{criterion, engine_with_keys};
use claviger_engine::Engine;
use claviger_engine::key::id::KeyId;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

/// Keys that fit a worker's own table and the processor's cache, and keys that fit neither.
const KEYS: [usize; 2] = [16, if cfg!(debug_assertions) { 1_000 } else { 100_000 }];

const THREADS: [usize; 2] = [1, 2];

fn hit(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("cache/hit");
    group.throughput(Throughput::Elements(1));
    for keys in KEYS {
        let (engine, ids) = engine_with_keys(keys);
        for threads in THREADS {
            group.bench_function(format!("{keys}keys/{threads}threads"), |bencher| {
                bencher.iter_custom(|frames| on_threads(&engine, &ids, threads, frames));
            });
        }
    }
}

/// Time that `threads` need to find a key in `frames` frames each.
fn on_threads(engine: &Arc<Engine>, ids: &[KeyId], threads: usize, frames: u64) -> Duration {
    let ready = Barrier::new(threads + 1);
    thread::scope(|scope| {
        let running: Vec<_> = (0..threads)
            .map(|thread| {
                let ready = &ready;
                scope.spawn(move || {
                    let mut worker = engine.worker();
                    ready.wait();
                    // All keys in turn; each thread begins at another one.
                    for &id in ids
                        .iter()
                        .cycle()
                        .skip(thread * ids.len() / threads)
                        .take(usize::try_from(frames).unwrap_or(usize::MAX))
                    {
                        let frame = worker.enter();
                        let found = frame.key(id);
                        assert!(black_box(found.entry()).is_some(), "the key is in the cache");
                    }
                })
            })
            .collect();
        ready.wait();
        let begin = Instant::now();
        running.into_iter().for_each(|thread| assert!(thread.join().is_ok()));
        begin.elapsed()
    })
}

criterion_group! { name = cache; config = criterion(); targets = hit }
criterion_main!(cache);
