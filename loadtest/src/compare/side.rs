//! What is read off one measurement of one side.

use anyhow::ensure;

use crate::limits::{ROUNDS_BEGUN_PART, UNEVEN_RATIO};
use crate::progress::progress;
use crate::run::Outcome;

/// Rounds whose sides are compared: what is measured again because the machine did not treat them alike.
///
/// A core that others use as well, perhaps another virtual machine, is slower by half for seconds. A round is even if the same operation in process took as long meanwhile on either side.
pub(super) struct EvenRounds {
    wanted: usize,
    kept: usize,
    begun: usize,
}

impl EvenRounds {
    pub(super) const fn new(wanted: usize) -> Self {
        Self { wanted, kept: 0, begun: 0 }
    }

    /// Whether there is to be another round; it is told.
    pub(super) fn begin(&mut self) -> bool {
        let begins = self.kept < self.wanted;
        if begins {
            self.begun += 1;
            let again = match self.begun - 1 - self.kept {
                0 => String::new(),
                uneven => format!(", after {uneven} in which the machine was not as fast for both sides"),
            };
            progress(&format!("round {} of {}{again}", self.kept + 1, self.wanted));
        }
        begins
    }

    /// Whether the round counts. Beyond [`ROUNDS_BEGUN_PART`] times as many as are wanted all do, even or not: such a machine gives nothing better.
    pub(super) fn keep(&mut self, sides: [&Outcome; 2]) -> bool {
        let [one, other] = sides.map(|side| side.in_process_ns);
        let is_even = one.zip(other).is_none_or(|(one, other)| (one / other).max(other / one) <= UNEVEN_RATIO);
        let kept = is_even || self.begun - self.kept > self.wanted * (ROUNDS_BEGUN_PART - 1);
        self.kept += usize::from(kept);
        kept
    }
}

/// The numbers of so many rounds; each is told as it begins.
pub(super) fn turns(count: usize) -> impl Iterator<Item = usize> {
    (0..count).inspect(move |number| progress(&format!("round {} of {count}", number + 1)))
}

/// An outcome in which everything was done; what was refused would only make it faster.
///
/// # Errors
/// With what was not done.
pub(super) fn sound(outcome: Outcome) -> anyhow::Result<Outcome> {
    let failures: Vec<_> = outcome.failures.iter().map(|(what, count)| format!("{count} {what}")).collect();
    ensure!(failures.is_empty(), "{}: this failed: {}", outcome.plan.task, failures.join(", "));
    Ok(outcome)
}

/// Nanoseconds of an item, by the clock.
pub(super) fn nanoseconds(outcome: &Outcome) -> f64 {
    1e9 / outcome.total.items_per_second()
}

/// The part of the time in which the side that is loaded was at work, on all its threads together. Well below 1 on one core, the load is what is measured.
pub(super) fn busy(outcome: &Outcome) -> f64 {
    outcome.processor_time.map_or(f64::NAN, |time| time.as_secs_f64() / outcome.plan.duration.as_secs_f64())
}
