//! `codec/...`: frames to requests, results to replies. No cryptography: results are filled with nothing.

use std::hint::black_box;

use claviger_benches::{CONTEXT, criterion, input};
use claviger_protocol::deframer::{self, Step};
use claviger_protocol::limits::CIPHERTEXT_OVERHEAD_MAX;
use claviger_protocol::message::{Encrypt, EncryptItem};
use claviger_protocol::{KeyId, OutputBuffer, Request, RequestHeader};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};

const ITEM_SIZE: usize = 1_024;

/// Numbers of items in a frame.
const BATCHES: [usize; 3] = [1, 64, 512];

fn decode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("codec/decode/encrypt_request");
    for batch in BATCHES {
        let frame = request(batch);
        group.throughput(Throughput::ElementsAndBytes { elements: batch as u64, bytes: (batch * ITEM_SIZE) as u64 });
        group.bench_function(format!("{batch}items"), |bencher| bencher.iter(|| items_of(black_box(frame.as_bytes()))));
    }
}

fn encode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("codec/encode/encrypt_reply");
    for batch in BATCHES {
        group.throughput(Throughput::ElementsAndBytes { elements: batch as u64, bytes: (batch * ITEM_SIZE) as u64 });
        let mut output = OutputBuffer::new();
        group.bench_function(format!("{batch}items"), |bencher| {
            bencher.iter(|| {
                output.clear();
                let mut reply = output.reply(&RequestHeader::new(1)).batch(batch);
                for _ in 0..batch {
                    reply.item(ITEM_SIZE + CIPHERTEXT_OVERHEAD_MAX, |result| Ok(black_box(result).len()));
                }
                reply.finish()
            });
        });
    }
    drop(group);

    let mut group = criterion.benchmark_group("codec/encode/encrypt_request");
    for batch in BATCHES {
        let plaintexts: Vec<_> = (0..batch).map(|index| input(index, ITEM_SIZE)).collect();
        group.throughput(Throughput::ElementsAndBytes { elements: batch as u64, bytes: (batch * ITEM_SIZE) as u64 });
        group.bench_function(format!("{batch}items"), |bencher| {
            bencher.iter_batched_ref(OutputBuffer::new, |output| write(output, &plaintexts), BatchSize::SmallInput);
        });
    }
}

/// Reads a frame to its last item, as a daemon does; how many bytes there are in items.
fn items_of(bytes: &[u8]) -> usize {
    let Step::Frame(frame) = deframer::request(bytes) else { return 0 };
    let decoded = frame.header.operation(true).ok().and_then(|opcode| Request::decode(opcode, frame.body).ok());
    let Some(Request::Encrypt(request)) = decoded else { return 0 };
    request.items.map(|item| black_box(item).plaintext.len()).sum()
}

fn request(batch: usize) -> OutputBuffer {
    let plaintexts: Vec<_> = (0..batch).map(|index| input(index, ITEM_SIZE)).collect();
    let mut output = OutputBuffer::new();
    write(&mut output, &plaintexts);
    assert_eq!(items_of(output.as_bytes()), batch * ITEM_SIZE, "what is measured is a whole request");
    output
}

fn write(output: &mut OutputBuffer, plaintexts: &[Vec<u8>]) {
    let items = plaintexts.iter().map(|plaintext| EncryptItem { context: CONTEXT, plaintext });
    let written = output.request(RequestHeader::new(1), Encrypt { key_id: KeyId([7; 16]), items });
    assert_eq!(written, Ok(()));
}

criterion_group! { name = codec; config = criterion(); targets = decode, encode }
criterion_main!(codec);
