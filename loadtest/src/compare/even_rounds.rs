//! Rounds in which the machine treated all sides alike.

use super::figure::{Figure, Unit};
use crate::limits::{ROUNDS_BEGUN_FACTOR, UNEVEN_RATIO};
use crate::progress::progress;
use crate::run::Outcome;

/// Rounds whose sides are compared: what is measured again because the machine did not treat them alike.
///
/// A core that others use as well, perhaps another virtual machine, is slower by half for seconds. A round is even if the same operation in process took as long meanwhile on either side.
pub(super) struct EvenRounds {
    wanted: usize,
    kept: usize,
    begun: usize,
    /// Those in which the machine did not treat the sides alike, whether they count or not.
    uneven: usize,
}

impl EvenRounds {
    pub(super) const fn new(wanted: usize) -> Self {
        Self { wanted, kept: 0, begun: 0, uneven: 0 }
    }

    /// Whether there is to be another round; it is told. There are at most [`ROUNDS_BEGUN_FACTOR`] times as many as are wanted.
    pub(super) fn begin(&mut self) -> bool {
        let begins = self.kept < self.wanted && self.begun < self.wanted * ROUNDS_BEGUN_FACTOR;
        if begins {
            self.begun += 1;
            let again = match self.begun - 1 - self.kept {
                0 => String::new(),
                uneven => format!(", after {uneven} in which the machine was not as fast for both sides"),
            };
            progress(&format!("round {} of {}{again}", self.kept + 1, self.wanted));
        }
        begins
    }

    /// Whether the round counts, of which these are all sides.
    pub(super) fn keep<const SIDES: usize>(&mut self, sides: [&Outcome; SIDES]) -> bool {
        self.keep_times(sides.map(|side| side.in_process_ns))
    }

    /// The same by what each side took in process. When only as many rounds may be begun as are still wanted all count, even or not: such a machine gives nothing better.
    fn keep_times<const SIDES: usize>(&mut self, sides: [Option<f64>; SIDES]) -> bool {
        let known = || sides.iter().copied().flatten();
        let (shortest, longest) = (known().fold(f64::INFINITY, f64::min), known().fold(0.0, f64::max));
        // Nothing is known of an operation that has no meaning in process.
        let is_even = known().next().is_none() || longest <= shortest * UNEVEN_RATIO;
        let kept = is_even || self.begun - self.kept > self.wanted * (ROUNDS_BEGUN_FACTOR - 1);
        self.kept += usize::from(kept);
        self.uneven += usize::from(!is_even);
        kept
    }

    /// How many rounds were uneven: the more, the less the others are worth.
    pub(super) fn figure(&self) -> Figure {
        // A count of rounds is far below what is told exactly.
        #[expect(clippy::cast_precision_loss)]
        Figure::new("uneven rounds", Unit::Rounds, vec![self.uneven as f64])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVEN: [Option<f64>; 2] = [Some(100.0), Some(104.0)];
    const UNEVEN: [Option<f64>; 2] = [Some(104.1), Some(100.0)];

    /// How many rounds are begun if each is as these say, and which of them count.
    fn rounds(wanted: usize, mut round: impl FnMut(usize) -> [Option<f64>; 2]) -> Vec<bool> {
        let mut rounds = EvenRounds::new(wanted);
        let mut kept = Vec::new();
        while rounds.begin() {
            kept.push(rounds.keep_times(round(kept.len())));
        }
        kept
    }

    // R-O5
    #[test]
    fn rounds_that_are_even_count_and_others_are_measured_again() {
        assert_eq!(rounds(3, |_| EVEN), [true; 3]);
        assert_eq!(rounds(2, |number| if number < 2 { UNEVEN } else { EVEN }), [false, false, true, true]);
        assert_eq!(rounds(2, |_| [None, None]), [true; 2]);
        assert!(rounds(0, |_| EVEN).is_empty());
    }

    // R-O5
    #[test]
    fn a_machine_that_is_never_even_gives_as_many_rounds_as_are_wanted_in_the_end() {
        let kept = rounds(2, |_| UNEVEN);
        assert_eq!(kept, [[false; 6].as_slice(), &[true; 2]].concat());
    }

    // R-O5
    #[test]
    fn uneven_rounds_are_told_whether_they_count_or_not() {
        let mut rounds = EvenRounds::new(1);
        let count = |rounds: &EvenRounds| rounds.figure().value();
        assert_eq!(count(&rounds), 0.0);
        for uneven in [1.0, 2.0, 3.0, 4.0] {
            assert!(rounds.begin());
            assert_eq!(rounds.keep_times(UNEVEN), uneven == 4.0);
            assert_eq!(count(&rounds), uneven);
        }
        assert!(!rounds.begin());
    }

    // R-O5
    #[test]
    fn all_sides_are_compared() {
        let mut rounds = EvenRounds::new(1);
        assert!(rounds.begin());
        assert!(!rounds.keep_times([Some(100.0), Some(100.0), Some(90.0), Some(100.0)]));
    }

    #[test]
    fn whoever_keeps_none_is_not_asked_for_ever() {
        let mut rounds = EvenRounds::new(2);
        assert_eq!(std::iter::from_fn(|| rounds.begin().then_some(())).count(), 2 * ROUNDS_BEGUN_FACTOR);
    }
}
