//! The results of one batch being written. `SPEC.md` section 4.

use super::FrameWriter;
use crate::codec::Reader;
use crate::error::{DecodeError, EncodeError};
use crate::limits::RESULT_PREFIX_SIZE;
use crate::status::Status;

/// Appends results, each `status u8 | result bytes32`, in the order of the items.
///
/// Room for a failed status of every item still to come is kept back, so that each item can always be answered.
/// Dropped before [`finish`](Self::finish), it leaves nothing of its frame behind.
pub struct BatchWriter<'o> {
    frame: FrameWriter<'o>,
    /// Results still to come.
    left: usize,
}

impl<'o> BatchWriter<'o> {
    pub(super) const fn new(frame: FrameWriter<'o>, item_count: usize) -> Self {
        Self { frame, left: item_count }
    }

    /// Lends exactly `size_max` bytes inside the frame, of unspecified content, to be filled with one result; `fill`
    /// says how many of them, from the front, are the result.
    ///
    /// If `fill` fails, the item gets its status and no result. If the frame has no room, the item gets
    /// [`Status::ReplyFull`] and `fill` is not called. Comes back with the status that the item got.
    #[inline]
    pub fn item(&mut self, size_max: usize, fill: impl FnOnce(&mut [u8]) -> Result<usize, Status>) -> Status {
        if size_max > self.room() {
            return self.status(Status::ReplyFull);
        }
        self.take_one();
        let Some((prefix, result)) = self.reserve_result(size_max) else { return Status::ReplyFull };
        let (status, size) = match fill(result) {
            // More than was lent cannot be; it would be a fault of the caller, and is cut down to what is there.
            Ok(size) => (Status::Ok, size.min(size_max)),
            Err(status) => (status, 0),
        };
        write_prefix(prefix, status, size);
        self.frame.give_back(size_max - size);
        status
    }

    /// Appends an item that has a status and no result.
    #[inline]
    pub fn status(&mut self, status: Status) -> Status {
        self.take_one();
        if let Some((prefix, _)) = self.reserve_result(0) {
            write_prefix(prefix, status, 0);
        }
        status
    }

    /// Appends an item with this result, or [`Status::ReplyFull`].
    pub fn result(&mut self, result: &[u8]) -> Status {
        self.item(result.len(), |slot| {
            slot.copy_from_slice(result);
            Ok(result.len())
        })
    }

    /// Appends `item_count` results that were encoded elsewhere ([`super::OutputBuffer::items`]). Those that have no
    /// room become [`Status::ReplyFull`].
    ///
    /// # Errors
    /// [`DecodeError::Malformed`] if `encoded` does not hold that many results and nothing else. The results before
    /// the fault have been appended; the batch cannot be finished then, unless the caller adds what is missing.
    pub fn append_encoded(&mut self, encoded: &[u8], item_count: usize) -> Result<(), DecodeError> {
        let mut reader = Reader::new(encoded);
        for _ in 0..item_count {
            let status = Status::from_code(reader.u8()?);
            let result = reader.bytes32()?;
            if status == Status::Ok {
                self.result(result)
            } else {
                self.status(status)
            };
        }
        reader.finish()
    }

    /// Results still to come.
    #[must_use]
    pub const fn left(&self) -> usize {
        self.left
    }

    /// Ends the reply: its length is filled in.
    ///
    /// # Errors
    /// [`EncodeError::ItemCount`] if more or fewer results were appended than announced; nothing of the frame is left
    /// in the output then.
    pub fn finish(mut self) -> Result<(), EncodeError> {
        if self.left != 0 {
            self.frame.fail(EncodeError::ItemCount);
        }
        self.frame.finish()
    }

    /// Bytes that the next result may have.
    #[inline]
    const fn room(&self) -> usize {
        self.frame.room().saturating_sub(RESULT_PREFIX_SIZE * self.left)
    }

    /// Counts one result.
    #[inline]
    fn take_one(&mut self) {
        match self.left.checked_sub(1) {
            Some(left) => self.left = left,
            None => self.frame.fail(EncodeError::ItemCount),
        }
    }

    /// Appends a result's prefix and `size` bytes of unspecified content.
    #[inline]
    fn reserve_result(&mut self, size: usize) -> Option<(&mut [u8; RESULT_PREFIX_SIZE], &mut [u8])> {
        self.frame.reserve(RESULT_PREFIX_SIZE + size)?.split_first_chunk_mut()
    }
}

#[inline]
fn write_prefix(prefix: &mut [u8; RESULT_PREFIX_SIZE], status: Status, size: usize) {
    #[expect(clippy::cast_possible_truncation, reason = "a result fits a frame of 1 MiB")]
    let [s0, s1, s2, s3] = (size as u32).to_be_bytes();
    *prefix = [status.code(), s0, s1, s2, s3];
}
