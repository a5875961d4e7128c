//! One item a frame against several: what a frame costs.

use claviger_algorithm::Algorithm;
use claviger_client::Transport;

use super::even_rounds::EvenRounds;
use super::figure::{Figure, Goal, Unit};
use super::side::{nanoseconds, sound};
use super::stage::Stage;
use crate::run::{Plan, measure};
use crate::task::{Operation, Task};

pub(super) async fn measure_single_items(stage: &mut Stage) -> anyhow::Result<Vec<Figure>> {
    let plan = |batch| {
        let operation = Operation::Encrypt;
        let task = Task { operation, algorithm: Algorithm::Xaes256Gcm, size: operation.size_default(), batch };
        stage.plan.rounds.throughput(task, Transport::Tcp)
    };
    let (single, batches) = (Plan { in_flight: Some(IN_FLIGHT), ..plan(1) }, plan(16));
    let (mut ratios, mut single_ns, mut batches_ns) = (Vec::new(), Vec::new(), Vec::new());
    let mut rounds = EvenRounds::new(stage.plan.rounds.count);
    while rounds.begin() {
        let target = stage.daemon().await?;
        let one = sound(measure(&single, target, &mut |_| {}).await?)?;
        let many = sound(measure(&batches, target, &mut |_| {}).await?)?;
        if !rounds.keep([&one, &many]) {
            continue;
        }
        let (one, many) = (nanoseconds(&one), nanoseconds(&many));
        ratios.push(many / one);
        single_ns.push(one);
        batches_ns.push(many);
    }
    Ok(vec![
        Figure::new("one item a frame, of batch 16", Unit::Ratio, ratios).with(Goal::at_least(0.80, 0.95)),
        Figure::new("one item a frame", Unit::Nanoseconds, single_ns),
        Figure::new("batch 16", Unit::Nanoseconds, batches_ns),
        rounds.figure(),
    ])
}

/// Frames of one item in flight.
const IN_FLIGHT: usize = 256;
