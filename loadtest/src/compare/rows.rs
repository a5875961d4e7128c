//! The table of all rows: what is compared, and what it is to reach.

use claviger_algorithm::Algorithm;
use claviger_client::Transport;
use serde::Serialize;

use super::all_cores::measure_all_cores;
use super::connections::{measure_connection_memory, measure_connections};
use super::curves::{Curves, measure_curves};
use super::figure::{Figure, Goal};
use super::flood::measure_flood;
use super::latency::{measure_busy_poll, measure_latency};
use super::many_keys::{measure_choice, measure_key_memory, measure_start};
use super::redis;
use super::single_items::measure_single_items;
use super::stage::Stage;
use super::throughput::Throughput;
use crate::task::Operation;

/// One row.
pub(crate) struct Row {
    /// By which it is chosen.
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    measure: Measure,
}

/// What a row has measured.
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum Measured {
    Figures {
        figures: Vec<Figure>,
    },
    Curves {
        curves: Curves,
    },
    /// Something that it needs is not there: what, and how to get it.
    LeftOut {
        left_out: String,
    },
}

enum Measure {
    Throughput(Throughput),
    SingleItems,
    AllCores,
    Latency,
    BusyPoll,
    Flood,
    /// Items of a frame, and frames in flight.
    KeyChoice(usize, Option<usize>),
    /// Items of a frame.
    Connections(usize),
    Start,
    KeyMemory,
    ConnectionMemory,
    Redis,
    Curves,
}

impl Row {
    /// Measures it.
    ///
    /// # Errors
    /// If something does not start, refuses, or answers wrongly.
    pub(super) async fn measure(&self, stage: &mut Stage) -> anyhow::Result<Measured> {
        let figures = match &self.measure {
            Measure::Throughput(throughput) => throughput.measure(stage).await?,
            Measure::SingleItems => measure_single_items(stage).await?,
            Measure::AllCores => measure_all_cores(stage).await?,
            Measure::Latency => measure_latency(stage).await?,
            Measure::BusyPoll => measure_busy_poll(stage).await?,
            Measure::Flood => measure_flood(stage).await?,
            Measure::KeyChoice(batch, in_flight) => measure_choice(stage, *batch, *in_flight).await?,
            Measure::Connections(batch) => measure_connections(stage, *batch).await?,
            Measure::Start => measure_start(stage).await?,
            Measure::KeyMemory => measure_key_memory(stage).await?,
            Measure::ConnectionMemory => measure_connection_memory(stage).await?,
            Measure::Redis => return redis::measure_redis(stage).await,
            Measure::Curves => return measure_curves(stage).await.map(|curves| Measured::Curves { curves }),
        };
        Ok(Measured::Figures { figures })
    }
}

const fn encrypt(
    batch: usize,
    transport: Transport,
    of_bound: Option<Goal>,
    of_in_process: Goal,
    echo_required: Option<f64>,
) -> Measure {
    let echo_of_in_process = match echo_required {
        Some(required) => Some(Goal::AtLeast { required, aim: None }),
        None => None,
    };
    Measure::Throughput(Throughput {
        operation: Operation::Encrypt,
        algorithm: Algorithm::Xaes256Gcm,
        size: 1_024,
        batch,
        in_flight: None,
        transport,
        of_bound,
        of_in_process: Some(of_in_process),
        echo_of_in_process,
    })
}

const fn decrypt(operation: Operation, of_bound: Goal) -> Measure {
    Measure::Throughput(Throughput {
        operation,
        algorithm: Algorithm::Xaes256Gcm,
        size: 1_024,
        batch: 16,
        in_flight: None,
        transport: Transport::Tcp,
        of_bound: Some(of_bound),
        of_in_process: None,
        echo_of_in_process: None,
    })
}

const fn sign(algorithm: Algorithm) -> Measure {
    Measure::Throughput(Throughput {
        operation: Operation::Sign,
        algorithm,
        size: 64,
        batch: 64,
        in_flight: Some(SIGN_FRAMES),
        transport: Transport::Tcp,
        of_bound: None,
        of_in_process: Some(Goal::at_least(0.94, 0.98)),
        echo_of_in_process: None,
    })
}

/// Frames in flight where signatures are compared: a daemon tells of several batches at once as long as it has as many again to work on.
const SIGN_FRAMES: usize = 8;

/// The bound is what work and transport by themselves leave; an echo below these parts of in process would make it too low.
const ECHO_TCP: f64 = 0.36;
const ECHO_QUIC: f64 = 0.08;

const OF_BOUND: Goal = Goal::at_least(0.85, 0.95);
const OF_IN_PROCESS: Goal = Goal::at_least(0.24, 0.30);

/// The row that can be drawn.
pub(crate) const CURVES: &str = "curves";

/// In the order in which they are measured and shown.
pub(crate) const ROWS: [Row; 22] = [
    Row {
        name: "encrypt-16",
        what: "encrypt 1 KiB, TLS/TCP, batch 16, pipelined",
        measure: encrypt(16, Transport::Tcp, Some(OF_BOUND), OF_IN_PROCESS, Some(ECHO_TCP)),
    },
    Row {
        name: "encrypt-64",
        what: "encrypt 1 KiB, TLS/TCP, batch 64, pipelined",
        measure: encrypt(64, Transport::Tcp, Some(OF_BOUND), OF_IN_PROCESS, Some(ECHO_TCP)),
    },
    Row {
        name: "decrypt",
        what: "decrypt 1 KiB, TLS/TCP, batch 16, items of one burst",
        measure: decrypt(Operation::Decrypt, Goal::at_least(0.80, 0.95)),
    },
    Row {
        name: "decrypt-bursts",
        what: "decrypt 1 KiB, TLS/TCP, batch 16, each item from another burst; in process derives, prepares and commits for each",
        measure: decrypt(Operation::DecryptBursts, OF_BOUND),
    },
    Row {
        name: "encrypt-small",
        what: "encrypt 64 B, TLS/TCP, batch 256",
        measure: Measure::Throughput(Throughput {
            operation: Operation::Encrypt,
            algorithm: Algorithm::Xaes256Gcm,
            size: 64,
            batch: 256,
            in_flight: None,
            transport: Transport::Tcp,
            of_bound: None,
            of_in_process: Some(Goal::at_least(0.40, 0.60)),
            echo_of_in_process: None,
        }),
    },
    Row {
        name: "encrypt-single",
        what: "encrypt 1 KiB, TLS/TCP, one item a frame, 256 in flight, against batch 16",
        measure: Measure::SingleItems,
    },
    Row {
        name: "encrypt-quic",
        what: "encrypt 1 KiB, QUIC, batch 16, pipelined on one stream",
        measure: encrypt(16, Transport::Quic, Some(OF_BOUND), Goal::at_least(0.07, 0.12), Some(ECHO_QUIC)),
    },
    Row { name: "sign-ed25519", what: "sign 64 B, Ed25519, TLS/TCP, batch 64", measure: sign(Algorithm::Ed25519) },
    Row { name: "sign-p256", what: "sign 64 B, P-256, TLS/TCP, batch 64", measure: sign(Algorithm::EcdsaP256Sha256) },
    Row {
        name: "sign-rsa-2048",
        what: "sign 64 B, RSA-2048, TLS/TCP, the daemon on all cores, one connection, one batch of 64",
        measure: Measure::AllCores,
    },
    Row { name: "latency", what: "encrypt 1 KiB, TLS/TCP, one at a time, against the echo", measure: Measure::Latency },
    Row {
        name: "latency-busy-poll",
        what: "the same with workers that look for more before they sleep, against the default",
        measure: Measure::BusyPoll,
    },
    Row {
        name: "beside-rsa-4096",
        what: "encrypt 1 KiB, 5,000 a second, beside RSA-4096 as fast as it goes, against beside a process of the idle class",
        measure: Measure::Flood,
    },
    Row {
        name: "many-keys",
        what: "encrypt 1 KiB, TLS/TCP, batch 16, a key chosen for each frame, from very many against 16",
        measure: Measure::KeyChoice(16, None),
    },
    Row {
        name: "many-keys-single",
        what: "encrypt 1 KiB, TLS/TCP, one item a frame, 256 in flight, a key chosen for each, from very many against 16",
        measure: Measure::KeyChoice(1, Some(256)),
    },
    Row {
        name: "connections",
        what: "encrypt 1 KiB, TLS/TCP, batch 16, one frame in flight on each of very many connections, against as many on 8",
        measure: Measure::Connections(16),
    },
    Row { name: "connections-64", what: "the same with batches of 64", measure: Measure::Connections(64) },
    Row { name: "start", what: "start with very many keys, from the start of the process", measure: Measure::Start },
    Row {
        name: "memory-keys",
        what: "memory of the daemon for each symmetric key, all of them used",
        measure: Measure::KeyMemory,
    },
    Row {
        name: "memory-connections",
        what: "memory of the daemon for each connection that rests",
        measure: Measure::ConnectionMemory,
    },
    Row {
        name: "redis",
        what: "Redis, SET of 1 KiB over TLS, pipelined 64, on the core of the daemon",
        measure: Measure::Redis,
    },
    Row {
        name: CURVES,
        what: "encrypt 1 KiB, TLS/TCP: throughput over batch size, latency over load; measured once",
        measure: Measure::Curves,
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_apart_and_can_be_written_in_a_list() {
        for (index, row) in ROWS.iter().enumerate() {
            assert!(ROWS[..index].iter().all(|other| other.name != row.name), "{}", row.name);
            assert!(row.name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'));
        }
    }

    #[test]
    fn every_task_is_within_the_limits_and_every_aim_beyond_what_is_required() {
        for row in &ROWS {
            let Measure::Throughput(throughput) = &row.measure else { continue };
            throughput.task().check().unwrap();
            for goal in [throughput.of_bound, throughput.of_in_process].into_iter().flatten() {
                assert!(goal.aim().is_some_and(|aim| aim > goal.required()), "{}", row.name);
            }
        }
    }
}
