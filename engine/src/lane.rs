//! Lanes: which work a worker does itself, and the pools of threads for the rest.
//!
//! A worker serves many connections on one thread. Whatever takes longer than [`INLINE_COST_MAX`] goes to the compute pool, and whatever may wait for storage goes to
//! the storage pool, so that a slow signature or a cold key does not delay a fast seal on the same thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use claviger_algorithm::{Algorithm, Operation};
use crossbeam_channel::{Receiver, Sender, TrySendError};

use crate::cache::KeyEntry;
use crate::histogram::{Durations, Histogram};
use crate::key::version::KeyVersion;
use crate::limits::{ASYMMETRIC_DECRYPT_TRIES_MAX, INLINE_COST_MAX};

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

/// A fixed number of threads with a bounded queue.
pub struct Pool {
    queue: Option<Sender<Queued>>,
    threads: Vec<JoinHandle<()>>,
    activity: Arc<Activity>,
}

/// A job, and since when it waits.
struct Queued(Job, Instant);

/// What goes on in a pool, for whoever watches it.
#[derive(Default)]
struct Activity {
    running: AtomicUsize,
    waited: Histogram,
}

/// The queue of a pool is full. The job was not taken; dropping it is up to the caller.
pub struct PoolFull(pub Job);

impl Pool {
    /// A pool of `threads` threads named `name`, with room for `queue_size` jobs that wait.
    ///
    /// # Errors
    /// If the system gives no threads.
    pub fn new(name: &str, threads: usize, queue_size: usize) -> std::io::Result<Self> {
        let (sender, receiver) = crossbeam_channel::bounded(queue_size);
        let activity = Arc::<Activity>::default();
        let threads = (0..threads.max(1))
            .map(|index| {
                let (receiver, activity) = (receiver.clone(), Arc::clone(&activity));
                thread::Builder::new().name(format!("{name}-{index}")).spawn(move || run(&receiver, &activity))
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { queue: Some(sender), threads, activity })
    }

    /// How many threads work.
    #[must_use]
    pub const fn threads(&self) -> usize {
        self.threads.len()
    }

    /// How many jobs wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.queue.as_ref().map_or(0, Sender::len)
    }

    /// How many jobs run.
    #[must_use]
    pub fn running(&self) -> usize {
        self.activity.running.load(Ordering::Relaxed)
    }

    /// How long jobs have waited before they ran.
    #[must_use]
    pub fn waited(&self) -> Durations {
        self.activity.waited.read()
    }

    /// Queues a job.
    ///
    /// # Errors
    /// [`PoolFull`] gives it back.
    pub fn submit(&self, job: Job) -> Result<(), PoolFull> {
        let Some(queue) = &self.queue else { return Err(PoolFull(job)) };
        queue.try_send(Queued(job, Instant::now())).map_err(|error| match error {
            TrySendError::Full(Queued(job, _)) | TrySendError::Disconnected(Queued(job, _)) => PoolFull(job),
        })
    }
}

impl Drop for Pool {
    /// Finishes what is queued, then ends the threads.
    fn drop(&mut self) {
        self.queue = None;
        for thread in self.threads.drain(..) {
            // The last handle of an engine may be dropped by a job of its own pool: a thread does not wait for itself.
            if thread.thread().id() != thread::current().id() {
                let _ = thread.join();
            }
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

fn run(queue: &Receiver<Queued>, activity: &Activity) {
    for Queued(job, since) in queue {
        activity.waited.add(since.elapsed());
        activity.running.fetch_add(1, Ordering::Relaxed);
        // A job that panics ends itself only: whoever waits for it is told by its being dropped.
        if std::panic::catch_unwind(std::panic::AssertUnwindSafe(job)).is_err() {
            tracing::error!("a job panicked; this is a fault of the program");
        }
        activity.running.fetch_sub(1, Ordering::Relaxed);
    }
}
