//! The threads that make a load: each has its own runtime, its share of the connections, and its own records.

use std::cell::RefCell;
use std::convert::Infallible;
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use claviger_client::{ClientConfig, RawConnection};
use tokio::runtime::Builder;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinSet, LocalSet, yield_now};
use tokio::time::{sleep_until, timeout, timeout_at};

use crate::byte_stream;
use crate::cpus::Cpus;
use crate::limits::{CONNECT_TIME, SILENCE_MAX};
use crate::pace::Pace;
use crate::recorder::Recorder;
use crate::stats::Statistics;
use crate::workload::Workload;

/// What one thread does.
pub(crate) struct LoadThread {
    pub(crate) config: ClientConfig,
    pub(crate) workload: Arc<Workload>,
    /// Connections of this thread.
    pub(crate) connections: usize,
    /// Byte streams of a QUIC connection. TCP has one.
    pub(crate) streams: usize,
    /// Frames in flight on each byte stream.
    pub(crate) in_flight: usize,
    /// Time between two frames of each byte stream; `None`: as fast as replies come.
    pub(crate) interval: Option<Duration>,
    /// Where it runs.
    pub(crate) cpus: Option<Cpus>,
    /// Whether it sleeps between replies, even where it has a processor.
    pub(crate) sleeps: bool,
}

/// What a thread tells.
pub(crate) enum Report {
    /// All its byte streams are there.
    Connected,
    /// What was counted in the row of this number.
    Row(usize, Statistics),
    /// Everything is answered, or something failed.
    Ended(anyhow::Result<Ended>),
}

/// What a thread has at the end.
pub(crate) struct Ended {
    /// Counted after the last row.
    pub(crate) rest: Statistics,
    /// Bodies of replies to be checked.
    pub(crate) samples: Vec<Vec<u8>>,
}

/// When things are measured: told to all threads once all are connected.
#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    /// Sending begins.
    pub(crate) begin: Instant,
    /// What happens inside counts. Its end is the end of sending.
    pub(crate) window: Range<Instant>,
}

impl Schedule {
    /// Begins as soon as every thread can have heard of it.
    pub(crate) fn soon(warm_up: Duration, duration: Duration) -> Self {
        let begin = Instant::now() + LEAD;
        let start = begin + warm_up;
        Self { begin, window: start..start + duration }
    }

    /// When the row of this number ends; `None` after the last one.
    pub(crate) fn row_end(&self, row: usize) -> Option<Instant> {
        let begin = self.window.start + ROW * u32::try_from(row).ok()?;
        (begin < self.window.end).then(|| (begin + ROW).min(self.window.end))
    }
}

impl LoadThread {
    /// Starts it.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub(crate) fn start(
        self,
        schedule: watch::Receiver<Option<Schedule>>,
        reports: mpsc::UnboundedSender<Report>,
    ) -> anyhow::Result<()> {
        let run = move || {
            let ended = self.run(schedule, &reports);
            // Whoever listened has gone: then the run has failed elsewhere.
            let _ = reports.send(Report::Ended(ended));
        };
        thread::Builder::new().name("load".to_owned()).spawn(run).context("the system gives no thread for the load")?;
        Ok(())
    }

    fn run(
        self,
        schedule: watch::Receiver<Option<Schedule>>,
        reports: &mpsc::UnboundedSender<Report>,
    ) -> anyhow::Result<Ended> {
        if let Some(cpus) = &self.cpus {
            cpus.pin()?;
        }
        let runtime = Builder::new_current_thread().enable_all().build().context("no runtime for the load")?;
        LocalSet::new().block_on(&runtime, self.load(schedule, reports))
    }

    async fn load(
        self,
        mut schedule: watch::Receiver<Option<Schedule>>,
        reports: &mpsc::UnboundedSender<Report>,
    ) -> anyhow::Result<Ended> {
        let connections = timeout(CONNECT_TIME, self.connect()).await.context("connecting took too long")??;
        let _ = reports.send(Report::Connected);
        let schedule = schedule.wait_for(Option::is_some).await.ok().and_then(|schedule| schedule.clone());
        let schedule = schedule.context("the run was given up")?;
        if self.interval.is_none() {
            // What has a rate waits by itself, and more exactly.
            sleep_until(schedule.begin.into()).await;
        }

        let recorder = Recorder::new(Arc::clone(&self.workload), schedule.window.clone());
        let recorder = Rc::new(RefCell::new(recorder));
        let mut byte_streams = self.spawn(connections, &schedule, &recorder);
        let answered = async {
            while let Some(ended) = byte_streams.join_next().await {
                ended.context("a byte stream of the load panicked; this is a fault of the program")??;
            }
            anyhow::Ok(())
        };
        let rows = async {
            let mut row = 0;
            while let Some(end) = schedule.row_end(row) {
                sleep_until(end.into()).await;
                let _ = reports.send(Report::Row(row, recorder.borrow_mut().take()));
                row += 1;
            }
            anyhow::Ok(())
        };
        let all = async { tokio::try_join!(answered, rows) };
        let in_time = timeout_at((schedule.window.end + SILENCE_MAX).into(), all);
        let done = tokio::select! {
            done = in_time => done,
            never = stay_awake(), if self.cpus.is_some() && !self.sleeps => match never {},
        };
        match done {
            Ok(result) => result?,
            Err(_) => bail!("the daemon left requests unanswered for {} seconds", SILENCE_MAX.as_secs()),
        };
        let mut recorder = recorder.borrow_mut();
        Ok(Ended { rest: recorder.take(), samples: recorder.take_samples() })
    }

    /// All byte streams of this thread.
    async fn connect(&self) -> anyhow::Result<Vec<RawConnection>> {
        let mut byte_streams = Vec::new();
        for _ in 0..self.connections {
            byte_streams.extend(RawConnection::connect_streams(&self.config, self.streams).await?);
        }
        Ok(byte_streams)
    }

    fn spawn(
        &self,
        connections: Vec<RawConnection>,
        schedule: &Schedule,
        recorder: &Rc<RefCell<Recorder>>,
    ) -> JoinSet<anyhow::Result<()>> {
        let mut byte_streams = JoinSet::new();
        let count = u32::try_from(connections.len()).unwrap_or(u32::MAX).max(1);
        for (connection, number) in connections.into_iter().zip(0_u32..) {
            // Byte streams take turns, so that their frames do not come all at once.
            let pace = self.interval.map_or(Pace::Closed, |interval| Pace::Open {
                first: schedule.begin + interval * number / count,
                interval,
            });
            let (workload, recorder) = (Arc::clone(&self.workload), Rc::clone(recorder));
            let (in_flight, end) = (self.in_flight, schedule.window.end);
            byte_streams.spawn_local(async move {
                byte_stream::drive(connection, &workload, in_flight, pace, end, &recorder).await
            });
        }
        byte_streams
    }
}

/// Keeps a thread with a processor of its own from sleeping between replies: waking it would cost the daemon more than some of its work, and the load is to be
/// no part of what is measured.
pub(crate) async fn stay_awake() -> Infallible {
    loop {
        yield_now().await;
    }
}

/// Between the order to begin and the beginning: time for every thread to hear it.
const LEAD: Duration = Duration::from_millis(20);

/// Length of a row.
pub(crate) const ROW: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_fill_the_window_the_last_one_perhaps_in_part() {
        let begin = Instant::now();
        let schedule = |duration| Schedule { begin, window: begin..begin + Duration::from_millis(duration) };
        let ends = |duration| -> Vec<u128> {
            let schedule = schedule(duration);
            let ends = (0..).map_while(|row| schedule.row_end(row));
            ends.map(|end| (end - begin).as_millis()).collect()
        };
        assert_eq!(ends(2_500), [1_000, 2_000, 2_500]);
        assert_eq!(ends(2_000), [1_000, 2_000]);
        assert_eq!(ends(300), [300]);
    }
}
