//! Redis side by side: what a server of requests does that computes nothing, on the same core and over TLS as well.

mod load;
mod server;

use claviger_algorithm::Algorithm;
use claviger_client::Transport;

use self::load::{RedisLoad, RedisLoaded};
use self::server::{Redis, find};
use super::figure::{Figure, Unit};
use super::rows::Measured;
use super::side::{sound, turns};
use super::stage::Stage;
use crate::run::{Outcome, Plan, measure};
use crate::task::{Operation, Task};

pub(super) async fn measure_redis(stage: &mut Stage) -> anyhow::Result<Measured> {
    let Some(program) = find() else {
        let left_out = "redis-server is not on the path: install Debian's redis-server".to_owned();
        return Ok(Measured::LeftOut { left_out });
    };
    let redis = Redis::start(&program, &stage.plan.daemon_cpus)?;
    let mut rounds = Vec::new();
    for _ in turns(stage.plan.rounds.count) {
        let pipelined = load::run(&redis, RedisLoad::PIPELINED, &stage.plan.rounds).await?;
        let single = load::run(&redis, RedisLoad::SINGLE, &stage.plan.rounds).await?;
        let batches = stage.plan.rounds.plan(encrypt(BATCH), Transport::Tcp);
        let one = Plan { in_flight: Some(1), ..stage.plan.rounds.plan(encrypt(1), Transport::Tcp) };
        let target = stage.daemon().await?;
        let daemon = sound(measure(&batches, target, &mut |_| {}).await?)?;
        let daemon_single = sound(measure(&one, target, &mut |_| {}).await?)?;
        rounds.push(Round { pipelined, single, daemon, daemon_single });
    }
    Ok(Measured::Figures { figures: figures(&rounds) })
}

struct Round {
    pipelined: RedisLoaded,
    single: RedisLoaded,
    daemon: Outcome,
    daemon_single: Outcome,
}

fn figures(rounds: &[Round]) -> Vec<Figure> {
    let of = |value: &dyn Fn(&Round) -> f64| rounds.iter().map(value).collect::<Vec<_>>();
    let redis_p50 = |round: &Round| microseconds(round.single.latency.p50_ns);
    let daemon_p50 = |round: &Round| microseconds(round.daemon_single.total.latency.p50_ns);
    let daemon_rate = |round: &Round| round.daemon.total.items_per_second();
    vec![
        Figure::new(
            "encrypt, batch 64, against SET, pipelined 64",
            Unit::Ratio,
            of(&|round| daemon_rate(round) / round.pipelined.items_per_second),
        ),
        Figure::new("SET, pipelined 64", Unit::ItemsPerSecond, of(&|round| round.pipelined.items_per_second)),
        Figure::new("encrypt, batch 64", Unit::ItemsPerSecond, of(&daemon_rate)),
        Figure::new("Redis, busy", Unit::Ratio, of(&|round| round.pipelined.busy)),
        Figure::new(
            "encrypt, one at a time, p50, against SET",
            Unit::Ratio,
            of(&|round| daemon_p50(round) / redis_p50(round)),
        ),
        Figure::new("SET, one at a time, p50", Unit::Microseconds, of(&redis_p50)),
        Figure::new("encrypt, one at a time, p50", Unit::Microseconds, of(&daemon_p50)),
    ]
}

fn microseconds(nanoseconds: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "53 bits of nanoseconds are a hundred days")]
    let nanoseconds = nanoseconds as f64;
    nanoseconds / 1e3
}

fn encrypt(batch: usize) -> Task {
    let operation = Operation::Encrypt;
    Task { operation, algorithm: Algorithm::Xaes256Gcm, size: load::VALUE_SIZE, batch }
}

/// Items of a frame: as many as commands are pipelined.
const BATCH: usize = 64;
