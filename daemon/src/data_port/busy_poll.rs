//! Busy polling: a worker that has written a reply looks for more for a while, before it sleeps.
//!
//! Being woken takes longer than most requests do, above all in a virtual machine, whose host takes a core away that sleeps. Whoever asks one thing after the other waits for that each
//! time. What it takes from others is the core that looks: so a worker does it for a short time only, for clients that are let in, and not while threads that have something to do need the
//! core.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::task::{spawn_local, yield_now};

/// What keeps a worker from sleeping; by default nothing does. Clones are of the same worker.
#[derive(Clone, Default)]
pub(super) struct BusyPoll(Option<Rc<State>>);

struct State {
    span: Duration,
    /// Until when the worker looks for more; `None` while it sleeps whenever it may.
    end: Cell<Option<Instant>>,
    begun: Notify,
    /// What tells the time; tests set it.
    now: fn() -> Instant,
}

impl BusyPoll {
    /// The worker looks for more for this long after each reply, as long as it `may`; not at all, if that is no time. To be called inside of its [`tokio::task::LocalSet`].
    pub(super) fn start(span: Duration, may: impl Fn() -> bool + 'static) -> Self {
        if span.is_zero() {
            return Self::default();
        }
        let state = Rc::new(State::new(span, Instant::now));
        spawn_local(Rc::clone(&state).run(may));
        Self(Some(state))
    }

    /// A reply was written just now.
    pub(super) fn renew(&self) {
        if let Some(state) = &self.0 {
            state.renew();
        }
    }
}

#[cfg(test)]
impl BusyPoll {
    /// Knows when a worker would look for more, and keeps none from sleeping.
    pub(super) fn unattended(span: Duration) -> Self {
        Self(Some(Rc::new(State::new(span, Instant::now))))
    }

    pub(super) fn is_looking(&self) -> bool {
        self.0.as_ref().is_some_and(|state| state.end.get().is_some())
    }
}

/// Whether a worker may look for more: threads that have something to do are no more than cores without a worker. With more workers than cores, none has a core to itself.
pub(super) const fn has_core(cores: usize, workers: usize, others: usize) -> bool {
    match cores.checked_sub(workers) {
        Some(left) => others <= left,
        None => false,
    }
}

impl State {
    fn new(span: Duration, now: fn() -> Instant) -> Self {
        Self { span, end: Cell::default(), begun: Notify::new(), now }
    }

    fn renew(&self) {
        if self.end.replace((self.now)().checked_add(self.span)).is_none() {
            self.begun.notify_one();
        }
    }

    /// Keeps the worker from sleeping. Never ends.
    async fn run(self: Rc<Self>, may: impl Fn() -> bool) {
        loop {
            if self.end.get().is_some_and(|end| (self.now)() < end) && may() {
                // The runtime asks the system what has come, without waiting for it, and does it, before this goes on.
                yield_now().await;
            } else {
                self.end.set(None);
                self.begun.notified().await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::{Pin, pin};
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;
    use std::sync::atomic::Ordering::Relaxed;
    use std::task::{Context, Wake, Waker};
    use std::thread_local;

    use super::*;

    const SPAN: Duration = Duration::from_micros(50);

    thread_local! {
        static NOW: Cell<Instant> = Cell::new(Instant::now());
    }

    fn pass(time: Duration) {
        NOW.set(NOW.get() + time);
    }

    #[derive(Default)]
    struct Woken(AtomicBool);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Relaxed);
        }
    }

    /// Whether the worker looks for more: what keeps it from sleeping asks at once to be called again.
    fn looks(run: Pin<&mut impl Future<Output = ()>>) -> bool {
        let woken = Arc::new(Woken::default());
        assert!(run.poll(&mut Context::from_waker(&Waker::from(Arc::clone(&woken)))).is_pending());
        woken.0.load(Relaxed)
    }

    fn state() -> Rc<State> {
        Rc::new(State::new(SPAN, || NOW.get()))
    }

    #[test]
    fn a_worker_looks_for_more_for_a_while_and_then_sleeps_until_there_is_some() {
        let poll = state();
        let mut run = pin!(Rc::clone(&poll).run(|| true));
        assert!(!looks(run.as_mut()), "nothing has been done");
        for _ in 0..2 {
            poll.renew();
            assert!(looks(run.as_mut()));
            pass(SPAN - Duration::from_nanos(1));
            assert!(looks(run.as_mut()));
            // More came: the time begins anew.
            poll.renew();
            pass(SPAN - Duration::from_nanos(1));
            assert!(looks(run.as_mut()));
            pass(Duration::from_nanos(1));
            assert!(!looks(run.as_mut()));
            assert!(!looks(run.as_mut()));
        }
    }

    #[test]
    fn a_worker_that_sleeps_is_told_when_it_is_to_look() {
        let poll = state();
        let mut run = pin!(Rc::clone(&poll).run(|| true));
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&woken));
        assert!(run.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        assert!(!woken.0.load(Relaxed));
        poll.renew();
        assert!(woken.0.load(Relaxed));
    }

    // R-A11
    #[test]
    fn a_worker_leaves_the_core_to_whoever_needs_it() {
        let poll = state();
        let free = Cell::new(true);
        let mut run = pin!(Rc::clone(&poll).run(|| free.get()));
        poll.renew();
        assert!(looks(run.as_mut()));
        free.set(false);
        assert!(!looks(run.as_mut()));
        // It goes on with the next reply, not by itself.
        free.set(true);
        assert!(!looks(run.as_mut()));
        poll.renew();
        assert!(looks(run.as_mut()));
    }

    // R-A11
    #[test]
    fn a_worker_has_a_core_if_others_have_enough_without_those_of_the_workers() {
        for (cores, workers, others, has) in [
            (2, 2, 0, true),
            (2, 2, 1, false),
            (2, 1, 1, true),
            (2, 1, 2, false),
            (8, 2, 6, true),
            (8, 2, 7, false),
            (2, 3, 0, false),
            (1, 8, 1, false),
        ] {
            assert_eq!(has_core(cores, workers, others), has, "{cores} {workers} {others}");
        }
    }

    #[test]
    fn a_worker_does_not_sleep_in_its_runtime_until_the_time_is_over() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        tokio::task::LocalSet::new().block_on(&runtime, async {
            // Without a time there is nothing to start.
            assert!(BusyPoll::start(Duration::ZERO, || true).0.is_none());
            let asked = Rc::new(Cell::new(0));
            let poll = BusyPoll::start(Duration::from_secs(3_600), {
                let asked = Rc::clone(&asked);
                move || asked.replace(asked.get() + 1) < 100
            });
            poll.renew();
            // It goes on by itself, between whatever else there is to do.
            for _ in 0..1_000 {
                yield_now().await;
            }
            // The last time it was told that it may not, and slept.
            assert_eq!(asked.get(), 101);
        });
    }
}
