//! How long things took: counts by bounds, for whoever watches the daemon.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Counts of durations by the bounds of [`BOUNDS`], and their sum. What is read while others add is at most a moment apart from itself.
#[derive(Default)]
pub struct Histogram {
    /// The last one counts what is above all bounds.
    counts: [AtomicU64; BOUNDS.len() + 1],
    sum_ns: AtomicU64,
}

/// What a histogram holds at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Durations {
    /// How many durations are at most as long as the bound of the same place and longer than the one before; the last count is of those above all bounds.
    pub counts: [u64; BOUNDS.len() + 1],
    /// All durations together.
    pub sum: Duration,
}

impl Histogram {
    /// Counts one duration. Any thread may.
    pub fn add(&self, took: Duration) {
        if let Some(count) = self.counts.get(place(took)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.sum_ns.fetch_add(nanoseconds(took), Ordering::Relaxed);
    }

    /// Counts `times` things that took as long each. Only one thread ever adds to this histogram: then nothing is locked.
    pub fn add_alone(&self, took: Duration, times: u32) {
        if let Some(count) = self.counts.get(place(took)) {
            increase_alone(count, times.into());
        }
        increase_alone(&self.sum_ns, nanoseconds(took).saturating_mul(times.into()));
    }

    /// What it holds now.
    #[must_use]
    pub fn read(&self) -> Durations {
        let mut durations =
            Durations { sum: Duration::from_nanos(self.sum_ns.load(Ordering::Relaxed)), ..Default::default() };
        durations.counts.iter_mut().zip(&self.counts).for_each(|(out, count)| *out = count.load(Ordering::Relaxed));
        durations
    }
}

impl Durations {
    /// Adds what another histogram holds.
    pub fn add(&mut self, other: &Self) {
        self.counts.iter_mut().zip(other.counts).for_each(|(count, more)| *count = count.saturating_add(more));
        self.sum = self.sum.saturating_add(other.sum);
    }

    /// How many durations were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }
}

/// Adds to a count that only one thread ever adds to, and others read: no instruction that other cores wait for.
pub fn increase_alone(count: &AtomicU64, by: u64) {
    count.store(count.load(Ordering::Relaxed).wrapping_add(by), Ordering::Relaxed);
}

/// The bounds, ascending: from what a seal takes to what nobody waits for.
pub const BOUNDS: [Duration; 18] = [
    Duration::from_micros(10),
    Duration::from_micros(25),
    Duration::from_micros(50),
    Duration::from_micros(100),
    Duration::from_micros(250),
    Duration::from_micros(500),
    Duration::from_millis(1),
    Duration::from_micros(2_500),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(25),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_millis(2_500),
    Duration::from_secs(10),
];

/// The first bound that is not below `took`, or one past the last.
fn place(took: Duration) -> usize {
    BOUNDS.partition_point(|bound| *bound < took)
}

fn nanoseconds(took: Duration) -> u64 {
    u64::try_from(took.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    // R-O1
    #[test]
    fn each_duration_counts_at_the_first_bound_that_is_not_below_it() {
        let histogram = Histogram::default();
        let just_above = |bound: Duration| bound + Duration::from_nanos(1);
        for bound in BOUNDS {
            histogram.add(bound);
            histogram.add_alone(just_above(bound), 2);
        }
        histogram.add(Duration::ZERO);
        histogram.add(Duration::from_secs(1_000_000));
        let durations = histogram.read();
        let mut expected = [3; BOUNDS.len() + 1];
        (expected[0], expected[BOUNDS.len()]) = (2, 3);
        assert_eq!(durations.counts, expected);
        assert_eq!(durations.count(), 3 * 18 + 2);
    }

    #[test]
    fn bounds_ascend_and_two_histograms_add_up() {
        assert!(BOUNDS.is_sorted_by(|one, next| one < next));
        let (one, other) = (Histogram::default(), Histogram::default());
        one.add(Duration::from_millis(3));
        other.add_alone(Duration::from_millis(4), 5);
        let mut sum = one.read();
        sum.add(&other.read());
        assert_eq!((sum.count(), sum.sum), (6, Duration::from_millis(23)));
    }

    #[test]
    fn nothing_overflows() {
        let histogram = Histogram::default();
        histogram.add_alone(Duration::MAX, u32::MAX);
        let mut sum = histogram.read();
        sum.add(&histogram.read());
        assert_eq!(sum.count(), 2 * u64::from(u32::MAX));
    }
}
