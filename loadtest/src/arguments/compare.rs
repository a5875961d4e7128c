//! What the command line says of a comparison.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::bail;
use clap::Args;
use claviger_algorithm::Algorithm;

use super::{RoundsArguments, algorithm, bounded};
use crate::compare::{ComparePlan, ROWS, Row};
use crate::cpus::Cpus;
use crate::limits::{CONNECTIONS_MAX, KEYS_MAX, PAIRS_MAX};
use crate::rounds::Rounds;
use crate::task::Operation;

#[derive(Debug, Args)]
#[command(mut_arg("rounds", |rounds| rounds.default_value("5")), mut_arg("seconds", |seconds| seconds.default_value("2")))]
pub(crate) struct CompareArguments {
    /// Measure these rows only; --list names all
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    only: Vec<String>,
    /// Name all rows, and measure nothing
    #[arg(long)]
    pub(crate) list: bool,
    /// A smoke of seconds: everything once, for a moment, with few keys and connections. Its figures say nothing
    #[arg(long)]
    quick: bool,
    /// Keys, where very many are compared with few
    #[arg(long, default_value_t = 1_000_000)]
    keys: usize,
    /// Their algorithm
    #[arg(long, value_name = "ALGORITHM", default_value = Algorithm::Xaes256Gcm.name(), value_parser = algorithm::parser(&[Operation::Encrypt]), ignore_case = true)]
    keys_algorithm: Algorithm,
    /// Connections, where very many are compared with few, and where they rest
    #[arg(long, default_value_t = 1_000)]
    connections: usize,
    /// Pairs of measurements of the latency
    #[arg(long, default_value_t = 11)]
    pairs: usize,
    /// The claviger-echo to start [default: the one beside the daemon]
    #[arg(long, value_name = "FILE")]
    echo: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) rounds: RoundsArguments,
}

impl CompareArguments {
    /// The rows that are chosen, in the order of the table.
    ///
    /// # Errors
    /// With the name that none has.
    pub(crate) fn rows(&self) -> anyhow::Result<Vec<&'static Row>> {
        if let Some(unknown) = self.only.iter().find(|name| ROWS.iter().all(|row| row.name != **name)) {
            let names: Vec<_> = ROWS.iter().map(|row| row.name).collect();
            bail!("--only {unknown}: there is no such row; there are {}", names.join(", "));
        }
        let is_chosen = |row: &&Row| self.only.is_empty() || self.only.iter().any(|name| name == row.name);
        Ok(ROWS.iter().filter(is_chosen).collect())
    }

    /// How they are measured. Unless told otherwise, the daemon has one core and the load another.
    ///
    /// # Errors
    /// With the option that is out of its bounds.
    pub(crate) fn plan(&self) -> anyhow::Result<ComparePlan> {
        let all_cpus = Cpus::current()?;
        let [daemon_default, load_default] = apart(&all_cpus);
        let options = &self.rounds.daemon;
        let daemon_cpus = options.pin_daemon.clone().or(daemon_default).unwrap_or_else(|| all_cpus.clone());
        let rounds = self.rounds.rounds()?;
        let rounds = Rounds {
            load_cpus: options.pin_load.clone().or(load_default),
            in_process_cpus: Some(daemon_cpus.clone()),
            ..rounds
        };
        let daemon = options.program()?;
        let echo = self.echo.clone().unwrap_or_else(|| daemon.with_file_name("claviger-echo"));
        let plan = ComparePlan {
            echo,
            daemon,
            daemon_cpus,
            all_cpus,
            rounds,
            pairs: bounded("--pairs", self.pairs, PAIRS_MAX)?,
            keys: bounded("--keys", self.keys, KEYS_MAX)?,
            keys_algorithm: self.keys_algorithm,
            connections: bounded("--connections", self.connections, CONNECTIONS_MAX)?,
        };
        Ok(if self.quick { quick(plan) } else { plan })
    }
}

/// As little as shows that everything works.
fn quick(plan: ComparePlan) -> ComparePlan {
    let rounds = Rounds { duration: QUICK, warm_up: Duration::ZERO, count: 1, ..plan.rounds };
    ComparePlan { rounds, pairs: 1, keys: plan.keys.min(2_000), connections: plan.connections.min(40), ..plan }
}

/// One processor for the daemon and another for the load, if there are two.
fn apart(cpus: &Cpus) -> [Option<Cpus>; 2] {
    let mut each = cpus.each();
    match (each.next(), each.next()) {
        (Some(first), Some(second)) => [Some(first), Some(second)],
        _ => [None, None],
    }
}

/// How long each measurement of a smoke takes.
const QUICK: Duration = Duration::from_millis(300);

#[cfg(test)]
mod tests {
    use super::super::{Arguments, Command};
    use super::*;
    use clap::Parser;

    fn arguments(options: &str) -> anyhow::Result<CompareArguments> {
        let words = ["claviger-loadtest", "compare"].into_iter().chain(options.split_whitespace());
        match Arguments::try_parse_from(words)?.command {
            Some(Command::Compare(arguments)) => Ok(arguments),
            _ => panic!("another command"),
        }
    }

    // R-O5
    #[test]
    fn everything_is_compared_in_five_rounds_with_a_core_for_each_side() {
        let plan = arguments("").unwrap().plan().unwrap();
        assert_eq!((plan.rounds.count, plan.pairs, plan.keys, plan.connections), (5, 11, 1_000_000, 1_000));
        assert_eq!(plan.keys_algorithm, Algorithm::Xaes256Gcm);
        assert_eq!(plan.rounds.in_process_cpus.as_ref(), Some(&plan.daemon_cpus));
        assert_eq!(plan.echo.file_name(), Some("claviger-echo".as_ref()));
        assert_eq!(arguments("").unwrap().rows().unwrap().len(), ROWS.len());
        let two: Cpus = "3,5".parse().unwrap();
        assert_eq!(apart(&two), [Some("3".parse().unwrap()), Some("5".parse().unwrap())]);
        assert_eq!(apart(&"3".parse().unwrap()), [None, None], "one core cannot be shared out");
    }

    #[test]
    fn rows_are_chosen_by_name_and_keep_their_order() {
        let rows = arguments("--only latency,encrypt-16 --only start").unwrap().rows().unwrap();
        let names: Vec<_> = rows.iter().map(|row| row.name).collect();
        assert_eq!(names, ["encrypt-16", "latency", "start"]);
    }

    #[test]
    fn a_smoke_measures_once_and_little() {
        let plan = arguments("--quick --rounds 9 --keys 100").unwrap().plan().unwrap();
        assert_eq!((plan.rounds.count, plan.pairs, plan.keys, plan.connections), (1, 1, 100, 40));
        assert!(plan.rounds.duration < Duration::from_secs(1));
    }

    #[test]
    fn what_is_out_of_bounds_is_named_with_its_bounds() {
        for (options, said) in [
            ("--keys 0", "--keys 0: give 1 to 4000000"),
            ("--connections 9001", "--connections 9001"),
            ("--pairs 0", "--pairs 0"),
            ("--rounds 101", "--rounds 101"),
            ("--keys-algorithm Ed25519", "invalid value 'Ed25519'"),
            ("--config c", "unexpected argument"),
        ] {
            let error = arguments(options).and_then(|it| it.plan()).err().unwrap_or_else(|| panic!("{options}"));
            assert!(error.to_string().contains(said), "{options}: {error}");
        }
        let error = arguments("--only encrypt").unwrap().rows().err().unwrap();
        assert!(error.to_string().contains("no such row; there are encrypt-16, encrypt-64"), "{error}");
    }
}
