//! `burst/...`, `seal/...`, `open/...`: encryption and decryption, and the same items by the library alone.
#![expect(clippy::expect_used, reason = "a benchmark that cannot be set up has nothing to report but why")]

use std::hint::black_box;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::{cmac, hmac};
use claviger_algorithm::Algorithm;
use claviger_benches::{BURST, CONTEXT, criterion, input, material};
use claviger_engine::ciphertext::{Purpose, SEAL_OVERHEAD_MAX};
use claviger_engine::crypto::burst::SealBurst;
use claviger_engine::crypto::random::{Random, SystemRandom};
use claviger_engine::crypto::symmetric::SymmetricKey;
use claviger_engine::key::id::KeyId;
use claviger_engine::key::version::KeyVersion;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const ID: KeyId = KeyId([7; 16]);
const VERSION: KeyVersion = KeyVersion::FIRST;
const SIZES: [usize; 3] = [64, 1_024, 32_768];

/// Nonce, derived key, commitment: what is paid once for all items of a burst.
fn begin(criterion: &mut Criterion) {
    let (key, random) = (key(), SystemRandom::new());
    criterion.bench_function("burst/begin", |bencher| bencher.iter(|| SealBurst::begin(&key, ID, VERSION, &random)));
}

/// What a beginning is made of, by the library alone.
fn parts(criterion: &mut Criterion) {
    let (key, random) = ([7; 32], SystemRandom::new());
    let mut group = criterion.benchmark_group("burst/part");
    for size in [24, 384, 768, 1_536] {
        let mut out = vec![0; size];
        group.bench_function(format!("random/{size}B"), |bencher| bencher.iter(|| random.fill(black_box(&mut out))));
    }
    group.bench_function("cmac/prepare", |bencher| bencher.iter(|| cmac::Key::new(cmac::AES_256, black_box(&key))));
    let deriver = cmac::Key::new(cmac::AES_256, &key).expect("a key");
    group.bench_function("cmac/block", |bencher| {
        bencher.iter(|| cmac::sign_to_buffer(&deriver, black_box(&[1; 16]), &mut [0; 16]).map(|tag| tag.len()));
    });
    group.bench_function("aes-gcm/prepare", |bencher| {
        bencher.iter(|| UnboundKey::new(&AES_256_GCM, black_box(&key)).map(LessSafeKey::new));
    });
    group.bench_function("hmac/prepare", |bencher| bencher.iter(|| hmac::Key::new(hmac::HMAC_SHA256, black_box(&key))));
    let committer = hmac::Key::new(hmac::HMAC_SHA256, &key);
    group.bench_function("hmac/51B", |bencher| {
        bencher.iter(|| hmac::sign_to_buffer(&committer, black_box(&[1; 51]), &mut [0; 32]).map(|tag| tag.len()));
    });
}

/// A whole burst, its beginning included.
fn seal(criterion: &mut Criterion) {
    let (key, random) = (key(), SystemRandom::new());
    for size in SIZES {
        let mut group = criterion.benchmark_group("seal");
        group.throughput(burst_of(size));
        let plaintexts = plaintexts(size);
        let mut out = vec![0; size + SEAL_OVERHEAD_MAX];
        group.bench_function(format!("xaes/{size}B/{BURST}items"), |bencher| {
            bencher.iter(|| {
                let mut burst = SealBurst::begin(&key, ID, VERSION, &random).expect("a burst");
                for plaintext in &plaintexts {
                    burst.seal(Purpose::Data, CONTEXT, plaintext, black_box(&mut out)).expect("a ciphertext");
                }
            });
        });
        let prepared = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &[7; 32]).expect("a key"));
        let (mut out, mut tag, mut count) = (vec![0; size], [0; 16], 0_u64);
        group.bench_function(format!("library/{size}B/{BURST}items"), |bencher| {
            bencher.iter(|| {
                for plaintext in &plaintexts {
                    count += 1;
                    let aad = Aad::from(CONTEXT);
                    let sealed = prepared.seal_out_of_place_scatter(
                        nonce(count),
                        aad,
                        plaintext,
                        black_box(&mut out),
                        &[],
                        black_box(&mut tag),
                    );
                    sealed.expect("a ciphertext");
                }
            });
        });
    }
}

/// Items that one burst has sealed, and items each of which another burst has sealed.
fn open(criterion: &mut Criterion) {
    let key = key();
    for size in SIZES {
        let mut group = criterion.benchmark_group("open");
        group.throughput(burst_of(size));
        for (bursts, ciphertexts) in [("one_burst", one_burst(&key, size)), ("other_bursts", other_bursts(&key, size))]
        {
            let mut out = vec![0; size];
            group.bench_function(format!("xaes/{size}B/{BURST}items/{bursts}"), |bencher| {
                bencher.iter(|| {
                    let mut opener = key.opener(ID, VERSION);
                    for ciphertext in &ciphertexts {
                        opener.open(Purpose::Data, CONTEXT, ciphertext, black_box(&mut out)).expect("a plaintext");
                    }
                });
            });
        }
    }
}

fn key() -> SymmetricKey {
    SymmetricKey::new(&material(Algorithm::Xaes256Gcm)).expect("a key")
}

fn plaintexts(size: usize) -> Vec<Vec<u8>> {
    (0..BURST).map(|index| input(index, size)).collect()
}

fn burst_of(size: usize) -> Throughput {
    Throughput::ElementsAndBytes { elements: BURST as u64, bytes: (BURST * size) as u64 }
}

fn one_burst(key: &SymmetricKey, size: usize) -> Vec<Vec<u8>> {
    let mut burst = SealBurst::begin(key, ID, VERSION, &SystemRandom::new()).expect("a burst");
    plaintexts(size).iter().map(|plaintext| sealed(&mut burst, plaintext)).collect()
}

fn other_bursts(key: &SymmetricKey, size: usize) -> Vec<Vec<u8>> {
    let random = SystemRandom::new();
    let burst = || SealBurst::begin(key, ID, VERSION, &random).expect("a burst");
    plaintexts(size).iter().map(|plaintext| sealed(&mut burst(), plaintext)).collect()
}

fn sealed(burst: &mut SealBurst, plaintext: &[u8]) -> Vec<u8> {
    let mut out = vec![0; plaintext.len() + SEAL_OVERHEAD_MAX];
    burst.seal(Purpose::Data, CONTEXT, plaintext, &mut out).expect("a ciphertext");
    out
}

fn nonce(count: u64) -> Nonce {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&count.to_be_bytes());
    Nonce::assume_unique_for_key(nonce)
}

criterion_group! { name = bursts; config = criterion(); targets = begin, parts, seal, open }
criterion_main!(bursts);
