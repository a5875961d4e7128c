//! Lanes: which work a worker does itself, and the pools of threads for the rest.
//!
//! A worker serves many connections on one thread. Whatever takes longer than [`INLINE_COST_MAX`] goes to the compute pool, and whatever may wait for storage goes to
//! the storage pool, so that a slow signature or a cold key does not delay a fast seal on the same thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use claviger_algorithm::{Algorithm, Operation};
use parking_lot::{Condvar, Mutex};

use crate::cache::KeyEntry;
use crate::fair_queue::FairQueue;
use crate::histogram::{Durations, Histogram};
use crate::key::version::KeyVersion;
use crate::limits::{ASYMMETRIC_DECRYPT_TRIES_MAX, INLINE_COST_MAX};

pub use crate::fair_queue::Claim;

/// Where a frame's work is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// On the worker's own thread, at once.
    Inline,
    /// On the compute pool.
    Compute,
}

impl KeyEntry {
    /// What `items` of `bytes` in all cost on one core at most, with this key. Verification and asymmetric decryption that name no version may try all of them.
    #[must_use]
    pub fn cost(&self, operation: Operation, version: Option<KeyVersion>, items: usize, bytes: usize) -> Duration {
        let tries = match operation {
            Operation::Verify | Operation::VerifyMac if version.is_none() => self.versions.len(),
            Operation::AsymmetricDecrypt if version.is_none() => self.versions.len().min(ASYMMETRIC_DECRYPT_TRIES_MAX),
            _ => 1,
        };
        cost(self.algorithm, operation, items, bytes).saturating_mul(u32::try_from(tries).unwrap_or(u32::MAX))
    }
}

/// The lane for work of this cost.
#[must_use]
pub fn lane(cost: Duration) -> Lane {
    if cost > INLINE_COST_MAX { Lane::Compute } else { Lane::Inline }
}

/// A piece of work for a pool. It is bounded: no piece takes much longer than [`LANE_PIECE_COST`](crate::limits::LANE_PIECE_COST).
pub type Job = Box<dyn FnOnce() + Send>;

/// A fixed number of threads with a bounded queue, which serves key stores and their connections in turn.
pub struct Pool {
    shared: Arc<Shared>,
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
    line: Mutex<Waiting>,
    /// Something has come, or nothing comes any more.
    news: Condvar,
    running: AtomicUsize,
    waited: Histogram,
}

struct Waiting {
    queue: FairQueue<Queued>,
    ended: bool,
}

/// A job, and since when it waits.
struct Queued(Job, Instant);

/// The queue of a pool is full. The job was not taken; dropping it is up to the caller.
pub struct PoolFull(pub Job);

impl Pool {
    /// A pool of `threads` threads named `name`, with room for `queue_size` jobs that wait.
    ///
    /// # Errors
    /// If the system gives no threads.
    pub fn new(name: &str, threads: usize, queue_size: usize, urgency: Urgency) -> std::io::Result<Self> {
        let line = Mutex::new(Waiting { queue: FairQueue::new(queue_size), ended: false });
        let (running, waited) = Default::default();
        let mut pool =
            Self { shared: Arc::new(Shared { line, news: Condvar::new(), running, waited }), threads: Vec::new() };
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
        self.shared.line.lock().queue.len()
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
        let queued = Queued(job, Instant::now());
        self.shared.line.lock().queue.push(claim, queued).map_err(|Queued(job, _)| PoolFull(job))?;
        self.shared.news.notify_one();
        Ok(())
    }
}

impl Drop for Pool {
    /// Finishes what is queued, then ends the threads.
    fn drop(&mut self) {
        self.shared.line.lock().ended = true;
        self.shared.news.notify_all();
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
        while let Some(Queued(job, since)) = self.next() {
            self.waited.add(since.elapsed());
            self.running.fetch_add(1, Ordering::Relaxed);
            // A job that panics ends itself only: whoever waits for it is told by its being dropped.
            if std::panic::catch_unwind(std::panic::AssertUnwindSafe(job)).is_err() {
                tracing::error!("a job panicked; this is a fault of the program");
            }
            self.running.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Waits for the job whose turn it is; `None` when all are done and none comes any more.
    fn next(&self) -> Option<Queued> {
        let mut line = self.line.lock();
        loop {
            let next = line.queue.pop();
            if next.is_some() || line.ended {
                return next;
            }
            self.news.wait(&mut line);
        }
    }
}

impl Urgency {
    /// Makes it that of the calling thread.
    fn take_up(self) {
        let Self::Later(steps) = self else { return };
        // Of one thread, on Linux; and relative, because the process may have been given another niceness as a whole.
        if let Err(error) = rustix::process::nice(steps.into()) {
            tracing::warn!(%error, "slow work cannot be put behind fast work: the system refuses a lower priority to its threads");
        }
    }
}

/// What `items` of `bytes` in all cost on one core, if each takes one try.
fn cost(algorithm: Algorithm, operation: Operation, items: usize, bytes: usize) -> Duration {
    let cost = algorithm.row().cost;
    let per_item = match operation {
        Operation::Encrypt | Operation::WrapDataKey | Operation::Sign | Operation::MakeMac => cost.make_nanoseconds,
        Operation::Decrypt
        | Operation::UnwrapDataKey
        | Operation::Verify
        | Operation::AsymmetricDecrypt
        | Operation::VerifyMac => cost.check_nanoseconds,
        Operation::ReadSecret | Operation::ReadPublicKey => return Duration::ZERO,
    };
    let items = u64::try_from(items).unwrap_or(u64::MAX).saturating_mul(u64::from(per_item));
    let bytes = u64::try_from(bytes).unwrap_or(u64::MAX).saturating_mul(cost.kibibyte_nanoseconds.into()) / 1_024;
    Duration::from_nanos(items.saturating_add(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::id::StoreId;
    use std::sync::mpsc;

    /// A pool of one thread, which is held up until what is given back is dropped.
    fn held_up(urgency: Urgency) -> (Pool, mpsc::Sender<()>) {
        let pool = Pool::new("test", 1, 8, urgency).unwrap();
        let ((open, opened), (reached, is_reached)) = (mpsc::channel(), mpsc::channel());
        let gate = move || {
            reached.send(()).unwrap();
            let _: Result<(), _> = opened.recv();
        };
        pool.submit(Box::new(gate)).ok().unwrap();
        is_reached.recv().unwrap();
        (pool, open)
    }

    // R-A11
    #[test]
    fn a_pool_serves_stores_in_turn_not_in_the_order_of_their_coming() {
        let (pool, gate) = held_up(Urgency::Usual);
        let (done, is_done) = mpsc::channel();
        for (store, number) in [(1, 1), (1, 2), (1, 3), (2, 4)] {
            let done = done.clone();
            let claim = Claim { store: StoreId([store; 16]), connection: 1, cost: Duration::from_millis(1) };
            pool.submit_for(claim, Box::new(move || done.send(number).unwrap())).ok().unwrap();
        }
        assert_eq!((pool.waiting(), pool.running()), (4, 1));
        drop((gate, done));
        assert_eq!(is_done.iter().collect::<Vec<_>>(), [1, 4, 2, 3]);
    }

    // R-P4
    #[test]
    fn a_full_pool_gives_a_job_back_and_one_that_ends_does_what_it_has() {
        let (pool, gate) = held_up(Urgency::Usual);
        let (done, is_done) = mpsc::channel();
        let job = || -> Job {
            let done = done.clone();
            Box::new(move || done.send(()).unwrap())
        };
        let taken = std::iter::repeat_with(|| pool.submit(job())).take_while(Result::is_ok).count();
        assert_eq!(taken, 8);
        let Err(PoolFull(given_back)) = pool.submit(job()) else { panic!("there is no room") };
        given_back();
        is_done.recv().unwrap();
        drop(gate);
        drop(pool);
        assert_eq!(is_done.try_iter().count(), 8);
    }

    #[test]
    fn a_job_that_panics_ends_itself_only() {
        let (pool, gate) = held_up(Urgency::Usual);
        let (done, is_done) = mpsc::channel();
        pool.submit(Box::new(|| panic!("of the test"))).ok().unwrap();
        pool.submit(Box::new(move || done.send(()).unwrap())).ok().unwrap();
        drop(gate);
        is_done.recv().unwrap();
    }

    // R-A11
    #[test]
    fn threads_of_a_pool_are_as_urgent_as_it_is_and_no_other_is_made_less_so() {
        let niceness = || rustix::process::getpriority_process(None).unwrap();
        let own = niceness();
        for (urgency, more) in [(Urgency::Usual, 0), (Urgency::Later(7), 7)] {
            let pool = Pool::new("test", 1, 1, urgency).unwrap();
            let (told, is_told) = mpsc::channel();
            pool.submit(Box::new(move || told.send(niceness()).unwrap())).ok().unwrap();
            assert_eq!(is_told.recv().unwrap(), (own + more).min(19));
            assert_eq!(niceness(), own);
        }
    }
}
