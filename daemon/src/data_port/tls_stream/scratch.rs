//! Buffers of a worker thread that its TLS connections use in turn.

use std::cell::{RefCell, RefMut};
use std::rc::Rc;

use zeroize::Zeroizing;

use crate::limits::{SOCKET_READ_SIZE, UNREAD_SIZE_MAX};

/// What one worker thread reads into and encrypts into. Each use ends before the thread waits, so one is enough for all its connections: it stays in the cache of the
/// core, and a connection that rests has no buffer of its own.
#[derive(Clone, Default)]
pub(in super::super) struct Scratch(Rc<RefCell<Buffers>>);

/// The buffers themselves.
#[derive(Default)]
pub(super) struct Buffers {
    /// What a socket has brought. Records are decrypted in place, so it holds plaintext afterwards.
    incoming: Zeroizing<Vec<u8>>,
    /// Records to be sent.
    pub(super) outgoing: Vec<u8>,
}

impl Scratch {
    /// The buffers, until what borrows them is dropped: never over an await.
    pub(super) fn borrow(&self) -> RefMut<'_, Buffers> {
        self.0.borrow_mut()
    }

    /// Wipes the plaintext that has passed through.
    pub(in super::super) fn wipe(&self) {
        self.borrow().incoming = Zeroizing::default();
    }
}

impl Buffers {
    /// Room for the bytes that were left before and one read of a socket.
    pub(super) fn incoming(&mut self) -> &mut [u8] {
        if self.incoming.is_empty() {
            self.incoming = Zeroizing::new(vec![0; SOCKET_READ_SIZE + UNREAD_SIZE_MAX]);
        }
        &mut self.incoming
    }
}
