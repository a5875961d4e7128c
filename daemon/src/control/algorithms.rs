//! The algorithms that keys can have.

use claviger_algorithm::{Algorithm, AlgorithmRow, Generation, OutputSize};
use claviger_control::message;

use super::answer::Answer;
use super::call::Call;
use super::permission::EVERYBODY;
use super::problem::Problem;
use super::route::{Route, form, read};
use super::{ControlState, describe};

/// What keys can be.
pub(super) static ROUTES: &[Route] = &[read(
    "/v1/algorithms",
    "list_algorithms",
    "The algorithms that keys can have",
    form::<message::AlgorithmList>(),
    list,
)
.needs(&EVERYBODY)];

fn list(_: &ControlState, _: &Call) -> Result<Answer, Problem> {
    let algorithms = Algorithm::ALL.iter().map(|algorithm| describe_row(algorithm.row()));
    Answer::ok(&message::AlgorithmList { algorithms: algorithms.collect() })
}

fn describe_row(row: &AlgorithmRow) -> message::Algorithm {
    message::Algorithm {
        name: row.name.to_owned(),
        kind: describe::kind(row.kind).to_owned(),
        operations: row.operations.iter().map(|operation| operation.to_string()).collect(),
        output_size: match row.output_size {
            OutputSize::Fixed(size) => message::OutputSize::Fixed(size as u64),
            OutputSize::AtMost(size) => message::OutputSize::AtMost(size as u64),
            OutputSize::PlaintextPlus(size) => message::OutputSize::PlaintextPlus(size as u64),
        },
        digest_size: row.digest_size.map(|size| size as u64),
        use_limit: row.use_limit,
        cost_class: row.cost.class().to_string(),
        make_nanoseconds: row.cost.make_nanoseconds.into(),
        check_nanoseconds: row.cost.check_nanoseconds.into(),
        generation: match row.generation {
            Generation::Fast => "fast",
            Generation::Slow => "slow",
        }
        .to_owned(),
    }
}
