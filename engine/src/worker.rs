//! A worker's view of the engine: frames, and the keys that they find.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::sync::Arc;

use arc_swap::Guard;

use crate::cache::{Cache, KeyEntry, Slot, SlotTable, StoreSlot, Stores};
use crate::emergency::Lock;
use crate::engine::Engine;
use crate::epoch::{EpochGuard, EpochWorker};
use crate::key::id::{KeyId, StoreId};

/// One per worker thread.
pub struct Worker {
    engine: Arc<Engine>,
    epoch: EpochWorker,
    table: SlotTable,
}

/// Being inside a frame: what is found in it is in force until it ends. Short: there is no await and no storage access inside.
pub struct Frame<'w> {
    cache: &'w Cache,
    stores: &'w Stores,
    lock: &'w Lock,
    table: RefCell<&'w mut SlotTable>,
    _inside: EpochGuard<'w>,
}

/// What a frame has found at a key's place: the key, or nothing while it is not loaded. Borrows the frame, because what it shows is in force inside only.
pub struct FoundKey<'f> {
    entry: Option<Guard<Option<Arc<KeyEntry>>>>,
    inside: PhantomData<&'f ()>,
}

/// A key on its way to another thread, or at a request that waits. While it is held, the key is not evicted; a change of the key passes it by.
#[derive(Clone)]
pub struct PinnedKey {
    slot: Arc<Slot>,
    entry: Arc<KeyEntry>,
}

impl Worker {
    /// A worker of `engine`.
    pub(crate) fn new(engine: Arc<Engine>, epoch: EpochWorker) -> Self {
        Self { engine, epoch, table: SlotTable::new() }
    }

    /// The engine.
    #[must_use]
    pub const fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// Enters a frame.
    pub fn enter(&mut self) -> Frame<'_> {
        let (cache, stores) = self.engine.in_memory();
        let lock = &self.engine.ledger.source.lock;
        Frame { cache, stores, lock, table: RefCell::new(&mut self.table), _inside: self.epoch.enter() }
    }
}

impl Frame<'_> {
    /// Whether no key is used.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        self.lock.is_locked()
    }

    /// The key of this id, if it is loaded. If not, [`Engine::load`] brings it, or says that there is none.
    #[must_use]
    pub fn key(&self, id: KeyId) -> FoundKey<'_> {
        let entry = self.table.borrow_mut().slot(self.cache, id).map(|slot| slot.get());
        FoundKey { entry, inside: PhantomData }
    }

    /// The same key, to be taken to another thread.
    #[must_use]
    pub fn pin(&self, id: KeyId) -> Option<PinnedKey> {
        let mut table = self.table.borrow_mut();
        PinnedKey::of(table.slot(self.cache, id)?)
    }

    /// The key store of this id.
    #[must_use]
    pub fn store(&self, id: StoreId) -> Option<Arc<StoreSlot>> {
        self.stores.by_id(id)
    }
}

impl FoundKey<'_> {
    /// The key, if it is loaded.
    #[must_use]
    pub fn entry(&self) -> Option<&KeyEntry> {
        self.entry.as_deref()?.as_deref()
    }
}

impl PinnedKey {
    /// The key in `slot`, if one is loaded.
    pub(crate) fn of(slot: &Arc<Slot>) -> Option<Self> {
        let entry = Arc::clone(slot.get().as_ref()?);
        Some(Self { slot: Arc::clone(slot), entry })
    }

    /// The key as it was when it was pinned.
    #[must_use]
    pub fn entry(&self) -> &KeyEntry {
        &self.entry
    }

    /// Whether the key is still what it was. Work that took long asks before its result is given out, inside a frame: if the answer is yes there,
    /// no change of the key has been acknowledged yet. If it is no, the work is done again under the new state.
    #[must_use]
    pub fn is_in_force(&self) -> bool {
        self.slot.holds(&self.entry)
    }
}
