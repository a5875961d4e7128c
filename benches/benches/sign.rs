//! `sign/...`, `verify/...`, `mac/...`: signatures and message authentication codes of one message.
#![expect(clippy::expect_used, reason = "a benchmark that cannot be set up has nothing to report but why")]

use std::hint::black_box;

use claviger_algorithm::Algorithm;
use claviger_benches::{criterion, input, material};
use claviger_engine::crypto::mac::{MAC_SIZE, MacKey};
use claviger_engine::crypto::signature::{SignInput, SigningKey};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const MESSAGE_SIZE: usize = 64;

/// RSA keys longer than this take seconds to make.
const ALGORITHMS: [Algorithm; 4] =
    [Algorithm::Ed25519, Algorithm::EcdsaP256Sha256, Algorithm::Rsa2048Pkcs1Sha256, Algorithm::Rsa2048PssSha256];

fn sign_and_verify(criterion: &mut Criterion) {
    let message = input(0, MESSAGE_SIZE);
    for algorithm in ALGORITHMS {
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
    let key = MacKey::new(&material(Algorithm::HmacSha256)).expect("a key");
    let mut group = criterion.benchmark_group("mac/HMAC-SHA-256");
    for size in [64, 1_024] {
        let message = input(0, size);
        let mut out = [0; MAC_SIZE];
        group.throughput(Throughput::ElementsAndBytes { elements: 1, bytes: size as u64 });
        group.bench_function(format!("{size}B"), |bencher| {
            bencher.iter(|| key.make(&message, black_box(&mut out)).expect("a code"));
        });
    }
}

criterion_group! { name = signatures; config = criterion(); targets = sign_and_verify, mac }
criterion_main!(signatures);
