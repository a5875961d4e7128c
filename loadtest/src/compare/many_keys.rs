//! Very many keys: their choice against that of a few, the start with them, and what each takes in memory.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use claviger_algorithm::Algorithm;
use claviger_client::Transport;
use claviger_protocol::KeyId;
use claviger_protocol::message::{Encrypt, EncryptItem};

use super::even_rounds::EvenRounds;
use super::figure::{Figure, Goal, Unit};
use super::side::{busy, nanoseconds, sound, turns};
use super::stage::{Populated, Stage};
use super::warm::use_each;
use crate::conversation::Conversation;
use crate::format::grouped;
use crate::population::{create, resolve};
use crate::run::{Plan, measure_keys};
use crate::target::Target;
use crate::task::{Operation, Task};

/// Encryption by keys that are chosen anew for each frame of `batch` items, `in_flight` frames at a time.
pub(super) async fn measure_choice(
    stage: &mut Stage,
    batch: usize,
    in_flight: Option<usize>,
) -> anyhow::Result<Vec<Figure>> {
    let operation = Operation::Encrypt;
    let algorithm = stage.plan.keys_algorithm;
    let task = Task { operation, algorithm, size: operation.size_default(), batch };
    let plan = Plan { in_flight, ..stage.plan.rounds.throughput(task, Transport::Tcp) };
    let rounds = stage.plan.rounds.count;
    let Populated { target, key_ids, .. } = stage.populated().await?;
    let hot: Arc<[_]> = key_ids.iter().copied().take(HOT_KEYS).collect();
    use_each(key_ids, &target.client_config(Transport::Tcp)).await?;
    let (mut ratios, mut hot_ns, mut uniform_ns, mut uniform_busy) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut rounds = EvenRounds::new(rounds);
    while rounds.begin() {
        let few = sound(measure_keys(&plan, target, &hot).await?)?;
        let all = sound(measure_keys(&plan, target, key_ids).await?)?;
        if !rounds.keep([&few, &all]) {
            continue;
        }
        ratios.push(nanoseconds(&few) / nanoseconds(&all));
        hot_ns.push(nanoseconds(&few));
        uniform_ns.push(nanoseconds(&all));
        uniform_busy.push(busy(&all));
    }
    let all = grouped(key_ids.len() as u64);
    let name = format!("{all} keys, of {HOT_KEYS} hot keys");
    Ok(vec![
        Figure::new(name, Unit::Ratio, ratios).with(Goal::at_least(0.5, 0.8)),
        Figure::new(format!("{HOT_KEYS} hot keys"), Unit::Nanoseconds, hot_ns),
        Figure::new(format!("{all} keys"), Unit::Nanoseconds, uniform_ns),
        Figure::new(format!("{all} keys, busy"), Unit::Ratio, uniform_busy),
        rounds.figure(),
    ])
}

/// From the start of the process to the first answer, and until every key has been used once: by a daemon that loads keys before they are used, and by one that does not.
pub(super) async fn measure_start(stage: &mut Stage) -> anyhow::Result<Vec<Figure>> {
    let rounds = stage.plan.rounds.count;
    let Populated { target, key_ids, .. } = stage.populated().await?;
    let (mut plain, mut filling) = (Starts::default(), Starts::default());
    for _ in turns(rounds) {
        let start = target.restart()?;
        plain.measure(start, target, key_ids, false).await?;
        let start = target.restart_filling()?;
        filling.measure(start, target, key_ids, true).await?;
    }
    let seconds = |name: &str, rounds| Figure::new(name, Unit::Seconds, rounds);
    Ok(vec![
        seconds("first answer", plain.first_answer).with(Goal::at_most(1.0, 0.2)),
        seconds("first answer, filling", filling.first_answer).with(Goal::at_most(1.0, 0.2)),
        seconds("everything in memory, filling", filling.filled).with(Goal::at_most(10.0, 3.0)),
        seconds("then each key used once", filling.each_used),
        seconds("each key used once, and loaded by that", plain.each_used),
        seconds("serving", plain.serving),
    ])
}

/// What was measured of starts, in seconds from the start of the process.
#[derive(Default)]
struct Starts {
    serving: Vec<f64>,
    first_answer: Vec<f64>,
    /// When the daemon had all keys in memory, if it loads them before they are used.
    filled: Vec<f64>,
    each_used: Vec<f64>,
}

impl Starts {
    /// Measures a daemon that has just been started, which took `start`.
    async fn measure(
        &mut self,
        start: Duration,
        target: &Target,
        key_ids: &[KeyId],
        fills: bool,
    ) -> anyhow::Result<()> {
        let began = Instant::now();
        let since_start = || (start + began.elapsed()).as_secs_f64();
        answer(target, key_ids).await?;
        let first_answer = since_start();
        if fills {
            target.wait_until_filled(key_ids.len()).await?;
            self.filled.push(since_start());
        }
        use_each(key_ids, &target.client_config(Transport::Tcp)).await?;
        self.serving.push(start.as_secs_f64());
        self.first_answer.push(first_answer);
        self.each_used.push(since_start());
        Ok(())
    }
}

/// What the daemon has in memory for each key that it has used, against a daemon without any.
pub(super) async fn measure_key_memory(stage: &mut Stage) -> anyhow::Result<Vec<Figure>> {
    let Populated { target, key_ids, memory_before } = stage.populated().await?;
    target.restart()?;
    let started = target.memory()?.own;
    use_each(key_ids, &target.client_config(Transport::Tcp)).await?;
    let warm = target.memory()?.own;
    let each = |before: u64| vec![per(warm, before, key_ids.len())];
    Ok(vec![
        Figure::new("each key in memory", Unit::Bytes, each(memory_before.own)).with(Goal::at_most(512.0, 256.0)),
        Figure::new("each key, of that after the start", Unit::Bytes, each(started)),
    ])
}

impl Populated {
    /// Creates so many keys.
    ///
    /// # Errors
    /// If the daemon refuses.
    pub(super) async fn make(target: Target, keys: usize, algorithm: Algorithm) -> anyhow::Result<Self> {
        let memory_before = target.memory()?;
        create(keys, algorithm, target.ours()?.1).await?;
        let mut conversation = Conversation::begin(&target.client_config(Transport::Tcp)).await?;
        let key_ids = resolve(keys, keys, &mut conversation).await?.into();
        Ok(Self { target, key_ids, memory_before })
    }
}

/// Waits until the daemon has encrypted something.
async fn answer(target: &Target, key_ids: &[KeyId]) -> anyhow::Result<()> {
    let key_id = *key_ids.first().context("there are no keys")?;
    let mut conversation = Conversation::begin(&target.client_config(Transport::Tcp)).await?;
    let items = [EncryptItem { context: &[], plaintext: b"first" }];
    conversation.ask(Encrypt { key_id, items }).await.map(drop)
}

/// What each of `count` things added.
pub(super) fn per(after: u64, before: u64, count: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "53 bits of bytes are 8 million GB")]
    let (after, before, count) = (after as f64, before as f64, count as f64);
    (after - before) / count
}

/// Keys that stay in the caches of the processor.
const HOT_KEYS: usize = 16;
