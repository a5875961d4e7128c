//! What is shown while a run goes on and when it is over, and the same for programs.

use std::fs;
use std::path::Path;

use anyhow::Context;
use claviger_client::Transport;
use serde::{Serialize, Serializer};

use crate::check::Checked;
use crate::format::{grouped, measured, microseconds, whole};
use crate::machine::Machine;
use crate::run::{Outcome, Plan, Row};
use crate::target::Target;
use crate::task::{Operation, Task};

/// What is measured, in two lines.
pub(crate) fn print_head(plan: &Plan, target: &Target) {
    let loop_kind = match plan.rate {
        None => "closed loop".to_owned(),
        Some(rate) => format!("open loop, {} items/s", grouped(rate)),
    };
    println!(
        "{} | batch {} | {} | {} | {loop_kind} | {} s after {} s of warm-up",
        plan.task,
        plan.task.batch,
        transport_name(plan.transport),
        byte_streams(plan),
        measured(plan.duration.as_secs_f64()),
        measured(plan.warm_up.as_secs_f64()),
    );
    println!("{target}\n");
    println!(
        "{:>7} {:>12} {:>9} {:>10} {:>10} {:>10} {:>10} {:>10} {:>8}",
        "second", "items/s", "MB/s", "p50 us", "p90 us", "p99 us", "p99.9 us", "max us", "failed"
    );
}

/// One row of the run.
pub(crate) fn print_row(task: &Task, row: &Row) {
    print_named_row(&measured(row.end_seconds), task, row);
}

/// What came out of a run.
pub(crate) fn print_outcome(outcome: &Outcome) {
    let task = &outcome.plan.task;
    print_named_row("all", task, &outcome.total);
    println!();
    if let Some(nanoseconds) = outcome.in_process_ns {
        println!("in process  {:>9} ns an item on one core: {}", measured(nanoseconds), in_process_words(task));
    }
    let daemon_ns = 1e9 / outcome.total.items_per_second();
    println!("daemon      {:>9} ns an item, from request to reply, of one load", measured(daemon_ns));
    if let Some(nanoseconds) = outcome.processor_ns() {
        println!("            {:>9} ns of processor time an item, all threads of the daemon", measured(nanoseconds));
    }
    if let Some(ratio) = outcome.ratio() {
        println!("ratio       {:>9} of in process", measured(ratio));
    }
    println!(
        "in flight   {:>9} frames of {} bytes on each byte stream",
        outcome.in_flight,
        grouped(outcome.frame_size)
    );
    let Checked { replies, items } = outcome.checked;
    if replies > 0 {
        println!("checked     {:>9} replies with {} items: all right", replies, grouped(items));
    }
    for (what, count) in &outcome.failures {
        println!("failed      {:>9} {what}", grouped(*count));
    }
}

/// Megabytes a second of plaintexts, messages or results.
pub(crate) fn megabytes_per_second(task: &Task, row: &Row) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "at most 32,768")]
    let size = task.size as f64;
    row.items_per_second() * size / 1e6
}

/// The name of a transport as the option writes it.
pub(crate) const fn transport_name(transport: Transport) -> &'static str {
    match transport {
        Transport::Tcp => "tcp",
        Transport::Quic => "quic",
    }
}

/// Writes everything that was measured as JSON.
///
/// # Errors
/// If the file cannot be written.
pub(crate) fn write_json(path: &Path, machine: &Machine, runs: &[impl Serialize]) -> anyhow::Result<()> {
    let document = Document { program: "claviger-loadtest", version: env!("CARGO_PKG_VERSION"), machine, runs };
    let mut text = serde_json::to_string_pretty(&document)?;
    text.push('\n');
    fs::write(path, text).with_context(|| path.display().to_string())
}

#[derive(Serialize)]
struct Document<'a, R> {
    program: &'static str,
    version: &'static str,
    machine: &'a Machine,
    runs: &'a [R],
}

/// One outcome. Times are in the unit of their name, rates are items a second.
#[derive(Serialize)]
struct Run<'a> {
    #[serde(flatten)]
    task: Task,
    transport: &'static str,
    connections: usize,
    byte_streams: usize,
    frames_in_flight: usize,
    frame_size: usize,
    rate_asked: Option<u32>,
    warm_up_seconds: f64,
    items_per_second: f64,
    in_process_ns: Option<f64>,
    ratio: Option<f64>,
    processor_ns_per_item: Option<f64>,
    checked: Checked,
    failures: &'a [(String, u64)],
    total: Row,
    rows: &'a [Row],
}

impl<'a> Run<'a> {
    fn of(outcome: &'a Outcome) -> Self {
        let Plan { task, transport, connections, rate, warm_up, .. } = outcome.plan;
        Self {
            task,
            transport: transport_name(transport),
            connections,
            byte_streams: outcome.plan.byte_streams(),
            frames_in_flight: outcome.in_flight,
            frame_size: outcome.frame_size,
            rate_asked: rate,
            warm_up_seconds: warm_up.as_secs_f64(),
            items_per_second: outcome.total.items_per_second(),
            in_process_ns: outcome.in_process_ns,
            ratio: outcome.ratio(),
            processor_ns_per_item: outcome.processor_ns(),
            checked: outcome.checked,
            failures: &outcome.failures,
            total: outcome.total,
            rows: &outcome.rows,
        }
    }
}

impl Serialize for Outcome {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Run::of(self).serialize(serializer)
    }
}

fn print_named_row(name: &str, task: &Task, row: &Row) {
    println!(
        "{name:>7} {:>12} {:>9} {:>10} {:>10} {:>10} {:>10} {:>10} {:>8}",
        grouped(whole(row.items_per_second())),
        measured(megabytes_per_second(task, row)),
        microseconds(row.latency.p50_ns),
        microseconds(row.latency.p90_ns),
        microseconds(row.latency.p99_ns),
        microseconds(row.latency.p99_9_ns),
        microseconds(row.latency.max_ns),
        grouped(row.failed),
    );
}

fn byte_streams(plan: &Plan) -> String {
    let plural = |count: usize, what: &str| format!("{} {what}{}", grouped(count), if count == 1 { "" } else { "s" });
    match plan.transport {
        Transport::Tcp => plural(plan.connections, "connection"),
        Transport::Quic => {
            format!("{} with {} each", plural(plan.connections, "connection"), plural(plan.streams, "stream"))
        }
    }
}

const fn in_process_words(task: &Task) -> &'static str {
    match task.operation {
        Operation::Encrypt | Operation::WrapDataKey => "AES-256-GCM, one prepared key, a counted nonce",
        Operation::Decrypt | Operation::UnwrapDataKey => "AES-256-GCM, one prepared key",
        Operation::DecryptBursts => "AES-256-GCM, its key derived and prepared, and its commitment made, for each item",
        Operation::Reencrypt => "AES-256-GCM, opened and sealed, one prepared key",
        Operation::GenerateDataKey => "the library's generator and AES-256-GCM, one prepared key, a counted nonce",
        Operation::Sign | Operation::Verify | Operation::AsymmetricDecrypt | Operation::Mac | Operation::VerifyMac => {
            "the library's call with a prepared key"
        }
        Operation::Random => "the library's generator",
        Operation::ReadSecret | Operation::ReadPublicKey | Operation::Ping => "",
    }
}
