//! Pools: a fixed number of threads, each with one job at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Waker;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, SendError, Sender};
use parking_lot::Mutex;

use super::untold::Untold;
use crate::fair_queue::{Claim, FairQueue};
use crate::histogram::{Durations, Histogram};
use crate::limits::TELL_LATER_MAX;

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
            let may_wait = next.as_ref().is_some_and(|next| untold.may_wait_for(&next.claim, || line.behind(next)));
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

    /// What waits behind a job of the same connection, as far as that counts.
    fn behind(&self, job: &Queued) -> Duration {
        self.queue.waiting(&job.claim, TELL_LATER_MAX)
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
mod tests {
    use super::*;
    use crate::key::id::StoreId;
    use std::sync::{LazyLock, mpsc};
    use std::task::Wake;

    fn stopped() -> Instant {
        static NOW: LazyLock<Instant> = LazyLock::new(Instant::now);
        *NOW
    }

    /// A pool of one thread, which is held up until what is given back is dropped.
    fn held_up(urgency: Urgency) -> (Pool, mpsc::Sender<()>) {
        // Its time stands still: however busy the machine is, no job takes long.
        let pool = Pool::with_time("test", 1, 8, urgency, stopped).unwrap();
        let ((open, opened), (reached, is_reached)) = (mpsc::channel(), mpsc::channel());
        let gate = move || {
            reached.send(()).unwrap();
            let _: Result<(), _> = opened.recv();
            None
        };
        pool.submit(Box::new(gate)).ok().unwrap();
        is_reached.recv().unwrap();
        (pool, open)
    }

    /// A job that says so when it is done.
    fn saying<T: Send + 'static>(done: &mpsc::Sender<T>, what: T) -> Job {
        let done = done.clone();
        Box::new(move || {
            done.send(what).unwrap();
            None
        })
    }

    /// What happens in a pool: the job of this number is done, or its connection is told.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Event {
        Done(u64),
        Told(u64),
    }

    /// A connection that is told.
    struct Told(u64, mpsc::Sender<Event>);

    impl Wake for Told {
        fn wake(self: Arc<Self>) {
            self.1.send(Event::Told(self.0)).unwrap();
        }
    }

    /// What happens if such jobs wait in a pool of one thread: each with its connection and its cost in microseconds, and done in this order.
    fn events(jobs: &[(u64, u64)]) -> Vec<Event> {
        let (pool, gate) = held_up(Urgency::Usual);
        let (happened, events) = mpsc::channel();
        let wakers = [0, 1, 2].map(|connection| Waker::from(Arc::new(Told(connection, happened.clone()))));
        for (number, (connection, cost)) in (0..).zip(jobs.iter().copied()) {
            let claim = Claim { connection, cost: Duration::from_micros(cost), ..Claim::COMMON };
            let (happened, waker) = (happened.clone(), wakers[usize::try_from(connection).unwrap()].clone());
            let job = move || {
                happened.send(Event::Done(number)).unwrap();
                Some(waker)
            };
            pool.submit_for(claim, Box::new(job)).ok().unwrap();
        }
        drop((gate, wakers, happened));
        events.iter().collect()
    }

    // R-A11
    #[test]
    fn a_connection_is_told_of_two_jobs_at_once_while_more_of_it_wait_and_of_all_in_the_end() {
        use Event::{Done, Told};
        let expected = [Done(0), Done(1), Told(1), Done(2), Told(1), Done(3), Told(1), Done(4), Told(1)];
        assert_eq!(events(&[(1, 400); 5]), expected);
    }

    // R-A11
    #[test]
    fn nobody_waits_to_be_told_for_a_thread_that_has_nothing_to_do() {
        let pool = Pool::new("test", 2, 8, Urgency::Usual).unwrap();
        let (happened, events) = mpsc::channel();
        let waker = Waker::from(Arc::new(Told(1, happened)));
        for _ in 0..10 {
            let waker = waker.clone();
            pool.submit(Box::new(move || Some(waker))).ok().unwrap();
            assert_eq!(events.recv(), Ok(Event::Told(1)));
        }
    }

    // R-A11
    #[test]
    fn nobody_waits_to_be_told_for_a_long_job_or_for_one_of_another_connection() {
        use Event::{Done, Told};
        let alternating: Vec<_> = (0..4).flat_map(|number| [Done(number), Told(1)]).collect();
        assert_eq!(events(&[(1, 1_100); 4]), alternating);
        let of_two = [(1, 499), (2, 499), (1, 499), (2, 499), (1, 499), (2, 499), (1, 499), (2, 499)];
        let told: Vec<_> = events(&of_two).chunks(2).map(|pair| matches!(pair, [Done(_), Told(_)])).collect();
        assert_eq!(told, [true; 8]);
    }

    // R-A11
    #[test]
    fn a_pool_serves_stores_in_turn_not_in_the_order_of_their_coming() {
        let (pool, gate) = held_up(Urgency::Usual);
        let (done, is_done) = mpsc::channel();
        for (store, number) in [(1, 1), (1, 2), (1, 3), (2, 4)] {
            let claim =
                Claim { store: StoreId([store; 16]), connection: 1, cost: Duration::from_millis(1), ..Claim::COMMON };
            pool.submit_for(claim, saying(&done, number)).ok().unwrap();
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
        let taken = std::iter::repeat_with(|| pool.submit(saying(&done, ()))).take_while(Result::is_ok).count();
        assert_eq!(taken, 8);
        let Err(PoolFull(given_back)) = pool.submit(saying(&done, ())) else { panic!("there is no room") };
        given_back();
        is_done.recv().unwrap();
        drop(gate);
        drop(pool);
        assert_eq!(is_done.try_iter().count(), 8);
    }

    // R-A11
    #[test]
    fn whoever_gives_work_does_not_wait_for_a_thread_that_takes_some() {
        let (pool, gate) = held_up(Urgency::Usual);
        let (done, is_done) = mpsc::channel();
        let taking = pool.shared.line.lock();
        pool.submit(saying(&done, ())).ok().unwrap();
        assert_eq!(pool.waiting(), 1);
        drop((taking, gate));
        is_done.recv().unwrap();
    }

    // R-A11
    #[test]
    fn work_that_waits_is_taken_by_as_many_threads_as_there_are() {
        let pool = Pool::new("test", 3, 8, Urgency::Usual).unwrap();
        let all_run = Arc::new(std::sync::Barrier::new(4));
        for _ in 0..3 {
            let all_run = Arc::clone(&all_run);
            let job = move || {
                all_run.wait();
                None
            };
            pool.submit(Box::new(job)).ok().unwrap();
        }
        all_run.wait();
    }

    // R-A11
    #[test]
    fn nobody_waits_for_a_task_of_more_pieces_than_are_done_soon() {
        let (pool, gate) = held_up(Urgency::Usual);
        let (happened, events) = mpsc::channel();
        let waker = Waker::from(Arc::new(Told(1, happened.clone())));
        for (number, rest) in [(0, 0), (1, 800), (2, 400), (3, 0), (4, 0), (5, 0), (6, 0)] {
            let micros = Duration::from_micros;
            let claim = Claim { connection: 1, cost: micros(400), rest: micros(rest), ..Claim::COMMON };
            let (happened, waker) = (happened.clone(), (rest == 0).then(|| waker.clone()));
            let job = move || {
                happened.send(Event::Done(number)).unwrap();
                waker
            };
            pool.submit_for(claim, Box::new(job)).ok().unwrap();
        }
        drop((gate, waker, happened));
        let before_more: Vec<_> = events.iter().take(3).collect();
        assert_eq!(before_more, [Event::Done(0), Event::Told(1), Event::Done(1)]);
    }

    #[test]
    fn a_job_that_panics_ends_itself_only() {
        let (pool, gate) = held_up(Urgency::Usual);
        let (done, is_done) = mpsc::channel();
        pool.submit(Box::new(|| panic!("of the test"))).ok().unwrap();
        pool.submit(saying(&done, ())).ok().unwrap();
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
            let job = move || {
                told.send(niceness()).unwrap();
                None
            };
            pool.submit(Box::new(job)).ok().unwrap();
            assert_eq!(is_told.recv().unwrap(), (own + more).min(19));
            assert_eq!(niceness(), own);
        }
    }
}
