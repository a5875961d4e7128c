//! Frames on their way out: an always initialised buffer, and writers that append to it.
//!
//! The buffer is grown rarely, by zeroing once, and then reused: writing an item neither allocates nor clears memory.
//! It carries plaintext, so it is wiped when it is dropped or outgrown.

mod batch;
mod frame;

pub use batch::BatchWriter;
pub use frame::FrameWriter;

use crate::error::EncodeError;
use crate::header::{FrameHeader, RequestHeader};
use crate::limits::{HEADER_SIZE, LENGTH_MIN};
use crate::message::{Message, ReplyMessage};
use crate::status::Status;
use zeroize::Zeroizing;

/// Frames to be sent, in order. No `Debug` and no `Clone`, on purpose: it carries plaintext.
#[derive(Default)]
pub struct OutputBuffer {
    /// All initialised; what is written ends at `size`.
    memory: Zeroizing<Vec<u8>>,
    size: usize,
    /// Behind the last byte that may not be zero.
    used: usize,
}

impl OutputBuffer {
    /// An empty buffer without memory.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What has been written.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.memory.get(..self.size).unwrap_or_default()
    }

    /// Bytes written.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.size
    }

    /// Whether nothing is written.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.size == 0
    }

    /// Bytes of memory that it has.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.memory.len()
    }

    /// Forgets what has been written and keeps the memory. The old bytes stay in it until they are overwritten or
    /// [wiped](Self::wipe).
    pub const fn clear(&mut self) {
        self.size = 0;
    }

    /// Forgets what has been written and overwrites what was used of the memory with zeros: for the moment when nothing
    /// more is to be sent for a while.
    pub fn wipe(&mut self) {
        self.size = 0;
        let used = std::mem::take(&mut self.used);
        // Not `zeroize`, which writes byte by byte: this memory stays in use, so that nothing may be left out.
        self.memory.get_mut(..used).unwrap_or_default().fill(0);
    }

    /// Begins the reply, with status Ok, to the request of this header.
    pub fn reply(&mut self, header: &RequestHeader) -> FrameWriter<'_> {
        FrameWriter::begin(self, &header.reply(Status::Ok, 0))
    }

    /// Appends a whole reply, with status Ok, to the request of this header.
    ///
    /// # Errors
    /// If the message does not fit its fields or a frame; nothing of it is appended then.
    pub fn reply_with(&mut self, header: &RequestHeader, message: impl ReplyMessage) -> Result<(), EncodeError> {
        let mut frame = self.reply(header);
        message.write(&mut frame);
        frame.finish()
    }

    /// Appends a reply that is only a status; `retry_ms` is the wait advised in milliseconds, 0 for none.
    pub fn status_reply(&mut self, header: &RequestHeader, status: Status, retry_ms: u32) {
        #[expect(clippy::cast_possible_truncation, reason = "36")]
        let fields = header.reply(status, retry_ms).to_fields(LENGTH_MIN as u32);
        self.slot(self.size, HEADER_SIZE).copy_from_slice(&fields.to_bytes());
        self.size += HEADER_SIZE;
    }

    /// Appends a request; the opcode of `header` is taken from the message.
    ///
    /// # Errors
    /// If the message does not fit its fields or a frame; nothing of it is appended then.
    pub fn request<M: Message>(&mut self, header: RequestHeader, message: M) -> Result<(), EncodeError> {
        let mut frame = self.begin_request(&RequestHeader { opcode: M::OPCODE.code(), ..header });
        message.write(&mut frame);
        frame.finish()
    }

    /// Begins a request whose body is put together field by field; its opcode is that of `header`.
    pub fn begin_request(&mut self, header: &RequestHeader) -> FrameWriter<'_> {
        FrameWriter::begin(self, header)
    }

    /// Begins items without a frame around them, for [`BatchWriter::append_encoded`] of a frame that is written
    /// elsewhere; they have at most the room of one frame.
    pub fn items(&mut self, item_count: usize) -> BatchWriter<'_> {
        BatchWriter::new(FrameWriter::begin_fragment(self), item_count)
    }

    /// Lends `size` bytes at `offset`, growing the memory if it must.
    #[inline]
    fn slot(&mut self, offset: usize, size: usize) -> &mut [u8] {
        let end = offset.saturating_add(size);
        if end > self.memory.len() {
            self.grow(end);
        }
        self.used = self.used.max(end);
        // Just made large enough, so the default is never taken.
        self.memory.get_mut(offset..end).unwrap_or_default()
    }

    /// Moves to memory of at least `size_min` bytes and wipes the old.
    #[cold]
    fn grow(&mut self, size_min: usize) {
        let mut memory = Zeroizing::new(vec![0; size_min.max(self.memory.len() * 2).max(SIZE_FIRST)]);
        memory.iter_mut().zip(self.memory.iter()).for_each(|(new, &old)| *new = old);
        self.memory = memory;
    }

    /// Overwrites bytes that have been written.
    fn patch(&mut self, offset: usize, bytes: &[u8]) {
        self.slot(offset, bytes.len()).copy_from_slice(bytes);
    }

    /// Forgets what has been written from `size` on.
    const fn truncate(&mut self, size: usize) {
        self.size = size;
    }
}

/// Bytes of the first memory: some small frames.
const SIZE_FIRST: usize = 4_096;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deframer::{self, Step};
    use crate::message::Ping;

    static_assertions::assert_not_impl_any!(OutputBuffer: std::fmt::Debug, Clone, PartialEq);

    fn append(output: &mut OutputBuffer, bytes: &[u8]) {
        let mut fragment = FrameWriter::begin_fragment(output);
        fragment.bytes(bytes);
        fragment.finish().unwrap();
    }

    #[test]
    fn frames_follow_each_other_and_memory_is_kept() {
        let mut output = OutputBuffer::new();
        output.request(RequestHeader::new(1), Ping { payload: b"a" }).unwrap();
        output.status_reply(&RequestHeader::new(2), Status::Overloaded, 20);
        let Step::Frame(first) = deframer::request(output.as_bytes()) else { panic!("no frame") };
        let Step::Frame(second) = deframer::reply(&output.as_bytes()[first.size..]) else { panic!("no frame") };
        assert_eq!((first.body, second.header.retry_ms), (&b"a"[..], 20));
        let size = output.memory.len();
        output.clear();
        assert!(output.is_empty());
        assert_eq!(output.memory.len(), size);
    }

    #[test]
    fn wiping_leaves_zeros_only() {
        let mut output = OutputBuffer::new();
        append(&mut output, &[7; 100]);
        output.clear();
        append(&mut output, &[8; 10]);
        output.wipe();
        assert_eq!(output.len(), 0);
        assert!(output.memory.iter().all(|&byte| byte == 0));
    }

    #[test]
    fn growing_keeps_what_has_been_written() {
        let mut output = OutputBuffer::new();
        for byte in 0..20 {
            append(&mut output, &[byte; 1_000]);
        }
        for (index, chunk) in output.as_bytes().chunks(1_000).enumerate() {
            assert!(chunk.iter().all(|&byte| usize::from(byte) == index));
        }
    }
}
