//! How often uses are written: of few keys each second, of very many so seldom that writing takes a tenth of a core.

use std::time::Duration;

use crate::limits::{USES_WRITTEN_EVERY, USES_WRITTEN_WITHIN};

/// When all of a kind, counts or statistics, are written again.
#[derive(Default)]
pub(super) struct Pace {
    /// Running time before which they rest.
    not_before: Duration,
}

impl Pace {
    /// Whether they are to be written at this running time.
    pub(super) fn is_due(&self, now: Duration) -> bool {
        now >= self.not_before
    }

    /// They were written, or that was tried, between these two running times.
    pub(super) fn is_tried(&mut self, began: Duration, ended: Duration) {
        self.not_before = ended.saturating_add(pause_after(ended.saturating_sub(began)));
    }
}

/// How long to pause after writing has taken so long, beyond the second that passes anyway.
fn pause_after(took: Duration) -> Duration {
    let rest = took.saturating_mul(REST).min(USES_WRITTEN_WITHIN);
    rest.saturating_sub(USES_WRITTEN_EVERY)
}

/// Rest is so many times as long as writing took: a tenth of the time is spent on it.
const REST: u32 = 9;

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn writing_takes_a_tenth_of_the_time_and_is_never_put_off_beyond_the_bound() {
        let second = USES_WRITTEN_EVERY;
        for took in [0, 1, 10, 111] {
            assert_eq!(pause_after(ms(took)), Duration::ZERO, "{took}: each second");
        }
        for took in [112, 500, 1_000, 6_000] {
            assert_eq!(second + pause_after(ms(took)), ms(9 * took));
        }
        for took in [USES_WRITTEN_WITHIN, Duration::MAX] {
            assert_eq!(second + pause_after(took), USES_WRITTEN_WITHIN);
        }
    }

    #[test]
    fn nothing_rests_before_the_first_writing_or_behind_a_clock_that_stands() {
        let mut pace = Pace::default();
        assert!(pace.is_due(Duration::ZERO));
        pace.is_tried(ms(5), ms(5));
        assert!(pace.is_due(ms(5)));
        pace.is_tried(ms(10), ms(1_010));
        assert!(!pace.is_due(ms(9_009)));
        assert!(pace.is_due(ms(9_010)));
        // Should it ever go back, it costs a rest at most.
        pace.is_tried(ms(20_000), ms(10_000));
        assert!(pace.is_due(ms(10_000)));
    }
}
