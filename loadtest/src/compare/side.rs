//! What is read off one measurement of one side.

use anyhow::ensure;

use crate::progress::progress;
use crate::run::Outcome;

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
