//! How long the installation has been running: the second witness of deadlines, which no change of the wall clock moves.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::clock::Clock;
use crate::limits::RUNNING_TIME_WRITTEN_EVERY;
use crate::record::key::milliseconds;

/// The running time of all processes so far, in milliseconds. What a kill cut off is missing, so that it is never more than the truth.
pub(super) struct RunningTime {
    clock: Arc<dyn Clock>,
    /// What the processes before this one have written.
    before_ms: u64,
    /// What the clock said when this process began.
    began_ms: u64,
    /// What storage has.
    written_ms: AtomicU64,
}

impl RunningTime {
    /// A process begins, after others that were running for so long.
    pub(super) fn new(before_ms: u64, clock: Arc<dyn Clock>) -> Self {
        let began_ms = clock.monotonic_ms();
        Self { clock, before_ms, began_ms, written_ms: before_ms.into() }
    }

    /// The running time until now.
    pub(super) fn total_ms(&self) -> u64 {
        self.before_ms.saturating_add(self.clock.monotonic_ms().saturating_sub(self.began_ms))
    }

    /// Whether so much is unwritten that it is time.
    pub(super) fn is_to_be_written(&self) -> bool {
        let unwritten = self.total_ms().saturating_sub(self.written_ms.load(Ordering::Relaxed));
        unwritten >= milliseconds(RUNNING_TIME_WRITTEN_EVERY)
    }

    /// Storage has so much now.
    pub(super) fn is_written(&self, running_ms: u64) {
        self.written_ms.store(running_ms, Ordering::Relaxed);
    }
}
