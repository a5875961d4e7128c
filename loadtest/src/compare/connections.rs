//! Very many connections: against a few with as much in flight, and what each takes in memory while it rests.

use claviger_algorithm::Algorithm;
use claviger_client::{ClientConfig, Transport};
use claviger_protocol::KeyId;
use claviger_protocol::message::{Encrypt, EncryptItem};

use super::even_rounds::EvenRounds;
use super::figure::{Figure, Goal, Unit, bound_ns};
use super::many_keys::per;
use super::side::{nanoseconds, sound, turns};
use super::stage::Stage;
use crate::conversation::Conversation;
use crate::crowd::crowd;
use crate::format::grouped;
use crate::report::transport_name;
use crate::run::{Outcome, Plan, measure, measure_echo};
use crate::task::{Operation, Task};

/// One frame of `batch` items in flight on each of very many connections, and as many in all on a few; and the same of the bound, which tells where the loss is.
///
/// That is told by the echo's processor time: with very many connections the load is slower than an echo. It is no ceiling: what costs the same on both sides raises a ratio.
pub(super) async fn measure_connections(stage: &mut Stage, batch: usize) -> anyhow::Result<Vec<Figure>> {
    let plan = Plan { load_sleeps: false, ..stage.plan.rounds.throughput(encrypt(batch), Transport::Tcp) };
    let (few, many) = shares(stage.plan.connections);
    let (mut of_few, mut of_many) = (Times::default(), Times::default());
    let mut rounds = EvenRounds::new(stage.plan.rounds.count);
    while rounds.begin() {
        let (served_few, echoed_few) = measure_share(stage, &plan, few).await?;
        let (served_many, echoed_many) = measure_share(stage, &plan, many).await?;
        if rounds.keep([&served_few, &echoed_few, &served_many, &echoed_many]) {
            of_few.add(&served_few, &echoed_few);
            of_many.add(&served_many, &echoed_many);
        }
    }
    let [few, many] = [few, many].map(|share| format!("{} connections", grouped(share.connections as u64)));
    let ratio = |what: &str, few_ns: &[f64], many_ns: &[f64]| {
        // Of each round by itself: what is divided was measured right after one another.
        let rounds = few_ns.iter().zip(many_ns).map(|(few, many)| few / many).collect();
        Figure::new(format!("{many}, of {few}{what}"), Unit::Ratio, rounds)
    };
    let figures = [
        ratio("", &of_few.daemon, &of_many.daemon).with(Goal::at_least(0.7, 0.9)),
        ratio(", bound", &of_few.bound, &of_many.bound),
    ];
    let times = [("", of_few.daemon, of_many.daemon), (", echo, processor time", of_few.echo, of_many.echo)];
    let times = times.into_iter().flat_map(|(what, of_few, of_many)| {
        [(&few, of_few), (&many, of_many)]
            .map(|(name, rounds)| Figure::new(format!("{name}{what}"), Unit::Nanoseconds, rounds))
    });
    Ok(figures.into_iter().chain(times).chain([rounds.figure()]).collect())
}

/// What the daemon does with one share, and what the echo does.
async fn measure_share(stage: &mut Stage, plan: &Plan, share: Share) -> anyhow::Result<(Outcome, Outcome)> {
    let plan = Plan { connections: share.connections, in_flight: Some(share.in_flight), ..plan.clone() };
    let (target, echo) = stage.sides().await?;
    let echoed = sound(measure_echo(&plan, target, echo).await?)?;
    Ok((sound(measure(&plan, target, &mut |_| {}).await?)?, echoed))
}

/// What the rounds gave for one share, in nanoseconds of an item.
#[derive(Default)]
struct Times {
    daemon: Vec<f64>,
    /// Of processor time.
    echo: Vec<f64>,
    bound: Vec<f64>,
}

impl Times {
    fn add(&mut self, served: &Outcome, echoed: &Outcome) {
        let in_process = served.in_process_ns.unwrap_or(f64::NAN);
        let echo = echoed.processor_ns().unwrap_or(f64::NAN);
        self.daemon.push(nanoseconds(served));
        self.echo.push(echo);
        self.bound.push(bound_ns(in_process, echo));
    }
}

/// What the daemon has in memory for each connection that has been used once and rests.
pub(super) async fn measure_connection_memory(stage: &mut Stage) -> anyhow::Result<Vec<Figure>> {
    let (rounds, connections) = (stage.plan.rounds.count, stage.plan.connections);
    let target = stage.daemon().await?;
    let mut figures = Vec::new();
    for transport in [Transport::Tcp, Transport::Quic] {
        let mut sizes = Vec::new();
        for _ in turns(rounds) {
            // What earlier connections have left is not used again.
            target.restart()?;
            let config = target.client_config(transport);
            let task = encrypt(1);
            let key = target.key_name(&task).await?;
            let mut first = Conversation::begin(&config).await?;
            let key_id = first.key(&target.store, &key, task.algorithm).await?.key_id;
            use_once(&mut first, key_id).await?;
            let before = target.memory()?.own;
            let resting = rest(&config, connections, key_id).await?;
            sizes.push(per(target.memory()?.own, before, resting.len()));
        }
        let name = format!("each of {} over {}", grouped(connections as u64), transport_name(transport));
        figures.push(Figure::new(name, Unit::Bytes, sizes).with(Goal::at_most(32_768.0, 16_384.0)));
    }
    Ok(figures)
}

async fn rest(config: &ClientConfig, count: usize, key_id: KeyId) -> anyhow::Result<Vec<Conversation>> {
    let mut resting = crowd(config, count).await?;
    for conversation in &mut resting {
        use_once(conversation, key_id).await?;
    }
    Ok(resting)
}

async fn use_once(conversation: &mut Conversation, key_id: KeyId) -> anyhow::Result<()> {
    let items = [EncryptItem { context: &[], plaintext: &[0x5a; 1_024] }];
    conversation.ask(Encrypt { key_id, items }).await.map(drop)
}

fn encrypt(batch: usize) -> Task {
    let operation = Operation::Encrypt;
    Task { operation, algorithm: Algorithm::Xaes256Gcm, size: operation.size_default(), batch }
}

/// How a load is shared out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Share {
    connections: usize,
    /// Frames in flight on each.
    in_flight: usize,
}

/// The same number of frames in flight on a few connections, and one on each of `many` or some more.
fn shares(many: usize) -> (Share, Share) {
    let in_flight = many.div_ceil(FEW).max(1);
    let few = Share { connections: FEW, in_flight };
    (few, Share { connections: FEW * in_flight, in_flight: 1 })
}

const FEW: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_and_many_connections_have_as_much_in_flight() {
        for (asked, connections) in [(1_000, 1_000), (1, 8), (9, 16), (9_000, 9_000)] {
            let (few, many) = shares(asked);
            assert_eq!((few.connections, many.in_flight, many.connections), (8, 1, connections));
            assert_eq!(few.connections * few.in_flight, many.connections * many.in_flight);
        }
    }
}
