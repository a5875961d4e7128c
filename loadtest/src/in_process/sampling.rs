//! An operation repeated now and then, on a processor that is at work on something else.

use std::ops::Range;
use std::thread;
use std::time::{Duration, Instant};

use aws_lc_rs::error::Unspecified;
use rustix::time::{ClockId, clock_gettime};

use super::Repeated;
use crate::limits::{SAMPLE_PAUSE_FACTOR, SAMPLE_TIME, SAMPLE_WARM_UP};

/// Nanoseconds of one call over `window`: `None` if it has passed.
pub(super) fn sample(operation: &mut Repeated, window: &Range<Instant>) -> Result<Option<f64>, Unspecified> {
    let calls = calls_of_a_sample(operation)?;
    sleep_until(window.start);
    sample_while(operation, calls, |pause| {
        sleep_until((Instant::now() + pause).min(window.end));
        Instant::now() < window.end
    })
}

/// Nanoseconds of one call, by samples of so many that are taken as long as `goes_on` says so: it is told how long to wait before.
fn sample_while(
    operation: &mut Repeated,
    calls: u32,
    mut goes_on: impl FnMut(Duration) -> bool,
) -> Result<Option<f64>, Unspecified> {
    let (mut rates, mut samples, mut pause) = (0.0, 0_u32, Duration::ZERO);
    while goes_on(pause) {
        let begin = Instant::now();
        // What is worked on beside it has taken the caches; what is compared with this has them.
        repeat(operation, calls * SAMPLE_WARM_UP)?;
        let time = middle_of_three(operation, calls)?.saturating_sub(middle_of_three(operation, 0)?);
        rates += f64::from(calls) / time.as_secs_f64();
        samples += 1;
        pause = begin.elapsed() * SAMPLE_PAUSE_FACTOR;
    }
    // The mean of rates, not of times: what is compared with it is a rate, and a sample that was disturbed counts for little.
    Ok((samples > 0).then(|| 1e9 * f64::from(samples) / rates))
}

/// So many calls as take [`SAMPLE_TIME`], one at least.
fn calls_of_a_sample(operation: &mut Repeated) -> Result<u32, Unspecified> {
    let mut calls = 1;
    while middle_of_three(operation, calls)? < SAMPLE_TIME {
        calls *= 2;
    }
    Ok(calls)
}

/// Processor time of so many calls, and of reading the clock once, which is a system call of some 400 ns: of three measurements, because interrupts on behalf of others are
/// counted as this thread's time, and a first call finds nothing in the caches.
fn middle_of_three(operation: &mut Repeated, calls: u32) -> Result<Duration, Unspecified> {
    let mut times = [repeat(operation, calls)?, repeat(operation, calls)?, repeat(operation, calls)?];
    times.sort_unstable();
    let [_, time, _] = times;
    Ok(time)
}

/// Processor time of so many calls, and of reading the clock once: time in which others had the processor is not theirs.
fn repeat(operation: &mut Repeated, calls: u32) -> Result<Duration, Unspecified> {
    let begin = processor_time();
    for _ in 0..calls {
        operation()?;
    }
    Ok(processor_time() - begin)
}

/// That of this thread.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    // Neither is negative, and the second is below a thousand million.
    Duration::new(time.tv_sec.try_into().unwrap_or(0), time.tv_nsec.try_into().unwrap_or(0))
}

fn sleep_until(moment: Instant) {
    thread::sleep(moment.saturating_duration_since(Instant::now()));
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicU32;
    use std::sync::atomic::Ordering::Relaxed;

    use super::*;

    fn counting() -> (Arc<AtomicU32>, Repeated) {
        let count = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&count);
        let operation = move || {
            counted.fetch_add(1, Relaxed);
            Ok(())
        };
        (count, Box::new(operation))
    }

    // R-O5
    #[test]
    fn samples_are_taken_until_the_time_is_over_with_long_rests_between_them() {
        let (count, mut operation) = counting();
        let (calls, mut pauses) = (1_000, Vec::new());
        let time = sample_while(&mut operation, calls, |pause| {
            pauses.push(pause);
            pauses.len() <= 3
        });
        assert!(time.unwrap().is_some());
        assert_eq!(count.load(Relaxed), 3 * calls * (SAMPLE_WARM_UP + 3));
        let [first, rests @ ..] = pauses.as_slice() else { panic!("none was taken") };
        assert_eq!(*first, Duration::ZERO);
        // However fast this machine is, thousands of calls take a nanosecond.
        let rest_min = Duration::from_nanos(SAMPLE_PAUSE_FACTOR.into());
        assert!(rests.iter().all(|rest| *rest >= rest_min), "{rests:?}");
    }

    // R-O5
    #[test]
    fn a_window_that_has_passed_gives_no_time() {
        let now = Instant::now();
        assert_eq!(sample(&mut counting().1, &(now..now)).unwrap(), None);
    }

    #[test]
    fn a_first_call_that_takes_long_does_not_make_samples_short() {
        let (count, mut counting) = counting();
        let slow_at_first = move || {
            if count.load(Relaxed) == 0 {
                let begin = processor_time();
                while processor_time() - begin < SAMPLE_TIME * 2 {}
            }
            counting()
        };
        // An operation of some nanoseconds: one call of it would be nothing but reading the clock.
        assert!(calls_of_a_sample(&mut (Box::new(slow_at_first) as Repeated)).unwrap() > 8);
    }

    #[test]
    fn what_fails_is_told() {
        let mut operation: Repeated = Box::new(|| Err(Unspecified));
        assert!(calls_of_a_sample(&mut operation).is_err());
        assert!(sample_while(&mut operation, 1, |_| true).is_err());
    }
}
