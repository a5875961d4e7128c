//! One frame at a time: what the daemon adds to the time of an echo.

use claviger_algorithm::Algorithm;
use claviger_client::Transport;

use super::figure::{Figure, Goal, Unit};
use super::side::{sound, turns};
use super::stage::Stage;
use crate::beside::PERCENTILES;
use crate::run::{Plan, measure, measure_echo};
use crate::stats::Percentiles;
use crate::task::{Operation, Task};

pub(super) async fn measure_latency(stage: &mut Stage) -> anyhow::Result<Vec<Figure>> {
    let operation = Operation::Encrypt;
    let task = Task { operation, algorithm: Algorithm::Xaes256Gcm, size: operation.size_default(), batch: 1 };
    let plan = Plan { in_flight: Some(1), ..stage.plan.rounds.plan(task, Transport::Tcp) };
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
    Ok(figures(&pairs))
}

/// Of pairs of an echo and a daemon.
fn figures(pairs: &[(Percentiles, Percentiles)]) -> Vec<Figure> {
    let ratios = PERCENTILES.map(|(name, percentile)| {
        let rounds = pairs.iter().map(|(echo, daemon)| percentile(daemon) / percentile(echo)).collect();
        let goal = JUDGED.contains(&name).then_some(Goal::at_most(1.10, 1.03));
        Figure { goal, ..Figure::new(format!("{name}, against the echo"), Unit::Ratio, rounds) }
    });
    let times = PERCENTILES.into_iter().flat_map(|(name, percentile)| {
        let microseconds = |rounds: Vec<f64>| rounds.into_iter().map(|ns| ns / 1e3).collect();
        let echo = microseconds(pairs.iter().map(|(echo, _)| percentile(echo)).collect());
        let daemon = microseconds(pairs.iter().map(|(_, daemon)| percentile(daemon)).collect());
        [
            Figure::new(format!("echo, {name}"), Unit::Microseconds, echo),
            Figure::new(format!("daemon, {name}"), Unit::Microseconds, daemon),
        ]
    });
    ratios.into_iter().chain(times).collect()
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
        let figures = figures(&pairs);
        let verdicts: Vec<_> =
            figures.iter().filter_map(|figure| Some((figure.name.as_str(), figure.verdict()?))).collect();
        assert_eq!(
            verdicts,
            [("p50, against the echo", Verdict::AimReached), ("p90, against the echo", Verdict::NotReached)]
        );
        assert_eq!(figures[0].rounds, [1.02, 1.02, 1.01]);
        assert_eq!(figures.len(), 12);
    }
}
