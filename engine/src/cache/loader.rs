//! Loading: one load for each missing key, however many ask for it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use parking_lot::MutexGuard;

use super::KeyEntry;
use super::registry::Cache;
use super::slot::{Load, Slot};
use crate::error::Error;
use crate::key::id::KeyId;

/// Where keys are loaded from. Blocks: never called on a worker thread.
pub(crate) trait KeySource: Send + Sync {
    /// Reads and unwraps a key. `faults` is told what is wrong with one that is loaded all the same.
    fn load(&self, id: KeyId, faults: &mut dyn FnMut(Fault)) -> Result<KeyEntry, Error>;
}

/// What is wrong with a key that is loaded all the same.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// Its record lives and its shred secret is gone: it is loaded as deleted.
    #[error(transparent)]
    Shredded(Error),
    /// What was sealed by it still opens.
    #[error("the uses of key {0} are not known: it does not encrypt until it is rotated: {1}")]
    UsesNotKnown(KeyId, Error),
}

impl Fault {
    /// For whoever loads a key because it is used.
    pub(super) fn log(self) {
        tracing::error!("{self}");
    }
}

/// Called once when the load is done, on the loading thread: it hands over and returns, it does no work.
pub(crate) type Waiter = Box<dyn FnOnce(Result<(), LoadError>) + Send>;

/// Why a key could not be loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// No key has this id.
    #[error("no such key")]
    NotFound,
    /// Storage failed or a record is damaged; the log says which.
    #[error("the key cannot be read from storage")]
    Unavailable,
    /// Somebody has locked the daemon.
    #[error("the daemon is locked")]
    Locked,
    /// Too many loads are waiting.
    #[error("too many keys are being loaded")]
    Overloaded,
}

/// A load to be run on a thread that may block. Dropping it unrun tells its waiters [`LoadError::Overloaded`].
pub(crate) struct LoadJob {
    cache: Arc<Cache>,
    slot: Arc<Slot>,
    finished: bool,
}

impl Cache {
    /// Asks for a key. `waiter` is called when it is loaded or cannot be. Returns the job if the caller is the first to ask.
    pub(crate) fn request(self: &Arc<Self>, id: KeyId, waiter: Waiter) -> Option<LoadJob> {
        loop {
            let slot = self.slot_or_new(id);
            let mut load = slot.load.lock();
            if slot.is_retired() {
                // Evicted between finding and locking it: the registry has another slot, or none, by now.
                drop(load);
                self.remove(&slot);
                continue;
            }
            if slot.entry.load().is_some() {
                drop(load);
                waiter(Ok(()));
                return None;
            }
            // Whoever loads what nobody has asked for may take his time: nobody waits for him.
            let is_first = load.as_ref().is_none_or(|load| load.is_unasked);
            let wanted = load.get_or_insert_default();
            wanted.is_unasked = false;
            wanted.waiters.push(waiter);
            drop(load);
            if !is_first {
                return None;
            }
            return Some(LoadJob { cache: Arc::clone(self), slot, finished: false });
        }
    }
}

impl LoadJob {
    /// Loads the key. Repeated while changes of the key overtake it: what was read before a change is never installed, and never told to a waiter.
    pub(crate) fn run(mut self, source: &dyn KeySource) {
        loop {
            self.slot.load.lock().get_or_insert_default().is_overtaken = false;
            let loaded = source.load(self.slot.id, &mut Fault::log);
            let load = self.slot.load.lock();
            if !load.as_ref().is_some_and(|load| load.is_overtaken) {
                self.finished = true;
                self.end(load, loaded.map_err(|error| load_error(self.slot.id, &error)));
                return;
            }
        }
    }

    /// Installs what was loaded and wakes the waiters. A slot without a key is taken out, so that asking for keys that do not exist fills nothing.
    fn end(&self, mut load: MutexGuard<'_, Option<Box<Load>>>, loaded: Result<KeyEntry, LoadError>) {
        let waiters = load.take().map(|load| load.waiters).unwrap_or_default();
        let result = match loaded {
            Ok(entry) => {
                self.slot.entry.store(Some(Arc::new(entry)));
                self.cache.admit(&self.slot);
                self.cache.counts.loads.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
            Err(error) => {
                self.slot.retire();
                self.cache.remove(&self.slot);
                self.cache.counts.failed_loads.fetch_add(1, Ordering::Relaxed);
                Err(error)
            }
        };
        drop(load);
        for waiter in waiters {
            waiter(result);
        }
    }
}

impl Drop for LoadJob {
    fn drop(&mut self) {
        if !self.finished {
            self.end(self.slot.load.lock(), Err(LoadError::Overloaded));
        }
    }
}

fn load_error(id: KeyId, error: &Error) -> LoadError {
    match error {
        Error::KeyNotFound(_) => return LoadError::NotFound,
        Error::Locked => return LoadError::Locked,
        _ => {}
    }
    tracing::error!(key = %id, %error, "a key cannot be loaded");
    LoadError::Unavailable
}
