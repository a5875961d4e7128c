//! The place of one key in the cache.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use arc_swap::{ArcSwapOption, Guard};
use parking_lot::Mutex;

use super::{KeyEntry, Waiter};
use crate::key::id::KeyId;

/// One atomic pointer to a key, or to nothing while it is not loaded.
///
/// Whenever nobody holds `load`, a slot is one of three: being loaded, holding a key (then it is in the ring of eviction), or retired.
pub(crate) struct Slot {
    pub(super) id: KeyId,
    pub(super) entry: ArcSwapOption<KeyEntry>,
    /// The load that is queued or running. Taken by whoever loads, refreshes or evicts; never by a frame.
    pub(super) load: Mutex<Option<Box<Load>>>,
    /// Used since eviction last passed by.
    used: AtomicBool,
    /// Taken out of the registry: the key's slot is another one now. Set once, under `load`.
    retired: AtomicBool,
    /// Where the ring of eviction has it, if it has. Belongs to the ring's lock.
    place_in_ring: AtomicUsize,
}

/// A load that is queued or running; whoever asks meanwhile waits for that one.
#[derive(Default)]
pub(super) struct Load {
    /// The key has changed since the load began to read: what it reads may be stale.
    pub(super) is_overtaken: bool,
    /// Nobody has asked for the key. Whoever does so makes the load his own.
    pub(super) is_unasked: bool,
    pub(super) waiters: Vec<Waiter>,
}

impl Slot {
    pub(super) fn new(id: KeyId) -> Arc<Self> {
        Arc::new(Self {
            id,
            entry: ArcSwapOption::empty(),
            load: Mutex::new(None),
            used: AtomicBool::new(true),
            retired: AtomicBool::new(false),
            place_in_ring: AtomicUsize::new(0),
        })
    }

    /// The id of the key whose slot this is.
    pub(crate) const fn id(&self) -> KeyId {
        self.id
    }

    /// The key, if it is loaded; counts as a use of it.
    pub(crate) fn get(&self) -> Guard<Option<Arc<KeyEntry>>> {
        // A plain read first: a store each time would bounce the line between cores.
        if !self.used.load(Ordering::Relaxed) {
            self.used.store(true, Ordering::Relaxed);
        }
        self.entry.load()
    }

    /// Whether `entry` is still what the slot holds.
    pub(crate) fn holds(&self, entry: &Arc<KeyEntry>) -> bool {
        self.entry.load().as_ref().is_some_and(|held| Arc::ptr_eq(held, entry))
    }

    /// Whether somebody has taken the key along to work with it on another thread, or waits with it for another key.
    pub(super) fn is_pinned(&self) -> bool {
        self.entry.load().as_ref().is_some_and(|entry| Arc::strong_count(entry) > 1)
    }

    pub(super) fn take_used(&self) -> bool {
        self.used.swap(false, Ordering::Relaxed)
    }

    pub(super) fn place_in_ring(&self) -> usize {
        self.place_in_ring.load(Ordering::Relaxed)
    }

    pub(super) fn set_place_in_ring(&self, place: usize) {
        self.place_in_ring.store(place, Ordering::Relaxed);
    }

    pub(crate) fn is_retired(&self) -> bool {
        self.retired.load(Ordering::Acquire)
    }

    /// Forgets the key for good. The caller holds `load` and takes the slot out of the registry.
    pub(super) fn retire(&self) {
        self.retired.store(true, Ordering::Release);
        self.entry.store(None);
    }
}
