//! Room for what waits: bounded in the whole daemon, and shared out among the connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use claviger_engine::limits::{COMPUTE_QUEUE_SIZE, STORAGE_QUEUE_SIZE};

use super::store_shares::StoreShares;
use crate::limits::{RECEIVED_BYTES_MAX, WAITING_BYTES_MAX, WAITS_MAX};

/// What the daemon has room for, in some unit.
pub(super) struct Budget {
    max: usize,
    taken: AtomicUsize,
}

/// What one connection has taken of a budget.
///
/// It never takes more than what stays free for the others: alone it gets half, and each of many that want more than there is gets the same.
/// So one connection can fill its share, but not the daemon.
pub(super) struct Share {
    budget: Arc<Budget>,
    taken: AtomicUsize,
}

/// Room that is held, given back when it is dropped.
pub(super) struct Room {
    share: Arc<Share>,
    size: usize,
}

/// The budgets of the data port.
pub(super) struct Budgets {
    received: Arc<Budget>,
    waiting: Arc<Budget>,
    pieces: Arc<Budget>,
    reads: Arc<Budget>,
    waits: Arc<Budget>,
    stores: Arc<StoreShares>,
    /// Connections that have had a number.
    connections: AtomicU64,
}

/// The shares of one connection, common to its byte streams.
#[derive(Clone)]
pub(super) struct Shares {
    /// Bytes of large receive buffers. Apart from the rest: what waits does not keep the next request from being read, and refused if need be.
    pub(super) received: Arc<Share>,
    /// Bytes of requests that wait, and of replies of the compute pool.
    pub(super) waiting: Arc<Share>,
    /// Jobs of the compute pool.
    pub(super) pieces: Arc<Share>,
    /// Jobs of the storage pool.
    pub(super) reads: Arc<Share>,
    /// Requests that wait for a change of a secret.
    pub(super) waits: Arc<Share>,
    /// Those of key stores, common to all connections.
    pub(super) stores: Arc<StoreShares>,
    /// The number of the connection, by which it has its turns in the compute pool.
    pub(super) connection: u64,
}

impl Budgets {
    /// Of each: its name, what is taken, and how much there is.
    pub(super) fn taken(&self) -> [(&'static str, usize, usize); 5] {
        let Self { received, waiting, pieces, reads, waits, .. } = self;
        let places = ("storage_places", reads);
        [("received_bytes", received), ("waiting_bytes", waiting), ("lane_places", pieces), places, ("waits", waits)]
            .map(|(name, budget)| (name, budget.taken.load(Ordering::Relaxed), budget.max))
    }

    /// All of it is free.
    pub(super) fn new() -> Self {
        Self {
            received: Budget::new(RECEIVED_BYTES_MAX),
            waiting: Budget::new(WAITING_BYTES_MAX),
            pieces: Budget::new(COMPUTE_QUEUE_SIZE),
            reads: Budget::new(STORAGE_QUEUE_SIZE),
            waits: Budget::new(WAITS_MAX),
            stores: StoreShares::new(COMPUTE_QUEUE_SIZE, WAITING_BYTES_MAX),
            // 0 is nobody's.
            connections: AtomicU64::new(1),
        }
    }

    /// The shares of a new connection.
    pub(super) fn shares(&self) -> Shares {
        Shares {
            received: Share::new(&self.received),
            waiting: Share::new(&self.waiting),
            pieces: Share::new(&self.pieces),
            reads: Share::new(&self.reads),
            waits: Share::new(&self.waits),
            stores: Arc::clone(&self.stores),
            connection: self.connections.fetch_add(1, Ordering::Relaxed),
        }
    }
}

impl Budget {
    /// All of it is free.
    pub(super) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { max, taken: AtomicUsize::new(0) })
    }
}

impl Share {
    /// Nothing of it is taken.
    pub(super) fn new(budget: &Arc<Budget>) -> Arc<Self> {
        Arc::new(Self { budget: Arc::clone(budget), taken: AtomicUsize::new(0) })
    }

    /// Room of this size; `None` if the connection would then have more than what stays free. Not to be called by two threads at once.
    pub(super) fn take(self: &Arc<Self>, size: usize) -> Option<Room> {
        // Taken by one thread at a time: it can but shrink meanwhile.
        let own = self.taken.load(Ordering::Relaxed).checked_add(size)?;
        let fits = |taken: usize| {
            let taken = taken.checked_add(size)?;
            (own <= self.budget.max.checked_sub(taken)?).then_some(taken)
        };
        self.budget.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).ok()?;
        self.taken.fetch_add(size, Ordering::Relaxed);
        Some(Room { share: Arc::clone(self), size })
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.share.taken.fetch_sub(self.size, Ordering::Relaxed);
        self.share.budget.taken.fetch_sub(self.size, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // R-P4
    #[test]
    fn one_connection_gets_half_at_most_and_what_it_gives_back() {
        let share = Share::new(&Budget::new(100));
        let room = share.take(50).unwrap();
        assert!(share.take(1).is_none());
        drop(room);
        assert!(share.take(51).is_none());
        assert!(share.take(usize::MAX).is_none());
        assert!(share.take(50).is_some());
    }

    // R-P4
    #[test]
    fn every_connection_finds_room_whatever_the_others_hold() {
        let budget = Budget::new(1_000);
        let shares: Vec<_> = (0..9).map(|_| Share::new(&budget)).collect();
        let mut held = Vec::new();
        // As greedy as can be, one after the other.
        for share in &shares {
            let before = held.len();
            held.extend(std::iter::from_fn(|| share.take(1)));
            assert!(held.len() > before);
        }
        assert!(budget.taken.load(Ordering::Relaxed) < 1_000);
        drop(held);
        assert_eq!(budget.taken.load(Ordering::Relaxed), 0);
        // In turn, all get the same.
        let mut rooms: Vec<Vec<Room>> = (0..9).map(|_| Vec::new()).collect();
        for _ in 0..1_000 {
            for (share, rooms) in shares.iter().zip(&mut rooms) {
                rooms.extend(share.take(1));
            }
        }
        assert!(rooms.iter().all(|rooms| rooms.len() == 100), "{:?}", rooms.iter().map(Vec::len).collect::<Vec<_>>());
    }

    // R-P4
    #[test]
    fn connections_of_a_daemon_share_its_budgets() {
        let budgets = Budgets::new();
        let (one, other) = (budgets.shares(), budgets.shares());
        let half = one.waiting.take(WAITING_BYTES_MAX / 2).unwrap();
        assert!(one.waiting.take(1).is_none());
        assert!(one.received.take(RECEIVED_BYTES_MAX / 2).is_some());
        assert!(other.waiting.take(WAITING_BYTES_MAX / 4 + 1).is_none());
        assert!(other.pieces.take(COMPUTE_QUEUE_SIZE / 2).is_some());
        drop(half);
        assert!(other.waiting.take(WAITING_BYTES_MAX / 2).is_some());
    }
}
