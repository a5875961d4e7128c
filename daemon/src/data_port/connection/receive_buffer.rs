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
            let before = self.end;
            loop {
                if self.at_end {
                    return Poll::Ready(Ok(if self.end > before { Gathered::Bytes } else { Gathered::End }));
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
                    // The waker is registered only if nothing was ready at all; with bytes at hand the caller comes back.
                    Poll::Pending if self.end > before => return Poll::Ready(Ok(Gathered::Bytes)),
                    Poll::Pending => return Poll::Pending,
                }
                let size = free.filled().len();
                self.at_end = size == 0;
                self.end += size;
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
