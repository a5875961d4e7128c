//! A cursor over the bytes of one body that cannot panic.

use crate::error::DecodeError;
use std::fmt;

/// Unread bytes of one body. Borrows, never allocates, never panics.
#[derive(Clone, Copy)]
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// A cursor at the first byte of `bytes`.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The bytes not read yet.
    #[must_use]
    pub const fn unread(&self) -> &'a [u8] {
        self.0
    }

    /// The next `size` bytes.
    ///
    /// # Errors
    /// [`DecodeError::Malformed`] if fewer are left, here and in all methods below.
    #[inline]
    pub fn bytes(&mut self, size: usize) -> Result<&'a [u8], DecodeError> {
        let (head, rest) = self.0.split_at_checked(size).ok_or(DecodeError::Malformed)?;
        self.0 = rest;
        Ok(head)
    }

    /// The next `SIZE` bytes, by value.
    #[inline]
    pub fn array<const SIZE: usize>(&mut self) -> Result<[u8; SIZE], DecodeError> {
        let (head, rest) = self.0.split_first_chunk().ok_or(DecodeError::Malformed)?;
        self.0 = rest;
        Ok(*head)
    }

    /// One byte.
    #[inline]
    pub fn u8(&mut self) -> Result<u8, DecodeError> {
        self.array().map(u8::from_be_bytes)
    }

    /// Two bytes, big-endian.
    #[inline]
    pub fn u16(&mut self) -> Result<u16, DecodeError> {
        self.array().map(u16::from_be_bytes)
    }

    /// Four bytes, big-endian.
    #[inline]
    pub fn u32(&mut self) -> Result<u32, DecodeError> {
        self.array().map(u32::from_be_bytes)
    }

    /// Eight bytes, big-endian.
    #[inline]
    pub fn u64(&mut self) -> Result<u64, DecodeError> {
        self.array().map(u64::from_be_bytes)
    }

    /// A `u16` size and that many bytes.
    #[inline]
    pub fn bytes16(&mut self) -> Result<&'a [u8], DecodeError> {
        let size = self.u16()?;
        self.bytes(usize::from(size))
    }

    /// A `u32` size and that many bytes.
    #[inline]
    pub fn bytes32(&mut self) -> Result<&'a [u8], DecodeError> {
        let size = usize::try_from(self.u32()?).map_err(|_| DecodeError::Malformed)?;
        self.bytes(size)
    }

    /// All bytes that are left.
    pub const fn rest(&mut self) -> &'a [u8] {
        let rest = self.0;
        self.0 = &[];
        rest
    }

    /// Ends decoding. A byte left over is an error, so that one message has one encoding.
    pub const fn finish(self) -> Result<(), DecodeError> {
        if self.0.is_empty() { Ok(()) } else { Err(DecodeError::Malformed) }
    }
}

/// How many bytes, not which: they may be plaintext.
impl fmt::Debug for Reader<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Reader({} bytes unread)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_does_not_show_the_bytes() {
        assert_eq!(format!("{:?}", Reader::new(b"secret")), "Reader(6 bytes unread)");
    }

    #[test]
    fn reads_integers_big_endian_and_sized_fields() {
        let mut reader = Reader::new(&[1, 0, 2, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 5, 0, 0, 0, 2, 6, 7, 8]);
        assert_eq!(reader.u8(), Ok(1));
        assert_eq!(reader.u16(), Ok(2));
        assert_eq!(reader.u32(), Ok(3));
        assert_eq!(reader.u64(), Ok(4));
        assert_eq!(reader.bytes16(), Ok(&[5][..]));
        assert_eq!(reader.bytes32(), Ok(&[6, 7][..]));
        assert_eq!(reader.rest(), &[8]);
        assert_eq!(reader.finish(), Ok(()));
    }

    // R-P3
    #[test]
    fn refuses_sizes_beyond_the_end_and_leaves_the_bytes_unread() {
        assert_eq!(Reader::new(&[]).u8(), Err(DecodeError::Malformed));
        assert_eq!(Reader::new(&[0]).u16(), Err(DecodeError::Malformed));
        assert_eq!(Reader::new(&[0; 3]).u32(), Err(DecodeError::Malformed));
        assert_eq!(Reader::new(&[0; 7]).u64(), Err(DecodeError::Malformed));
        assert_eq!(Reader::new(&[0, 2, 9]).bytes16(), Err(DecodeError::Malformed));
        assert_eq!(Reader::new(&[0xFF, 0xFF, 0xFF, 0xFF, 9]).bytes32(), Err(DecodeError::Malformed));
        let mut reader = Reader::new(&[1, 2]);
        assert_eq!(reader.bytes(3), Err(DecodeError::Malformed));
        assert_eq!(reader.unread(), &[1, 2]);
    }

    // R-P3
    #[test]
    fn refuses_bytes_left_over() {
        assert_eq!(Reader::new(&[0]).finish(), Err(DecodeError::Malformed));
    }
}
