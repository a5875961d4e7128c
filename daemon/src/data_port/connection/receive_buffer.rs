//! Bytes that have been read and not yet worked on.

use std::future::poll_fn;
use std::io;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use tokio::io::{AsyncRead, ReadBuf};
use zeroize::Zeroizing;

use super::super::room::{Room, Share};
use super::super::scratch::Scratch;
use crate::limits::{GATHER_SIZE, RECEIVE_SIZE_FREE, RECEIVE_SIZE_MIN};

/// A buffer that is filled at its end and emptied from its front. It carries plaintext: wiped when it is given back, dropped or outgrown.
///
/// What comes is taken to memory of the worker, which goes back when nothing is left in it, or when nothing more comes to the little that is. It grows with the bytes that have
/// come, not with what a frame announces, takes room from the connection's share then, and keeps what it has grown to until it is told to forget it.
pub(super) struct ReceiveBuffer {
    scratch: Scratch,
    share: Arc<Share>,
    /// What it has taken of it.
    room: Option<Room>,
    /// All initialised.
    memory: Zeroizing<Vec<u8>>,
    start: usize,
    end: usize,
    /// Behind the last byte that may not be zero.
    used: usize,
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
    pub(super) fn new(share: Arc<Share>, scratch: Scratch) -> Self {
        let memory = Zeroizing::new(Vec::new());
        Self { scratch, share, room: None, memory, start: 0, end: 0, used: 0, at_end: false }
    }

    /// Gives memory and room back. To be called when nothing is left to work on.
    pub(super) fn forget(&mut self) {
        self.replace(Zeroizing::new(Vec::new()), None);
    }

    /// Gives the memory of the worker back, if nothing is left to work on.
    pub(super) fn settle(&mut self) {
        if self.room.is_none() && self.bytes().is_empty() {
            self.forget();
        }
    }

    /// Gives the memory of the worker back for a small one, if the beginning of a frame that is left fits there: who sends little holds little.
    fn hold_little(&mut self) {
        let held = self.bytes().len();
        if self.room.is_none() && self.memory.len() > RECEIVE_SIZE_MIN && (1..=RECEIVE_SIZE_MIN / 2).contains(&held) {
            self.move_to(Zeroizing::new(vec![0; RECEIVE_SIZE_MIN]), None);
        }
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

    /// Makes sure that bytes can be read on, if so many are missing to a frame: all of them, or twice as many as there are.
    ///
    /// # Errors
    /// If there is no room for it.
    pub(super) fn make_room(&mut self, missing: usize) -> io::Result<()> {
        let held = self.bytes().len();
        if held == 0 {
            return Ok(());
        }
        let wanted = held + missing.min(held.max(RECEIVE_SIZE_MIN));
        if wanted > self.memory.len() {
            if !self.resize(wanted) {
                return Err(io::Error::other("too much waits already: the connection is closed"));
            }
        } else if self.start + wanted > self.memory.len() {
            self.move_to_front();
        }
        Ok(())
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
                    // Without room for more, what there is comes first.
                    if self.bytes().len() >= GATHER_SIZE || !self.grow() {
                        return Poll::Ready(Ok(Gathered::Bytes));
                    }
                }
                let mut free = ReadBuf::new(self.memory.get_mut(self.end..).unwrap_or_default());
                match Pin::new(&mut *stream).poll_read(context, &mut free) {
                    Poll::Ready(Ok(())) => {}
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                    // With bytes at hand the caller works on them, and comes back.
                    Poll::Pending if gathered => return Poll::Ready(Ok(Gathered::Bytes)),
                    Poll::Pending => {
                        self.settle();
                        self.hold_little();
                        return Poll::Pending;
                    }
                }
                let size = free.filled().len();
                self.at_end = size == 0;
                self.end += size;
                self.used = self.used.max(self.end);
                gathered |= size > 0;
            }
        })
        .await
    }

    /// More room, moving what there is to the front; `false` if there is none.
    fn grow(&mut self) -> bool {
        let held = self.bytes().len();
        if self.start > 0 && held < self.memory.len() / 2 {
            self.move_to_front();
            return true;
        }
        let size = (self.memory.len() * 2).clamp(RECEIVE_SIZE_MIN, GATHER_SIZE.max(held + RECEIVE_SIZE_MIN));
        self.resize(size)
    }

    fn move_to_front(&mut self) {
        let held = self.bytes().len();
        self.memory.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, held);
    }

    /// Moves to memory of at least `size` bytes, that of the worker if it is enough; `false` if there is no room for it.
    fn resize(&mut self, size: usize) -> bool {
        let size = size.max(self.bytes().len());
        if size <= RECEIVE_SIZE_FREE {
            let memory = self.scratch.take_memory();
            self.move_to(memory, None);
            return true;
        }
        let room = self.share.take(size);
        let has_room = room.is_some();
        if has_room {
            self.move_to(Zeroizing::new(vec![0; size]), room);
        }
        has_room
    }

    /// Takes what there is along to this memory, at least as large.
    fn move_to(&mut self, mut memory: Zeroizing<Vec<u8>>, room: Option<Room>) {
        let held = self.bytes().len();
        if let Some(front) = memory.get_mut(..held) {
            front.copy_from_slice(self.bytes());
        }
        self.replace(memory, room);
        (self.end, self.used) = (held, held);
    }

    /// Has this memory instead, with nothing in it.
    fn replace(&mut self, memory: Zeroizing<Vec<u8>>, room: Option<Room>) {
        let former = mem::replace(&mut self.memory, memory);
        self.scratch.give_memory(former, self.used);
        self.room = room;
        (self.start, self.end, self.used) = (0, 0, 0);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Waker};

    use super::super::super::room::Budgets;
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

    fn buffer() -> ReceiveBuffer {
        ReceiveBuffer::new(Budgets::new().shares().received, Scratch::default())
    }

    fn gather(buffer: &mut ReceiveBuffer, parts: &[&[u8]]) -> Poll<Gathered> {
        let mut stream = Parts(parts.iter().map(|part| part.to_vec()).collect());
        let gathering = pin!(buffer.gather(&mut stream));
        gathering.poll(&mut Context::from_waker(Waker::noop())).map(Result::unwrap)
    }

    // R-P3
    #[test]
    fn tells_of_bytes_that_came_after_room_was_made() {
        for consumed in (0..=RECEIVE_SIZE_FREE).step_by(RECEIVE_SIZE_FREE / 16) {
            let mut buffer = buffer();
            assert_eq!(gather(&mut buffer, &[&vec![1; RECEIVE_SIZE_FREE]]), Poll::Ready(Gathered::Bytes));
            buffer.consume(consumed);
            assert_eq!(gather(&mut buffer, &[b"2"]), Poll::Ready(Gathered::Bytes), "{consumed} bytes consumed");
            assert_eq!(buffer.bytes().len(), RECEIVE_SIZE_FREE - consumed + 1);
            assert_eq!(buffer.bytes().last(), Some(&b'2'));
        }
    }

    #[test]
    fn waits_while_there_is_nothing_and_tells_the_end() {
        let mut buffer = buffer();
        assert_eq!(gather(&mut buffer, &[]), Poll::Pending);
        assert_eq!(gather(&mut buffer, &[b"a", b"b", b""]), Poll::Ready(Gathered::Bytes));
        assert_eq!(buffer.bytes(), b"ab");
        assert_eq!(gather(&mut buffer, &[]), Poll::Ready(Gathered::End));
    }

    #[test]
    fn memory_of_the_worker_is_held_only_while_something_is_in_it_and_goes_round_wiped() {
        let scratch = Scratch::default();
        let mut buffers = [(); 2].map(|()| ReceiveBuffer::new(Budgets::new().shares().received, scratch.clone()));
        for round in 0..3 {
            for buffer in &mut buffers {
                assert_eq!(gather(buffer, &[]), Poll::Pending, "{round}");
                assert!(buffer.memory.is_empty());
                assert_eq!(gather(buffer, &[b"plaintext"]), Poll::Ready(Gathered::Bytes));
                buffer.make_room(1).unwrap();
                buffer.settle();
                assert_eq!(buffer.bytes(), b"plaintext");
                buffer.consume(9);
                buffer.make_room(4).unwrap();
                buffer.settle();
                assert!(buffer.memory.is_empty());
            }
        }
        let memory = scratch.take_memory();
        assert!(memory.iter().all(|byte| *byte == 0));
        let place = memory.as_ptr();
        scratch.give_memory(memory, 0);
        assert_eq!(gather(&mut buffers[0], &[b"a"]), Poll::Ready(Gathered::Bytes));
        assert_eq!(buffers[0].memory.as_ptr(), place, "there was one for both");
    }

    // R-P4
    #[test]
    fn who_sends_a_byte_of_a_frame_and_no_more_holds_little() {
        let mut buffer = buffer();
        for sent in 1..=3 {
            assert_eq!(gather(&mut buffer, &[b"a"]), Poll::Ready(Gathered::Bytes));
            assert_eq!(gather(&mut buffer, &[]), Poll::Pending);
            assert_eq!((buffer.memory.len(), buffer.bytes().len()), (RECEIVE_SIZE_MIN, sent));
        }
        assert_eq!(gather(&mut buffer, &[&vec![b'a'; RECEIVE_SIZE_FREE - 3]]), Poll::Ready(Gathered::Bytes));
        assert_eq!(buffer.bytes(), vec![b'a'; RECEIVE_SIZE_FREE]);
    }

    #[test]
    fn what_has_grown_is_kept_until_it_is_forgotten() {
        let mut buffer = buffer();
        assert_eq!(gather(&mut buffer, &[&vec![7; RECEIVE_SIZE_FREE + 1]]), Poll::Ready(Gathered::Bytes));
        buffer.consume(RECEIVE_SIZE_FREE + 1);
        buffer.settle();
        assert!(buffer.memory.len() > RECEIVE_SIZE_FREE && buffer.room.is_some());
        buffer.forget();
        assert!(buffer.memory.is_empty() && buffer.room.is_none());
    }

    // R-P4
    #[test]
    fn takes_no_more_at_once_than_its_bound() {
        let mut buffer = buffer();
        let part = vec![7; 3 * GATHER_SIZE];
        assert_eq!(gather(&mut buffer, &[&part]), Poll::Ready(Gathered::Bytes));
        assert_eq!(buffer.bytes().len(), GATHER_SIZE);
    }
}
