//! Time comes in as an argument, so that tests choose it.

use std::sync::LazyLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::record::key::milliseconds;

/// Tells the time.
pub trait Clock: Send + Sync {
    /// Milliseconds since 1970-01-01 00:00 UTC.
    fn now_ms(&self) -> u64;

    /// How long this process has been running since some moment of it. Never goes back, whatever is done to the wall clock.
    fn monotonic(&self) -> Duration;

    /// As [`Clock::monotonic`], in whole milliseconds.
    fn monotonic_ms(&self) -> u64 {
        milliseconds(self.monotonic())
    }
}

/// The clocks of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_ms(&self) -> u64 {
        // A clock before 1970 counts as 1970; one beyond the year 584 million does not come up.
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, milliseconds)
    }

    fn monotonic(&self) -> Duration {
        static FIRST_LOOK: LazyLock<Instant> = LazyLock::new(Instant::now);
        FIRST_LOOK.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // R-A11
    #[test]
    fn time_that_passes_is_told_in_less_than_milliseconds() {
        let looks: Vec<_> = (0..1_000).map(|_| SystemClock.monotonic()).collect();
        assert!(looks.is_sorted());
        assert!(looks.iter().any(|look| !look.as_micros().is_multiple_of(1_000)));
    }
}
