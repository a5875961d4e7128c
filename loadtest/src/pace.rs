//! When frames are sent.

use std::time::{Duration, Instant};

use tokio::task::yield_now;

use crate::limits::WATCHED_TIME;

/// Who decides when the next frame is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// The daemon: a reply makes place for the next frame, so that as many as allowed are in flight at any time.
    Closed,
    /// The clock: one frame each `interval`, beginning with `first`, whatever the daemon does.
    Open { first: Instant, interval: Duration },
}

/// Frames that are to be sent now. The n-th was meant to be sent at `first + n * interval`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Due {
    pub(crate) count: usize,
    first: Instant,
    interval: Duration,
}

impl Pace {
    /// Waits until at least one frame is due, and takes at most `most` of those that are; `None` if no more are due before `end`.
    pub(crate) async fn due(&mut self, most: usize, end: Instant) -> Option<Due> {
        match self {
            Self::Closed => {
                let now = Instant::now();
                (now < end).then_some(Due { count: most, first: now, interval: Duration::ZERO })
            }
            Self::Open { first, interval } => {
                if *first >= end {
                    return None;
                }
                wait_until(*first).await;
                let due = due_by(Instant::now(), *first, *interval, most);
                *first += *interval * u32::try_from(due.count).unwrap_or(u32::MAX);
                Some(due)
            }
        }
    }
}

impl Due {
    /// When each was meant to be sent.
    pub(crate) fn intended(&self) -> impl Iterator<Item = Instant> + use<> {
        let Self { count, first, interval } = *self;
        std::iter::successors(Some(first), move |at| Some(*at + interval)).take(count)
    }
}

/// What is due at `now`, which is not before `first`.
fn due_by(now: Instant, first: Instant, interval: Duration, most: usize) -> Due {
    let late = now.saturating_duration_since(first).as_nanos();
    let count = 1 + usize::try_from(late / interval.as_nanos().max(1)).unwrap_or(usize::MAX - 1);
    Due { count: count.min(most), first, interval }
}

/// Sleeps until shortly before, then watches the clock: timers are too coarse for a schedule of microseconds.
async fn wait_until(at: Instant) {
    if let Some(asleep) = at.checked_sub(WATCHED_TIME)
        && Instant::now() < asleep
    {
        tokio::time::sleep_until(asleep.into()).await;
    }
    while Instant::now() < at {
        yield_now().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_millis(10);

    // R-O5
    #[test]
    fn frames_that_are_late_keep_the_time_they_were_meant_for() {
        let first = Instant::now();
        let due = due_by(first + INTERVAL * 3 + INTERVAL / 2, first, INTERVAL, 100);
        assert_eq!(due.count, 4);
        assert!(due.intended().eq((0..4).map(|n| first + INTERVAL * n)));
    }

    #[test]
    fn no_more_are_taken_than_there_is_room_for() {
        let first = Instant::now();
        assert_eq!(due_by(first + INTERVAL * 1_000, first, INTERVAL, 7).count, 7);
        assert_eq!(due_by(first, first, INTERVAL, 7).count, 1);
    }

    #[tokio::test]
    async fn an_open_pace_counts_on_from_what_was_taken_and_ends() {
        let first = Instant::now().checked_sub(INTERVAL * 5).unwrap();
        let mut pace = Pace::Open { first, interval: INTERVAL };
        let end = first + INTERVAL * 4;
        assert_eq!(pace.due(3, end).await.unwrap().intended().next(), Some(first));
        assert_eq!(pace.due(1, end).await.unwrap().intended().next(), Some(first + INTERVAL * 3));
        assert_eq!(pace.due(1, end).await, None);
    }

    #[tokio::test]
    async fn a_closed_pace_fills_all_room_until_the_end() {
        let now = Instant::now();
        assert_eq!(Pace::Closed.due(16, now + Duration::from_secs(60)).await.unwrap().count, 16);
        assert_eq!(Pace::Closed.due(16, now).await, None);
    }
}
