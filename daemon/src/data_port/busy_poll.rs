//! Busy polling: a worker that had something to do looks for more for a while, before it sleeps.
//!
//! Being woken takes longer than most requests do, above all in a virtual machine, whose host takes a core away that sleeps. Whoever asks one thing after the other waits for that each
//! time. What it takes from others is the core that looks: so a worker does it for a short time only, and not while the compute pool needs the core.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::task::yield_now;

/// How long a worker looks for more, and until when it does. Clones are of the same worker.
#[derive(Clone)]
pub(super) struct BusyPoll(Rc<State>);

struct State {
    span: Duration,
    /// `None` while the worker sleeps whenever it may.
    end: Cell<Option<Instant>>,
    begun: Notify,
    /// What tells the time; tests set it.
    now: fn() -> Instant,
}

impl BusyPoll {
    /// For this long after it had something to do; not at all, if that is no time.
    pub(super) fn new(span: Duration) -> Self {
        Self::with_time(span, Instant::now)
    }

    fn with_time(span: Duration, now: fn() -> Instant) -> Self {
        Self(Rc::new(State { span, end: Cell::default(), begun: Notify::new(), now }))
    }

    /// The worker had something to do just now.
    pub(super) fn renew(&self) {
        let State { span, end, begun, now } = &*self.0;
        if !span.is_zero() && end.replace(now().checked_add(*span)).is_none() {
            begun.notify_one();
        }
    }

    /// Keeps the worker from sleeping for as long as it is to look for more, and the core is `free` of what others want of it. Never ends.
    pub(super) async fn run(self, free: impl Fn() -> bool) {
        let State { end, begun, now, .. } = &*self.0;
        loop {
            if end.get().is_some_and(|end| now() < end) && free() {
                // The runtime asks the system what has come, without waiting for it, and does it, before this goes on.
                yield_now().await;
            } else {
                end.set(None);
                begun.notified().await;
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

    // R-P6
    #[test]
    fn a_worker_looks_for_more_for_a_while_and_then_sleeps_until_there_is_some() {
        let poll = BusyPoll::with_time(SPAN, || NOW.get());
        let mut run = pin!(poll.clone().run(|| true));
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
        let poll = BusyPoll::with_time(SPAN, || NOW.get());
        let mut run = pin!(poll.clone().run(|| true));
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
        let poll = BusyPoll::with_time(SPAN, || NOW.get());
        let free = Cell::new(true);
        let mut run = pin!(poll.clone().run(|| free.get()));
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

    #[test]
    fn without_a_time_a_worker_sleeps_whenever_it_may() {
        let poll = BusyPoll::new(Duration::ZERO);
        let mut run = pin!(poll.clone().run(|| true));
        poll.renew();
        assert!(!looks(run.as_mut()));
    }
}
