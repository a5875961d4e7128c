//! The count of one key version whose algorithm limits its use.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::Signal;
use crate::error::Error;
use crate::key::id::KeyId;
use crate::key::version::KeyVersion;
use crate::limits::UNWRITTEN_USES_MAX;

/// Counts uses before they happen. Never more than [`UNWRITTEN_USES_MAX`] of them are unwritten, so that storage knows the count up to so many.
pub(crate) struct UseCounter {
    limit: u64,
    used: AtomicU64,
    /// What storage has.
    written: AtomicU64,
    warned: AtomicBool,
    signal: Arc<Signal>,
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
    /// A count that begins at `used`, which storage knows of.
    pub(super) fn new(limit: u64, used: u64, signal: Arc<Signal>) -> Self {
        Self { limit, used: used.into(), written: used.into(), warned: AtomicBool::new(false), signal }
    }

    /// Counts so many uses, all or none, before anything is done with the key.
    ///
    /// # Errors
    /// [`UseError`]: none was counted.
    pub(crate) fn take(&self, items: usize) -> Result<(), UseError> {
        let items = u64::try_from(items).map_err(|_| UseError::LimitReached)?;
        if !self.signal.may_count() {
            return Err(UseError::NotWritten);
        }
        let written = self.written.load(Ordering::Acquire);
        let most = self.limit.min(written.saturating_add(UNWRITTEN_USES_MAX));
        let add = |used: u64| used.checked_add(items).filter(|sum| *sum <= most);
        match self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add) {
            Ok(used) => {
                if used.saturating_sub(written) >= UNWRITTEN_USES_MAX / 2 {
                    self.signal.write_soon();
                }
                Ok(())
            }
            Err(used) if used.saturating_add(items) > self.limit => Err(UseError::LimitReached),
            Err(_) => {
                self.signal.write_soon();
                Err(UseError::NotWritten)
            }
        }
    }

    /// How often the version was used, at most.
    pub(crate) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// Whether half of what the algorithm allows is used: time to rotate.
    pub(crate) fn is_near_its_limit(&self) -> bool {
        self.used() >= self.limit / 2
    }

    /// The count to write, if storage does not have it.
    pub(super) fn unwritten(&self) -> Option<u64> {
        let used = self.used();
        (used != self.written.load(Ordering::Relaxed)).then_some(used)
    }

    /// Storage has `used` now.
    pub(super) fn is_written(&self, used: u64) {
        self.written.store(used, Ordering::Release);
    }

    /// Whether to warn now: once.
    pub(super) fn should_warn(&self) -> bool {
        self.is_near_its_limit() && !self.warned.swap(true, Ordering::Relaxed)
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
