//! The count of one key version whose algorithm limits its use.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use claviger_algorithm::Algorithm;

use super::waiting::Waiting;
use crate::error::Error;
use crate::key::id::KeyId;
use crate::key::version::KeyVersion;
use crate::limits::UNWRITTEN_USES_MAX;

/// Holds the count of a version and counts uses before they happen. All that are held of one version share its count.
pub(crate) struct UseCounter(Arc<Counter>);

/// A count. Never more than [`UNWRITTEN_USES_MAX`] uses are unwritten, so that storage knows it up to so many.
pub(super) struct Counter {
    of: (KeyId, KeyVersion),
    algorithm: Algorithm,
    used: AtomicU64,
    /// What storage has.
    written: AtomicU64,
    /// How many [`UseCounter`] there are.
    holders: AtomicU32,
    pub(super) flags: Flags,
    waiting: Arc<Waiting>,
}

// There may be one for each of a million keys.
const _: () = assert!(size_of::<Counter>() <= 56);

/// What is known of a count beside its value.
#[derive(Default)]
pub(super) struct Flags {
    /// It is on the list of this name.
    pub(super) is_unwritten: AtomicBool,
    /// As above.
    pub(super) is_urgent: AtomicBool,
    /// As above.
    pub(super) is_unheld: AtomicBool,
    warned: AtomicBool,
}

/// Why nothing may be sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UseError {
    /// The version would be used more often than its algorithm allows.
    LimitReached,
    /// So many uses are unwritten that no more may be added.
    NotWritten,
}

impl UseCounter {
    /// One more holder. The caller sees to it that the count is not being forgotten.
    pub(super) fn new(counter: &Arc<Counter>) -> Self {
        counter.holders.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(counter))
    }

    /// Counts so many uses, all or none, before anything is done with the key.
    ///
    /// # Errors
    /// [`UseError`]: none was counted.
    pub(crate) fn take(&self, items: usize) -> Result<(), UseError> {
        let counter = &self.0;
        let items = u64::try_from(items).map_err(|_| UseError::LimitReached)?;
        if !counter.waiting.signal.may_count() {
            return Err(UseError::NotWritten);
        }
        let (limit, written) = (counter.limit(), counter.written.load(Ordering::Acquire));
        let most = limit.min(written.saturating_add(UNWRITTEN_USES_MAX));
        let add = |used: u64| used.checked_add(items).filter(|sum| *sum <= most);
        // In one order with the flag of the list: who takes the list sees this use, or this sees that it was taken.
        match counter.used.fetch_update(Ordering::SeqCst, Ordering::Relaxed, add) {
            Ok(used) => {
                counter.waiting.unwritten.push(counter);
                if used.saturating_sub(written) >= UNWRITTEN_USES_MAX / 2 {
                    counter.write_soon();
                }
                Ok(())
            }
            Err(used) if used.saturating_add(items) > limit => Err(UseError::LimitReached),
            Err(_) => {
                counter.write_soon();
                Err(UseError::NotWritten)
            }
        }
    }

    /// How often the version was used, at most.
    pub(crate) fn used(&self) -> u64 {
        self.0.used()
    }
}

impl Drop for UseCounter {
    fn drop(&mut self) {
        // In one order with the flag of the list, as in `take`.
        if self.0.holders.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.waiting.unheld.push(&self.0);
        }
    }
}

impl Counter {
    /// A count that begins at `used`, which storage knows of.
    pub(super) fn new(of: (KeyId, KeyVersion), algorithm: Algorithm, used: u64, waiting: Arc<Waiting>) -> Self {
        let (used, written, holders) = (used.into(), used.into(), AtomicU32::new(0));
        Self { of, algorithm, used, written, holders, flags: Flags::default(), waiting }
    }

    /// The version that is counted.
    pub(super) const fn of(&self) -> &(KeyId, KeyVersion) {
        &self.of
    }

    /// Whether nobody counts here.
    pub(super) fn is_unheld(&self) -> bool {
        // What the last holder counted is seen by whoever sees that it let go.
        self.holders.load(Ordering::SeqCst) == 0
    }

    /// Whether half of what the algorithm allows is used: time to rotate.
    pub(super) fn is_near_its_limit(&self) -> bool {
        self.used() >= self.limit() / 2
    }

    /// The count to write, if storage does not have it.
    pub(super) fn unwritten(&self) -> Option<u64> {
        let used = self.used.load(Ordering::SeqCst);
        (used != self.written.load(Ordering::Relaxed)).then_some(used)
    }

    /// Storage has `used` now.
    pub(super) fn is_written(&self, used: u64) {
        self.written.store(used, Ordering::Release);
    }

    /// Whether to warn now: once.
    pub(super) fn should_warn(&self) -> bool {
        self.is_near_its_limit() && !self.flags.warned.swap(true, Ordering::Relaxed)
    }

    fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    fn limit(&self) -> u64 {
        self.algorithm.row().use_limit.unwrap_or(u64::MAX)
    }

    fn write_soon(self: &Arc<Self>) {
        self.waiting.urgent.push(self);
        self.waiting.signal.write_soon();
    }
}

impl UseError {
    /// What the caller is told.
    pub(crate) const fn of(self, id: KeyId, version: KeyVersion) -> Error {
        match self {
            Self::LimitReached => Error::UseLimitReached { id, version },
            Self::NotWritten => Error::UsesNotWritten { id },
        }
    }
}
