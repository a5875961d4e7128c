//! Telling of what is done, of several tasks at once.
//!
//! Being told wakes a thread, and what it then answers brings the next request, which wakes it again: that costs as much as a fourteenth of a batch of fast signatures. So a
//! connection that has more waiting than is needed to keep the pool at work is told of what is done for it within a short time, not of each task by itself.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Waker;
use std::time::Duration;

use crate::fair_queue::Claim;
use crate::limits::{LANE_PIECE_COST, TELL_LATER_MAX};

/// Whom one thread of a pool has not told yet of what it has done.
#[derive(Default)]
pub(super) struct Untold {
    waker: Option<Waker>,
    /// The connection that is to be told.
    connection: u64,
    /// How long, by the clock, what was done since the first of its tasks was done has taken.
    spent: Duration,
    /// The last job took longer than any that is waited for.
    is_held_up: bool,
}

impl Untold {
    /// A job of `claim` has ended, which took so long by the clock.
    pub(super) fn add(&mut self, claim: &Claim, took: Duration, waker: Option<Waker>) {
        if self.waker.is_some() {
            self.spent += took;
        }
        // Where others keep the processor from this thread, what it does next takes nobody knows how long.
        self.is_held_up = took > TELL_LATER_MAX;
        let Some(waker) = waker else { return };
        if self.waker.as_ref().is_some_and(|untold| !untold.will_wake(&waker)) {
            self.tell();
        }
        (self.waker, self.connection) = (Some(waker), claim.connection);
    }

    /// Whether the job of `next` may be done before anybody is told: it is of those who are to be told, its task is done soon, and so much is waiting for them behind that that
    /// this thread has work until they ask for more. `behind` says what waits behind the job, as far as that counts.
    pub(super) fn may_wait_for(&self, next: &Claim, behind: impl FnOnce(Duration) -> Duration) -> bool {
        let is_theirs =
            self.waker.is_some() && next.connection == self.connection && next.connection != Claim::COMMON.connection;
        // What a claim says of itself is not bounded.
        let soon = self.spent.saturating_add(next.cost).saturating_add(next.rest);
        if !is_theirs || self.is_held_up || soon > TELL_LATER_MAX {
            return false;
        }
        let enough = next.rest + LANE_PIECE_COST;
        behind(enough) >= enough
    }

    /// Tells.
    pub(super) fn tell(&mut self) {
        self.spent = Duration::ZERO;
        let Some(waker) = self.waker.take() else { return };
        // Whoever has gone leaves what was done for him to be dropped here, and the thread is needed by others.
        if catch_unwind(AssertUnwindSafe(|| waker.wake())).is_err() {
            tracing::error!("telling of what is done panicked; this is a fault of the program");
        }
    }
}

impl Drop for Untold {
    /// However a thread ends, nobody waits for it in vain.
    fn drop(&mut self) {
        self.tell();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;
    use std::sync::atomic::Ordering::Relaxed;
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Counted(AtomicUsize);

    impl Wake for Counted {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Relaxed);
        }
    }

    fn claim(connection: u64, cost_us: u64) -> Claim {
        Claim { connection, cost: Duration::from_micros(cost_us), ..Claim::COMMON }
    }

    fn counted() -> (Arc<Counted>, Waker) {
        let counted = Arc::new(Counted::default());
        (Arc::clone(&counted), Waker::from(counted))
    }

    const FEW: Duration = Duration::from_micros(300);

    /// Very much waits behind a job.
    fn much(enough: Duration) -> Duration {
        enough
    }

    // R-A11
    #[test]
    fn what_is_done_waits_for_more_of_its_connection_only_and_not_for_long() {
        let (told, waker) = counted();
        let mut untold = Untold::default();
        assert!(!untold.may_wait_for(&claim(0, 1), much), "nobody is to be told");
        untold.add(&claim(1, 300), FEW, Some(waker.clone()));
        assert!(untold.may_wait_for(&claim(1, 1_500), much));
        assert!(!untold.may_wait_for(&claim(2, 300), much), "of another connection");
        assert!(!untold.may_wait_for(&claim(1, 1_501), much), "too long");
        // Pieces that complete no task, and a second task, take what they take.
        untold.add(&claim(1, 1), FEW, None);
        untold.add(&claim(1, 1), FEW, None);
        untold.add(&claim(1, 1), FEW, Some(waker));
        assert!(untold.may_wait_for(&claim(1, 600), much));
        assert!(!untold.may_wait_for(&claim(1, 601), much), "too long altogether");
        assert_eq!(told.0.load(Relaxed), 0);
        untold.tell();
        untold.tell();
        assert_eq!(told.0.load(Relaxed), 1);
    }

    // R-A11
    #[test]
    fn nobody_waits_for_a_task_that_is_not_done_soon_or_that_is_the_last_of_its_connection() {
        let mut untold = Untold::default();
        untold.add(&claim(1, 300), FEW, Some(counted().1));
        let first_of_some = |rest_us| Claim { rest: Duration::from_micros(rest_us), ..claim(1, 300) };
        assert!(untold.may_wait_for(&first_of_some(1_200), much));
        assert!(!untold.may_wait_for(&first_of_some(1_201), much));
        let behind =
            |waits_us, rest_us| untold.may_wait_for(&first_of_some(rest_us), |_| Duration::from_micros(waits_us));
        assert!(behind(500, 0) && !behind(499, 0));
        assert!(behind(800, 300) && !behind(799, 300), "its own pieces are not behind it");
    }

    // R-P4
    #[test]
    fn what_is_done_for_nobody_in_particular_is_told_at_once() {
        let mut untold = Untold::default();
        untold.add(&Claim::COMMON, FEW, Some(counted().1));
        assert!(!untold.may_wait_for(&Claim::COMMON, much));
        assert!(!untold.may_wait_for(&claim(1, 1), much));
    }

    // R-P4
    #[test]
    fn whatever_a_claim_says_of_its_cost_is_no_more_than_too_long() {
        let mut untold = Untold::default();
        untold.add(&claim(1, 300), FEW, Some(counted().1));
        for cost in [Duration::ZERO, Duration::MAX] {
            assert!(!untold.may_wait_for(&Claim { cost, rest: Duration::MAX, ..claim(1, 0) }, much));
        }
        assert!(!untold.may_wait_for(&Claim { cost: Duration::MAX, ..claim(1, 0) }, much));
    }

    // R-A11
    #[test]
    fn whoever_else_is_to_be_told_is_told_by_himself() {
        let ((told, waker), (other_told, other_waker)) = (counted(), counted());
        let mut untold = Untold::default();
        untold.add(&claim(1, 100), FEW, Some(waker));
        // Another byte stream of the same connection.
        untold.add(&claim(1, 100), FEW, Some(other_waker));
        assert_eq!((told.0.load(Relaxed), other_told.0.load(Relaxed)), (1, 0));
        // His time begins when his is done.
        assert!(untold.may_wait_for(&claim(1, 1_500), much));
        untold.tell();
        assert_eq!((told.0.load(Relaxed), other_told.0.load(Relaxed)), (1, 1));
    }

    // R-A11
    #[test]
    fn nobody_waits_for_a_thread_that_others_keep_from_the_processor() {
        let mut untold = Untold::default();
        untold.add(&claim(1, 300), TELL_LATER_MAX, Some(counted().1));
        assert!(untold.may_wait_for(&claim(1, 300), much));
        untold.add(&claim(1, 300), TELL_LATER_MAX + Duration::from_nanos(1), Some(counted().1));
        assert!(!untold.may_wait_for(&claim(1, 300), much));
    }

    // R-P4
    #[test]
    fn whoever_waits_is_told_however_the_thread_ends_and_whatever_telling_does() {
        struct Panics;
        impl Wake for Panics {
            fn wake(self: Arc<Self>) {
                panic!("of the test");
            }
        }
        let (told, waker) = counted();
        let mut untold = Untold::default();
        untold.add(&claim(1, 100), FEW, Some(Waker::from(Arc::new(Panics))));
        untold.add(&claim(2, 100), FEW, Some(waker));
        assert_eq!(told.0.load(Relaxed), 0);
        drop(untold);
        assert_eq!(told.0.load(Relaxed), 1);
    }
}
