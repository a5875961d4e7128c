//! The registry: key id to slot. A sharded map, touched on first use only.

use std::borrow::Borrow;
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use dashmap::DashMap;

use super::KeyEntry;
use super::eviction::Clock;
use super::loader::{Fault, KeySource};
use super::slot::{Load, Slot};
use crate::error::Error;
use crate::key::id::KeyId;

/// The cache of one engine.
///
/// No guard of the map is held over another call of it or over storage access: each method copies the slot's pointer out first.
pub(crate) struct Cache {
    slots: DashMap<Registered, ()>,
    pub(super) clock: Clock,
    pub(super) counts: Counts,
}

/// A slot in the registry, found by the id that it has itself: beside a pointer nothing is kept of it.
struct Registered(Arc<Slot>);

/// What goes on in the cache of unwrapped keys since the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheActivity {
    /// Keys in memory.
    pub keys: usize,
    /// How many there may be.
    pub keys_max: usize,
    /// Keys that were loaded because they were used.
    pub loads: u64,
    /// Loads that gave no key: there is none, it cannot be read, or too many were waiting.
    pub failed_loads: u64,
    /// Keys that went because others came.
    pub evictions: u64,
    /// Keys that were loaded before anybody had asked for them.
    pub filled: u64,
    /// Keys that were to be, and cannot be read.
    pub unfilled: u64,
}

/// What has come and gone.
#[derive(Default)]
pub(super) struct Counts {
    pub(super) loads: AtomicU64,
    pub(super) failed_loads: AtomicU64,
    pub(super) evictions: AtomicU64,
    pub(super) filled: AtomicU64,
    pub(super) unfilled: AtomicU64,
}

impl Cache {
    /// An empty cache that keeps up to `capacity` keys, and a few in any case.
    pub(crate) fn new(capacity: usize) -> Self {
        Self { slots: DashMap::new(), clock: Clock::new(capacity), counts: Counts::default() }
    }

    /// The slot of a key that is or was loaded.
    pub(crate) fn slot(&self, id: KeyId) -> Option<Arc<Slot>> {
        self.slots.get(&id).map(|slot| Arc::clone(&slot.key().0))
    }

    /// The slot of a key, made if it is not there.
    pub(super) fn slot_or_new(&self, id: KeyId) -> Arc<Slot> {
        self.slot(id).unwrap_or_else(|| {
            let entry = self.slots.entry(Registered(Slot::new(id)));
            Arc::clone(&entry.or_default().key().0)
        })
    }

    /// Takes a slot out. The caller has retired it.
    pub(super) fn remove(&self, slot: &Arc<Slot>) {
        self.slots.remove_if(&slot.id, |held, ()| Arc::ptr_eq(&held.0, slot));
    }

    /// How many keys are loaded.
    pub(crate) fn loaded(&self) -> usize {
        self.clock.len()
    }

    /// What it has done.
    pub(crate) fn activity(&self) -> CacheActivity {
        let Counts { loads, failed_loads, evictions, filled, unfilled } = &self.counts;
        let [loads, failed_loads, evictions, filled, unfilled] =
            [loads, failed_loads, evictions, filled, unfilled].map(|count| count.load(Ordering::Relaxed));
        let (keys, keys_max) = (self.loaded(), self.clock.capacity());
        CacheActivity { keys, keys_max, loads, failed_loads, evictions, filled, unfilled }
    }

    /// Brings a key up to date after a change of its records. When this returns, the cache does not hold what was before,
    /// and no load that began before can bring it back.
    pub(crate) fn refresh(&self, id: KeyId, source: &dyn KeySource) {
        let Some(slot) = self.slot(id) else { return };
        let mut load = slot.load.lock();
        // Whoever is loading it begins anew. Loaded keys stay loaded, so that a rotation does not make the next frame wait.
        overtake(&mut load);
        if slot.entry.load().is_none() {
            return;
        }
        match source.load(id, &mut Fault::log) {
            Ok(entry) => slot.entry.store(Some(Arc::new(entry))),
            Err(error) => {
                // Not what was before: a key that cannot be read is not served.
                self.forget(&slot);
                if !matches!(error, Error::KeyNotFound(_) | Error::Locked) {
                    tracing::error!(key = %id, %error, "a key that was changed cannot be read: it is loaded again when it is used");
                }
            }
        }
    }

    /// As [`Cache::refresh`] for all keys, when it is not known which have changed, or none may be used. They are loaded again when they are used. Gives what was forgotten: it is wiped
    /// as soon as nobody works with it any more.
    pub(crate) fn forget_all(&self) -> Vec<Weak<KeyEntry>> {
        let slots: Vec<_> = self.slots.iter().map(|slot| Arc::clone(&slot.key().0)).collect();
        let mut forgotten = Vec::new();
        for slot in slots {
            let mut load = slot.load.lock();
            overtake(&mut load);
            if let Some(entry) = slot.entry.load_full() {
                forgotten.push(Arc::downgrade(&entry));
                self.forget(&slot);
            }
        }
        forgotten
    }

    /// Takes out a slot that holds a key. The caller holds its `load`.
    fn forget(&self, slot: &Arc<Slot>) {
        slot.retire();
        self.remove(slot);
        self.clock.dismiss(slot);
    }
}

impl Borrow<KeyId> for Registered {
    fn borrow(&self) -> &KeyId {
        &self.0.id
    }
}

impl Hash for Registered {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.id.hash(state);
    }
}

impl PartialEq for Registered {
    fn eq(&self, other: &Self) -> bool {
        self.0.id == other.0.id
    }
}

impl Eq for Registered {}

/// What is being loaded has changed meanwhile. The caller holds the slot's `load`.
fn overtake(load: &mut Option<Box<Load>>) {
    if let Some(load) = load {
        load.is_overtaken = true;
    }
}
