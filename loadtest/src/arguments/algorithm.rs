//! The names of algorithms, on the command line and in its help.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use claviger_algorithm::Algorithm;

use crate::task::Operation;

/// Algorithms that do one of `operations`, by their names in whatever case.
pub(super) fn parser(operations: &'static [Operation]) -> impl TypedValueParser<Value = Algorithm> {
    let algorithms = Algorithm::ALL.iter().filter(|it| operations.iter().any(|operation| operation.is_done_by(**it)));
    PossibleValuesParser::new(algorithms.map(|algorithm| algorithm.name())).try_map(|text| {
        let mut algorithms = Algorithm::ALL.iter().copied();
        algorithms.find(|algorithm| algorithm.name().eq_ignore_ascii_case(&text)).ok_or("no such algorithm")
    })
}

/// `sentence`, and below it a line for each of `operations` with the algorithms that do it.
pub(super) fn help(sentence: &str, operations: &[Operation]) -> String {
    let mut text = format!("{sentence}:");
    for operation in operations {
        let algorithms = Algorithm::ALL.iter().filter(|algorithm| operation.is_done_by(**algorithm));
        let names: Vec<_> = algorithms.map(|algorithm| algorithm.name()).collect();
        let lines: Vec<_> = names.chunks(NAMES_IN_A_LINE).map(|names| names.join(", ")).collect();
        let name = operation.name();
        text.push_str(&format!("\n  {name:<19} {}", lines.join(&format!(",\n  {:<19} ", ""))));
    }
    text
}

/// One operation of each kind of key: together they name every algorithm once.
pub(super) const KINDS: &[Operation] =
    &[Operation::Encrypt, Operation::Mac, Operation::Sign, Operation::AsymmetricDecrypt, Operation::ReadSecret];

const NAMES_IN_A_LINE: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_names_every_algorithm_once_in_short_lines() {
        let help = help("Algorithm", KINDS);
        for algorithm in Algorithm::ALL {
            let names = help.split([',', ' ', '\n']).filter(|word| *word == algorithm.name());
            assert_eq!(names.count(), 1, "{algorithm}: {help}");
        }
        assert!(help.lines().all(|line| line.len() <= 90), "{help}");
    }
}
