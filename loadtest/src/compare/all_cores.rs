//! Slow signatures on all cores: whether one batch of one connection is split over them.

use claviger_algorithm::Algorithm;
use claviger_client::Transport;

use super::figure::{Figure, Goal, Unit};
use super::side::{nanoseconds, sound, turns};
use super::stage::Stage;
use crate::run::{Plan, measure};
use crate::target::Target;
use crate::task::{Operation, Task};

pub(super) async fn measure_all_cores(stage: &mut Stage) -> anyhow::Result<Vec<Figure>> {
    let operation = Operation::Sign;
    let task =
        Task { operation, algorithm: Algorithm::Rsa2048Pkcs1Sha256, size: operation.size_default(), batch: BATCH };
    // The load has next to nothing to do: it runs anywhere, and leaves the cores to the daemon. In process has one core by itself.
    let plan =
        Plan { in_flight: Some(1), load_cpus: None, load_sleeps: true, ..stage.plan.rounds.plan(task, Transport::Tcp) };
    let mut target = Target::start(&stage.plan.daemon, &stage.plan.all_cpus).await?;
    let (mut ratios, mut in_process_ns, mut daemon_ns) = (Vec::new(), Vec::new(), Vec::new());
    for _ in turns(stage.plan.rounds.count) {
        let outcome = sound(measure(&plan, &mut target, &mut |_| {}).await?)?;
        let (in_process, daemon) = (outcome.in_process_ns.unwrap_or(f64::NAN), nanoseconds(&outcome));
        ratios.push(in_process / daemon);
        in_process_ns.push(in_process);
        daemon_ns.push(daemon);
    }
    let name = format!("daemon on CPU {}, of in process on one core", stage.plan.all_cpus);
    Ok(vec![
        Figure::new(name, Unit::Ratio, ratios).with(Goal::at_least(1.75, 1.9)),
        Figure::new("in process", Unit::Nanoseconds, in_process_ns),
        Figure::new("daemon", Unit::Nanoseconds, daemon_ns),
    ])
}

/// Items of the one frame in flight.
const BATCH: usize = 64;
