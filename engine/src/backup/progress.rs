//! How far a long work has got, and whether it is still wanted.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::error::BackupError;

/// Shared between the thread that works and those that ask.
#[derive(Debug, Default)]
pub struct Progress {
    done: AtomicU64,
    total: AtomicU64,
    ended: AtomicBool,
}

impl Progress {
    /// Bytes that are done, and about how many there are in all; 0 = not known.
    #[must_use]
    pub fn bytes(&self) -> (u64, u64) {
        (self.done.load(Ordering::Relaxed), self.total.load(Ordering::Relaxed))
    }

    /// Has the work break off at the next opportunity.
    pub fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
    }

    pub(super) fn expect(&self, total: u64) {
        self.total.store(total, Ordering::Relaxed);
    }

    pub(super) fn begin(&self) {
        self.done.store(0, Ordering::Relaxed);
    }

    /// Counts what is done.
    ///
    /// # Errors
    /// [`BackupError::Ended`] if it is no longer wanted.
    pub(super) fn advance(&self, bytes: usize) -> Result<(), BackupError> {
        self.done.fetch_add(bytes as u64, Ordering::Relaxed);
        if self.ended.load(Ordering::Relaxed) { Err(BackupError::Ended) } else { Ok(()) }
    }
}
