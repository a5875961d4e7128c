//! A figure: what was measured in each round, and what it is to reach.

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use crate::in_process::median;

/// One number of a row, with its goal if it has one.
pub(crate) struct Figure {
    pub(crate) name: String,
    pub(crate) unit: Unit,
    /// In the order in which it was measured.
    pub(crate) rounds: Vec<f64>,
    pub(crate) goal: Option<Goal>,
}

/// What a figure counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Unit {
    /// One thing against another.
    Ratio,
    /// Of an item.
    Nanoseconds,
    /// Of a frame.
    Microseconds,
    Seconds,
    Bytes,
    Rounds,
    ItemsPerSecond,
}

/// What a figure must reach, and what is aimed at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Goal {
    /// More is better.
    AtLeast { required: f64, aim: Option<f64> },
    /// Less is better.
    AtMost { required: f64, aim: Option<f64> },
}

/// What became of a goal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    NotReached,
    Reached,
    /// What was aimed at, too.
    AimReached,
}

impl Figure {
    pub(crate) fn new(name: impl Into<String>, unit: Unit, rounds: Vec<f64>) -> Self {
        Self { name: name.into(), unit, rounds, goal: None }
    }

    pub(crate) fn with(self, goal: Goal) -> Self {
        Self { goal: Some(goal), ..self }
    }

    /// The median over the rounds; not a number if there are none.
    pub(crate) fn value(&self) -> f64 {
        median(self.rounds.clone()).unwrap_or(f64::NAN)
    }

    /// What became of its goal, if it has one.
    pub(crate) fn verdict(&self) -> Option<Verdict> {
        self.goal.map(|goal| goal.verdict(self.value()))
    }
}

impl Goal {
    /// At least `required`; `aim` is aimed at.
    pub(crate) const fn at_least(required: f64, aim: f64) -> Self {
        Self::AtLeast { required, aim: Some(aim) }
    }

    /// At most `required`; `aim` is aimed at.
    pub(crate) const fn at_most(required: f64, aim: f64) -> Self {
        Self::AtMost { required, aim: Some(aim) }
    }

    pub(crate) const fn required(self) -> f64 {
        match self {
            Self::AtLeast { required, .. } | Self::AtMost { required, .. } => required,
        }
    }

    pub(crate) const fn aim(self) -> Option<f64> {
        match self {
            Self::AtLeast { aim, .. } | Self::AtMost { aim, .. } => aim,
        }
    }

    /// What is no number has reached nothing.
    fn verdict(self, value: f64) -> Verdict {
        let is_as_good_as = |goal: f64| match self {
            Self::AtLeast { .. } => value >= goal,
            Self::AtMost { .. } => value <= goal,
        };
        if !is_as_good_as(self.required()) {
            Verdict::NotReached
        } else if self.aim().is_some_and(is_as_good_as) {
            Verdict::AimReached
        } else {
            Verdict::Reached
        }
    }
}

/// Nanoseconds of an item that a perfect daemon would take on a transport: those of the work and those of the way.
pub(crate) fn bound_ns(in_process_ns: f64, echo_ns: f64) -> f64 {
    in_process_ns + echo_ns
}

impl Serialize for Figure {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (at_least, at_most) = match self.goal {
            None => (None, None),
            Some(Goal::AtLeast { required, .. }) => (Some(required), None),
            Some(Goal::AtMost { required, .. }) => (None, Some(required)),
        };
        let mut fields = serializer.serialize_struct("Figure", 8)?;
        fields.serialize_field("name", &self.name)?;
        fields.serialize_field("unit", &self.unit)?;
        fields.serialize_field("value", &self.value())?;
        fields.serialize_field("at_least", &at_least)?;
        fields.serialize_field("at_most", &at_most)?;
        fields.serialize_field("aim", &self.goal.and_then(Goal::aim))?;
        fields.serialize_field("verdict", &self.verdict())?;
        fields.serialize_field("rounds", &self.rounds)?;
        fields.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ratio(rounds: Vec<f64>, goal: Goal) -> Figure {
        Figure::new("ratio", Unit::Ratio, rounds).with(goal)
    }

    // R-O5
    #[test]
    fn a_goal_is_reached_by_the_median_and_not_by_the_best_round() {
        let goal = Goal::at_least(0.8, 0.95);
        for (rounds, verdict) in [
            (vec![0.79, 0.99, 0.7], Verdict::NotReached),
            (vec![0.8, 0.1, 0.81], Verdict::Reached),
            (vec![0.949], Verdict::Reached),
            (vec![0.95, 2.0, 0.3], Verdict::AimReached),
        ] {
            assert_eq!(ratio(rounds.clone(), goal).verdict(), Some(verdict), "{rounds:?}");
        }
    }

    // R-O5
    #[test]
    fn where_less_is_better_goals_are_reached_from_above() {
        let goal = Goal::at_most(1.1, 1.03);
        for (value, verdict) in [
            (1.11, Verdict::NotReached),
            (1.1, Verdict::Reached),
            (1.03, Verdict::AimReached),
            (0.2, Verdict::AimReached),
        ] {
            assert_eq!(ratio(vec![value], goal).verdict(), Some(verdict), "{value}");
        }
        assert_eq!(ratio(vec![0.2], Goal::AtMost { required: 1.0, aim: None }).verdict(), Some(Verdict::Reached));
    }

    #[test]
    fn what_was_not_measured_has_reached_nothing() {
        for rounds in [vec![], vec![f64::NAN]] {
            for goal in [Goal::at_least(0.0, 0.0), Goal::at_most(f64::INFINITY, f64::INFINITY)] {
                assert_eq!(ratio(rounds.clone(), goal).verdict(), Some(Verdict::NotReached));
            }
        }
        assert_eq!(Figure::new("rate", Unit::ItemsPerSecond, vec![1.0]).verdict(), None);
    }

    #[test]
    fn the_bound_is_the_sum_of_work_and_way() {
        // 1 / (1 / in process + 1 / echo), in items a second.
        let (in_process, echo): (f64, f64) = (6.2e6, 2.1e6);
        let bound = 1.0 / (1.0 / in_process + 1.0 / echo);
        assert!((1e9 / bound_ns(1e9 / in_process, 1e9 / echo) - bound).abs() < 1.0);
    }

    #[test]
    fn programs_read_value_goal_and_verdict() {
        let read = serde_json::to_value(ratio(vec![0.5, 0.7], Goal::at_most(0.9, 0.5))).unwrap();
        assert_eq!(
            (read["value"].as_f64(), read["at_most"].as_f64(), read["aim"].as_f64()),
            (Some(0.6), Some(0.9), Some(0.5))
        );
        assert_eq!((&read["verdict"], &read["unit"]), (&"reached".into(), &"ratio".into()));
        assert!(read["at_least"].is_null());
    }
}
