//! The algorithms that keys can have.

use claviger_algorithm::Algorithm;
use claviger_control::message;

use super::answer::Answer;
use super::call::Call;
use super::problem::Problem;
use super::{ControlState, describe};

pub(super) fn list(_: &ControlState, _: &Call) -> Result<Answer, Problem> {
    let algorithms = Algorithm::ALL.iter().map(|algorithm| algorithm.row()).map(|row| message::Algorithm {
        name: row.name.to_owned(),
        kind: describe::kind(row.kind).to_owned(),
        operations: row.operations.iter().map(|operation| operation.to_string()).collect(),
    });
    Answer::ok(&message::AlgorithmList { algorithms: algorithms.collect() })
}
