//! Bytes that have been read and not yet worked on.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::Poll;

use tokio::io::{AsyncRead, ReadBuf};
use zeroize::Zeroizing;

use crate::limits::{GATHER_SIZE, RECEIVE_SIZE_MIN};

/// A buffer that is filled at its end and emptied from its front. It carries plaintext: wiped when it is dropped or outgrown.
pub(super) struct ReceiveBuffer {
    /// All initialised.
    memory: Zeroizing<Vec<u8>>,
    start: usize,
    end: usize,
    at_end: bool,
}

/// What a read has brought.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Gathered {
    /// At least one byte.
    Bytes,
    /// The client has closed its direction.
    End,
}

impl ReceiveBuffer {
    pub(super) fn new() -> Self {
        Self { memory: Zeroizing::new(Vec::new()), start: 0, end: 0, at_end: false }
    }

    /// What has not been worked on.
    pub(super) fn bytes(&self) -> &[u8] {
        self.memory.get(self.start..self.end).unwrap_or_default()
    }

    /// Drops bytes from the front.
    pub(super) fn consume(&mut self, size: usize) {
        self.start = self.end.min(self.start + size);
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
    }

    /// Makes sure that so many bytes more can be read: at most one frame, by the deframer.
    pub(super) fn make_room(&mut self, size: usize) {
        if self.end + size > self.memory.len() {
            self.resize(self.bytes().len() + size);
        }
    }

    /// Waits for bytes, then takes all that are there already, up to about [`GATHER_SIZE`]. What has been read stays if the future is dropped.
    pub(super) async fn gather<S: AsyncRead + Unpin>(&mut self, stream: &mut S) -> io::Result<Gathered> {
        poll_fn(|context| {
            // Not told by `end`, which goes back when the buffer makes room.
            let mut gathered = false;
            loop {
                if self.at_end {
                    return Poll::Ready(Ok(if gathered { Gathered::Bytes } else { Gathered::End }));
                }
                if self.end == self.memory.len() {
                    if self.bytes().len() >= GATHER_SIZE {
                        return Poll::Ready(Ok(Gathered::Bytes));
                    }
                    self.grow();
                }
                let mut free = ReadBuf::new(self.memory.get_mut(self.end..).unwrap_or_default());
                match Pin::new(&mut *stream).poll_read(context, &mut free) {
                    Poll::Ready(Ok(())) => {}
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                    // With bytes at hand the caller works on them, and comes back.
                    Poll::Pending if gathered => return Poll::Ready(Ok(Gathered::Bytes)),
                    Poll::Pending => return Poll::Pending,
                }
                let size = free.filled().len();
                self.at_end = size == 0;
                self.end += size;
                gathered |= size > 0;
            }
        })
        .await
    }

    /// More room, moving what there is to the front.
    fn grow(&mut self) {
        if self.start > 0 && self.bytes().len() < self.memory.len() / 2 {
            self.memory.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        } else {
            self.resize(
                (self.memory.len() * 2).clamp(RECEIVE_SIZE_MIN, GATHER_SIZE.max(self.bytes().len() + RECEIVE_SIZE_MIN)),
            );
        }
    }

    /// Moves to memory of at least `size` bytes.
    fn resize(&mut self, size: usize) {
        let held = self.bytes().len();
        let mut memory = Zeroizing::new(vec![0; size.max(held)]);
        if let Some(front) = memory.get_mut(..held) {
            front.copy_from_slice(self.bytes());
        }
        self.memory = memory;
        (self.start, self.end) = (0, held);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Waker};

    use super::*;

    /// Gives one part a read, then nothing more for now.
    struct Parts(VecDeque<Vec<u8>>);

    impl AsyncRead for Parts {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _context: &mut Context<'_>,
            out: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            let Some(part) = self.0.front_mut() else { return Poll::Pending };
            let size = part.len().min(out.remaining());
            out.put_slice(&part.drain(..size).collect::<Vec<_>>());
            if part.is_empty() {
                self.0.pop_front();
            }
            Poll::Ready(Ok(()))
        }
    }

    fn gather(buffer: &mut ReceiveBuffer, parts: &[&[u8]]) -> Poll<Gathered> {
        let mut stream = Parts(parts.iter().map(|part| part.to_vec()).collect());
        let gathering = pin!(buffer.gather(&mut stream));
        gathering.poll(&mut Context::from_waker(Waker::noop())).map(Result::unwrap)
    }

    // R-P3
    #[test]
    fn tells_of_bytes_that_came_after_room_was_made() {
        for consumed in (0..=RECEIVE_SIZE_MIN).step_by(RECEIVE_SIZE_MIN / 16) {
            let mut buffer = ReceiveBuffer::new();
            assert_eq!(gather(&mut buffer, &[&vec![1; RECEIVE_SIZE_MIN]]), Poll::Ready(Gathered::Bytes));
            buffer.consume(consumed);
            assert_eq!(gather(&mut buffer, &[b"2"]), Poll::Ready(Gathered::Bytes), "{consumed} bytes consumed");
            assert_eq!(buffer.bytes().len(), RECEIVE_SIZE_MIN - consumed + 1);
            assert_eq!(buffer.bytes().last(), Some(&b'2'));
        }
    }

    #[test]
    fn waits_while_there_is_nothing_and_tells_the_end() {
        let mut buffer = ReceiveBuffer::new();
        assert_eq!(gather(&mut buffer, &[]), Poll::Pending);
        assert_eq!(gather(&mut buffer, &[b"a", b"b", b""]), Poll::Ready(Gathered::Bytes));
        assert_eq!(buffer.bytes(), b"ab");
        assert_eq!(gather(&mut buffer, &[]), Poll::Ready(Gathered::End));
    }

    // R-P4
    #[test]
    fn takes_no_more_at_once_than_its_bound() {
        let mut buffer = ReceiveBuffer::new();
        let part = vec![7; 3 * GATHER_SIZE];
        assert_eq!(gather(&mut buffer, &[&part]), Poll::Ready(Gathered::Bytes));
        assert_eq!(buffer.bytes().len(), GATHER_SIZE);
    }
}
