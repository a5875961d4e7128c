//! `cost`: what each algorithm takes on one core, beside what the table of algorithms says, by which lanes are chosen.
//!
//! `cargo bench --package claviger-benches --bench cost` prints a row for each algorithm; words behind `--` leave the rows
//! whose names hold one of them. Times are medians in nanoseconds. "make" and "check" are of one item without content,
//! in a batch as one read of a socket brings it; "inline" is how many of them a worker does itself.
#![expect(clippy::expect_used, reason = "a benchmark that cannot be set up has nothing to report but why")]

use std::hint::black_box;
use std::ops::Range;
use std::time::{Duration, Instant};

use aws_lc_rs::rsa::{OAEP_SHA256_MGF1SHA256, OaepPublicEncryptingKey, PublicEncryptingKey};
use claviger_algorithm::{Algorithm, KeyKind, Operation};
use claviger_benches::{BURST, CONTEXT, engine_with, input, material, new_key};
use claviger_engine::crypto::random::SystemRandom;
use claviger_engine::key::id::KeyId;
use claviger_engine::key::material::SecretBytes;
use claviger_engine::key::version::KeyVersion;
use claviger_engine::limits::{CONTEXT_SIZE_MAX, INLINE_COST_MAX};
use claviger_engine::operation::{DecryptItem, EncryptItem, MacItem, SignForm, SignItem, VerifyItem, VerifyMacItem};
use claviger_engine::{Error, ItemError, ItemSink, KeyEntry, ReadScope, Worker};

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let (flags, words): (Vec<_>, Vec<_>) = arguments.iter().partition(|argument| argument.starts_with("--"));
    // As Criterion does: `cargo bench` says `--bench`; with `--test` everything is done once, to see that it works.
    let has = |wanted: &str| flags.iter().any(|flag| *flag == wanted);
    let clock = Clock { samples: if has("--bench") && !has("--test") { SAMPLES } else { 1 } };
    println!(
        "| algorithm | generate | make | table | ratio | inline | check | table | ratio | inline | KiB | table | ratio |"
    );
    println!("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|");
    for &algorithm in Algorithm::ALL {
        if words.is_empty() || words.iter().any(|word| algorithm.name().contains(word.as_str())) {
            println!("{}", row(algorithm, &clock));
        }
    }
}

/// The row of what is printed.
fn row(algorithm: Algorithm, clock: &Clock) -> String {
    let table = algorithm.row().cost;
    let does = |operation: &&Operation| algorithm.row().does(**operation);
    let make = MAKING.iter().find(does).copied();
    let check = CHECKING.iter().find(does).copied();

    let mut empty = Bench::new(algorithm, 0);
    let make_time = make.map(|operation| empty.time(operation, clock));
    let check_time = check.map(|operation| empty.time(operation, clock));
    // What content adds is seen best beside the cheaper of both.
    let cheaper = match (make_time, check_time) {
        (Some(making), Some(checking)) if checking < making => check,
        (Some(_), _) => make,
        (None, _) => check,
    };
    let (size, shorter_time) = (large(algorithm), make_time.unwrap_or(f64::MAX).min(check_time.unwrap_or(f64::MAX)));
    let longer_time = cheaper.map(|operation| Bench::new(algorithm, size).time(operation, clock));
    let kibibyte_time = longer_time.map(|time| (time - shorter_time) / (size as f64 / 1_024.0));

    let generate_time = (algorithm.row().kind != KeyKind::Secret).then(|| {
        clock.median(|| {
            black_box(material(algorithm));
        })
    });
    let generate = generate_time.map_or_else(String::new, |time| format!("{time:.0}"));
    let make_cells = cells(make_time, table.make_nanoseconds);
    let check_cells = cells(check_time, table.check_nanoseconds);
    let kibibyte_cells = cells(kibibyte_time, table.kibibyte_nanoseconds);
    let [make_inline, check_inline] = [make, check].map(|operation| empty.inline(operation));
    format!(
        "| {algorithm} | {generate} | {make_cells} | {make_inline} | {check_cells} | {check_inline} | {kibibyte_cells} |"
    )
}

/// Measured, what the table says, and the ratio of both.
fn cells(measured: Option<f64>, table: u32) -> String {
    match measured {
        Some(measured) => format!("{measured:.0} | {table} | {:.2}", measured / f64::from(table)),
        None => " | | ".into(),
    }
}

/// A loaded key, a batch of items for it, and room for the reply.
struct Bench {
    worker: Worker,
    id: KeyId,
    items: Vec<Item>,
    reply: Reply,
}

/// What is put in to make something, and what comes out, which can be checked.
struct Item {
    input: Vec<u8>,
    output: Vec<u8>,
}

impl Bench {
    /// With items of so many bytes.
    fn new(algorithm: Algorithm, size: usize) -> Self {
        let mut key = new_key("key", algorithm);
        key.value = (algorithm.row().kind == KeyKind::Secret).then(|| SecretBytes::from(input(0, size)));
        let (engine, ids) = engine_with(vec![key]);
        let mut worker = engine.worker();
        let id = *ids.first().expect("a key");
        let mut items: Vec<_> =
            (0..BURST).map(|index| Item { input: input(index, size), output: Vec::new() }).collect();
        let mut reply = Reply::new(BURST * (size + ITEM_ROOM));
        let frame = worker.enter();
        let key = frame.key(id);
        let key = key.entry().expect("the key was loaded");
        for item in &mut items {
            item.output = output(key, std::slice::from_ref(item), &mut reply);
        }
        drop(frame);
        Self { worker, id, items, reply }
    }

    /// How long one item takes.
    fn time(&mut self, operation: Operation, clock: &Clock) -> f64 {
        let frame = self.worker.enter();
        let key = frame.key(self.id);
        let key = key.entry().expect("the key was loaded");
        let batch = clock.median(|| {
            act(key, operation, black_box(&self.items), &mut self.reply).expect("what the table allows");
            black_box(&self.reply.buffer);
        });
        batch / self.items.len() as f64
    }

    /// How many empty items a worker does itself, by the table.
    fn inline(&mut self, operation: Option<Operation>) -> String {
        let frame = self.worker.enter();
        let key = frame.key(self.id);
        let key = key.entry().expect("the key was loaded");
        let cost = operation.map(|operation| key.cost(operation, KeyVersion::new(1), 1, 0));
        match cost {
            None => String::new(),
            Some(Duration::ZERO) => "all".into(),
            Some(cost) => (INLINE_COST_MAX.as_nanos() / cost.as_nanos()).to_string(),
        }
    }
}

/// What checking takes for one item: made by the key itself, each ciphertext in a burst of its own; or by its public half.
fn output(key: &KeyEntry, item: &[Item], reply: &mut Reply) -> Vec<u8> {
    let Some(making) = MAKING.into_iter().find(|operation| key.algorithm().row().does(*operation)) else {
        return encrypt_to(&key.public_key(None).expect("a public key").der, item);
    };
    act(key, making, item, reply).expect("what the table allows");
    let made = reply.results().next().expect("one result");
    // Signatures and MACs stand behind the version that made them.
    let has_version = matches!(making, Operation::Sign | Operation::MakeMac);
    made.get(if has_version { 4.. } else { 0.. }).unwrap_or_default().to_vec()
}

/// An OAEP ciphertext whose label is the input of the item.
fn encrypt_to(public_key: &[u8], item: &[Item]) -> Vec<u8> {
    let public_key = PublicEncryptingKey::from_der(public_key).expect("a public key");
    let public_key = OaepPublicEncryptingKey::new(public_key).expect("a public key");
    let mut ciphertext = vec![0; public_key.ciphertext_size()];
    let label = item.first().map(|item| &item.input[..]);
    public_key
        .encrypt(&OAEP_SHA256_MGF1SHA256, b"32 bytes, as a data key may have", &mut ciphertext, label)
        .expect("OAEP");
    ciphertext
}

/// Does `operation` with every item.
fn act(key: &KeyEntry, operation: Operation, items: &[Item], reply: &mut Reply) -> Result<(), Error> {
    reply.clear();
    let random = SystemRandom::new();
    let scope = &mut ReadScope::new(&random);
    match operation {
        Operation::Encrypt => {
            let items = items.iter().map(|item| EncryptItem { context: CONTEXT, plaintext: &item.input });
            key.encrypt(scope, items, reply)
        }
        Operation::Decrypt => {
            let items = items.iter().map(|item| DecryptItem { context: CONTEXT, ciphertext: &item.output });
            key.decrypt(scope, items, reply)
        }
        Operation::Sign => key.sign(scope, SignForm::Message, items.iter().map(|item| SignItem(&item.input)), reply),
        Operation::Verify => {
            let items = items.iter().map(|item| VerifyItem { message: &item.input, signature: &item.output });
            key.verify(scope, None, SignForm::Message, items, reply)
        }
        Operation::AsymmetricDecrypt => {
            let items = items.iter().map(|item| DecryptItem { context: &item.input, ciphertext: &item.output });
            key.asymmetric_decrypt(scope, None, items, reply)
        }
        Operation::MakeMac => key.make_mac(scope, items.iter().map(|item| MacItem(&item.input)), reply),
        Operation::VerifyMac => {
            let items = items.iter().map(|item| VerifyMacItem { message: &item.input, mac: &item.output });
            key.verify_mac(scope, None, items, reply)
        }
        Operation::ReadSecret => items.iter().try_for_each(|_| {
            let value = key.secret(scope, None)?.value;
            reply.item(value.len(), |out| {
                out.copy_from_slice(value);
                Ok(value.len())
            });
            Ok(())
        }),
        other => unreachable!("{other} is not measured"),
    }
}

/// Results one after the other in a buffer that was made before, as a reply is written.
struct Reply {
    buffer: Vec<u8>,
    items: Vec<Range<usize>>,
}

impl Reply {
    fn new(size: usize) -> Self {
        Self { buffer: vec![0; size], items: Vec::with_capacity(BURST) }
    }

    fn clear(&mut self) {
        self.items.clear();
    }

    fn results(&self) -> impl Iterator<Item = &[u8]> {
        self.items.iter().filter_map(|place| self.buffer.get(place.clone()))
    }
}

impl ItemSink for Reply {
    fn item(&mut self, size_max: usize, fill: impl FnOnce(&mut [u8]) -> Result<usize, ItemError>) {
        let start = self.items.last().map_or(0, |place| place.end);
        let out = self.buffer.get_mut(start..start + size_max).expect("room for every item");
        let size = fill(out).expect("every item is good");
        self.items.push(start..start + size);
    }
}

/// Measures medians of so many samples.
struct Clock {
    samples: usize,
}

impl Clock {
    /// Nanoseconds of one call of `work`.
    fn median(&self, mut work: impl FnMut()) -> f64 {
        let mut time = |calls: u32| {
            let begin = Instant::now();
            (0..calls).for_each(|_| work());
            begin.elapsed()
        };
        // The first call warms up, and tells how many fill a sample.
        let calls = if self.samples == 1 { 1 } else { SAMPLE_TIME.as_nanos() / time(1).as_nanos().max(1) };
        let calls = u32::try_from(calls).unwrap_or(u32::MAX).max(1);
        let nanoseconds = |elapsed: Duration| elapsed.as_nanos() as f64 / f64::from(calls);
        let mut samples: Vec<_> = (0..self.samples).map(|_| nanoseconds(time(calls))).collect();
        samples.sort_by(f64::total_cmp);
        samples.get(samples.len() / 2).copied().unwrap_or_default()
    }
}

/// What a key does for its owner; each algorithm does at most one of these.
const MAKING: [Operation; 4] = [Operation::Encrypt, Operation::Sign, Operation::MakeMac, Operation::ReadSecret];

/// What undoes or checks it.
const CHECKING: [Operation; 4] =
    [Operation::Decrypt, Operation::Verify, Operation::AsymmetricDecrypt, Operation::VerifyMac];

/// Bytes of an item whose content is to be seen in its time: of a message, or of a label, which may be less.
fn large(algorithm: Algorithm) -> usize {
    if algorithm.row().does(Operation::AsymmetricDecrypt) { CONTEXT_SIZE_MAX } else { 16_384 }
}

/// More bytes than any result has beside its content.
const ITEM_ROOM: usize = 8_192;

/// An odd number, so that one of them is the median.
const SAMPLES: usize = 31;

/// How long one sample is, unless one call takes longer.
const SAMPLE_TIME: Duration = Duration::from_millis(5);
