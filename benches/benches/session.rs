//! `session/...`: frames in, replies out, through a real session with a real engine; no transport, no other thread.

use claviger_benches::criterion;
use claviger_benches::session::{SessionWork, Workload};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

fn session(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("session");
    for workload in &Workload::ALL {
        let (elements, bytes) = (workload.items() as u64, (workload.items() * workload.size) as u64);
        group.throughput(Throughput::ElementsAndBytes { elements, bytes });
        let mut work = SessionWork::new(workload);
        group.bench_function(workload.name, |bencher| bencher.iter(|| work.once()));
    }
}

criterion_group! { name = sessions; config = criterion(); targets = session }
criterion_main!(sessions);
