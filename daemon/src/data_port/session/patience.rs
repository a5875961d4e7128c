//! Whoever does not mind the advice to come back later is read from later: refusing costs little, but not nothing, and others on the same worker wait for it.

use std::time::{Duration, Instant};

use crate::limits::{REFUSED_EARLY_MAX, REFUSED_PAUSE};

/// What a byte stream was advised, and how often it has come before its time.
#[derive(Default)]
pub(super) struct Patience {
    until: Option<Instant>,
    early: usize,
}

impl Patience {
    /// A request was refused at `now`, with the advice to come back after `wait`.
    pub(super) fn refused(&mut self, now: Instant, wait: Duration) {
        match self.until {
            Some(until) if now < until => self.early += 1,
            _ => *self = Self { until: now.checked_add(wait), early: 0 },
        }
    }

    /// Until when the byte stream is not read from, if it has come early too often. What it is told then counts anew.
    pub(super) fn take_pause(&mut self, now: impl FnOnce() -> Instant) -> Option<Instant> {
        if self.early < REFUSED_EARLY_MAX {
            return None;
        }
        *self = Self::default();
        now().checked_add(REFUSED_PAUSE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAIT: Duration = Duration::from_millis(5);

    // R-A11
    #[test]
    fn whoever_minds_the_advice_is_never_paused() {
        let (mut patience, mut now) = (Patience::default(), Instant::now());
        for _ in 0..10 * REFUSED_EARLY_MAX {
            patience.refused(now, WAIT);
            assert_eq!(patience.take_pause(|| now), None);
            now += WAIT;
        }
    }

    // R-A11
    #[test]
    fn requests_that_were_on_their_way_are_no_offence_and_a_flood_is_paused_again_and_again() {
        let (mut patience, now) = (Patience::default(), Instant::now());
        for _ in 0..3 {
            for _ in 0..REFUSED_EARLY_MAX {
                patience.refused(now, WAIT);
                assert_eq!(patience.take_pause(|| now), None);
            }
            patience.refused(now, WAIT);
            assert_eq!(patience.take_pause(|| now), Some(now + REFUSED_PAUSE));
            assert_eq!(patience.take_pause(|| now), None);
        }
    }

    // R-A11
    #[test]
    fn coming_early_is_forgotten_with_the_next_advice() {
        let (mut patience, mut now) = (Patience::default(), Instant::now());
        for _ in 0..10 {
            (0..REFUSED_EARLY_MAX).for_each(|_| patience.refused(now, WAIT));
            assert_eq!(patience.take_pause(|| now), None);
            now += WAIT;
        }
    }
}
