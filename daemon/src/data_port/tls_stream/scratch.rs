//! Buffers of a worker thread that its TLS connections use in turn.

use std::cell::{RefCell, RefMut};
use std::mem;
use std::rc::Rc;

use zeroize::{Zeroize, Zeroizing};

use crate::limits::{SOCKET_READ_SIZE, UNREAD_SIZE_MAX};

/// What one worker thread reads into and encrypts into. Each use ends before the thread waits, so one is enough for all its connections: it stays in the cache of the
/// core, and a connection that rests has no buffer of its own.
#[derive(Clone, Default)]
pub(in super::super) struct Scratch(Rc<RefCell<Buffers>>);

/// The buffers themselves.
#[derive(Default)]
pub(super) struct Buffers {
    /// What a socket has brought. Records are decrypted in place, so it holds plaintext afterwards, until it is wiped.
    incoming: Zeroizing<Vec<u8>>,
    /// So much of it may hold something.
    used: usize,
    /// Records to be sent.
    pub(super) outgoing: Vec<u8>,
}

impl Scratch {
    /// The buffers, until what borrows them is dropped: never over an await.
    pub(super) fn borrow(&self) -> RefMut<'_, Buffers> {
        self.0.borrow_mut()
    }

    /// Wipes the plaintext that has passed through since it was last wiped: nothing, mostly.
    pub(in super::super) fn wipe(&self) {
        let mut buffers = self.borrow();
        let used = mem::take(&mut buffers.used);
        buffers.incoming.get_mut(..used).unwrap_or_default().zeroize();
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
