//! `uses/...`: what counting adds to one read of a socket. The work is the least there is, a secret that is read from memory: nothing hides the cost.
#![expect(clippy::expect_used, reason = "a benchmark that cannot be set up has nothing to report but why")]

use std::hint::black_box;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use claviger_algorithm::Algorithm;
use claviger_benches::{criterion, engine_with, input, new_key};
use claviger_engine::key::client::ClientName;
use claviger_engine::key::material::SecretBytes;
use claviger_engine::{Client, Engine, KeyEntry, ReadScope};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

/// Frames that one read of a socket brings.
const FRAMES: [usize; 2] = [1, 16];

const THREADS: [usize; 2] = [1, 2];

fn read(criterion: &mut Criterion) {
    let mut key = new_key("key", Algorithm::Opaque);
    key.value = Some(SecretBytes::from(input(0, 32)));
    let (engine, ids) = engine_with(vec![key]);
    let id = *ids.first().expect("a key");
    let client = engine.client(ClientName::certificate("client", [7; 32]));
    let mut group = criterion.benchmark_group("uses");
    group.throughput(Throughput::Elements(1));
    for frames in FRAMES {
        for threads in THREADS {
            for (how, is_counted) in [("uncounted", false), ("counted", true)] {
                group.bench_function(format!("{how}/{frames}frames/{threads}threads"), |bencher| {
                    bencher.iter_custom(|reads| {
                        on_threads(&engine, threads, |engine| {
                            let mut worker = engine.worker();
                            let frame = worker.enter();
                            let found = frame.key(id);
                            let key = found.entry().expect("the key is in the cache");
                            (0..reads).for_each(|_| read_once(engine, is_counted.then_some(&client), key, frames));
                        })
                    });
                });
            }
        }
    }
}

fn read_once(engine: &Engine, client: Option<&Client>, key: &KeyEntry, frames: usize) {
    let mut scope = match client {
        Some(client) => engine.read_scope(client),
        None => ReadScope::new(engine.random()),
    };
    for _ in 0..frames {
        black_box(key.secret(&mut scope, None).expect("a secret").value);
    }
}

/// Time that `threads` need for `work` each.
fn on_threads(engine: &Arc<Engine>, threads: usize, work: impl Fn(&Arc<Engine>) + Sync) -> Duration {
    let ready = Barrier::new(threads + 1);
    thread::scope(|scope| {
        let running: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    ready.wait();
                    work(engine);
                })
            })
            .collect();
        ready.wait();
        let begin = Instant::now();
        running.into_iter().for_each(|thread| assert!(thread.join().is_ok()));
        begin.elapsed()
    })
}

criterion_group! { name = uses; config = criterion(); targets = read }
criterion_main!(uses);
