//! What was measured: latencies in a histogram, counts beside it.

use std::collections::BTreeMap;
use std::time::Duration;

use claviger_protocol::Status;
use hdrhistogram::Histogram;
use serde::Serialize;

use crate::limits::LATENCY_MAX_NS;

/// Counts and latencies of some stretch of time.
pub(crate) struct Statistics {
    latency: Histogram<u64>,
    /// Replies that arrived.
    pub(crate) frames: u64,
    /// Items that were done.
    pub(crate) items: u64,
    /// What was not done: frames whose status says so, and items of the others.
    pub(crate) failures: BTreeMap<Failure, u64>,
}

/// Something that was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Failure {
    /// A whole frame, with the code of its status.
    Frame(u8),
    /// One item, with the code of its status.
    Item(u8),
}

/// The latency of a frame in nanoseconds, from the moment when it was sent (in an open loop: should have been sent) to its reply.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Percentiles {
    pub(crate) p50_ns: u64,
    pub(crate) p90_ns: u64,
    pub(crate) p99_ns: u64,
    pub(crate) p99_9_ns: u64,
    pub(crate) max_ns: u64,
}

impl Statistics {
    #[expect(clippy::expect_used, reason = "the bounds are constants, and a test makes one")]
    pub(crate) fn new() -> Self {
        let latency = Histogram::new_with_bounds(1, LATENCY_MAX_NS, SIGNIFICANT_DIGITS).expect("constant bounds");
        Self { latency, frames: 0, items: 0, failures: BTreeMap::new() }
    }

    /// Counts the latency of one frame.
    pub(crate) fn latency(&mut self, latency: Duration) {
        self.latency.saturating_record(u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Counts something that was not done.
    pub(crate) fn fail(&mut self, failure: Failure) {
        *self.failures.entry(failure).or_default() += 1;
    }

    /// Takes the counts and latencies of another stretch, or of another thread in the same one.
    pub(crate) fn add(&mut self, other: &Self) {
        // Both have the same bounds, so everything fits.
        let _ = self.latency.add(&other.latency);
        self.frames += other.frames;
        self.items += other.items;
        for (failure, count) in &other.failures {
            *self.failures.entry(*failure).or_default() += count;
        }
    }

    /// All that was not done.
    pub(crate) fn failed(&self) -> u64 {
        self.failures.values().sum()
    }

    /// Zeros if no frame was counted.
    pub(crate) fn percentiles(&self) -> Percentiles {
        let at = |quantile| self.latency.value_at_quantile(quantile);
        Percentiles {
            p50_ns: at(0.5),
            p90_ns: at(0.9),
            p99_ns: at(0.99),
            p99_9_ns: at(0.999),
            max_ns: self.latency.max(),
        }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (what, code) = match self {
            Self::Frame(code) => ("frames", code),
            Self::Item(code) => ("items", code),
        };
        write!(f, "{what} {}", Status::from_code(*code))
    }
}

/// Digits to which a latency is exact.
const SIGNIFICANT_DIGITS: u8 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    // R-O5
    #[test]
    fn percentiles_are_those_of_what_was_recorded() {
        let mut statistics = Statistics::new();
        (1..=1_000).for_each(|micros| statistics.latency(Duration::from_micros(micros)));
        let percentiles = statistics.percentiles();
        for (found, expected) in [
            (percentiles.p50_ns, 500_000),
            (percentiles.p90_ns, 900_000),
            (percentiles.p99_ns, 990_000),
            (percentiles.p99_9_ns, 999_000),
            (percentiles.max_ns, 1_000_000),
        ] {
            assert!(found.abs_diff(expected) <= expected / 1_000 + 1, "{found} is not {expected}");
        }
    }

    // R-O5
    #[test]
    fn latencies_beyond_the_bound_count_as_the_bound() {
        let mut statistics = Statistics::new();
        statistics.latency(Duration::MAX);
        assert!(statistics.percentiles().max_ns >= LATENCY_MAX_NS);
    }

    #[test]
    fn nothing_recorded_is_zero() {
        assert_eq!(Statistics::new().percentiles().max_ns, 0);
    }

    #[test]
    fn stretches_add_up() {
        let (mut one, mut other) = (Statistics::new(), Statistics::new());
        one.latency(Duration::from_micros(1));
        other.latency(Duration::from_micros(9));
        (one.frames, one.items, other.frames, other.items) = (1, 16, 2, 32);
        one.fail(Failure::Item(0x20));
        other.fail(Failure::Item(0x20));
        other.fail(Failure::Frame(0x30));
        one.add(&other);
        assert_eq!((one.frames, one.items, one.failed()), (3, 48, 3));
        assert_eq!(one.failures[&Failure::Item(0x20)], 2);
        assert!(one.percentiles().max_ns >= 9_000);
    }

    #[test]
    fn failures_are_named_by_their_status() {
        assert_eq!(Failure::Frame(0x30).to_string(), "frames Overloaded");
        assert_eq!(Failure::Item(0x20).to_string(), "items DecryptionFailed");
    }
}
