//! Buffers of a worker thread that its connections use in turn.

use std::cell::{RefCell, RefMut};
use std::mem;
use std::rc::Rc;

use claviger_protocol::OutputBuffer;
use zeroize::{Zeroize, Zeroizing};

use crate::limits::{RECEIVE_SIZE_FREE, SOCKET_READ_SIZE, SPARE_BUFFERS_MAX, SPARE_OUTPUT_SIZE_MAX, UNREAD_SIZE_MAX};

/// What the connections of one worker thread read into and write from. It stays in the cache of the core, and a connection that rests has no buffer of its own.
///
/// Whatever is lent over an await is owned by whoever has it, and all zero when it comes back.
#[derive(Clone, Default)]
pub(super) struct Scratch(Rc<RefCell<Buffers>>);

/// The buffers themselves.
#[derive(Default)]
pub(super) struct Buffers {
    /// What a socket has brought. Records are decrypted in place, so it holds plaintext afterwards, until it is wiped.
    incoming: Zeroizing<Vec<u8>>,
    /// So much of it may hold something.
    used: usize,
    /// Records to be sent.
    pub(super) outgoing: Vec<u8>,
    /// Memory to gather frames in, and to write replies to, for whoever needs it next: what was given back last is taken first.
    spare_memory: Vec<Zeroizing<Vec<u8>>>,
    spare_outputs: Vec<OutputBuffer>,
}

impl Scratch {
    /// The buffers, until what borrows them is dropped: never over an await.
    pub(super) fn borrow(&self) -> RefMut<'_, Buffers> {
        self.0.borrow_mut()
    }

    /// Wipes the plaintext that has passed through since it was last wiped: nothing, mostly.
    pub(super) fn wipe(&self) {
        let mut buffers = self.borrow();
        let used = mem::take(&mut buffers.used);
        buffers.incoming.get_mut(..used).unwrap_or_default().zeroize();
    }

    /// [`RECEIVE_SIZE_FREE`] bytes of memory, all zero.
    pub(super) fn take_memory(&self) -> Zeroizing<Vec<u8>> {
        self.borrow().spare_memory.pop().unwrap_or_else(|| Zeroizing::new(vec![0; RECEIVE_SIZE_FREE]))
    }

    /// Takes back what [`Self::take_memory`] gave. Only the first `used` bytes may hold something. Memory of another size goes.
    pub(super) fn give_memory(&self, mut memory: Zeroizing<Vec<u8>>, used: usize) {
        let mut buffers = self.borrow();
        if memory.len() == RECEIVE_SIZE_FREE && buffers.spare_memory.len() < SPARE_BUFFERS_MAX {
            // Not `zeroize`, which writes byte by byte: this memory stays in use, so that nothing may be left out.
            memory.get_mut(..used).unwrap_or_default().fill(0);
            buffers.spare_memory.push(memory);
        }
    }

    /// Memory to write replies to, if `output` has none.
    pub(super) fn lend_output(&self, output: &mut OutputBuffer) {
        if output.capacity() == 0
            && let Some(spare) = self.borrow().spare_outputs.pop()
        {
            *output = spare;
        }
    }

    /// Takes the memory of replies back when all of them are written, unless there is so much of it that a busy connection keeps it.
    pub(super) fn give_output(&self, output: &mut OutputBuffer) {
        if !(1..=SPARE_OUTPUT_SIZE_MAX).contains(&output.capacity()) {
            return output.clear();
        }
        output.wipe();
        let output = mem::take(output);
        let mut buffers = self.borrow();
        if buffers.spare_outputs.len() < SPARE_BUFFERS_MAX {
            buffers.spare_outputs.push(output);
        }
    }
}

impl Buffers {
    /// Room for so many bytes, at most [`SOCKET_READ_SIZE`] more than [`UNREAD_SIZE_MAX`].
    pub(super) fn incoming(&mut self, size: usize) -> &mut [u8] {
        if self.incoming.is_empty() {
            self.incoming = Zeroizing::new(vec![0; SOCKET_READ_SIZE + UNREAD_SIZE_MAX]);
        }
        let size = size.min(self.incoming.len());
        self.used = self.used.max(size);
        self.incoming.get_mut(..size).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use claviger_protocol::{RequestHeader, Status};

    use super::*;

    fn written(size: usize) -> OutputBuffer {
        let mut output = OutputBuffer::new();
        while output.len() < size {
            output.status_reply(&RequestHeader::new(1), Status::Ok, 0);
        }
        output
    }

    #[test]
    fn memory_is_zero_when_it_is_lent_again_and_the_last_comes_first() {
        let scratch = Scratch::default();
        let mut memory = scratch.take_memory();
        assert_eq!(memory.len(), RECEIVE_SIZE_FREE);
        memory[..100].fill(7);
        let place = memory.as_ptr();
        scratch.give_memory(memory, 100);
        let again = scratch.take_memory();
        assert_eq!(again.as_ptr(), place);
        assert!(again.iter().all(|byte| *byte == 0));
    }

    // R-P4
    #[test]
    fn no_more_than_its_bound_is_kept_and_nothing_of_another_size() {
        let scratch = Scratch::default();
        let lent: Vec<_> = (0..2 * SPARE_BUFFERS_MAX).map(|_| scratch.take_memory()).collect();
        lent.into_iter().for_each(|memory| scratch.give_memory(memory, 0));
        scratch.give_memory(Zeroizing::new(Vec::new()), 0);
        assert_eq!(scratch.borrow().spare_memory.len(), SPARE_BUFFERS_MAX);
        (0..2 * SPARE_BUFFERS_MAX).for_each(|_| scratch.give_output(&mut written(100)));
        scratch.give_output(&mut OutputBuffer::new());
        assert_eq!(scratch.borrow().spare_outputs.len(), SPARE_BUFFERS_MAX);
    }

    #[test]
    fn an_output_that_has_memory_keeps_it_until_it_is_given_back_and_a_large_one_stays_where_it_is() {
        let scratch = Scratch::default();
        let mut small = written(100);
        let capacity = small.capacity();
        scratch.lend_output(&mut small);
        assert!(!small.is_empty(), "what is written is not taken away");
        scratch.give_output(&mut small);
        assert_eq!(small.capacity(), 0);
        scratch.lend_output(&mut small);
        assert_eq!((small.capacity(), small.len()), (capacity, 0));
        let mut large = written(SPARE_OUTPUT_SIZE_MAX + 1);
        scratch.give_output(&mut large);
        assert!(large.is_empty() && large.capacity() > SPARE_OUTPUT_SIZE_MAX);
    }
}
