//! What the command line says of very many keys.

use std::path::PathBuf;

use clap::Args;

use super::{DaemonArguments, bounded};
use crate::limits::KEYS_MAX;
use crate::population::PopulationPlan;

#[derive(Debug, Args)]
pub(crate) struct PopulationArguments {
    /// Keys to create
    #[arg(long, default_value_t = 1_000_000)]
    count: usize,
    /// Keys to use after the restart, spread over all
    #[arg(long, default_value_t = 10_000)]
    used: usize,
    #[command(flatten)]
    pub(crate) daemon: DaemonArguments,
    /// Write everything that was measured as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

impl PopulationArguments {
    /// How it is to be measured.
    ///
    /// # Errors
    /// With the option that is out of its bounds.
    pub(crate) fn plan(&self) -> anyhow::Result<PopulationPlan> {
        let keys = bounded("--count", self.count, KEYS_MAX)?;
        Ok(PopulationPlan { keys, used: bounded("--used", self.used, KEYS_MAX)?.min(keys) })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Arguments, Command};
    use clap::Parser;

    #[test]
    fn no_more_keys_are_used_than_there_are_and_both_are_bounded() {
        let plan = |options: &str| {
            let words = ["claviger-loadtest", "keys"].into_iter().chain(options.split_whitespace());
            match Arguments::try_parse_from(words).unwrap().command {
                Some(Command::Keys(arguments)) => arguments.plan(),
                _ => panic!("another command"),
            }
        };
        assert_eq!(plan("--count 10 --used 20").unwrap().used, 10);
        for options in ["--count 0", "--count 4000001", "--used 0"] {
            assert!(plan(options).is_err(), "{options}");
        }
    }
}
