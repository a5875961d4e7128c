//! What the clients of one key store have taken together of the room for slow work, however many connections they open.

use std::collections::HashMap;
use std::sync::Arc;

use claviger_engine::key::id::StoreId;
use parking_lot::Mutex;

use super::room::{Budget, Room, Share};

/// The shares of all key stores. Each is given no more than stays free for the others, as connections are.
pub(super) struct StoreShares {
    pieces: Arc<Budget>,
    waiting: Arc<Budget>,
    /// Of those that have had slow work done: as many as there are key stores at most. Asked for slow work alone, which costs far more than the lock.
    of: Mutex<HashMap<StoreId, StoreShare>>,
}

struct StoreShare {
    pieces: Arc<Share>,
    waiting: Arc<Share>,
}

/// Room of a key store for one request of slow work.
pub(super) struct StoreRoom {
    /// Places in the queue of the compute pool.
    pub(super) pieces: Room,
    /// Bytes of the request and of its reply.
    pub(super) waiting: Room,
}

impl StoreShares {
    /// Shares of so many places, and so many bytes.
    pub(super) fn new(pieces_max: usize, waiting_max: usize) -> Arc<Self> {
        let (pieces, waiting) = (Budget::new(pieces_max), Budget::new(waiting_max));
        Arc::new(Self { pieces, waiting, of: Mutex::default() })
    }

    /// So many places and bytes for a request of a client of `store`; `None` if the store would then have more than what stays free.
    pub(super) fn take(&self, store: StoreId, places: usize, bytes: usize) -> Option<StoreRoom> {
        let mut of = self.of.lock();
        let share = of
            .entry(store)
            .or_insert_with(|| StoreShare { pieces: Share::new(&self.pieces), waiting: Share::new(&self.waiting) });
        // Under the lock: what a share has can but shrink meanwhile.
        Some(StoreRoom { pieces: share.pieces.take(places)?, waiting: share.waiting.take(bytes)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(number: u8) -> StoreId {
        StoreId([number; 16])
    }

    // R-A11
    #[test]
    fn a_store_that_floods_leaves_half_for_the_others() {
        let shares = StoreShares::new(100, 1_000);
        let flood: Vec<_> = std::iter::from_fn(|| shares.take(store(1), 1, 1)).collect();
        assert_eq!(flood.len(), 50);
        let other: Vec<_> = std::iter::from_fn(|| shares.take(store(2), 1, 1)).collect();
        assert_eq!(other.len(), 25);
        assert!(shares.take(store(3), 12, 1).is_some());
        drop(flood);
        assert!(shares.take(store(1), 37, 1).is_some());
    }

    // R-A11
    #[test]
    fn neither_places_nor_bytes_are_kept_if_the_other_is_refused() {
        let shares = StoreShares::new(100, 1_000);
        assert!(shares.take(store(1), 50, 501).is_none());
        assert!(shares.take(store(1), 51, 500).is_none());
        assert!(shares.take(store(1), usize::MAX, usize::MAX).is_none());
        let room = shares.take(store(1), 50, 500).unwrap();
        assert!(shares.take(store(1), 1, 0).is_none() && shares.take(store(1), 0, 1).is_none());
        drop(room);
        assert!(shares.take(store(1), 50, 500).is_some());
    }
}
