//! The table of the README: what a daemon does at several batch sizes, on both transports, against in process.

use claviger_algorithm::Algorithm;
use claviger_client::Transport;

use crate::format::{grouped, measured, microseconds, whole};
use crate::report::{megabytes_per_second, transport_name};
use crate::rounds::Rounds;
use crate::run::{Outcome, Plan, measure};
use crate::target::Target;
use crate::task::{Operation, Task};

/// Measures all cells and prints a line for each as soon as it is there, then the table. Returns the median outcome of each cell.
///
/// # Errors
/// As [`measure`].
pub(crate) async fn measure_table(rounds: &Rounds, target: &mut Target) -> anyhow::Result<Vec<Outcome>> {
    let cells: Vec<_> = cells().map(|(task, transport)| rounds.plan(task, transport)).collect();
    let mut outcomes: Vec<Vec<Outcome>> = cells.iter().map(|_| Vec::new()).collect();
    let total = cells.len() * rounds.count;
    let mut done = 0;
    for _ in 0..rounds.count {
        for (cell, outcomes) in cells.iter().zip(&mut outcomes) {
            let outcome = measure(cell, target, &mut |_| {}).await?;
            done += 1;
            eprintln!("{done:>3} of {total}   {}", line(&outcome));
            outcomes.push(outcome);
        }
    }
    Ok(outcomes.into_iter().filter_map(median).collect())
}

/// Prints a line for each outcome.
pub(crate) fn print_table(outcomes: &[Outcome]) {
    println!(
        "{:<34} {:<9} {:>5} {:>11} {:>9} {:>9} {:>9} {:>11} {:>11} {:>6}",
        "", "transport", "batch", "items/s", "MB/s", "p50 us", "p99 us", "daemon ns", "process ns", "ratio"
    );
    for outcome in outcomes {
        println!("{}", line(outcome));
    }
    println!(
        "\ndaemon ns: processor time of the daemon for an item. process ns: the same operation in process, with a prepared key."
    );
    println!(
        "ratio: items a second against in process on one core. Latency is that of a frame with others in flight before it."
    );
}

fn line(outcome: &Outcome) -> String {
    let Plan { task, transport, .. } = &outcome.plan;
    let optional = |number: Option<f64>| number.map_or_else(|| "-".to_owned(), measured);
    format!(
        "{:<34} {:<9} {:>5} {:>11} {:>9} {:>9} {:>9} {:>11} {:>11} {:>6}",
        task.to_string(),
        transport_name(*transport),
        task.batch,
        grouped(whole(outcome.total.items_per_second())),
        measured(megabytes_per_second(task, &outcome.total)),
        microseconds(outcome.total.latency.p50_ns),
        microseconds(outcome.total.latency.p99_ns),
        optional(outcome.processor_ns()),
        optional(outcome.in_process_ns),
        optional(outcome.ratio()),
    )
}

/// The one in the middle by ratio, which is what a change of the machine's speed moves least.
fn median(mut outcomes: Vec<Outcome>) -> Option<Outcome> {
    outcomes.sort_by(|one, other| one.ratio().unwrap_or(0.0).total_cmp(&other.ratio().unwrap_or(0.0)));
    let middle = outcomes.len() / 2;
    outcomes.into_iter().nth(middle)
}

fn cells() -> impl Iterator<Item = (Task, Transport)> {
    let transports = [Transport::Tcp, Transport::Quic];
    let encrypt = transports.into_iter().flat_map(|transport| {
        let task = |batch| task(Operation::Encrypt, Algorithm::Xaes256Gcm, batch);
        BATCHES.map(|batch| (task(batch), transport))
    });
    let sign = transports.into_iter().flat_map(|transport| {
        SIGNATURES.map(|signature| (task(Operation::Sign, signature, SIGNATURE_BATCH), transport))
    });
    encrypt.chain(sign)
}

fn task(operation: Operation, algorithm: Algorithm, batch: usize) -> Task {
    Task { operation, algorithm, size: operation.size_default(), batch }
}

/// Items of a frame, for encryption.
const BATCHES: [usize; 4] = [1, 16, 64, 256];

/// Items of a frame, for signatures.
const SIGNATURE_BATCH: usize = 64;

/// Algorithms of signatures.
const SIGNATURES: [Algorithm; 3] = [Algorithm::Ed25519, Algorithm::EcdsaP256Sha256, Algorithm::Rsa2048Pkcs1Sha256];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cell_is_within_the_limits_and_is_measured_once() {
        let cells: Vec<_> = cells().map(|(task, transport)| (task.to_string(), task.batch, transport)).collect();
        assert_eq!(cells.len(), 14);
        for (index, cell) in cells.iter().enumerate() {
            assert!(!cells[..index].contains(cell), "{cell:?}");
        }
        super::cells().for_each(|(task, _)| task.check().unwrap());
    }
}
