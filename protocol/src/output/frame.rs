//! One frame being written.

use super::{BatchWriter, OutputBuffer};
use crate::error::EncodeError;
use crate::header::FrameHeader;
use crate::limits::{FRAME_SIZE_MAX, LENGTH_FIELD_SIZE};

/// Appends the fields of one body. Dropped before [`finish`](Self::finish), it leaves nothing behind.
///
/// Methods do not fail one by one: the first fault is kept and comes out of `finish`.
pub struct FrameWriter<'o> {
    output: &'o mut OutputBuffer,
    /// Where the frame begins in the output.
    start: usize,
    /// Whether a header stands before the body.
    framed: bool,
    fault: Option<EncodeError>,
    finished: bool,
}

impl<'o> FrameWriter<'o> {
    /// Appends the header; its length is filled in at the end.
    pub(crate) fn begin(output: &'o mut OutputBuffer, header: &impl FrameHeader) -> Self {
        let start = output.len();
        let mut writer = Self { output, start, framed: true, fault: None, finished: false };
        writer.bytes(&header.to_fields(0).to_bytes());
        writer
    }

    /// Begins bytes that will be part of a frame written elsewhere.
    pub(super) fn begin_fragment(output: &'o mut OutputBuffer) -> Self {
        let start = output.len();
        Self { output, start, framed: false, fault: None, finished: false }
    }

    /// Begins a batch of results, or of items: `item_count` of them, at most
    /// [`crate::limits::BATCH_ITEMS_MAX`].
    #[must_use]
    pub fn batch(mut self, item_count: usize) -> BatchWriter<'o> {
        self.count(item_count);
        BatchWriter::new(self, item_count)
    }

    /// Appends one byte.
    pub fn u8(&mut self, value: u8) {
        self.bytes(&[value]);
    }

    /// Appends two bytes, big-endian.
    pub fn u16(&mut self, value: u16) {
        self.bytes(&value.to_be_bytes());
    }

    /// Appends four bytes, big-endian.
    pub fn u32(&mut self, value: u32) {
        self.bytes(&value.to_be_bytes());
    }

    /// Appends eight bytes, big-endian.
    pub fn u64(&mut self, value: u64) {
        self.bytes(&value.to_be_bytes());
    }

    /// Appends the bytes as they are.
    #[inline]
    pub fn bytes(&mut self, bytes: &[u8]) {
        if let Some(slot) = self.reserve(bytes.len()) {
            slot.copy_from_slice(bytes);
        }
    }

    /// Appends a `u16` size and the bytes.
    pub fn bytes16(&mut self, bytes: &[u8]) {
        match u16::try_from(bytes.len()) {
            Ok(size) => self.u16(size),
            Err(_) => self.fail(EncodeError::FieldTooLarge),
        }
        self.bytes(bytes);
    }

    /// Appends a `u32` size and the bytes.
    #[inline]
    pub fn bytes32(&mut self, bytes: &[u8]) {
        match u32::try_from(bytes.len()) {
            Ok(size) => self.u32(size),
            Err(_) => self.fail(EncodeError::FieldTooLarge),
        }
        self.bytes(bytes);
    }

    /// Appends a `u32` size and what `write` appends.
    pub(crate) fn sized32(&mut self, write: impl FnOnce(&mut Self)) {
        let offset = self.output.len();
        self.u32(0);
        let start = self.output.len();
        write(self);
        if self.fault.is_none() {
            let size = self.output.len() - start;
            #[expect(clippy::cast_possible_truncation, reason = "`reserve` keeps the frame below 1 MiB")]
            self.output.patch(offset, &(size as u32).to_be_bytes());
        }
    }

    /// Appends a number of items or of list elements as `u16`.
    pub(crate) fn count(&mut self, count: usize) {
        match u16::try_from(count) {
            Ok(count) => self.u16(count),
            Err(_) => self.fail(EncodeError::ItemCount),
        }
    }

    /// Appends a `u16` count and as many elements as the iterator really gives, within the bounds.
    pub(crate) fn list<T>(
        &mut self,
        elements: impl IntoIterator<Item = T>,
        bounds: std::ops::RangeInclusive<usize>,
        mut write: impl FnMut(&mut Self, T),
    ) {
        let offset = self.output.len();
        self.u16(0);
        let mut count = 0;
        for element in elements {
            // Nothing more can come of it, and an endless iterator must not hold us.
            if self.fault.is_some() {
                return;
            }
            write(self, element);
            count += 1;
        }
        match u16::try_from(count) {
            Ok(wire_count) if bounds.contains(&count) => {
                if self.fault.is_none() {
                    self.output.patch(offset, &wire_count.to_be_bytes());
                }
            }
            _ => self.fail(EncodeError::ItemCount),
        }
    }

    /// Ends the frame: the length is filled in.
    ///
    /// # Errors
    /// The first fault of the fields; nothing of the frame is left in the output then.
    pub fn finish(mut self) -> Result<(), EncodeError> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        if self.framed {
            let length = self.size() - LENGTH_FIELD_SIZE;
            #[expect(clippy::cast_possible_truncation, reason = "`reserve` keeps the frame below 1 MiB")]
            self.output.patch(self.start, &(length as u32).to_be_bytes());
        }
        self.finished = true;
        Ok(())
    }

    /// Appends `size` bytes of unspecified content and lends them; nothing if the frame has no room for them.
    #[inline]
    pub(super) fn reserve(&mut self, size: usize) -> Option<&mut [u8]> {
        if size > self.room() || self.fault.is_some() {
            self.fail(EncodeError::FrameTooLarge);
            return None;
        }
        let offset = self.output.size;
        self.output.size = offset + size;
        Some(self.output.slot(offset, size))
    }

    /// Gives back the last `size` bytes.
    #[inline]
    pub(super) const fn give_back(&mut self, size: usize) {
        self.output.truncate(self.output.len().saturating_sub(size));
    }

    /// Bytes that the frame has left.
    #[inline]
    pub(super) const fn room(&self) -> usize {
        FRAME_SIZE_MAX - self.size()
    }

    /// Keeps the first fault.
    #[cold]
    pub(super) fn fail(&mut self, fault: EncodeError) {
        self.fault.get_or_insert(fault);
    }

    /// Bytes of the frame so far.
    #[inline]
    const fn size(&self) -> usize {
        self.output.len() - self.start
    }
}

impl Drop for FrameWriter<'_> {
    fn drop(&mut self) {
        if !self.finished {
            self.output.truncate(self.start);
        }
    }
}
