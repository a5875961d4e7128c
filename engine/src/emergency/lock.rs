//! The lock: no key is used until somebody unlocks it.
//!
//! The cache is emptied, and what was in it is wiped; nothing is unwrapped, made or given out. What is needed to write, to tell the audit log and to unlock stays: the system keys.

use std::sync::Weak;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use parking_lot::Mutex;

use super::writing::once_made;
use super::{Stopped, UnwrittenStop};
use crate::cache::KeyEntry;
use crate::engine::Engine;
use crate::error::Error;
use crate::key::text::cut;
use crate::ledger::Ledger;
use crate::limits::{LOCK_TEXT_SIZE_MAX, LOCK_WIPE_LOOKED_EVERY, LOCK_WIPE_LOOKS};
use crate::record::address;
use crate::record::vault::Vault;
use crate::source::VaultSource;
use crate::storage::{Compare, Revision, Write};

/// Since when, by whom and why no key is used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Locked {
    /// When it was locked, in milliseconds since 1970; 0 if that is not known.
    pub since_ms: u64,
    /// By whom, as the audit log calls him: 0..=1,000 bytes.
    pub by: String,
    /// Why: 0..=1,000 bytes.
    pub reason: String,
}

/// What is locked, as it stands when that is acknowledged.
#[derive(Debug)]
pub struct LockedNow {
    /// Since when, by whom and why.
    pub locked: Locked,
    /// Whether it is written.
    pub stopped: Stopped,
    /// Keys that were in memory and are not wiped yet, because work that was begun with them has not let go of them. Nothing of that work is given out.
    pub keys_left: usize,
}

/// Whether the installation is locked, as storage says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LockRecord {
    pub(crate) locked: Option<Locked>,
}

/// Whether it is locked, as frames see it.
#[derive(Default)]
pub(crate) struct Lock {
    is_locked: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    locked: Option<Locked>,
    /// Of the record that says so.
    revision: Revision,
}

impl Lock {
    /// Whether no key may be used.
    pub(crate) fn is_locked(&self) -> bool {
        self.is_locked.load(Ordering::SeqCst)
    }

    /// Refuses what needs key material.
    ///
    /// # Errors
    /// [`Error::Locked`].
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.is_locked() { Err(Error::Locked) } else { Ok(()) }
    }

    fn get(&self) -> Option<Locked> {
        self.state.lock().locked.clone()
    }

    /// Locks; gives what holds, which is what has been said first.
    fn engage(&self, new: Locked) -> Locked {
        let mut state = self.state.lock();
        self.is_locked.store(true, Ordering::SeqCst);
        state.locked.get_or_insert(new).clone()
    }

    /// Takes over what a record says, unless a later one is known. `holds`: whether what is in force in memory goes on, whatever records say.
    fn take_over(&self, record: LockRecord, revision: Revision, holds: impl FnOnce() -> bool) {
        let mut state = self.state.lock();
        if revision < state.revision || holds() {
            return;
        }
        self.is_locked.store(record.locked.is_some(), Ordering::SeqCst);
        *state = State { locked: record.locked, revision };
    }
}

impl VaultSource {
    /// Puts in force what storage says. If that cannot be read, it is locked.
    pub(crate) fn refresh_lock(&self) {
        let place = address::lock();
        let read = self.vault.read::<LockRecord>(&place);
        match read.and_then(|found| found.ok_or_else(|| Error::Damaged(place.to_string()))) {
            Ok((record, revision)) => {
                self.lock.take_over(record, revision, || self.stops.has(UnwrittenStop::Lock));
            }
            Err(error) => {
                tracing::error!(%error, "whether the daemon is locked cannot be read: it is, until somebody unlocks it");
                let reason = format!("whether it is locked cannot be read: {error}");
                self.lock.engage(Locked { since_ms: 0, by: String::new(), reason });
            }
        }
    }
}

/// Writes into a new installation, of which no process has ever been at work, that it is not locked. After that it is never missing: where it cannot be read, no key is used.
///
/// # Errors
/// [`Error::Damaged`], [`Error::Storage`].
pub(crate) fn begin(vault: &Vault) -> Result<(), Error> {
    let (place, run) = (address::lock(), address::run());
    if vault.storage().get(&run)?.is_none() && vault.storage().get(&place)?.is_none() {
        let write = vault.put(place.clone(), &LockRecord { locked: None });
        vault.transact(&[Compare::absent(place), Compare::absent(run)], &[write])?;
    }
    Ok(())
}

impl Engine {
    /// Since when, by whom and why no key is used; `None` if keys are.
    #[must_use]
    pub fn locked(&self) -> Option<Locked> {
        self.ledger.source.lock.get()
    }

    /// Locks: when this returns, no key is used on any connection, whether or not that could be written, and what was in memory of keys is wiped, but for what it names. Who locks
    /// again what is locked changes nothing, but has it written if it is not. Of a reason that is longer than 1,000 bytes the beginning is kept.
    ///
    /// # Errors
    /// [`Error::Conflict`] if it is not to be made at once: it cannot be part of other changes.
    pub fn lock(&self, reason: &str) -> Result<LockedNow, Error> {
        let ledger = &self.ledger;
        if !ledger.makes_at_once() {
            return Err(Error::Conflict);
        }
        let text = |text| cut(text, LOCK_TEXT_SIZE_MAX);
        let new = Locked { since_ms: ledger.clock.now_ms(), by: text(&ledger.act().actor), reason: text(reason) };
        let (lock, stops) = (&ledger.source.lock, &ledger.source.stops);
        let said = lock.get().unwrap_or(new);
        let writing = stops.insert(UnwrittenStop::Lock, ledger.act(), Some(said.clone()));
        let locked = lock.engage(said);
        let (cache, _) = self.in_memory();
        let forgotten = cache.forget_all();
        ledger.epochs.wait_for_workers();
        self.waiters().all_changed();
        let stopped = ledger.write_stop_in_time(UnwrittenStop::Lock, writing);
        Ok(LockedNow { locked, stopped, keys_left: wait_until_wiped(forgotten) })
    }

    /// Unlocks: keys are read and used again. What cannot be written stays locked.
    ///
    /// # Errors
    /// [`Error::Conflict`] if somebody locks it at the same time; [`Error::Audit`], [`Error::Storage`], [`Error::Closed`]: it is locked still, unless it says that the change was made
    /// and is in force.
    pub fn unlock(&self) -> Result<(), Error> {
        let ledger = &self.ledger;
        // Whatever the record says, and if it cannot be read: it says from now on that nothing is locked.
        let made = ledger.enable(UnwrittenStop::Lock, || ledger.put_lock(None));
        once_made(made, || {
            if ledger.makes_at_once() {
                ledger.source.refresh_lock();
                ledger.source.lock.check().map_err(|_| Error::Conflict)?;
                // They were waiting for this.
                self.renewer().wake();
                self.fill_again();
            }
            Ok(())
        })
    }
}

impl Ledger {
    /// Writes that it is locked.
    pub(super) fn write_lock(&self, locked: Locked) -> Result<(), Error> {
        self.put_lock(Some(locked))
    }

    fn put_lock(&self, locked: Option<Locked>) -> Result<(), Error> {
        let (compare, write) = self.vault().put_lock(LockRecord { locked })?;
        self.commit(&[compare], &[write])
    }
}

impl Vault {
    /// The write of the record, and that nobody else has written it.
    fn put_lock(&self, record: LockRecord) -> Result<(Compare, Write), Error> {
        let place = address::lock();
        let found = self.storage().get(&place)?;
        let compare = found
            .map_or_else(|| Compare::absent(place.clone()), |found| Compare::unchanged(place.clone(), found.revision));
        Ok((compare, self.put(place.clone(), &record)))
    }
}

/// Waits for a while until nobody holds these keys any more, which wipes them; gives how many are left.
fn wait_until_wiped(mut keys: Vec<Weak<KeyEntry>>) -> usize {
    for look in 0..LOCK_WIPE_LOOKS {
        if look > 0 {
            thread::sleep(LOCK_WIPE_LOOKED_EVERY);
        }
        keys.retain(|key| key.strong_count() > 0);
        if keys.is_empty() {
            break;
        }
    }
    keys.len()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::EngineParts;
    use crate::storage::{FailingStorage, MemoryStorage};

    type Failing = Arc<FailingStorage<MemoryStorage>>;

    fn started(storage: &Failing) -> Arc<Engine> {
        Engine::start(EngineParts::for_tests(Arc::<FailingStorage<MemoryStorage>>::clone(storage))).unwrap()
    }

    // R-A13
    #[test]
    fn a_disk_that_hangs_keeps_back_neither_the_lock_nor_its_answer() {
        let storage = Arc::new(FailingStorage::new(MemoryStorage::new()));
        let engine = started(&storage);
        let disk = storage.pause_get(&address::lock());
        let now = engine.lock("a theft").unwrap();
        assert!(matches!(now.stopped.not_durable.as_deref(), Some(Error::StopPending)), "{now:?}");
        assert!(engine.is_locked());
        assert!(disk.wait_until_reached(Duration::from_mins(1)));
        // Whoever unlocks comes after what has hung, so that does not bring it back.
        thread::scope(|scope| {
            let unlocking = scope.spawn(|| engine.unlock());
            disk.release();
            unlocking.join().unwrap().unwrap();
        });
        assert_eq!((engine.locked(), engine.write_stops()), (None, Vec::new()));
        // It holds on to the storage until it has ended.
        drop(engine);
        while Arc::strong_count(&storage) > 1 {
            thread::yield_now();
        }
        assert_eq!(started(&storage).locked(), None);
    }
}
