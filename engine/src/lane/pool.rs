//! Pools: a fixed number of threads, each with one job at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Waker;
use std::thread::{self, JoinHandle};
use std::time::Instant;

use crossbeam_channel::{Receiver, SendError, Sender};
use parking_lot::Mutex;

use super::untold::Untold;
use crate::fair_queue::{Claim, FairQueue};
use crate::histogram::{Durations, Histogram};

/// A piece of work for a pool. It is bounded: no piece takes much longer than [`LANE_PIECE_COST`](crate::limits::LANE_PIECE_COST).
///
/// It gives back whom to wake for what it has done. The pool wakes him, once, whatever happens: at once, or with what else it does for the same connection next.
pub type Job = Box<dyn FnOnce() -> Option<Waker> + Send>;

/// A fixed number of threads with a bounded queue, which serves key stores and their connections in turn.
pub struct Pool {
    shared: Arc<Shared>,
    /// Jobs that wait, at most.
    queue_size: usize,
    /// Where jobs are given in; none once the pool ends.
    given: Option<Sender<Queued>>,
    threads: Vec<JoinHandle<()>>,
}

/// What comes first where there are fewer cores than threads that want to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urgency {
    /// As the rest of the process.
    Usual,
    /// The rest of the process comes first, so many steps of niceness ahead; 0..=39.
    Later(u8),
}

/// What the threads of a pool share with whoever gives them work, and what goes on, for whoever watches it.
struct Shared {
    /// Locked by threads of the pool alone: whoever gives them work never waits for one of them, which the system may have put aside while it holds the lock.
    line: Mutex<Line>,
    /// Jobs given in and not taken.
    waiting: AtomicUsize,
    running: AtomicUsize,
    waited: Histogram,
    /// What tells the time; tests stop it.
    now: fn() -> Instant,
}

/// Jobs that wait: as they were given in, and in turn.
struct Line {
    given: Receiver<Queued>,
    queue: FairQueue<Queued>,
}

/// A job, on whose behalf it waits, and since when.
struct Queued {
    job: Job,
    claim: Claim,
    since: Instant,
}

/// The queue of a pool is full. The job was not taken; dropping it is up to the caller.
pub struct PoolFull(pub Job);

impl Pool {
    /// A pool of `threads` threads named `name`, with room for `queue_size` jobs that wait.
    ///
    /// # Errors
    /// If the system gives no threads.
    pub fn new(name: &str, threads: usize, queue_size: usize, urgency: Urgency) -> std::io::Result<Self> {
        Self::with_time(name, threads, queue_size, urgency, Instant::now)
    }

    fn with_time(
        name: &str,
        threads: usize,
        queue_size: usize,
        urgency: Urgency,
        now: fn() -> Instant,
    ) -> std::io::Result<Self> {
        // Bounded by the count of those that wait, which those in turn are among.
        let (sender, given) = crossbeam_channel::unbounded();
        let line = Mutex::new(Line { given, queue: FairQueue::default() });
        let (waiting, running, waited) = Default::default();
        let shared = Arc::new(Shared { line, waiting, running, waited, now });
        let mut pool = Self { shared, queue_size, given: Some(sender), threads: Vec::new() };
        for index in 0..threads.max(1) {
            let shared = Arc::clone(&pool.shared);
            let work = move || {
                urgency.take_up();
                shared.work();
            };
            // If there is none, dropping the pool ends those before it.
            pool.threads.push(thread::Builder::new().name(format!("{name}-{index}")).spawn(work)?);
        }
        Ok(pool)
    }

    /// How many threads work.
    #[must_use]
    pub const fn threads(&self) -> usize {
        self.threads.len()
    }

    /// How many jobs wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.shared.waiting.load(Ordering::Relaxed)
    }

    /// How many jobs run.
    #[must_use]
    pub fn running(&self) -> usize {
        self.shared.running.load(Ordering::Relaxed)
    }

    /// How long jobs have waited before they ran.
    #[must_use]
    pub fn waited(&self) -> Durations {
        self.shared.waited.read()
    }

    /// Queues a job that is done on nobody's behalf.
    ///
    /// # Errors
    /// [`PoolFull`] gives it back.
    pub fn submit(&self, job: Job) -> Result<(), PoolFull> {
        self.submit_for(Claim::COMMON, job)
    }

    /// Queues a job that is done when the turn of its key store and of its connection comes.
    ///
    /// # Errors
    /// [`PoolFull`] gives it back.
    pub fn submit_for(&self, claim: Claim, job: Job) -> Result<(), PoolFull> {
        let Some(given) = &self.given else { return Err(PoolFull(job)) };
        let one_more = |waiting: usize| (waiting < self.queue_size).then_some(waiting + 1);
        if self.shared.waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).is_err() {
            return Err(PoolFull(job));
        }
        let queued = Queued { job, claim, since: (self.shared.now)() };
        given.send(queued).map_err(|SendError(Queued { job, .. })| PoolFull(job))
    }
}

impl Drop for Pool {
    /// Finishes what is queued, then ends the threads.
    fn drop(&mut self) {
        self.given = None;
        for thread in self.threads.drain(..) {
            // The last handle of an engine may be dropped by a job of its own pool: a thread does not wait for itself.
            if thread.thread().id() != thread::current().id() {
                let _ = thread.join();
            }
        }
    }
}

impl Shared {
    /// What each thread does until the pool is dropped.
    fn work(&self) {
        let mut untold = Untold::default();
        while let Some(Queued { job, claim, since }) = self.next(&mut untold) {
            let begin = (self.now)();
            self.waited.add(begin.saturating_duration_since(since));
            self.running.fetch_add(1, Ordering::Relaxed);
            // A job that panics ends itself only: whoever waits for it is told by its being dropped.
            let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(job));
            self.running.fetch_sub(1, Ordering::Relaxed);
            if done.is_err() {
                tracing::error!("a job panicked; this is a fault of the program");
            }
            untold.add(&claim, (self.now)().saturating_duration_since(begin), done.unwrap_or(None));
        }
    }

    /// Waits for the job whose turn it is; `None` when all are done and none comes any more. Whoever is to be told of jobs before is told, unless that goes well with the job.
    fn next(&self, untold: &mut Untold) -> Option<Queued> {
        // Whoever holds the lock may be an idle thread that waits for something to do: nobody waits for it with something to tell.
        let (ready, may_wait) = self.line.try_lock().map_or((None, false), |mut line| {
            let next = line.ready();
            let may_wait = next.as_ref().is_some_and(|Queued { claim, .. }| {
                untold.may_wait_for(claim, |enough| line.queue.waiting(claim, enough))
            });
            (next, may_wait)
        });
        if !may_wait {
            untold.tell();
        }
        let next = ready.or_else(|| self.line.lock().wait())?;
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        Some(next)
    }
}

impl Line {
    /// The job whose turn it is, if one waits.
    fn ready(&mut self) -> Option<Queued> {
        self.given.try_iter().for_each(|queued| self.queue.push(queued.claim, queued));
        self.queue.pop()
    }

    /// As [`Line::ready`]; if there is none, this thread waits for the next that is given in, and the other idle ones for the lock.
    fn wait(&mut self) -> Option<Queued> {
        self.ready().or_else(|| self.given.recv().ok())
    }
}

impl Urgency {
    /// Makes it that of the calling thread.
    pub(crate) fn take_up(self) {
        let Self::Later(steps) = self else { return };
        // Of one thread, on Linux; and relative, because the process may have been given another niceness as a whole.
        if let Err(error) = rustix::process::nice(steps.into()) {
            tracing::warn!(%error, "slow work cannot be put behind fast work: the system refuses a lower priority to its threads");
        }
    }
}

#[cfg(test)]
mod tests;
