//! A load: its threads, started together and heard together.

use std::sync::Arc;

use anyhow::{Context, bail};
use claviger_client::ClientConfig;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::{mpsc, watch};

use crate::load_thread::{LoadThread, ROW, Report, Schedule};
use crate::run::{Plan, Row};
use crate::stats::Statistics;
use crate::workload::Workload;

/// Threads that wait for their order to begin.
pub(crate) struct Load {
    threads: usize,
    schedule: watch::Sender<Option<Schedule>>,
    reports: UnboundedReceiver<Report>,
}

/// What all threads together have told.
pub(crate) struct Loaded {
    pub(crate) rows: Vec<Row>,
    pub(crate) statistics: Statistics,
    /// Bodies of replies to be checked.
    pub(crate) samples: Vec<Vec<u8>>,
}

impl Load {
    /// Starts the threads, and waits until all their byte streams are there.
    ///
    /// # Errors
    /// If one of them cannot connect.
    pub(crate) async fn connect(
        plan: &Plan,
        config: &ClientConfig,
        workload: &Arc<Workload>,
        in_flight: usize,
    ) -> anyhow::Result<Self> {
        let cpus: Vec<_> = match &plan.load_cpus {
            Some(cpus) => cpus.each().map(Some).take(plan.connections).collect(),
            None => vec![None],
        };
        let (schedule, told) = watch::channel(None);
        let (reporter, mut reports) = mpsc::unbounded_channel();
        let threads = cpus.len();
        for (number, cpus) in cpus.into_iter().enumerate() {
            LoadThread {
                config: config.clone(),
                workload: Arc::clone(workload),
                connections: share(plan.connections, threads, number),
                streams: plan.streams,
                in_flight,
                interval: plan.interval(),
                cpus,
                sleeps: plan.load_sleeps,
            }
            .start(told.clone(), reporter.clone())?;
        }
        for _ in 0..threads {
            match reports.recv().await {
                Some(Report::Connected) => {}
                Some(Report::Ended(Err(error))) => return Err(error),
                _ => bail!("a thread of the load ended before it began; this is a fault of the program"),
            }
        }
        Ok(Self { threads, schedule, reports })
    }

    /// Lets the threads work, and puts together what they tell. `on_row` is told each row as soon as it is complete.
    ///
    /// # Errors
    /// If one of them fails.
    pub(crate) async fn run(mut self, schedule: &Schedule, on_row: &mut dyn FnMut(&Row)) -> anyhow::Result<Loaded> {
        self.schedule.send_replace(Some(schedule.clone()));
        collect(&mut self.reports, self.threads, schedule, on_row).await
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
    Ok(Loaded { rows, statistics, samples })
}

impl Schedule {
    fn row(&self, number: usize, statistics: &Statistics) -> Row {
        let end = self.row_end(number).unwrap_or(self.window.end).duration_since(self.window.start).as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "a run has some thousand rows")]
        let begin = ROW.as_secs_f64() * number as f64;
        Row::new(statistics, end, end - begin)
    }
}

/// How many of `count` things fall to the one of this number among `among`.
const fn share(count: usize, among: usize, number: usize) -> usize {
    count / among + if number < count % among { 1 } else { 0 }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::load_thread::Ended;

    #[test]
    fn connections_are_shared_out_whole() {
        for (count, among) in [(1, 1), (8, 3), (2, 2), (1_000, 7)] {
            let shares: Vec<_> = (0..among).map(|number| share(count, among, number)).collect();
            assert_eq!(shares.iter().sum::<usize>(), count);
            assert!(shares.iter().max().unwrap() - shares.iter().min().unwrap() <= 1);
        }
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
            tell(Report::Ended(Ok(Ended { rest: counted(100), samples })));
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
