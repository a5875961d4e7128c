//! What the plot shows: throughput over the items of a frame, and latency over load, of daemon and echo.

use claviger_algorithm::Algorithm;
use claviger_client::Transport;
use serde::Serialize;

use super::side::sound;
use super::stage::Stage;
use crate::format::{grouped, whole};
use crate::limits::RATE_MAX;
use crate::progress::progress;
use crate::run::{Plan, measure, measure_echo};
use crate::stats::Percentiles;
use crate::task::{Operation, Task};

/// Both curves, encryption of 1 KiB over TLS/TCP.
#[derive(Default, Serialize)]
pub(crate) struct Curves {
    pub(crate) batches: Vec<BatchPoint>,
    pub(crate) loads: Vec<LoadPoint>,
}

/// Items a second, at so many items of a frame.
#[derive(Serialize)]
pub(crate) struct BatchPoint {
    pub(crate) batch: usize,
    pub(crate) in_process: f64,
    pub(crate) echo: f64,
    pub(crate) daemon: f64,
}

/// Latency of a frame of 16 items, at so many items a second.
#[derive(Serialize)]
pub(crate) struct LoadPoint {
    pub(crate) items_per_second: u32,
    pub(crate) echo: Percentiles,
    pub(crate) daemon: Percentiles,
}

pub(super) async fn measure_curves(stage: &mut Stage) -> anyhow::Result<Curves> {
    let operation = Operation::Encrypt;
    let rounds = stage.plan.rounds.clone();
    let plan = |batch| {
        let task = Task { operation, algorithm: Algorithm::Xaes256Gcm, size: operation.size_default(), batch };
        rounds.plan(task, Transport::Tcp)
    };
    let mut curves = Curves::default();
    for batch in BATCHES {
        progress(&format!("throughput at batch {batch}"));
        let (target, echo) = stage.sides().await?;
        let echo = sound(measure_echo(&plan(batch), target, echo).await?)?.total.items_per_second();
        let daemon = sound(measure(&plan(batch), target, &mut |_| {}).await?)?;
        let in_process = 1e9 / daemon.in_process_ns.unwrap_or(f64::NAN);
        curves.batches.push(BatchPoint { batch, in_process, echo, daemon: daemon.total.items_per_second() });
    }
    let most = curves.batches.iter().find(|point| point.batch == LOAD_BATCH).map_or(0.0, |point| point.daemon);
    for part in LOADS {
        let rate = rate(most * part);
        progress(&format!("latency at {} items/s", grouped(rate)));
        let plan = Plan { rate: Some(rate), ..plan(LOAD_BATCH) };
        let (target, echo) = stage.sides().await?;
        let echo = sound(measure_echo(&plan, target, echo).await?)?.total.latency;
        let daemon = sound(measure(&plan, target, &mut |_| {}).await?)?.total.latency;
        curves.loads.push(LoadPoint { items_per_second: rate, echo, daemon });
    }
    progress("");
    Ok(curves)
}

fn rate(items_per_second: f64) -> u32 {
    u32::try_from(whole(items_per_second)).unwrap_or(RATE_MAX).clamp(1, RATE_MAX)
}

const BATCHES: [usize; 5] = [1, 4, 16, 64, 256];

/// Items of a frame where load is what changes.
const LOAD_BATCH: usize = 16;

/// Loads, as parts of what the daemon does at most.
const LOADS: [f64; 6] = [0.05, 0.2, 0.4, 0.6, 0.8, 0.9];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_load_is_measured_where_the_throughput_is_known_and_within_bounds() {
        assert!(BATCHES.contains(&LOAD_BATCH));
        assert!(LOADS.iter().all(|part| *part > 0.0 && *part < 1.0) && LOADS.is_sorted());
        for (asked, given) in [(0.0, 1), (f64::NAN, 1), (1e12, RATE_MAX), (800.4, 800)] {
            assert_eq!(rate(asked), given);
        }
    }
}
