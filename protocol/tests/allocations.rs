//! Decoding allocates nothing, and after warm-up nor does writing replies. R-P3.
//!
//! A program of its own, because it replaces the allocator.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a panic is how a test reports")]

use claviger_protocol::deframer::{self, Step};
use claviger_protocol::limits::BATCH_ITEMS_MAX;
use claviger_protocol::message::{Encrypt, EncryptItem};
use claviger_protocol::{KeyId, Opcode, OutputBuffer, Request, RequestHeader};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The system's allocator, counting the calls of each thread.
struct CountingAllocator;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

#[expect(unsafe_code, reason = "the trait is unsafe to implement")]
// SAFETY: all calls go to the system's allocator as they are, and counting does not allocate.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller promises what the system's allocator asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the pointer came from the system's allocator, with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// Decodes the requests in `received` and answers each item with its plaintext.
fn serve(received: &[u8], output: &mut OutputBuffer) {
    let Step::Frame(frame) = deframer::request(received) else { panic!("no frame") };
    let Ok(Request::Encrypt(request)) = Request::decode(Opcode::Encrypt, frame.body) else { panic!("no request") };
    let mut batch = output.reply(&frame.header).batch(request.items.len());
    for item in request.items {
        batch.item(item.plaintext.len(), |slot| {
            slot.copy_from_slice(item.plaintext);
            Ok(slot.len())
        });
    }
    batch.finish().unwrap();
}

#[test]
fn a_batch_is_decoded_and_answered_without_allocating() {
    let mut received = OutputBuffer::new();
    let items = std::iter::repeat_n(EncryptItem { context: b"context", plaintext: &[7; 500] }, BATCH_ITEMS_MAX);
    received.request(RequestHeader::new(1), Encrypt { key_id: KeyId([1; 16]), items }).unwrap();
    let mut output = OutputBuffer::new();
    let before = ALLOCATIONS.get();
    serve(received.as_bytes(), &mut output);
    assert!(ALLOCATIONS.get() > before, "the first time the output grows, and the counter counts");
    let before = ALLOCATIONS.get();
    for _ in 0..10 {
        output.clear();
        serve(received.as_bytes(), &mut output);
    }
    assert_eq!(ALLOCATIONS.get(), before);
    assert!(output.len() > 500 * BATCH_ITEMS_MAX);
}
