//! A fast operation beside slow ones: what those who encrypt notice of those who sign by RSA.
//!
//! The fast operation is measured alone, and then while a slow one, on connections of its own, keeps as much in flight as the daemon can work on: of the same client, or of
//! another one in another key store.

use claviger_algorithm::{Algorithm, MEDIUM_COST_NANOSECONDS, Primitive, RsaPadding};
use claviger_client::Transport;
use serde::Serialize;

use crate::format::{grouped, measured, whole};
use crate::in_process::median;
use crate::rounds::Rounds;
use crate::run::{Outcome, Plan, measure, measure_together};
use crate::stats::Percentiles;
use crate::target::Target;
use crate::task::{Operation, Task};

/// How a fast operation is measured beside slow ones.
pub(crate) struct BesidePlan {
    /// Of the slow operations; each does one of [`SLOW_OPERATIONS`].
    pub(crate) algorithms: Vec<Algorithm>,
    /// Of both.
    pub(crate) transport: Transport,
    /// Items of a frame of the fast operation.
    pub(crate) batch: usize,
    /// Whether the slow operation is that of another key store.
    pub(crate) flood_store: bool,
    /// Connections of the slow operation.
    pub(crate) flood_connections: usize,
    /// Items a second of the fast operation, in an open loop; `None`: a closed one, with one frame in flight.
    pub(crate) rate: Option<u32>,
    pub(crate) rounds: Rounds,
}

/// The fast operation and one slow operation.
#[derive(Serialize)]
pub(crate) struct Pair {
    pub(crate) rounds: Vec<Round>,
}

/// Everything of a pair, once.
#[derive(Serialize)]
pub(crate) struct Round {
    /// The fast operation, before.
    pub(crate) alone: Outcome,
    /// The fast operation, at the same time as the slow one.
    pub(crate) beside: Outcome,
    pub(crate) slow: Outcome,
}

/// Measures all pairs and prints a line for each round as soon as it is there.
///
/// # Errors
/// As [`measure`].
pub(crate) async fn measure_beside(plan: &BesidePlan, target: &mut Target) -> anyhow::Result<Vec<Pair>> {
    let fast = plan.fast();
    let mut flooding = if plan.flood_store { Some(target.another_store().await?) } else { None };
    let slow: Vec<_> = plan.algorithms.iter().filter_map(|algorithm| plan.slow(*algorithm)).collect();
    let mut pairs: Vec<_> = slow.iter().map(|_| Pair { rounds: Vec::new() }).collect();
    let total = pairs.len() * plan.rounds.count;
    let mut done = 0;
    for _ in 0..plan.rounds.count {
        for (slow, pair) in slow.iter().zip(&mut pairs) {
            let alone = measure(&fast, target, &mut |_| {}).await?;
            let [beside, slow] = measure_together([&fast, slow], target, flooding.as_mut()).await?;
            let round = Round { alone, beside, slow };
            done += 1;
            eprintln!("{done:>3} of {total}   {}", line(std::slice::from_ref(&round)));
            pair.rounds.push(round);
        }
    }
    Ok(pairs)
}

/// Prints a line for each pair: medians over the rounds.
pub(crate) fn print_pairs(plan: &BesidePlan, pairs: &[Pair]) {
    let fast = plan.fast().task;
    let loop_kind =
        plan.rate.map_or_else(|| "one frame in flight".to_owned(), |rate| format!("{} items/s", grouped(rate)));
    let whose = if plan.flood_store { " of another key store" } else { "" };
    println!(
        "Latency in us of {fast}, batch {}, {loop_kind}: alone, beside a slow operation{whose} on {} connections, and the ratio.\n",
        fast.batch, plan.flood_connections
    );
    let heads = PERCENTILES.map(|(name, _)| format!("{:^26}", format!("-------- {name} --------")));
    println!("{:<42} {}", "", heads.join(" "));
    let heads = PERCENTILES.map(|_| format!("{:>9} {:>9} {:>6}", "alone", "beside", "ratio"));
    println!("{:<42} {} {:>11} {:>10}", "slow operation", heads.join(" "), "its items/s", "in process");
    for pair in pairs {
        println!("{}", line(&pair.rounds));
    }
    println!("\nin process: items a second of the slow operation against the same in process on one core.");
    for pair in pairs {
        for outcome in pair.outcomes() {
            for (what, count) in &outcome.failures {
                println!("failed: {}: {} {what}", outcome.plan.task, grouped(*count));
            }
        }
    }
}

/// The median over `rounds`.
pub(crate) fn median_of(rounds: &[Round], value: impl Fn(&Round) -> f64) -> f64 {
    median(rounds.iter().map(value).collect()).unwrap_or(f64::NAN)
}

fn line(rounds: &[Round]) -> String {
    let slow = rounds.first().map_or_else(String::new, |round| round.slow.plan.task.to_string());
    let latency = PERCENTILES.map(|(_, percentile)| {
        let alone = |round: &Round| percentile(&round.alone.total.latency);
        let beside = |round: &Round| percentile(&round.beside.total.latency);
        format!(
            "{:>9} {:>9} {:>6}",
            measured(median_of(rounds, alone) / 1e3),
            measured(median_of(rounds, beside) / 1e3),
            // Of each round by itself: both were measured right after one another.
            measured(median_of(rounds, |round| beside(round) / alone(round))),
        )
    });
    format!(
        "{slow:<42} {} {:>11} {:>10}",
        latency.join(" "),
        grouped(whole(median_of(rounds, |round| round.slow.total.items_per_second()))),
        measured(median_of(rounds, |round| round.slow.ratio().unwrap_or(f64::NAN))),
    )
}

/// Algorithms of all operations that are too slow for the thread that does fast ones: one for each size of RSA, because nothing is seen of its padding
/// beside it.
pub(crate) fn slow_algorithms() -> Vec<Algorithm> {
    let algorithms = Algorithm::ALL.iter().copied();
    let is_slow = |algorithm: &Algorithm| {
        let padding_again = matches!(algorithm.row().primitive, Primitive::RsaSignature(_, RsaPadding::Pss));
        let cost = algorithm.row().cost;
        let item = match slow_operation(*algorithm) {
            Some(Operation::Sign) => cost.make_nanoseconds,
            Some(_) => cost.check_nanoseconds,
            None => 0,
        };
        item > MEDIUM_COST_NANOSECONDS && !padding_again
    };
    algorithms.filter(is_slow).collect()
}

fn slow_operation(algorithm: Algorithm) -> Option<Operation> {
    SLOW_OPERATIONS.iter().copied().find(|operation| operation.is_done_by(algorithm))
}

impl BesidePlan {
    /// The fast operation.
    pub(crate) fn fast(&self) -> Plan {
        let in_flight = self.rate.is_none().then_some(1);
        Plan { in_flight, rate: self.rate, ..self.plan(Operation::Encrypt, Algorithm::Xaes256Gcm, self.batch) }
    }

    /// As much of a slow operation as the daemon can work on; `None` if `algorithm` does none.
    pub(crate) fn slow(&self, algorithm: Algorithm) -> Option<Plan> {
        let operation = slow_operation(algorithm)?;
        // The last processor is that of the fast load too, if there is only one.
        let load_cpus = self.rounds.load_cpus.as_ref().and_then(|cpus| cpus.each().last());
        let connections = self.flood_connections;
        Some(Plan { load_cpus, load_sleeps: true, connections, ..self.plan(operation, algorithm, SLOW_BATCH) })
    }

    fn plan(&self, operation: Operation, algorithm: Algorithm, batch: usize) -> Plan {
        let task = Task { operation, algorithm, size: operation.size_default(), batch };
        self.rounds.plan(task, self.transport)
    }
}

impl Pair {
    /// Of all rounds.
    pub(crate) fn outcomes(&self) -> impl Iterator<Item = &Outcome> {
        self.rounds.iter().flat_map(|Round { alone, beside, slow }| [alone, beside, slow])
    }
}

/// What can be slow.
pub(crate) const SLOW_OPERATIONS: &[Operation] = &[Operation::Sign, Operation::AsymmetricDecrypt];

/// Items of a frame of the slow operation, and of the fast one unless told otherwise.
pub(crate) const SLOW_BATCH: usize = 16;

type Percentile = fn(&Percentiles) -> f64;

/// What is shown of a latency, in nanoseconds.
#[expect(clippy::cast_precision_loss, reason = "53 bits of nanoseconds are a hundred days")]
pub(crate) const PERCENTILES: [(&str, Percentile); 4] = [
    ("p50", |latency| latency.p50_ns as f64),
    ("p90", |latency| latency.p90_ns as f64),
    ("p99", |latency| latency.p99_ns as f64),
    ("p99.9", |latency| latency.p99_9_ns as f64),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn plan(rate: Option<u32>) -> BesidePlan {
        BesidePlan {
            algorithms: slow_algorithms(),
            transport: Transport::Tcp,
            batch: 1,
            flood_store: true,
            flood_connections: 3,
            rate,
            rounds: Rounds {
                duration: Duration::from_secs(1),
                warm_up: Duration::ZERO,
                count: 1,
                load_cpus: Some("1,3".parse().unwrap()),
                in_process_cpus: None,
            },
        }
    }

    #[test]
    fn slow_is_what_the_table_says_takes_a_lane_of_its_own() {
        let names: Vec<_> = slow_algorithms().iter().map(|algorithm| algorithm.name()).collect();
        let expected = [
            "ECDSA-P384-SHA384",
            "ECDSA-P521-SHA512",
            "ML-DSA-44",
            "ML-DSA-65",
            "ML-DSA-87",
            "RSA-2048-PKCS1-SHA256",
            "RSA-3072-PKCS1-SHA256",
            "RSA-4096-PKCS1-SHA256",
            "RSA-2048-OAEP-SHA256",
            "RSA-3072-OAEP-SHA256",
            "RSA-4096-OAEP-SHA256",
        ];
        assert_eq!(names, expected);
    }

    // R-O5
    #[test]
    fn the_fast_load_is_alone_in_flight_or_keeps_its_rate_and_the_slow_one_floods() {
        assert_eq!((plan(None).fast().in_flight, plan(None).fast().rate), (Some(1), None));
        assert_eq!((plan(None).fast().connections, plan(None).fast().task.batch), (1, 1));
        assert_eq!((plan(Some(9)).fast().in_flight, plan(Some(9)).fast().rate), (None, Some(9)));
        for algorithm in slow_algorithms() {
            let slow = plan(Some(9)).slow(algorithm).unwrap();
            slow.task.check().unwrap();
            assert_eq!((slow.in_flight, slow.rate, slow.load_sleeps), (None, None, true));
            assert_eq!((slow.connections, slow.task.batch), (3, SLOW_BATCH));
            assert_eq!(slow.load_cpus, Some("3".parse().unwrap()), "the one that the fast load leaves");
        }
        assert!(plan(None).slow(Algorithm::HmacSha256).is_none());
    }
}
