//! What the command line says of a table.

use std::time::Duration;

use clap::Args;

use super::{DaemonArguments, OutputArguments, bounded, duration, warm_up};
use crate::limits::ROUNDS_MAX;
use crate::table::TablePlan;

#[derive(Debug, Args)]
pub(crate) struct TableArguments {
    /// Seconds to measure each cell
    #[arg(long, default_value = "3", value_parser = duration, value_name = "SECONDS")]
    seconds: Duration,
    /// Seconds of load before that
    #[arg(long, default_value = "0.5", value_parser = warm_up, value_name = "SECONDS")]
    warm_up: Duration,
    /// Measure all cells so often, in turn, and show medians
    #[arg(long, default_value_t = 1)]
    rounds: usize,
    #[command(flatten)]
    pub(crate) daemon: DaemonArguments,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
}

impl TableArguments {
    /// How the table is to be measured.
    ///
    /// # Errors
    /// With the option that is out of its bounds.
    pub(crate) fn plan(&self) -> anyhow::Result<TablePlan> {
        Ok(TablePlan {
            duration: self.seconds,
            warm_up: self.warm_up,
            rounds: bounded("--rounds", self.rounds, ROUNDS_MAX)?,
            load_cpus: self.daemon.pin_load.clone(),
            in_process_cpus: self.daemon.pin_daemon.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Arguments, Command};
    use clap::Parser;

    #[test]
    fn rounds_of_a_table_are_bounded() {
        let parse = |options: &str| {
            let words = ["claviger-loadtest", "table"].into_iter().chain(options.split_whitespace());
            match Arguments::try_parse_from(words).unwrap().command {
                Some(Command::Table(table)) => table.plan(),
                _ => panic!("no table"),
            }
        };
        assert_eq!(parse("--rounds 5").unwrap().rounds, 5);
        assert!(parse("--rounds 0").is_err());
        assert!(parse("--rounds 101").is_err());
    }
}
