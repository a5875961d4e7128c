//! One frame at a time: what the daemon adds to the time of an echo, and what it saves not to sleep.

use claviger_algorithm::Algorithm;
use claviger_client::Transport;

use super::figure::{Figure, Goal, Unit};
use super::side::{sound, turns};
use super::stage::Stage;
use crate::beside::PERCENTILES;
use crate::run::{Outcome, Plan, measure, measure_echo};
use crate::stats::Percentiles;
use crate::target::Target;
use crate::task::{Operation, Task};

/// The daemon, against an echo.
pub(super) async fn measure_latency(stage: &mut Stage) -> anyhow::Result<Vec<Figure>> {
    let plan = one_at_a_time(stage);
    let mut pairs = Vec::new();
    for number in turns(stage.plan.pairs) {
        let (target, echo) = stage.sides().await?;
        // Who comes first changes: what is first has the colder caches.
        let (echo, daemon) = if number % 2 == 0 {
            let echo = measure_echo(&plan, target, echo).await?;
            (echo, measure(&plan, target, &mut |_| {}).await?)
        } else {
            let daemon = measure(&plan, target, &mut |_| {}).await?;
            (measure_echo(&plan, target, echo).await?, daemon)
        };
        pairs.push((sound(echo)?.total.latency, sound(daemon)?.total.latency));
    }
    Ok(figures(&pairs, ["echo", "daemon"], judged))
}

/// The daemon whose workers look for more before they sleep, against the daemon as it is by default.
pub(super) async fn measure_busy_poll(stage: &mut Stage) -> anyhow::Result<Vec<Figure>> {
    let plan = one_at_a_time(stage);
    let mut pairs = Vec::new();
    for number in turns(stage.plan.pairs) {
        let target = stage.daemon().await?;
        let (sleeping, polling) = if number % 2 == 0 {
            let sleeping = measure(&plan, target, &mut |_| {}).await?;
            (sleeping, measure_polling(&plan, target).await?)
        } else {
            let polling = measure_polling(&plan, target).await?;
            (measure(&plan, target, &mut |_| {}).await?, polling)
        };
        pairs.push((sound(sleeping)?.total.latency, sound(polling)?.total.latency));
    }
    Ok(figures(&pairs, ["default", "busy polling"], |figure, _| figure))
}

/// Whatever is measured afterwards finds the daemon as it is by default, also if this fails.
async fn measure_polling(plan: &Plan, target: &mut Target) -> anyhow::Result<Outcome> {
    target.restart_polling()?;
    let outcome = measure(plan, target, &mut |_| {}).await;
    target.restart()?;
    outcome
}

fn one_at_a_time(stage: &Stage) -> Plan {
    let operation = Operation::Encrypt;
    let task = Task { operation, algorithm: Algorithm::Xaes256Gcm, size: operation.size_default(), batch: 1 };
    Plan { in_flight: Some(1), ..stage.plan.rounds.plan(task, Transport::Tcp) }
}

/// Of pairs of the two sides, of which the second is compared with the first. `judged` gives the ratio of a percentile its goal.
fn figures(
    pairs: &[(Percentiles, Percentiles)],
    sides: [&str; 2],
    judged: impl Fn(Figure, &str) -> Figure,
) -> Vec<Figure> {
    let [first, second] = sides;
    let ratios = PERCENTILES.map(|(name, percentile)| {
        let rounds = pairs.iter().map(|(first, second)| percentile(second) / percentile(first)).collect();
        judged(Figure::new(format!("{name}, {second}, of {first}"), Unit::Ratio, rounds), name)
    });
    let times = PERCENTILES.into_iter().flat_map(|(name, percentile)| {
        let microseconds = |rounds: Vec<f64>| rounds.into_iter().map(|ns| ns / 1e3).collect();
        let of_first = microseconds(pairs.iter().map(|(first, _)| percentile(first)).collect());
        let of_second = microseconds(pairs.iter().map(|(_, second)| percentile(second)).collect());
        [
            Figure::new(format!("{first}, {name}"), Unit::Microseconds, of_first),
            Figure::new(format!("{second}, {name}"), Unit::Microseconds, of_second),
        ]
    });
    ratios.into_iter().chain(times).collect()
}

fn judged(figure: Figure, percentile: &str) -> Figure {
    if JUDGED.contains(&percentile) { figure.with(Goal::at_most(1.10, 1.03)) } else { figure }
}

/// Percentiles that have a goal. Those above are the machine's noise as much as the daemon's.
const JUDGED: [&str; 2] = ["p50", "p90"];

#[cfg(test)]
mod tests {
    use super::super::figure::Verdict;
    use super::*;

    // R-O5
    #[test]
    fn pairs_are_compared_each_by_itself_and_only_the_lower_percentiles_are_judged() {
        let at = |p50_ns, p90_ns| Percentiles { p50_ns, p90_ns, p99_ns: 1, p99_9_ns: 1, max_ns: p90_ns };
        // The machine became slower after the first pair.
        let pairs = [(at(100, 200), at(102, 240)), (at(500, 900), at(510, 1_080)), (at(500, 900), at(505, 1_080))];
        let figures = figures(&pairs, ["echo", "daemon"], judged);
        let verdicts: Vec<_> =
            figures.iter().filter_map(|figure| Some((figure.name.as_str(), figure.verdict()?))).collect();
        assert_eq!(
            verdicts,
            [("p50, daemon, of echo", Verdict::AimReached), ("p90, daemon, of echo", Verdict::NotReached)]
        );
        assert_eq!(figures[0].rounds, [1.02, 1.02, 1.01]);
        assert_eq!(figures.len(), 12);
    }
}
