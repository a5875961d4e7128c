//! `load/...`: keys that are not in memory, from records (on memory) to ready for use: asked for, through the pool that reads storage, and before anybody asks.
#![expect(clippy::expect_used, reason = "a benchmark that cannot be set up has nothing to report but why")]

use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use claviger_benches::{criterion, engine_with_keys};
use claviger_engine::Engine;
use claviger_engine::key::id::KeyId;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};

/// Keys of one pass: many enough that what is done once for all of them does not count, and no more than wait for the pool that reads storage.
const KEYS: usize = if cfg!(debug_assertions) { 100 } else { 10_000 };

/// How often it is looked whether all are there: a waiting thread that did nothing else would take the core from one that is behind all others.
const LOOKED_AT_EVERY: Duration = Duration::from_millis(1);

fn load(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("load");
    group.throughput(Throughput::Elements(KEYS as u64)).sample_size(10);
    let (engine, ids) = engine_with_keys(KEYS);
    passes(&mut group, "asked", &engine, || ask(&engine, &ids));
    engine.fill_cache().expect("a thread");
    passes(&mut group, "unasked", &engine, || {
        while engine.is_filling() {
            thread::sleep(LOOKED_AT_EVERY);
        }
        assert_eq!(engine.cached_keys(), KEYS);
    });
}

/// Measures how long `load` takes to have all keys in memory, which are locked away before each time.
fn passes(
    group: &mut BenchmarkGroup<'_, criterion::measurement::WallTime>,
    name: &str,
    engine: &Engine,
    load: impl Fn(),
) {
    group.bench_function(format!("{name}/{KEYS}keys"), |bencher| {
        bencher.iter_custom(|passes| {
            let pass = |_| {
                engine.lock("benchmark").expect("a lock");
                let begin = Instant::now();
                engine.unlock().expect("its end");
                load();
                begin.elapsed()
            };
            (0..passes).map(pass).sum()
        });
    });
}

/// Asks for all keys at once, and waits until all are there.
fn ask(engine: &Arc<Engine>, ids: &[KeyId]) {
    let (done, loaded) = mpsc::channel();
    for &id in ids {
        let done = done.clone();
        // Sent while the other end waits for it. What the pool has no room for would be told as such.
        engine.load(id, move |result| done.send(result).unwrap_or_default());
    }
    for _ in ids {
        loaded.recv().ok().and_then(Result::ok).expect("a key that is there is loaded");
    }
}

criterion_group! { name = loads; config = criterion(); targets = load }
criterion_main!(loads);
