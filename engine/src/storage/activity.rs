//! What goes on in a storage, for whoever watches it.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::histogram::{Durations, Histogram};

/// What a storage has done since it was opened, and how large it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StorageActivity {
    /// How long it took to make a group of transactions durable, the journal included. Groups that failed count too.
    pub commits: Durations,
    /// Transactions that were made.
    pub made: u64,
    /// Transactions that were refused because a condition did not hold.
    pub conflicts: u64,
    /// Transactions that failed: no room, the journal away, a broken disk.
    pub failed: u64,
    /// Bytes of address space that are mapped.
    pub map_size: u64,
    /// Bytes of these that have been used so far: the data file is so large.
    pub used_size: u64,
}

/// Counts of the thread that writes.
#[derive(Default)]
pub(super) struct CommitCounts {
    pub(super) commits: Histogram,
    made: AtomicU64,
    conflicts: AtomicU64,
    failed: AtomicU64,
}

/// What became of a transaction.
#[derive(Clone, Copy)]
pub(super) enum Outcome {
    Made,
    Conflict,
    Failed,
}

impl CommitCounts {
    pub(super) fn count(&self, outcome: Outcome) {
        let count = match outcome {
            Outcome::Made => &self.made,
            Outcome::Conflict => &self.conflicts,
            Outcome::Failed => &self.failed,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn read(&self) -> StorageActivity {
        let [made, conflicts, failed] =
            [&self.made, &self.conflicts, &self.failed].map(|count| count.load(Ordering::Relaxed));
        StorageActivity { commits: self.commits.read(), made, conflicts, failed, ..StorageActivity::default() }
    }
}
