//! What goes when not all keys fit: the second-chance algorithm. It runs when a key is loaded, never on a frame's path.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;

use super::registry::Cache;
use super::slot::Slot;

/// The loaded slots in the order in which they will be looked at.
pub(super) struct Clock {
    capacity: usize,
    slots: Mutex<VecDeque<Arc<Slot>>>,
}

impl Clock {
    pub(super) const fn new(capacity: usize) -> Self {
        Self { capacity, slots: Mutex::new(VecDeque::new()) }
    }

    pub(super) fn len(&self) -> usize {
        self.slots.lock().len()
    }
}

impl Cache {
    /// Notes that a key was loaded, and evicts others while there are too many. Keys used since they were last looked at get a second chance.
    pub(super) fn admit(&self, slot: &Arc<Slot>) {
        let mut slots = self.clock.slots.lock();
        slots.push_back(Arc::clone(slot));
        // Two rounds at most: the first takes away every second chance.
        for _ in 0..slots.len().saturating_mul(2) {
            if slots.len() <= self.clock.capacity {
                return;
            }
            let Some(candidate) = slots.pop_front() else { return };
            if candidate.take_used() || !self.evict(&candidate) {
                slots.push_back(candidate);
            }
        }
    }

    /// Takes a slot out unless it is being loaded anew.
    fn evict(&self, slot: &Arc<Slot>) -> bool {
        let Some(load) = slot.load.try_lock() else { return false };
        if load.loading {
            return false;
        }
        slot.retire();
        self.remove(slot);
        true
    }
}
