//! One measurement, or two at once: warm-up, load, checks; in process meanwhile, or before and after.

use std::mem;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use claviger_client::{ClientConfig, Transport};
use claviger_protocol::KeyId;
use tokio::time::sleep_until;

use crate::check::{self, Checked};
use crate::conversation::Conversation;
use crate::cpus::Cpus;
use crate::daemon::Daemon;
use crate::in_process::InProcess;
use crate::load::{Load, Loaded};
use crate::load_thread::Schedule;
use crate::stats::{Percentiles, Statistics};
use crate::target::Target;
use crate::task::Task;
use crate::workload::Workload;

/// What is measured and how.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) task: Task,
    pub(crate) transport: Transport,
    pub(crate) connections: usize,
    /// Byte streams of each QUIC connection.
    pub(crate) streams: usize,
    /// Frames in flight on each byte stream; `None`: what suits the task.
    pub(crate) in_flight: Option<usize>,
    /// Items a second in all, in an open loop; `None`: a closed one.
    pub(crate) rate: Option<u32>,
    pub(crate) warm_up: Duration,
    pub(crate) duration: Duration,
    /// Where the load runs: one thread on each. `None`: one thread anywhere.
    pub(crate) load_cpus: Option<Cpus>,
    /// Whether its threads sleep between replies even on processors of their own: where they share them with another load.
    pub(crate) load_sleeps: bool,
    /// Where the same operation is measured in process: where the daemon runs, because no two cores are equally fast. `None`: with the load.
    pub(crate) in_process_cpus: Option<Cpus>,
    /// Whether that is done meanwhile, a little now and then, if there is a processor given for it; else it is done before and after.
    pub(crate) in_process_meanwhile: bool,
}

/// What was measured.
pub(crate) struct Outcome {
    pub(crate) plan: Plan,
    /// Frames in flight on each byte stream.
    pub(crate) in_flight: usize,
    /// Bytes of a request.
    pub(crate) frame_size: usize,
    pub(crate) rows: Vec<Row>,
    /// Everything together.
    pub(crate) total: Row,
    pub(crate) failures: Vec<(String, u64)>,
    /// Processor time of the daemon inside the window, if it was ours.
    pub(crate) processor_time: Option<Duration>,
    pub(crate) checked: Checked,
    /// Nanoseconds of one item in process.
    pub(crate) in_process_ns: Option<f64>,
}

/// Some seconds of a run.
#[derive(Clone, Copy, Debug, Default, serde::Serialize)]
pub(crate) struct Row {
    /// When it ends, in seconds since measuring began.
    pub(crate) end_seconds: f64,
    /// How long it is.
    pub(crate) seconds: f64,
    pub(crate) frames: u64,
    pub(crate) items: u64,
    pub(crate) failed: u64,
    #[serde(flatten)]
    pub(crate) latency: Percentiles,
}

/// Measures. `on_row` is told each row as soon as it is complete.
///
/// # Errors
/// If anything cannot be set up, a connection breaks, nothing is answered, or an answer is wrong.
pub(crate) async fn measure(plan: &Plan, target: &mut Target, on_row: &mut dyn FnMut(&Row)) -> anyhow::Result<Outcome> {
    Prepared::new(plan, target).await?.measure(target.daemon(), on_row).await
}

/// As [`measure`], where each frame uses one of these keys, all as often.
///
/// # Errors
/// As [`measure`].
pub(crate) async fn measure_keys(plan: &Plan, target: &mut Target, key_ids: &Arc<[KeyId]>) -> anyhow::Result<Outcome> {
    let prepared = Prepared::new(plan, target).await?.choosing(key_ids);
    prepared.measure(target.daemon(), &mut |_| {}).await
}

/// Measures what comes of the same frames with an echo in the daemon's place.
///
/// # Errors
/// As [`measure`], and if what comes back is not what was sent.
pub(crate) async fn measure_echo(plan: &Plan, target: &mut Target, echo: &Daemon) -> anyhow::Result<Outcome> {
    let prepared = Prepared::new(plan, target).await?.echoed(echo);
    prepared.measure(Some(echo), &mut |_| {}).await
}

/// Measures two loads over the same time, that of the first plan, each on connections of its own, the second of `other` if that is another target of the same daemon.
/// The daemon's processor time is not told apart, so neither has it.
///
/// # Errors
/// As [`measure`].
pub(crate) async fn measure_together(
    plans: [&Plan; 2],
    target: &mut Target,
    other: Option<&mut Target>,
) -> anyhow::Result<[Outcome; 2]> {
    let [first, second] = plans;
    let mut prepared = [Prepared::new(first, target).await?, Prepared::new(second, other.unwrap_or(target)).await?];
    prepared.iter_mut().try_for_each(Prepared::measure_in_process)?;
    let [one, two] = &prepared;
    let loads = (one.connect().await?, two.connect().await?);
    let schedule = Schedule::soon(first.warm_up, first.duration);
    let (mut silent, mut as_silent) = (|_: &Row| {}, |_: &Row| {});
    let loaded = tokio::try_join!(loads.0.run(&schedule, &mut silent), loads.1.run(&schedule, &mut as_silent))?;
    prepared.iter_mut().try_for_each(Prepared::measure_in_process)?;
    let [one, two] = prepared;
    Ok([one.outcome(loaded.0, None).await?, two.outcome(loaded.1, None).await?])
}

/// A plan that can be carried out.
struct Prepared<'p> {
    plan: &'p Plan,
    config: ClientConfig,
    workload: Arc<Workload>,
    /// Frames in flight on each byte stream.
    in_flight: usize,
    in_process: InProcess,
}

impl<'p> Prepared<'p> {
    async fn new(plan: &'p Plan, target: &mut Target) -> anyhow::Result<Self> {
        let key_name = target.key_name(&plan.task).await?;
        let config = target.client_config(plan.transport);
        let mut conversation = Conversation::begin(&config).await?;
        let key = conversation.key(&target.store, &key_name, plan.task.algorithm).await?;
        let workload = Arc::new(Workload::prepare(plan.task, key, &mut conversation).await?);
        let in_flight = plan.in_flight.unwrap_or_else(|| plan.task.in_flight_default(workload.frame_size()));
        Ok(Self { plan, config, workload, in_flight, in_process: InProcess::prepare(&plan.task)? })
    }

    fn choosing(mut self, key_ids: &Arc<[KeyId]>) -> Self {
        Arc::make_mut(&mut self.workload).key_ids = Arc::clone(key_ids);
        self
    }

    fn echoed(mut self, echo: &Daemon) -> Self {
        self.config.address.clone_from(&echo.addresses().data);
        let workload = Arc::new(Arc::unwrap_or_clone(self.workload).echoed());
        Self { workload, ..self }
    }

    /// Warm-up and load, of the process `loaded`, and the same in process: meanwhile, or before and after.
    async fn measure(mut self, loaded: Option<&Daemon>, on_row: &mut dyn FnMut(&Row)) -> anyhow::Result<Outcome> {
        if self.plan.sampled_on().is_none() {
            self.measure_in_process()?;
        }
        let load = self.connect().await?;
        let schedule = Schedule::soon(self.plan.warm_up, self.plan.duration);
        let in_process = self.sample_in_process(&schedule);
        let processor_time = processor_time(loaded, &schedule.window);
        let (loaded, processor_time, in_process) =
            tokio::try_join!(load.run(&schedule, on_row), processor_time, in_process)?;
        match in_process {
            Some(in_process) => self.in_process = in_process,
            None => self.measure_in_process()?,
        }
        self.outcome(loaded, processor_time).await
    }

    /// Samples it over the window, on a thread of its own, if that is asked for.
    fn sample_in_process(
        &mut self,
        schedule: &Schedule,
    ) -> impl Future<Output = anyhow::Result<Option<InProcess>>> + use<> {
        let cpus = self.plan.sampled_on().cloned();
        let sampled = cpus.map(|cpus| {
            let (mut in_process, window) = (mem::take(&mut self.in_process), schedule.window.clone());
            tokio::task::spawn_blocking(move || in_process.sample(&cpus, &window).map(|()| in_process))
        });
        async {
            let Some(sampled) = sampled else { return Ok(None) };
            sampled
                .await
                .context("the thread that samples in process panicked; this is a fault of the program")?
                .map(Some)
        }
    }

    fn measure_in_process(&mut self) -> anyhow::Result<()> {
        self.in_process.measure(self.plan.in_process_cpus.as_ref())
    }

    async fn connect(&self) -> anyhow::Result<Load> {
        Load::connect(self.plan, &self.config, &self.workload, self.in_flight).await
    }

    /// What came out, once answers were checked.
    async fn outcome(self, loaded: Loaded, processor_time: Option<Duration>) -> anyhow::Result<Outcome> {
        let Plan { task, duration, .. } = self.plan;
        let seconds = duration.as_secs_f64();
        let total = Row::new(&loaded.statistics, seconds, seconds);
        ensure!(
            total.frames > 0,
            "{task}: nothing was answered in the {seconds} seconds that were measured, so there is nothing to check: \
             give more with --seconds, and see what holds up the daemon"
        );
        let checked = if self.workload.is_echoed {
            check::check_echoes(&loaded.samples, &self.workload)?
        } else {
            // A new one: the first may have been closed as idle.
            let mut conversation = Conversation::begin(&self.config).await?;
            check::check(&loaded.samples, &self.workload, &mut conversation).await?
        };
        let failures = loaded.statistics.failures.iter();
        Ok(Outcome {
            plan: self.plan.clone(),
            in_flight: self.in_flight,
            frame_size: self.workload.frame_size(),
            rows: loaded.rows,
            total,
            failures: failures.map(|(failure, count)| (failure.to_string(), *count)).collect(),
            processor_time,
            checked,
            in_process_ns: self.in_process.nanoseconds(),
        })
    }
}

/// Processor time of what is loaded inside `window`, if it is ours.
async fn processor_time(loaded: Option<&Daemon>, window: &Range<Instant>) -> anyhow::Result<Option<Duration>> {
    let processor_time = || loaded.map(Daemon::processor_time).transpose();
    sleep_until(window.start.into()).await;
    let before = processor_time()?;
    sleep_until(window.end.into()).await;
    let after = processor_time()?;
    Ok(after.zip(before).map(|(after, before)| after - before))
}

impl Outcome {
    /// Items a second against those in process on one core.
    pub(crate) fn ratio(&self) -> Option<f64> {
        self.in_process_ns.map(|nanoseconds| self.total.items_per_second() * nanoseconds / 1e9)
    }

    /// Processor time of the daemon for one item, in nanoseconds.
    pub(crate) fn processor_ns(&self) -> Option<f64> {
        #[expect(clippy::cast_precision_loss, reason = "53 bits of items are ten years of a million a second")]
        let items = self.total.items as f64;
        self.processor_time.map(|time| time.as_secs_f64() * 1e9 / items)
    }
}

impl Row {
    pub(crate) fn new(statistics: &Statistics, end_seconds: f64, seconds: f64) -> Self {
        let Statistics { frames, items, .. } = *statistics;
        Self { end_seconds, seconds, frames, items, failed: statistics.failed(), latency: statistics.percentiles() }
    }

    pub(crate) fn items_per_second(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "53 bits of items are ten years of a million a second")]
        let items = self.items as f64;
        items / self.seconds
    }
}

impl Plan {
    /// Where it is measured in process meanwhile, if it is.
    fn sampled_on(&self) -> Option<&Cpus> {
        self.in_process_cpus.as_ref().filter(|_| self.in_process_meanwhile)
    }

    /// Time between two frames of one byte stream, in an open loop.
    pub(crate) fn interval(&self) -> Option<Duration> {
        let byte_streams = self.byte_streams();
        self.rate.map(|rate| {
            #[expect(clippy::cast_precision_loss, reason = "both are small")]
            let items_in_turn = (self.task.batch * byte_streams) as f64;
            Duration::from_secs_f64(items_in_turn / f64::from(rate))
        })
    }

    /// Byte streams of all connections.
    pub(crate) const fn byte_streams(&self) -> usize {
        match self.transport {
            Transport::Tcp => self.connections,
            Transport::Quic => self.connections * self.streams,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::Operation;

    fn plan(rate: u32, batch: usize, connections: usize) -> Plan {
        let operation = Operation::Encrypt;
        let algorithm = operation.algorithm_default();
        Plan {
            task: Task { operation, algorithm, size: 64, batch },
            transport: Transport::Quic,
            connections,
            streams: 2,
            in_flight: None,
            rate: Some(rate),
            warm_up: Duration::ZERO,
            duration: Duration::from_secs(2),
            load_cpus: None,
            load_sleeps: false,
            in_process_cpus: None,
            in_process_meanwhile: false,
        }
    }

    // R-O5
    #[test]
    fn byte_streams_together_keep_the_rate() {
        assert_eq!(plan(1_000, 10, 1).interval(), Some(Duration::from_millis(20)));
        assert_eq!(plan(1_000, 10, 5).interval(), Some(Duration::from_millis(100)));
    }
}
