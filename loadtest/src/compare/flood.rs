//! A fast operation while slow ones flood the daemon, against the same beside a process of the idle class: what the slow ones take from the fast one.

use std::time::Duration;

use anyhow::Context;
use claviger_algorithm::Algorithm;
use claviger_client::Transport;

use super::figure::{Figure, Goal, Unit};
use super::side::{sound, turns};
use super::spinner::Spinner;
use super::stage::Stage;
use crate::beside::{BesidePlan, PERCENTILES};
use crate::rounds::Rounds;
use crate::run::{Outcome, measure, measure_together};

pub(super) async fn measure_flood(stage: &mut Stage) -> anyhow::Result<Vec<Figure>> {
    let beside = BesidePlan {
        algorithms: vec![FLOOD],
        transport: Transport::Tcp,
        batch: 1,
        flood_store: false,
        flood_connections: 1,
        rate: Some(RATE),
        rounds: Rounds { duration: stage.plan.rounds.duration.max(DURATION_MIN), ..stage.plan.rounds.clone() },
    };
    let fast = beside.fast();
    let flood = beside.slow(FLOOD).context("no flood")?;
    let (mut rounds, cpus) = (Vec::new(), stage.plan.daemon_cpus.clone());
    for _ in turns(stage.plan.rounds.count) {
        let target = stage.daemon().await?;
        let flood_alone = sound(measure(&flood, target, &mut |_| {}).await?)?;
        let [flooded, flood_beside] = measure_together([&fast, &flood], target, None).await?;
        let spinner = Spinner::start(&cpus)?;
        let spun = sound(measure(&fast, target, &mut |_| {}).await?)?;
        drop(spinner);
        rounds.push(Round { flood_alone, flood_beside: sound(flood_beside)?, flooded: sound(flooded)?, spun });
    }
    Ok(figures(&rounds))
}

struct Round {
    flood_alone: Outcome,
    flood_beside: Outcome,
    /// The fast operation beside the flood.
    flooded: Outcome,
    /// The fast operation beside the spinner.
    spun: Outcome,
}

fn figures(rounds: &[Round]) -> Vec<Figure> {
    let of = |value: &dyn Fn(&Round) -> f64| rounds.iter().map(value).collect::<Vec<_>>();
    let mut figures = Vec::new();
    for (name, percentile) in PERCENTILES {
        let ratios = of(&|round| percentile(&round.flooded.total.latency) / percentile(&round.spun.total.latency));
        let goal = (name == JUDGED).then_some(Goal::at_most(1.5, 1.1));
        figures.push(Figure {
            goal,
            ..Figure::new(format!("{name} beside the flood, against beside the spinner"), Unit::Ratio, ratios)
        });
    }
    let kept = of(&|round| round.flood_beside.total.items_per_second() / round.flood_alone.total.items_per_second());
    figures.push(Figure::new("the flood, of its rate alone", Unit::Ratio, kept).with(Goal::at_least(0.7, 0.9)));
    for (name, percentile) in PERCENTILES {
        let flooded = of(&|round| percentile(&round.flooded.total.latency) / 1e3);
        let spun = of(&|round| percentile(&round.spun.total.latency) / 1e3);
        figures.push(Figure::new(format!("beside the flood, {name}"), Unit::Microseconds, flooded));
        figures.push(Figure::new(format!("beside the spinner, {name}"), Unit::Microseconds, spun));
    }
    let alone = of(&|round| round.flood_alone.total.items_per_second());
    figures.push(Figure::new("the flood alone", Unit::ItemsPerSecond, alone));
    figures
}

const FLOOD: Algorithm = Algorithm::Rsa4096Pkcs1Sha256;

/// The flood is some hundred signatures a second, behind everything else on the machine: in less time it may not be answered once.
const DURATION_MIN: Duration = Duration::from_secs(2);

/// Items a second of the fast operation, one a frame: a tenth of a core or less, so that there is something left for the flood to keep.
const RATE: u32 = 5_000;

/// The percentile that has a goal.
const JUDGED: &str = "p99.9";
