//! The registry: key id to slot. A sharded map, touched on first use only.

use std::sync::Arc;

use dashmap::DashMap;

use super::eviction::Clock;
use super::loader::KeySource;
use super::slot::Slot;
use crate::error::Error;
use crate::key::id::KeyId;

/// The cache of one engine.
///
/// No guard of the map is held over another call of it or over storage access: each method copies the slot's pointer out first.
pub(crate) struct Cache {
    slots: DashMap<KeyId, Arc<Slot>>,
    pub(super) clock: Clock,
}

impl Cache {
    /// An empty cache that keeps up to `capacity` keys, and a few in any case.
    pub(crate) fn new(capacity: usize) -> Self {
        Self { slots: DashMap::new(), clock: Clock::new(capacity) }
    }

    /// The slot of a key that is or was loaded.
    pub(crate) fn slot(&self, id: KeyId) -> Option<Arc<Slot>> {
        self.slots.get(&id).map(|slot| Arc::clone(&slot))
    }

    /// The slot of a key, made if it is not there.
    pub(super) fn slot_or_new(&self, id: KeyId) -> Arc<Slot> {
        Arc::clone(&self.slots.entry(id).or_insert_with(|| Slot::new(id)))
    }

    /// Takes a slot out. The caller has retired it.
    pub(super) fn remove(&self, slot: &Arc<Slot>) {
        self.slots.remove_if(&slot.id, |_, held| Arc::ptr_eq(held, slot));
    }

    /// How many keys are loaded.
    pub(crate) fn loaded(&self) -> usize {
        self.clock.len()
    }

    /// Brings a key up to date after a change of its records. When this returns, the cache does not hold what was before,
    /// and no load that began before can bring it back.
    pub(crate) fn refresh(&self, id: KeyId, source: &dyn KeySource) {
        let Some(slot) = self.slot(id) else { return };
        let mut load = slot.load.lock();
        load.generation += 1;
        // Whoever is loading it notices the generation. Loaded keys stay loaded, so that a rotation does not make the next frame wait.
        if slot.entry.load().is_none() {
            return;
        }
        match source.load(id) {
            Ok(entry) => slot.entry.store(Some(Arc::new(entry))),
            Err(error) => {
                // Not what was before: a key that cannot be read is not served.
                self.forget(&slot);
                if !matches!(error, Error::KeyNotFound(_)) {
                    tracing::error!(key = %id, %error, "a key that was changed cannot be read: it is loaded again when it is used");
                }
            }
        }
    }

    /// As [`Cache::refresh`] for all keys, when it is not known which have changed. They are loaded again when they are used.
    pub(crate) fn forget_all(&self) {
        let slots: Vec<_> = self.slots.iter().map(|slot| Arc::clone(&slot)).collect();
        for slot in slots {
            let mut load = slot.load.lock();
            load.generation += 1;
            if slot.entry.load().is_some() {
                self.forget(&slot);
            }
        }
    }

    /// Takes out a slot that holds a key. The caller holds its `load`.
    fn forget(&self, slot: &Arc<Slot>) {
        slot.retire();
        self.remove(slot);
        self.clock.dismiss(slot);
    }
}
