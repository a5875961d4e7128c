//! Bytes read and not yet understood.

use zeroize::Zeroizing;

/// An always initialised buffer: unread bytes, and room behind them. It carries plaintext and is wiped when dropped or
/// outgrown. Its size is bounded by the largest frame and one read.
pub(crate) struct ReceiveBuffer {
    memory: Zeroizing<Vec<u8>>,
    /// First unread byte.
    start: usize,
    /// Behind the last unread byte.
    end: usize,
}

impl ReceiveBuffer {
    pub(crate) fn new(size: usize) -> Self {
        Self { memory: Zeroizing::new(vec![0; size]), start: 0, end: 0 }
    }

    /// The unread bytes.
    pub(crate) fn unread(&self) -> &[u8] {
        self.memory.get(self.start..self.end).unwrap_or_default()
    }

    /// Drops bytes from the front.
    pub(crate) fn consume(&mut self, size: usize) {
        self.start = self.end.min(self.start.saturating_add(size));
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
    }

    /// Room behind the unread bytes, at least `size` bytes.
    pub(crate) fn room(&mut self, size: usize) -> &mut [u8] {
        if self.memory.len() - self.end < size {
            self.make_room(size);
        }
        self.memory.get_mut(self.end..).unwrap_or_default()
    }

    /// Takes over bytes that were read into the room.
    pub(crate) fn add(&mut self, size: usize) {
        self.end = self.memory.len().min(self.end.saturating_add(size));
    }

    /// Moves the unread bytes to the front, of larger memory if need be.
    fn make_room(&mut self, size: usize) {
        let unread = self.end - self.start;
        if self.memory.len() < unread + size {
            let mut memory = Zeroizing::new(vec![0; unread + size]);
            memory.iter_mut().zip(self.unread()).for_each(|(new, &old)| *new = old);
            self.memory = memory;
        } else {
            self.memory.copy_within(self.start..self.end, 0);
        }
        (self.start, self.end) = (0, unread);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(buffer: &mut ReceiveBuffer, bytes: &[u8]) {
        buffer.room(bytes.len())[..bytes.len()].copy_from_slice(bytes);
        buffer.add(bytes.len());
    }

    #[test]
    fn bytes_come_out_in_order_however_the_buffer_moves_and_grows() {
        let mut buffer = ReceiveBuffer::new(8);
        let (mut written, mut read) = (0_u8, 0_u8);
        for size in [3, 8, 1, 20, 5] {
            let bytes: Vec<u8> = (0..size).map(|index| written + index).collect();
            add(&mut buffer, &bytes);
            written += size;
            let unread = buffer.unread();
            assert_eq!(unread.first(), Some(&read));
            assert!(unread.iter().copied().eq(read..written));
            let taken = unread.len() / 2;
            buffer.consume(taken);
            read += u8::try_from(taken).unwrap();
        }
        assert_eq!(buffer.memory.len(), 23, "the most that was unread at once");
    }

    #[test]
    fn consuming_or_adding_too_much_does_no_harm() {
        let mut buffer = ReceiveBuffer::new(4);
        add(&mut buffer, b"ab");
        buffer.consume(9);
        assert_eq!(buffer.unread(), b"");
        buffer.add(9);
        assert_eq!(buffer.unread().len(), 4);
    }
}
