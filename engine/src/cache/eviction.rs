//! What goes when not all keys fit: the second-chance algorithm. It runs when a key is loaded, never on a frame's path.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use parking_lot::Mutex;

use super::registry::Cache;
use super::slot::Slot;
use crate::limits::{CACHED_KEYS_MIN, EVICTION_STEPS_MAX};

/// The slots that hold a key, in a ring, and a hand that goes round it.
pub(super) struct Clock {
    capacity: usize,
    ring: Mutex<Ring>,
}

#[derive(Default)]
struct Ring {
    slots: Vec<Arc<Slot>>,
    /// The place that is looked at next.
    hand: usize,
}

impl Clock {
    /// A ring of up to `capacity` slots, [`CACHED_KEYS_MIN`] at least.
    pub(super) fn new(capacity: usize) -> Self {
        Self { capacity: capacity.max(CACHED_KEYS_MIN), ring: Mutex::default() }
    }

    pub(super) fn len(&self) -> usize {
        self.ring.lock().slots.len()
    }

    pub(super) const fn capacity(&self) -> usize {
        self.capacity
    }

    /// Takes a slot out that holds no key any more. The caller holds its `load`.
    pub(super) fn dismiss(&self, slot: &Arc<Slot>) {
        let mut ring = self.ring.lock();
        let place = slot.place_in_ring();
        if ring.slots.get(place).is_some_and(|held| Arc::ptr_eq(held, slot)) {
            ring.take_out(place);
        }
    }
}

impl Ring {
    fn put_in(&mut self, slot: &Arc<Slot>) {
        slot.set_place_in_ring(self.slots.len());
        self.slots.push(Arc::clone(slot));
    }

    fn take_out(&mut self, place: usize) {
        self.slots.swap_remove(place);
        if let Some(moved) = self.slots.get(place) {
            moved.set_place_in_ring(place);
        }
    }

    /// The slot under the hand, and its place.
    fn candidate(&mut self) -> Option<(usize, Arc<Slot>)> {
        if self.hand >= self.slots.len() {
            self.hand = 0;
        }
        self.slots.get(self.hand).map(|slot| (self.hand, Arc::clone(slot)))
    }
}

impl Cache {
    /// Notes that a slot holds a key now, and evicts others while there are too many. Keys that were used since the hand last passed get a second chance.
    ///
    /// The caller holds the slot's `load`, by which the slot itself is kept.
    pub(super) fn admit(&self, slot: &Arc<Slot>) {
        let mut ring = self.clock.ring.lock();
        ring.put_in(slot);
        // Two rounds at most: the first takes away every second chance. In a large cache a part of a round: others wait for the ring meanwhile, and it may be too
        // large by as many keys as it takes the hand to come round.
        for _ in 0..ring.slots.len().saturating_mul(2).min(EVICTION_STEPS_MAX) {
            if ring.slots.len() <= self.clock.capacity {
                return;
            }
            let Some((place, candidate)) = ring.candidate() else { return };
            if !candidate.take_used() && self.evict(&candidate) {
                ring.take_out(place);
            }
            ring.hand += 1;
        }
    }

    /// As [`Cache::admit`] for a key that nobody has asked for: it stays out if that would be one too many, and goes before those that were used. The caller holds the slot's `load`.
    pub(super) fn admit_if_there_is_room(&self, slot: &Arc<Slot>) -> bool {
        let mut ring = self.clock.ring.lock();
        let is_room = ring.slots.len() < self.clock.capacity;
        if is_room {
            slot.take_used();
            ring.put_in(slot);
        }
        is_room
    }

    /// Forgets a key unless something is going on at its slot, or it is in use elsewhere: then it would only be loaded again. So there may be more keys than
    /// the capacity, but no more than requests wait at once.
    fn evict(&self, slot: &Arc<Slot>) -> bool {
        // Never waits: whoever holds `load` may be waiting for the ring.
        let Some(_load) = slot.load.try_lock() else { return false };
        if slot.is_pinned() {
            return false;
        }
        slot.retire();
        self.remove(slot);
        self.counts.evictions.fetch_add(1, Ordering::Relaxed);
        true
    }
}
