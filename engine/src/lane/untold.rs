//! Telling of what is done, of two tasks at once.
//!
//! Being told wakes a thread, and what it then answers brings the next request, which wakes it again: that costs as much as a tenth of a batch of fast signatures. So a
//! connection that has more waiting than is needed to keep the pool at work is told of two tasks at a time.

use std::task::Waker;
use std::time::Duration;

use crate::fair_queue::Claim;
use crate::limits::TELL_LATER_MAX;

/// Whom one thread of a pool has not told yet of what it has done.
#[derive(Default)]
pub(super) struct Untold {
    waker: Option<Waker>,
    /// The connection that is to be told.
    connection: u64,
    /// It is to be told of a second task already.
    is_enough: bool,
    /// What was done since the first task was.
    spent: Duration,
}

impl Untold {
    /// A job of `claim` is done.
    pub(super) fn add(&mut self, claim: &Claim, waker: Option<Waker>) {
        if self.waker.is_some() {
            self.spent += claim.cost;
        }
        let Some(waker) = waker else { return };
        self.is_enough = self.waker.as_ref().is_some_and(|untold| untold.will_wake(&waker));
        if !self.is_enough {
            self.tell();
        }
        (self.waker, self.connection) = (Some(waker), claim.connection);
    }

    /// Whether the job of `next` may be done before anybody is told: it is of those who are to be told, does not take long, and so much is waiting `behind` it for them that
    /// the pool has work until they ask for more.
    pub(super) fn may_wait_for(&self, next: &Claim, behind: Duration) -> bool {
        let is_theirs = self.waker.is_some() && next.connection == self.connection;
        is_theirs && !self.is_enough && self.spent + next.cost <= TELL_LATER_MAX && behind >= TELL_LATER_MAX
    }

    /// Tells.
    pub(super) fn tell(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
        (self.is_enough, self.spent) = (false, Duration::ZERO);
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

    // R-A11
    #[test]
    fn one_task_waits_for_the_next_of_its_connection_only_and_not_for_long() {
        let (told, waker) = counted();
        let mut untold = Untold::default();
        assert!(!untold.may_wait_for(&claim(0, 1), TELL_LATER_MAX), "nobody is to be told");
        untold.add(&claim(1, 300), Some(waker));
        assert!(untold.may_wait_for(&claim(1, 300), TELL_LATER_MAX));
        assert!(!untold.may_wait_for(&claim(2, 300), TELL_LATER_MAX), "of another connection");
        assert!(!untold.may_wait_for(&claim(1, 1_001), TELL_LATER_MAX), "too long");
        assert!(!untold.may_wait_for(&claim(1, 300), TELL_LATER_MAX - Duration::from_nanos(1)), "too little behind");
        // Pieces that complete no task.
        untold.add(&claim(1, 300), None);
        untold.add(&claim(1, 300), None);
        assert!(untold.may_wait_for(&claim(1, 400), TELL_LATER_MAX));
        assert!(!untold.may_wait_for(&claim(1, 401), TELL_LATER_MAX), "too long altogether");
        assert_eq!(told.0.load(Relaxed), 0);
        untold.tell();
        untold.tell();
        assert_eq!(told.0.load(Relaxed), 1);
    }

    // R-A11
    #[test]
    fn two_tasks_are_enough_and_whoever_else_is_to_be_told_is_told_by_himself() {
        let ((told, waker), (other_told, other_waker)) = (counted(), counted());
        let mut untold = Untold::default();
        untold.add(&claim(1, 100), Some(waker.clone()));
        untold.add(&claim(1, 100), Some(waker.clone()));
        assert!(!untold.may_wait_for(&claim(1, 100), TELL_LATER_MAX));
        // Another byte stream of the same connection.
        untold.add(&claim(1, 100), Some(other_waker));
        assert_eq!((told.0.load(Relaxed), other_told.0.load(Relaxed)), (1, 0));
        assert!(untold.may_wait_for(&claim(1, 100), TELL_LATER_MAX));
        untold.tell();
        assert_eq!((told.0.load(Relaxed), other_told.0.load(Relaxed)), (1, 1));
    }
}
