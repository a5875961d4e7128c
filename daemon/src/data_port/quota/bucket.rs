//! A bucket of work: filled at a steady rate up to its burst, and emptied by what is done.
//!
//! A worker takes a slice at once and spends it by itself, so that most frames touch what no other worker does. A frame is let in as long as the bucket is not empty, whatever the
//! frame costs, and paid for in full: what the bucket owes then has to come in before the next one. So in any time the work let in is at most what comes in meanwhile, the burst,
//! what the workers hold of it (an eighth at most), and one frame.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use claviger_engine::Quota;

use crate::limits::{QUOTA_HELD_PART, QUOTA_SLICE};

/// A bucket. All amounts are nanoseconds of work; all times are nanoseconds of a clock that never goes back.
pub(super) struct Bucket {
    /// Units a second: what a second brings in microseconds of work.
    rate: u64,
    /// How long it takes to fill.
    fill_time: u64,
    /// What a worker takes at once, if there is as much.
    slice: u64,
    /// When it is full again, if nothing more is taken. That is all there is to know of it.
    full_at: AtomicU64,
    /// What each worker has taken and not spent. Written by that worker only.
    held: Box<[Held]>,
}

/// What one worker holds, in a cache line of its own.
#[derive(Default)]
#[repr(align(64))]
struct Held(AtomicU64);

impl Bucket {
    /// A full bucket for so many workers.
    pub(super) fn new(quota: Quota, workers: usize) -> Self {
        let rate = u64::from(quota.units_per_second());
        let burst = u64::from(quota.burst()) * UNIT;
        let workers = workers.max(1);
        let of_rate = amount(rate, nanoseconds(QUOTA_SLICE));
        let of_burst = burst / QUOTA_HELD_PART / u64::try_from(workers).unwrap_or(u64::MAX);
        Self {
            rate,
            fill_time: time(rate, burst),
            slice: of_rate.min(of_burst),
            full_at: AtomicU64::new(0),
            held: (0..workers).map(|_| Held::default()).collect(),
        }
    }

    /// Takes `cost` for this worker, if the bucket is not empty. `now` is asked only if the worker holds too little.
    ///
    /// # Errors
    /// How long it is until the bucket is not empty any more.
    pub(super) fn take(&self, worker: usize, cost: Duration, now: impl FnOnce() -> Duration) -> Result<(), Duration> {
        let Some(Held(held)) = self.held.get(worker) else { return Ok(()) };
        let (cost, has) = (nanoseconds(cost), held.load(Ordering::Relaxed));
        let left = match has.checked_sub(cost) {
            Some(left) => left,
            None => has.saturating_add(self.take_slice(cost - has, nanoseconds(now()))?).saturating_sub(cost),
        };
        held.store(left, Ordering::Relaxed);
        Ok(())
    }

    /// Gives back what a worker has taken for something that was not done.
    pub(super) fn give_back(&self, worker: usize, cost: Duration) {
        let Some(Held(held)) = self.held.get(worker) else { return };
        let has = held.load(Ordering::Relaxed).saturating_add(nanoseconds(cost));
        // No worker holds more than a slice; what is more is for all of them.
        let stays = has.min(self.slice);
        held.store(stays, Ordering::Relaxed);
        if has > stays {
            let earlier = |full_at: u64| Some(full_at.saturating_sub(time_below(self.rate, has - stays)));
            let _ = self.full_at.fetch_update(Ordering::Relaxed, Ordering::Relaxed, earlier);
        }
    }

    /// Whether it is full: then a new one is as good.
    pub(super) fn is_full(&self, now: Duration) -> bool {
        self.full_at.load(Ordering::Relaxed) <= nanoseconds(now)
    }

    /// Takes `needed` at least, and a slice if there is one; gives how much.
    fn take_slice(&self, needed: u64, now: u64) -> Result<u64, Duration> {
        let mut full_at = self.full_at.load(Ordering::Relaxed);
        loop {
            let from = full_at.max(now);
            let missing = from - now;
            if missing >= self.fill_time {
                return Err(Duration::from_nanos((missing - self.fill_time).saturating_add(1)));
            }
            let taken = needed.max(self.slice.min(amount(self.rate, self.fill_time - missing)));
            let then = from.saturating_add(time(self.rate, taken));
            match self.full_at.compare_exchange_weak(full_at, then, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Ok(taken),
                Err(other) => full_at = other,
            }
        }
    }
}

/// The work that comes in within this time, rounded down.
fn amount(rate: u64, time: u64) -> u64 {
    u64::try_from(u128::from(time) * u128::from(rate) / UNITS_A_SECOND_OF_ONE_CORE).unwrap_or(u64::MAX)
}

/// The time in which so much work comes in, rounded up.
fn time(rate: u64, amount: u64) -> u64 {
    let time = (u128::from(amount) * UNITS_A_SECOND_OF_ONE_CORE).div_ceil(u128::from(rate.max(1)));
    u64::try_from(time).unwrap_or(u64::MAX)
}

/// As [`time`], rounded down.
fn time_below(rate: u64, amount: u64) -> u64 {
    let time = u128::from(amount) * UNITS_A_SECOND_OF_ONE_CORE / u128::from(rate.max(1));
    u64::try_from(time).unwrap_or(u64::MAX)
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// A cost unit, in nanoseconds of work.
const UNIT: u64 = 1_000;

/// Units that come in each second at which as much work comes in as time passes.
const UNITS_A_SECOND_OF_ONE_CORE: u128 = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    const MS: Duration = Duration::from_millis(1);

    fn bucket(units_per_second: u32, burst: u32) -> Bucket {
        Bucket::new(Quota::new(units_per_second, burst).unwrap(), 2)
    }

    fn us(count: u64) -> Duration {
        Duration::from_micros(count)
    }

    // R-A11
    #[test]
    fn a_burst_is_let_in_and_then_what_comes_in() {
        let bucket = bucket(1_000, 5_000);
        let take = |now| bucket.take(0, us(1_000), || now);
        let start = 100 * MS;
        for _ in 0..5 {
            assert_eq!(take(start), Ok(()));
        }
        assert_eq!(take(start), Err(Duration::from_nanos(1)), "empty, and filled from now on");
        // A unit is let in as soon as anything is there, and owed for a second.
        assert_eq!(take(start + MS), Ok(()));
        let wait = take(start + 2 * MS).unwrap_err();
        assert_eq!(wait, 998 * MS + Duration::from_nanos(1));
        assert_eq!(take(start + 1_000 * MS), Err(Duration::from_nanos(1)));
        assert_eq!(take(start + 2 * MS + wait), Ok(()));
        assert!(!bucket.is_full(start + 6_999 * MS) && bucket.is_full(start + 7_000 * MS));
    }

    // R-A11
    #[test]
    fn a_frame_that_costs_more_than_the_burst_is_let_in_and_paid_for_in_full() {
        let bucket = bucket(1_000_000, 10);
        assert_eq!(bucket.take(0, us(1_000_000), || MS), Ok(()));
        let wait = bucket.take(0, us(1), || MS).unwrap_err();
        assert_eq!(wait, us(999_990) + Duration::from_nanos(1));
        assert_eq!(bucket.take(1, us(1), || MS + wait - Duration::from_nanos(2)), Err(Duration::from_nanos(2)));
        assert_eq!(bucket.take(1, us(1), || MS + wait), Ok(()));
    }

    // R-A11
    #[test]
    fn a_worker_looks_at_the_clock_once_a_slice() {
        let bucket = bucket(1_000_000, 1_000_000);
        let looks = std::cell::Cell::new(0);
        let now = || {
            looks.set(looks.get() + 1);
            MS
        };
        for _ in 0..1_000 {
            bucket.take(0, us(2), now).unwrap();
        }
        assert_eq!(looks.get(), 2, "a slice is a millisecond of the rate");
    }

    // R-A11
    #[test]
    fn what_is_given_back_can_be_taken_again_by_whichever_worker() {
        let bucket = bucket(1, 100);
        for worker in [0, 1, 0, 1] {
            assert_eq!(bucket.take(worker, us(100), || MS), Ok(()));
            assert!(bucket.take(0, us(1), || MS).is_err() && bucket.take(1, us(1), || MS).is_err());
            bucket.give_back(worker, us(100));
        }
        bucket.give_back(0, us(1_000_000));
        assert!(bucket.is_full(MS));
        assert_eq!(bucket.take(1, us(101), || MS), Ok(()), "no more is there than the burst");
        assert!(bucket.take(1, us(1), || MS).is_err());
    }

    // R-A11
    #[test]
    fn the_largest_and_the_smallest_quota_overflow_nothing() {
        for (rate, burst) in [(1, 1), (1, 1_000_000_000), (1_000_000_000, 1), (1_000_000_000, 1_000_000_000)] {
            let bucket = bucket(rate, burst);
            for cost in [Duration::ZERO, Duration::from_nanos(1), Duration::MAX, Duration::MAX] {
                for now in [Duration::ZERO, MS, Duration::MAX] {
                    let _ = bucket.take(0, cost, || now);
                    bucket.give_back(1, cost);
                }
            }
        }
    }

    proptest! {
        // R-A11
        #[test]
        fn no_more_is_let_in_than_comes_in_and_the_burst_and_every_advice_is_true(
            rate in 1_u32..2_000_000,
            burst in 1_u32..2_000_000,
            frames in vec((0_usize..2, 1_u64..50_000, 0_u64..20_000), 1..200),
        ) {
            let bucket = bucket(rate, burst);
            let start = Duration::from_secs(1);
            let (mut now, mut let_in, mut dearest) = (start, 0_u128, 0_u128);
            for (worker, cost, passes) in frames {
                now += us(passes);
                if let Err(wait) = bucket.take(worker, us(cost), || now) {
                    if wait > Duration::from_nanos(1) {
                        let earlier = now + wait - Duration::from_nanos(1);
                        prop_assert!(bucket.take(worker, us(cost), || earlier).is_err());
                    }
                    now += wait;
                    prop_assert_eq!(bucket.take(worker, us(cost), || now), Ok(()), "advice of {:?}", wait);
                }
                let_in += u128::from(cost) * 1_000;
                dearest = dearest.max(u128::from(cost) * 1_000);
                let came_in = (now - start).as_nanos() * u128::from(rate) / 1_000_000;
                let burst = u128::from(burst) * 1_000;
                prop_assert!(let_in <= came_in + burst + burst / 8 + dearest + 1, "{} of {}", let_in, came_in + burst);
            }
        }

        // R-A11
        #[test]
        fn whoever_asks_for_less_than_comes_in_is_never_refused(rate in 10_000_u32..2_000_000, cost in 1_u64..10_000) {
            let bucket = bucket(rate, 20_000);
            // The time in which it comes in, and a little.
            let pause = us(cost * 1_000_000 / u64::from(rate) + 1);
            let mut now = MS;
            for turn in 0..200 {
                now += pause;
                prop_assert_eq!(bucket.take(turn % 2, us(cost), || now), Ok(()));
            }
        }
    }
}
