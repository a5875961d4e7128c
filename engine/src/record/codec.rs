//! Fields of records: big-endian integers, fixed arrays, sized bytes, lists.

use std::collections::BTreeSet;

/// Unread bytes of one record. Borrows, never allocates, never panics; `None` means that the record is damaged.
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Reads from the first of `bytes`.
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The next `size` bytes.
    pub(crate) fn bytes(&mut self, size: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(size)?;
        self.0 = rest;
        Some(head)
    }

    /// The next N bytes.
    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    /// One byte.
    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_be_bytes)
    }

    /// One byte that is 0 or 1.
    pub(crate) fn flag(&mut self) -> Option<bool> {
        match self.u8()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    /// A flag, and if it is set what `read` reads.
    pub(crate) fn optional<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<Option<T>> {
        if self.flag()? { read(self).map(Some) } else { Some(None) }
    }

    /// Two bytes.
    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    /// Four bytes.
    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    /// Eight bytes.
    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    /// A `u32` size and that many bytes.
    pub(crate) fn sized(&mut self) -> Option<&'a [u8]> {
        let size = usize::try_from(self.u32()?).ok()?;
        self.bytes(size)
    }

    /// A `u32` size and that many bytes of UTF-8.
    pub(crate) fn text(&mut self) -> Option<String> {
        std::str::from_utf8(self.sized()?).ok().map(str::to_owned)
    }

    /// A `u16` count of at most `most`, and so many of what `read` reads. A count that was made up ends with the bytes, if each entry takes one at least.
    pub(crate) fn list<T>(&mut self, most: usize, mut read: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let count = usize::from(self.u16()?);
        if count > most {
            return None;
        }
        (0..count).map(|_| read(self)).collect()
    }

    /// As [`Reader::list`], of what stands in its order and each once, so that one record has one encoding.
    pub(crate) fn set<T: Ord>(&mut self, most: usize, read: impl FnMut(&mut Self) -> Option<T>) -> Option<BTreeSet<T>> {
        let entries = self.list(most, read)?;
        entries.is_sorted_by(|a, b| a < b).then(|| entries.into_iter().collect())
    }

    /// Everything that is left.
    pub(crate) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    /// Ends reading. A byte left over is damage, so that one record has one encoding.
    pub(crate) fn finish(self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}

/// Collects the fields of one record.
#[derive(Default)]
pub(crate) struct Writer(Vec<u8>);

impl Writer {
    /// Appends bytes as they are.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// Appends one byte.
    pub(crate) fn u8(&mut self, value: u8) -> &mut Self {
        self.bytes(&[value])
    }

    /// Appends a flag, and if there is a value what `write` writes.
    pub(crate) fn optional<T>(&mut self, value: Option<&T>, write: impl FnOnce(&mut Self, &T)) -> &mut Self {
        self.u8(u8::from(value.is_some()));
        if let Some(value) = value {
            write(self, value);
        }
        self
    }

    /// Appends two bytes.
    pub(crate) fn u16(&mut self, value: u16) -> &mut Self {
        self.bytes(&value.to_be_bytes())
    }

    /// Appends four bytes.
    pub(crate) fn u32(&mut self, value: u32) -> &mut Self {
        self.bytes(&value.to_be_bytes())
    }

    /// Appends eight bytes.
    pub(crate) fn u64(&mut self, value: u64) -> &mut Self {
        self.bytes(&value.to_be_bytes())
    }

    /// Appends a `u32` size and the bytes. Records are far below 4 GiB: storage refuses larger values.
    pub(crate) fn sized(&mut self, bytes: &[u8]) -> &mut Self {
        debug_assert!(u32::try_from(bytes.len()).is_ok());
        self.u32(u32::try_from(bytes.len()).unwrap_or(u32::MAX)).bytes(bytes)
    }

    /// Appends the `u16` count of entries, which the limits keep far below 2^16.
    pub(crate) fn count(&mut self, entries: usize) -> &mut Self {
        debug_assert!(u16::try_from(entries).is_ok());
        self.u16(u16::try_from(entries).unwrap_or(u16::MAX))
    }

    /// The record's bytes.
    pub(crate) fn finish(self) -> Vec<u8> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_was_written() {
        let mut writer = Writer::default();
        writer.u8(1).u16(2).u32(3).u64(4).sized(b"five").bytes(b"six");
        let bytes = writer.finish();
        let mut reader = Reader::new(&bytes);
        assert_eq!(reader.u8(), Some(1));
        assert_eq!(reader.u16(), Some(2));
        assert_eq!(reader.u32(), Some(3));
        assert_eq!(reader.u64(), Some(4));
        assert_eq!(reader.sized(), Some(&b"five"[..]));
        assert_eq!(reader.array::<3>(), Some(*b"six"));
        assert_eq!(reader.finish(), Some(()));
    }

    #[test]
    fn refuses_sizes_beyond_the_end_and_bytes_left_over() {
        assert_eq!(Reader::new(&[0xff, 0xff, 0xff, 0xff, 1]).sized(), None);
        assert_eq!(Reader::new(&[0, 0, 0]).u32(), None);
        assert_eq!(Reader::new(&[0]).bytes(2), None);
        assert_eq!(Reader::new(&[0]).finish(), None);
    }

    #[test]
    fn lists_are_bounded_and_sets_stand_in_their_order() {
        let read = |bytes: &[u8]| Reader::new(bytes).list(2, Reader::u8);
        assert_eq!(read(&[0, 0]), Some(vec![]));
        assert_eq!(read(&[0, 2, 7, 7]), Some(vec![7, 7]));
        for bad in [&[][..], &[0], &[0, 2, 7], &[0, 3, 1, 2, 3], &[0xff, 0xff, 1]] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
        let read = |bytes: &[u8]| Reader::new(bytes).set(2, Reader::u8);
        assert_eq!(read(&[0, 2, 6, 7]), Some(BTreeSet::from([6, 7])));
        for bad in [[0, 2, 7, 7], [0, 2, 7, 6]] {
            assert_eq!(read(&bad), None, "{bad:?}");
        }
        let mut writer = Writer::default();
        writer.count(258);
        assert_eq!(writer.finish(), [1, 2]);
    }

    #[test]
    fn a_text_is_utf_8() {
        assert_eq!(Reader::new(&[0, 0, 0, 2, 0xc3, 0xa9]).text().as_deref(), Some("\u{e9}"));
        for bad in [&[0, 0, 0, 1, 0xc3][..], &[0, 0, 0, 2, b'a']] {
            assert_eq!(Reader::new(bad).text(), None, "{bad:?}");
        }
    }

    #[test]
    fn an_optional_value_has_a_flag_of_0_or_1_before_it() {
        for value in [None, Some(7)] {
            let mut writer = Writer::default();
            writer.optional(value.as_ref(), |writer, value| {
                writer.u8(*value);
            });
            let bytes = writer.finish();
            assert_eq!(bytes, value.map_or(vec![0], |value| vec![1, value]));
            assert_eq!(Reader::new(&bytes).optional(Reader::u8), Some(value));
        }
        for bad in [&[][..], &[1], &[2, 7], &[255]] {
            assert_eq!(Reader::new(bad).optional(Reader::u8), None);
        }
    }
}
