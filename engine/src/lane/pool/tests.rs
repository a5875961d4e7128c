use std::sync::atomic::AtomicU32;
use std::sync::{LazyLock, mpsc};
use std::task::Wake;
use std::time::Duration;

use super::*;
use crate::key::id::StoreId;

fn stopped() -> Instant {
    static NOW: LazyLock<Instant> = LazyLock::new(Instant::now);
    *NOW
}

/// Whatever is looked at twice has taken eight tenths of a millisecond.
fn stepping() -> Instant {
    static LOOKS: AtomicU32 = AtomicU32::new(0);
    stopped() + Duration::from_micros(800) * LOOKS.fetch_add(1, Ordering::Relaxed)
}

/// A pool of one thread, which is held up until what is given back is dropped.
fn held_up(urgency: Urgency) -> (Pool, mpsc::Sender<()>) {
    // Its time stands still: however busy the machine is, no job takes long.
    held_up_with_time(urgency, stopped)
}

fn held_up_with_time(urgency: Urgency, now: fn() -> Instant) -> (Pool, mpsc::Sender<()>) {
    let pool = Pool::with_time("test", 1, 8, urgency, now).unwrap();
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
    events_with_time(stopped, jobs)
}

fn events_with_time(now: fn() -> Instant, jobs: &[(u64, u64)]) -> Vec<Event> {
    let (pool, gate) = held_up_with_time(Urgency::Usual, now);
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

/// Jobs are done in order, and connection 1 is told whenever so many more are done.
fn told_after(groups: &[usize]) -> Vec<Event> {
    let mut numbers = 0..;
    groups
        .iter()
        .flat_map(|&jobs| {
            let done: Vec<_> = numbers.by_ref().take(jobs).map(Event::Done).collect();
            done.into_iter().chain([Event::Told(1)])
        })
        .collect()
}

// R-A11
#[test]
fn a_connection_is_told_of_several_jobs_at_once_while_more_of_it_wait_and_of_all_in_the_end() {
    assert_eq!(events(&[(1, 400); 7]), told_after(&[5, 1, 1]));
}

// R-A11
#[test]
fn a_connection_is_told_earlier_if_what_is_done_takes_longer_than_it_should() {
    assert_eq!(events_with_time(stepping, &[(1, 400); 7]), told_after(&[3, 2, 1, 1]));
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
    assert_eq!(events(&[(1, 1_501); 4]), told_after(&[1; 4]));
    let of_two = [(1, 499), (2, 499)].repeat(4);
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
    for (number, rest) in [(0, 0), (1, 1_200), (2, 800), (3, 0), (4, 0), (5, 0), (6, 0)] {
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
    let happened: Vec<_> = events.iter().collect();
    assert_eq!(happened, told_after(&[1, 4, 1, 1]));
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
