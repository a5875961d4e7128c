//! One request between being read and being answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use claviger_engine::worker::PinnedKey;
use claviger_protocol::{Opcode, RequestHeader};
use zeroize::Zeroizing;

use crate::limits::WAITING_BYTES_MAX;

/// A request whose header has been understood.
#[derive(Clone)]
pub(super) struct Incoming {
    pub(super) header: RequestHeader,
    pub(super) opcode: Opcode,
    /// When nobody waits for the answer any more.
    pub(super) deadline: Option<Instant>,
    /// How often it was begun.
    pub(super) attempts: u8,
    /// Keys that were loaded for it: held, they stay in memory until it has been begun again.
    pub(super) loaded: Vec<PinnedKey>,
}

/// The body of a request: in the receive buffer, or kept while the request waits.
pub(super) enum Body<'a> {
    Borrowed(&'a [u8]),
    Kept(Arc<KeptBody>),
}

/// A body that outlives the receive buffer. It may carry plaintext: it is wiped when the last holder drops it.
pub(super) struct KeptBody {
    bytes: Zeroizing<Vec<u8>>,
    _room: Room,
}

/// A request that waits for storage or for a lane.
#[derive(Clone)]
pub(super) struct Waiting {
    pub(super) request: Incoming,
    pub(super) body: Arc<KeptBody>,
}

/// How many bytes of requests and of their replies wait in the whole daemon.
#[derive(Default)]
pub(super) struct WaitingRoom(AtomicUsize);

/// A place in the waiting room, given back when it is dropped.
pub(super) struct Room {
    room: Arc<WaitingRoom>,
    size: usize,
}

impl Incoming {
    /// A request that was read at `now`.
    pub(super) fn new(header: RequestHeader, opcode: Opcode, now: Instant) -> Self {
        let milliseconds = u64::from(header.deadline_ms.min(claviger_protocol::limits::DEADLINE_MS_MAX));
        let deadline = (milliseconds > 0).then(|| now + Duration::from_millis(milliseconds));
        Self { header, opcode, deadline, attempts: 0, loaded: Vec::new() }
    }

    /// Whether its deadline has passed.
    pub(super) fn is_late(&self) -> bool {
        self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }
}

impl Body<'_> {
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::Borrowed(bytes) => bytes,
            Self::Kept(kept) => kept.bytes(),
        }
    }

    /// Keeps the body; `None` if the waiting room is full.
    pub(super) fn keep(&self, room: &Arc<WaitingRoom>) -> Option<Arc<KeptBody>> {
        match self {
            Self::Borrowed(bytes) => {
                let room = room.enter(bytes.len())?;
                Some(Arc::new(KeptBody { bytes: Zeroizing::new(bytes.to_vec()), _room: room }))
            }
            Self::Kept(kept) => Some(Arc::clone(kept)),
        }
    }
}

impl KeptBody {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl WaitingRoom {
    /// A place for `size` bytes; `None` if there is not so much room.
    pub(super) fn enter(self: &Arc<Self>, size: usize) -> Option<Room> {
        let fits = |waiting: usize| waiting.checked_add(size).filter(|sum| *sum <= WAITING_BYTES_MAX);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).ok()?;
        Some(Room { room: Arc::clone(self), size })
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.room.0.fetch_sub(self.size, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // R-P4
    #[test]
    fn the_waiting_room_is_bounded_and_places_are_given_back() {
        let room = Arc::new(WaitingRoom::default());
        let place = room.enter(WAITING_BYTES_MAX).unwrap();
        assert!(room.enter(1).is_none());
        assert!(Body::Borrowed(b"x").keep(&room).is_none());
        drop(place);
        assert!(Body::Borrowed(b"x").keep(&room).is_some());
        assert_eq!(room.0.load(Ordering::Relaxed), 0);
    }
}
