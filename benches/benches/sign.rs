//! `sign/...`, `verify/...`, `mac/...`: signatures and message authentication codes of one message.
#![expect(clippy::expect_used, reason = "a benchmark that cannot be set up has nothing to report but why")]

use std::hint::black_box;

use claviger_algorithm::{Algorithm, Generation, KeyKind, Operation, OutputSize};
use claviger_benches::{criterion, input, material};
use claviger_engine::crypto::mac::MacKey;
use claviger_engine::crypto::signature::{SignInput, SigningKey};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const MESSAGE_SIZE: usize = 64;

/// Every algorithm that signs, but RSA at its smallest size only: larger keys take seconds to make.
fn signing() -> impl Iterator<Item = Algorithm> {
    let signing = Algorithm::ALL.iter().copied().filter(|algorithm| algorithm.row().does(Operation::Sign));
    signing.filter(|algorithm| {
        let row = algorithm.row();
        row.generation == Generation::Fast || row.output_size == OutputSize::Fixed(256)
    })
}

fn sign_and_verify(criterion: &mut Criterion) {
    let message = input(0, MESSAGE_SIZE);
    for algorithm in signing() {
        let key = SigningKey::new(&material(algorithm)).expect("a key");
        let mut signature = vec![0; key.signature_size_max()];
        let name = algorithm.row().name;

        let mut group = criterion.benchmark_group("sign");
        group.throughput(Throughput::Elements(1));
        group.bench_function(format!("{name}/{MESSAGE_SIZE}B"), |bencher| {
            bencher.iter(|| key.sign(SignInput::Message(&message), black_box(&mut signature)).expect("a signature"));
        });
        drop(group);

        let size = key.sign(SignInput::Message(&message), &mut signature).expect("a signature");
        signature.truncate(size);
        let mut group = criterion.benchmark_group("verify");
        group.throughput(Throughput::Elements(1));
        group.bench_function(format!("{name}/{MESSAGE_SIZE}B"), |bencher| {
            bencher.iter(|| key.verify(SignInput::Message(&message), black_box(&signature)).expect("a good signature"));
        });
    }
}

fn mac(criterion: &mut Criterion) {
    for algorithm in Algorithm::ALL.iter().copied().filter(|algorithm| algorithm.row().kind == KeyKind::Mac) {
        let key = MacKey::new(&material(algorithm)).expect("a key");
        let mut group = criterion.benchmark_group(format!("mac/{algorithm}"));
        for size in [64, 1_024] {
            let message = input(0, size);
            let mut out = vec![0; key.mac_size()];
            group.throughput(Throughput::ElementsAndBytes { elements: 1, bytes: size as u64 });
            group.bench_function(format!("{size}B"), |bencher| {
                bencher.iter(|| key.make(&message, black_box(&mut out)).expect("a code"));
            });
        }
    }
}

criterion_group! { name = signatures; config = criterion(); targets = sign_and_verify, mac }
criterion_main!(signatures);
