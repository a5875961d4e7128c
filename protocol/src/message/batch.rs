//! Counted lists inside a body: the items of a batch and the like, and the results that answer them.
//! `SPEC.md` section 4.
//!
//! ```text
//! request   item_count u16 | item_count x item
//! reply     item_count u16 | item_count x (status u8 | result bytes32)
//! ```

use crate::codec::Reader;
use crate::error::DecodeError;
use crate::limits::BATCH_ITEMS_MAX;
use crate::output::FrameWriter;
use crate::status::Status;
use std::iter::FusedIterator;
use std::marker::PhantomData;
use std::ops::RangeInclusive;

/// One element of a counted list, borrowed from the body.
pub trait Item<'a>: Copy {
    /// Reads one element: structure only, no limits of single fields.
    ///
    /// # Errors
    /// [`DecodeError::Malformed`] if the element does not end inside the body.
    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError>;

    /// Appends the element.
    fn write(self, body: &mut FrameWriter<'_>);
}

/// A counted list whose structure has been checked; iterates over its elements without failing or allocating.
#[derive(Debug)]
pub struct Items<'a, T> {
    /// `left` well-formed elements and perhaps more bytes.
    reader: Reader<'a>,
    left: usize,
    element: PhantomData<T>,
}

impl<'a, T: Item<'a>> Items<'a, T> {
    /// Reads the list of a batch: 1 to [`BATCH_ITEMS_MAX`] items. The count is checked before any item is looked at.
    pub(crate) fn read_batch(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        match usize::from(reader.u16()?) {
            0 => Err(DecodeError::Malformed),
            count if count > BATCH_ITEMS_MAX => Err(DecodeError::TooManyItems),
            count => Self::read_counted(reader, count),
        }
    }

    /// Reads a list of at most `count_max` elements, perhaps none.
    pub(crate) fn read_list(reader: &mut Reader<'a>, count_max: usize) -> Result<Self, DecodeError> {
        match usize::from(reader.u16()?) {
            count if count > count_max => Err(DecodeError::Malformed),
            count => Self::read_counted(reader, count),
        }
    }

    fn read_counted(reader: &mut Reader<'a>, count: usize) -> Result<Self, DecodeError> {
        let items = Self { reader: *reader, left: count, element: PhantomData };
        for _ in 0..count {
            T::read(reader)?;
        }
        Ok(items)
    }
}

// Not derived: a copy of the list needs no copy of `T`.
impl<T> Clone for Items<'_, T> {
    fn clone(&self) -> Self {
        Self { reader: self.reader, left: self.left, element: PhantomData }
    }
}

impl<'a, T: Item<'a>> Iterator for Items<'a, T> {
    type Item = T;

    #[inline]
    fn next(&mut self) -> Option<T> {
        self.left = self.left.checked_sub(1)?;
        // The structure was checked when the list was read: this does not fail.
        T::read(&mut self.reader).ok()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<'a, T: Item<'a>> ExactSizeIterator for Items<'a, T> {}

impl<'a, T: Item<'a>> FusedIterator for Items<'a, T> {}

/// Refuses a list in which a code comes twice, whether or not the code is known.
pub(crate) fn no_code_twice(codes: impl Iterator<Item = u16>) -> Result<(), DecodeError> {
    // One bit for each code: 8 KiB, whatever the list.
    let mut seen = [0_u64; 1 << 10];
    for code in codes {
        let bit = 1 << (code % 64);
        let word = seen.get_mut(usize::from(code / 64)).ok_or(DecodeError::Malformed)?;
        if *word & bit != 0 {
            return Err(DecodeError::Malformed);
        }
        *word |= bit;
    }
    Ok(())
}

/// What the result of an item holds, borrowed from the body.
pub trait ResultValue<'a>: Copy {
    /// Reads the value from the bytes of one result, which it must use up.
    ///
    /// # Errors
    /// [`DecodeError::Malformed`] if the result does not have the form that the operation gives it.
    fn read(result: &mut Reader<'a>) -> Result<Self, DecodeError>;

    /// Appends the value.
    fn write(self, body: &mut FrameWriter<'_>);
}

/// What became of one item: its result, or why there is none.
pub type ItemResult<R> = Result<R, Status>;

/// The body of a reply to a batch: results in the order of the items.
pub type Results<'a, R> = Items<'a, ItemResult<R>>;

/// A status that is not Ok has no result, and is one that items may have: anything else is malformed.
impl<'a, R: ResultValue<'a>> Item<'a> for ItemResult<R> {
    #[inline]
    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        match (Status::from_code(reader.u8()?), reader.bytes32()?) {
            (Status::Ok, result) => {
                let mut result = Reader::new(result);
                let value = R::read(&mut result)?;
                result.finish()?;
                Ok(Ok(value))
            }
            (status, []) if status.speaks_of_items() => Ok(Err(status)),
            _ => Err(DecodeError::Malformed),
        }
    }

    fn write(self, body: &mut FrameWriter<'_>) {
        match self {
            Ok(value) => {
                body.u8(Status::Ok.code());
                body.sized32(|body| value.write(body));
            }
            Err(status) => {
                body.u8(status.code());
                body.u32(0);
            }
        }
    }
}

/// Ciphertext, plaintext, a data key, random bytes: the result as it is.
impl<'a> ResultValue<'a> for &'a [u8] {
    #[inline]
    fn read(result: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(result.rest())
    }

    fn write(self, body: &mut FrameWriter<'_>) {
        body.bytes(self);
    }
}

/// How many elements a batch has.
pub(crate) const BATCH_BOUNDS: RangeInclusive<usize> = 1..=BATCH_ITEMS_MAX;

#[cfg(test)]
mod tests {
    use super::*;

    fn results(body: &[u8]) -> Result<Results<'_, &[u8]>, DecodeError> {
        Items::read_batch(&mut Reader::new(body))
    }

    // R-P2
    #[test]
    fn results_keep_the_order_of_the_items() {
        let body = [0, 3, 0, 0, 0, 0, 1, 7, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let results: Vec<_> = results(&body).unwrap().collect();
        assert_eq!(results, [Ok(&[7][..]), Err(Status::DecryptionFailed), Ok(&[][..])]);
    }

    // R-P3
    #[test]
    fn refuses_a_failed_item_that_carries_a_result() {
        assert_eq!(results(&[0, 1, 0x20, 0, 0, 0, 1, 7]).err(), Some(DecodeError::Malformed));
    }

    // R-P3
    #[test]
    fn refuses_an_item_with_a_status_of_frames() {
        assert_eq!(results(&[0, 1, 0x30, 0, 0, 0, 0]).err(), Some(DecodeError::Malformed));
        assert_eq!(results(&[0, 1, 0x77, 0, 0, 0, 0]).unwrap().next(), Some(Err(Status::Unknown(0x77))));
    }

    // R-P3
    #[test]
    fn counts_are_checked_before_any_item() {
        assert_eq!(results(&[0, 0]).err(), Some(DecodeError::Malformed));
        assert_eq!(results(&[4, 1]).err(), Some(DecodeError::TooManyItems));
        assert_eq!(results(&[4, 0]).err(), Some(DecodeError::Malformed));
    }
}
