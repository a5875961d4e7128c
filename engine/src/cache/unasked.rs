//! Loading before anybody asks: what is in memory then is there when it is used first.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use parking_lot::MutexGuard;

use super::loader::KeySource;
use super::registry::Cache;
use super::slot::{Load, Slot};
use crate::error::Error;
use crate::key::id::KeyId;

/// What became of a load that nobody has asked for.
#[derive(Debug)]
pub(crate) enum Unasked {
    /// The key is in memory.
    Loaded,
    /// It need not be loaded: it is in memory already, somebody loads it because it is used, or it was deleted.
    NotNeeded,
    /// It is left to whoever uses it, because something is wrong with it: what.
    Faulty(String),
    /// It stays out because something else would have to go.
    NoRoom,
}

impl Cache {
    /// Whether a key could be loaded that nobody has asked for.
    pub(crate) fn has_room(&self) -> bool {
        self.loaded() < self.clock.capacity()
    }

    /// Loads a key that nobody has asked for, as a request would have it loaded: what was read before a change is never installed. Whoever asks for it meanwhile has it loaded anew
    /// and does not wait for this load, only for a lock that it holds for a moment. Nothing is logged.
    ///
    /// # Errors
    /// [`Error::Locked`]: so are all others.
    pub(crate) fn load_unasked(&self, id: KeyId, source: &dyn KeySource) -> Result<Unasked, Error> {
        let Some(slot) = self.begin_unasked(id) else { return Ok(Unasked::NotNeeded) };
        loop {
            let mut fault = None;
            let loaded = source.load(id, &mut |found| fault = Some(found));
            let mut load = slot.load.lock();
            match load.as_mut() {
                Some(load) if load.is_unasked && load.is_overtaken => {
                    load.is_overtaken = false;
                    continue;
                }
                Some(load) if load.is_unasked => {}
                _ => return Ok(Unasked::NotNeeded),
            }
            let unneeded = match (loaded, fault) {
                (Ok(_), Some(fault)) => Ok(Unasked::Faulty(fault.to_string())),
                (Ok(entry), None) if entry.versions.is_empty() => Ok(Unasked::NotNeeded),
                (Ok(entry), None) => {
                    if self.admit_if_there_is_room(&slot) {
                        slot.entry.store(Some(Arc::new(entry)));
                        *load = None;
                        self.counts.filled.fetch_add(1, Ordering::Relaxed);
                        return Ok(Unasked::Loaded);
                    }
                    Ok(Unasked::NoRoom)
                }
                (Err(Error::KeyNotFound(_)), _) => Ok(Unasked::NotNeeded),
                (Err(error @ Error::Locked), _) => Err(error),
                (Err(error), _) => Ok(Unasked::Faulty(error.to_string())),
            };
            if matches!(unneeded, Ok(Unasked::Faulty(_))) {
                self.counts.unfilled.fetch_add(1, Ordering::Relaxed);
            }
            self.give_up(&slot, load);
            return unneeded;
        }
    }

    /// The slot of a key that is neither loaded nor being loaded, with a load that nobody has asked for.
    fn begin_unasked(&self, id: KeyId) -> Option<Arc<Slot>> {
        loop {
            let slot = self.slot_or_new(id);
            let mut load = slot.load.lock();
            if slot.is_retired() {
                // As in `Cache::request`: the registry has another slot, or none, by now.
                drop(load);
                self.remove(&slot);
                continue;
            }
            if slot.entry.load().is_some() || load.is_some() {
                return None;
            }
            *load = Some(Box::new(Load { is_unasked: true, ..Load::default() }));
            drop(load);
            return Some(slot);
        }
    }

    /// Takes out a slot whose key is not to be loaded after all.
    fn give_up(&self, slot: &Arc<Slot>, mut load: MutexGuard<'_, Option<Box<Load>>>) {
        *load = None;
        slot.retire();
        self.remove(slot);
    }
}
