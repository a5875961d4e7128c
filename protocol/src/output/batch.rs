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

#[cfg(test)]
mod tests {
    use crate::deframer::{self, Step};
    use crate::header::RequestHeader;
    use crate::limits::{BATCH_ITEMS_MAX, FRAME_SIZE_MAX, HEADER_SIZE};
    use crate::message::Reply;
    use crate::output::OutputBuffer;
    use crate::status::Status;
    use crate::{DecodeError, EncodeError};

    const HEADER: RequestHeader = RequestHeader { opcode: 0x11, ..RequestHeader::new(5) };

    /// Results of the one reply in the output.
    fn results(output: &OutputBuffer) -> Vec<Result<Vec<u8>, Status>> {
        let Step::Frame(frame) = deframer::reply(output.as_bytes()) else { panic!("no frame") };
        assert_eq!(frame.size, output.len());
        let Ok(Ok(Reply::Bytes(results))) = frame.decode() else { panic!("no batch") };
        results.map(|result| result.map(<[u8]>::to_vec)).collect()
    }

    // R-P2
    #[test]
    fn results_stand_in_the_order_of_the_items() {
        let mut output = OutputBuffer::new();
        let mut batch = output.reply(&HEADER).batch(4);
        let status = batch.item(10, |slot| {
            assert_eq!(slot.len(), 10);
            slot[..3].copy_from_slice(b"abc");
            Ok(3)
        });
        assert_eq!(status, Status::Ok);
        let status = batch.item(10, |slot| {
            slot.fill(0xEE);
            Err(Status::DecryptionFailed)
        });
        assert_eq!(status, Status::DecryptionFailed);
        batch.status(Status::PlaintextTooLarge);
        batch.result(b"z");
        batch.finish().unwrap();
        let expected =
            [Ok(b"abc".to_vec()), Err(Status::DecryptionFailed), Err(Status::PlaintextTooLarge), Ok(b"z".to_vec())];
        assert_eq!(results(&output), expected);
    }

    // R-P3
    #[test]
    fn an_item_without_room_is_not_done_and_smaller_ones_may_still_fit() {
        let mut output = OutputBuffer::new();
        let mut batch = output.reply(&HEADER).batch(3);
        let room = FRAME_SIZE_MAX - HEADER_SIZE - 2 - 3 * 5;
        assert_eq!(batch.item(room - 10, |slot| Ok(slot.len())), Status::Ok);
        assert_eq!(batch.item(11, |_| unreachable!("no room")), Status::ReplyFull);
        assert_eq!(batch.item(10, |slot| Ok(slot.len())), Status::Ok);
        batch.finish().unwrap();
        assert_eq!(output.len(), FRAME_SIZE_MAX);
        assert_eq!(results(&output)[1], Err(Status::ReplyFull));
    }

    // R-P3
    #[test]
    fn every_item_is_answered_however_full_the_frame() {
        let mut output = OutputBuffer::new();
        let mut batch = output.reply(&HEADER).batch(BATCH_ITEMS_MAX);
        let done = (0..BATCH_ITEMS_MAX).filter(|_| batch.item(2_000, |slot| Ok(slot.len())) == Status::Ok).count();
        batch.finish().unwrap();
        let results = results(&output);
        assert_eq!(results.len(), BATCH_ITEMS_MAX);
        assert_eq!(done, (FRAME_SIZE_MAX - 42 - 5 * BATCH_ITEMS_MAX) / 2_000);
        assert_eq!(results.iter().filter(|result| result.is_err()).count(), BATCH_ITEMS_MAX - done);
    }

    #[test]
    fn an_unfinished_reply_leaves_nothing_behind() {
        let mut output = OutputBuffer::new();
        output.status_reply(&HEADER, Status::Overloaded, 0);
        let mut batch = output.reply(&HEADER).batch(2);
        batch.result(b"secret");
        drop(batch);
        assert_eq!(output.len(), HEADER_SIZE);
    }

    #[test]
    fn a_reply_with_too_few_or_too_many_results_is_refused_and_leaves_nothing() {
        let mut output = OutputBuffer::new();
        let mut batch = output.reply(&HEADER).batch(2);
        batch.result(b"one");
        assert_eq!(batch.finish(), Err(EncodeError::ItemCount));
        let mut batch = output.reply(&HEADER).batch(1);
        batch.result(b"one");
        batch.result(b"two");
        assert_eq!(batch.finish(), Err(EncodeError::ItemCount));
        assert!(output.is_empty());
    }

    #[test]
    fn results_encoded_elsewhere_are_taken_over() {
        let mut lane = OutputBuffer::new();
        let mut items = lane.items(2);
        items.result(b"far");
        items.status(Status::VerificationFailed);
        items.finish().unwrap();

        let mut output = OutputBuffer::new();
        let mut batch = output.reply(&HEADER).batch(3);
        batch.result(b"near");
        batch.append_encoded(lane.as_bytes(), 2).unwrap();
        batch.finish().unwrap();
        let expected = [Ok(b"near".to_vec()), Ok(b"far".to_vec()), Err(Status::VerificationFailed)];
        assert_eq!(results(&output), expected);
    }

    #[test]
    fn results_encoded_elsewhere_find_the_frame_full_too() {
        let mut lane = OutputBuffer::new();
        let mut items = lane.items(2);
        items.result(&[1; 100]);
        items.result(&[2; 10]);
        items.finish().unwrap();

        let mut output = OutputBuffer::new();
        let mut batch = output.reply(&HEADER).batch(3);
        batch.item(FRAME_SIZE_MAX - 42 - 15 - 20, |slot| Ok(slot.len()));
        batch.append_encoded(lane.as_bytes(), 2).unwrap();
        batch.finish().unwrap();
        assert_eq!(results(&output)[1..], [Err(Status::ReplyFull), Ok(vec![2; 10])]);
    }

    #[test]
    fn encoded_results_of_another_number_are_refused() {
        let mut output = OutputBuffer::new();
        let encoded = [0, 0, 0, 0, 1, 7];
        for (bytes, count) in [(&encoded[..], 0), (&encoded[..], 2), (&encoded[..5], 1)] {
            let mut batch = output.reply(&HEADER).batch(1);
            assert_eq!(batch.append_encoded(bytes, count), Err(DecodeError::Malformed));
        }
    }
}
