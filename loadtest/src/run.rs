//! One measurement: in process, warm-up, load, checks, in process again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use claviger_client::Transport;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::{mpsc, watch};
use tokio::time::sleep_until;

use crate::check::{self, Checked};
use crate::conversation::Conversation;
use crate::cpus::Cpus;
use crate::in_process::InProcess;
use crate::load::{LoadThread, ROW, Report, Schedule};
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
    /// Where the same operation is measured in process: where the daemon runs, because no two cores are equally fast. `None`: with the load.
    pub(crate) in_process_cpus: Option<Cpus>,
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
/// If anything cannot be set up, a connection breaks, or an answer is wrong.
pub(crate) async fn measure(plan: &Plan, target: &mut Target, on_row: &mut dyn FnMut(&Row)) -> anyhow::Result<Outcome> {
    let key_name = target.key_name(&plan.task).await?;
    let config = target.client_config(plan.transport);
    let mut conversation = Conversation::begin(&config).await?;
    let key = conversation.key(&target.store, &key_name, plan.task.algorithm).await?;
    let workload = Arc::new(Workload::prepare(plan.task, key, &mut conversation).await?);
    let in_flight = plan.in_flight.unwrap_or_else(|| plan.task.in_flight_default(workload.frame.len()));

    let mut in_process = InProcess::prepare(&plan.task)?;
    in_process.measure(plan.in_process_cpus.as_ref())?;
    let load = Load::start(plan, target, &workload, in_flight)?;
    let loaded = load.run(plan, target, on_row).await?;
    in_process.measure(plan.in_process_cpus.as_ref())?;

    // A new one: the first may have been closed as idle.
    let mut conversation = Conversation::begin(&config).await?;
    let checked = check::check(&loaded.samples, &workload, &mut conversation).await?;
    let failures = loaded.statistics.failures.iter().map(|(failure, count)| (failure.to_string(), *count)).collect();
    Ok(Outcome {
        plan: plan.clone(),
        in_flight,
        frame_size: workload.frame.len(),
        rows: loaded.rows,
        total: Row::new(&loaded.statistics, plan.duration.as_secs_f64(), plan.duration.as_secs_f64()),
        failures,
        processor_time: loaded.processor_time,
        checked,
        in_process_ns: in_process.nanoseconds(),
    })
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
    fn new(statistics: &Statistics, end_seconds: f64, seconds: f64) -> Self {
        let Statistics { frames, items, .. } = *statistics;
        Self { end_seconds, seconds, frames, items, failed: statistics.failed(), latency: statistics.percentiles() }
    }

    pub(crate) fn items_per_second(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "53 bits of items are ten years of a million a second")]
        let items = self.items as f64;
        items / self.seconds
    }
}

/// The running threads.
struct Load {
    threads: usize,
    schedule: watch::Sender<Option<Schedule>>,
    reports: UnboundedReceiver<Report>,
}

struct Loaded {
    rows: Vec<Row>,
    statistics: Statistics,
    samples: Vec<Vec<u8>>,
    processor_time: Option<Duration>,
}

impl Load {
    fn start(plan: &Plan, target: &Target, workload: &Arc<Workload>, in_flight: usize) -> anyhow::Result<Self> {
        let cpus: Vec<_> = match &plan.load_cpus {
            Some(cpus) => cpus.each().map(Some).take(plan.connections).collect(),
            None => vec![None],
        };
        let (schedule, told) = watch::channel(None);
        let (reporter, reports) = mpsc::unbounded_channel();
        let threads = cpus.len();
        for (number, cpus) in cpus.into_iter().enumerate() {
            LoadThread {
                config: target.client_config(plan.transport),
                workload: Arc::clone(workload),
                connections: share(plan.connections, threads, number),
                streams: plan.streams,
                in_flight,
                interval: plan.interval(),
                cpus,
            }
            .start(told.clone(), reporter.clone())?;
        }
        Ok(Self { threads, schedule, reports })
    }

    async fn run(mut self, plan: &Plan, target: &Target, on_row: &mut dyn FnMut(&Row)) -> anyhow::Result<Loaded> {
        for _ in 0..self.threads {
            match self.reports.recv().await {
                Some(Report::Connected) => {}
                Some(Report::Ended(Err(error))) => return Err(error),
                _ => bail!("a thread of the load ended before it began; this is a fault of the program"),
            }
        }
        let begin = Instant::now() + LEAD;
        let window = begin + plan.warm_up..begin + plan.warm_up + plan.duration;
        let schedule = Schedule { begin, window: window.clone() };
        self.schedule.send_replace(Some(schedule.clone()));
        let processor_time = async {
            sleep_until(window.start.into()).await;
            let before = target.processor_time()?;
            sleep_until(window.end.into()).await;
            let after = target.processor_time()?;
            Ok(after.zip(before).map(|(after, before)| after - before))
        };
        let (loaded, processor_time) =
            tokio::try_join!(collect(&mut self.reports, self.threads, &schedule, on_row), processor_time)?;
        Ok(Loaded { processor_time, ..loaded })
    }
}

/// Puts together what the threads tell.
async fn collect(
    reports: &mut UnboundedReceiver<Report>,
    threads: usize,
    schedule: &Schedule,
    on_row: &mut dyn FnMut(&Row),
) -> anyhow::Result<Loaded> {
    let mut statistics = Statistics::new();
    let (mut rows, mut samples) = (Vec::new(), Vec::new());
    // Rows that some threads have told and others not yet, the oldest first.
    let mut incomplete: Vec<(usize, Statistics)> = Vec::new();
    let mut running = threads;
    while running > 0 {
        match reports.recv().await.context("a thread of the load panicked; this is a fault of the program")? {
            Report::Connected => {}
            Report::Row(row, counted) => {
                statistics.add(&counted);
                let place = row - rows.len();
                while incomplete.len() <= place {
                    incomplete.push((0, Statistics::new()));
                }
                if let Some((told, sum)) = incomplete.get_mut(place) {
                    *told += 1;
                    sum.add(&counted);
                }
                while incomplete.first().is_some_and(|(told, _)| *told == threads) {
                    let (_, sum) = incomplete.remove(0);
                    let row = schedule.row(rows.len(), &sum);
                    on_row(&row);
                    rows.push(row);
                }
            }
            Report::Ended(ended) => {
                let ended = ended?;
                statistics.add(&ended.rest);
                samples.extend(ended.samples);
                running -= 1;
            }
        }
    }
    Ok(Loaded { rows, statistics, samples, processor_time: None })
}

impl Schedule {
    fn row(&self, number: usize, statistics: &Statistics) -> Row {
        let end = self.row_end(number).unwrap_or(self.window.end).duration_since(self.window.start).as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "a run has some thousand rows")]
        let begin = ROW.as_secs_f64() * number as f64;
        Row::new(statistics, end, end - begin)
    }
}

impl Plan {
    /// Time between two frames of one byte stream, in an open loop.
    fn interval(&self) -> Option<Duration> {
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

/// How many of `count` things fall to the one of this number among `among`.
const fn share(count: usize, among: usize, number: usize) -> usize {
    count / among + if number < count % among { 1 } else { 0 }
}

/// Between the order to begin and the beginning: time for every thread to hear it.
const LEAD: Duration = Duration::from_millis(20);

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
            in_process_cpus: None,
        }
    }

    #[test]
    fn connections_are_shared_out_whole() {
        for (count, among) in [(1, 1), (8, 3), (2, 2), (1_000, 7)] {
            let shares: Vec<_> = (0..among).map(|number| share(count, among, number)).collect();
            assert_eq!(shares.iter().sum::<usize>(), count);
            assert!(shares.iter().max().unwrap() - shares.iter().min().unwrap() <= 1);
        }
    }

    // R-O5
    #[test]
    fn byte_streams_together_keep_the_rate() {
        assert_eq!(plan(1_000, 10, 1).interval(), Some(Duration::from_millis(20)));
        assert_eq!(plan(1_000, 10, 5).interval(), Some(Duration::from_millis(100)));
    }

    #[tokio::test]
    async fn rows_are_told_when_every_thread_has_told_its_part_and_in_their_order() {
        let begin = Instant::now();
        let schedule = Schedule { begin, window: begin..begin + Duration::from_millis(1_500) };
        let (sender, mut reports) = mpsc::unbounded_channel();
        let counted = |items| {
            let mut statistics = Statistics::new();
            statistics.items = items;
            statistics
        };
        let tell = |report| sender.send(report).ok().unwrap();
        tell(Report::Row(0, counted(1)));
        tell(Report::Row(1, counted(10)));
        tell(Report::Row(0, counted(2)));
        tell(Report::Row(1, counted(20)));
        for samples in [vec![vec![1]], vec![vec![2], vec![3]]] {
            tell(Report::Ended(Ok(crate::load::Ended { rest: counted(100), samples })));
        }
        let mut told = Vec::new();
        let mut on_row = |row: &Row| told.push((row.items, row.end_seconds, row.seconds));
        let loaded = collect(&mut reports, 2, &schedule, &mut on_row).await.unwrap();
        assert_eq!(told, [(3, 1.0, 1.0), (30, 1.5, 0.5)]);
        assert_eq!((loaded.statistics.items, loaded.samples.len(), loaded.rows.len()), (233, 3, 2));
    }

    #[tokio::test]
    async fn a_thread_that_fails_ends_the_run() {
        let begin = Instant::now();
        let schedule = Schedule { begin, window: begin..begin + ROW };
        let (sender, mut reports) = mpsc::unbounded_channel();
        sender.send(Report::Ended(Err(anyhow::anyhow!("broken")))).ok().unwrap();
        assert!(collect(&mut reports, 2, &schedule, &mut |_| {}).await.is_err());
        drop(sender);
        assert!(collect(&mut reports, 2, &schedule, &mut |_| {}).await.is_err(), "all threads are gone");
    }
}
