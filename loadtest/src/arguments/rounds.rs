//! What the command line says of measurements that are made in turn.

use std::time::Duration;

use clap::Args;

use super::{DaemonArguments, OutputArguments, bounded, duration, warm_up};
use crate::limits::ROUNDS_MAX;
use crate::rounds::Rounds;

#[derive(Debug, Args)]
pub(crate) struct RoundsArguments {
    /// Seconds of each measurement
    #[arg(long, default_value = "3", value_parser = duration, value_name = "SECONDS")]
    seconds: Duration,
    /// Seconds of load before each
    #[arg(long, default_value = "0.5", value_parser = warm_up, value_name = "SECONDS")]
    warm_up: Duration,
    /// Measure everything so often, in turn, and show medians
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    #[command(flatten)]
    pub(crate) daemon: DaemonArguments,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
}

impl RoundsArguments {
    /// How each is to be measured.
    ///
    /// # Errors
    /// With the option that is out of its bounds.
    pub(crate) fn rounds(&self) -> anyhow::Result<Rounds> {
        Ok(Rounds {
            duration: self.seconds,
            warm_up: self.warm_up,
            count: bounded("--rounds", self.rounds, ROUNDS_MAX)?,
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
    fn rounds_are_bounded() {
        let parse = |options: &str| {
            let words = ["claviger-loadtest", "table"].into_iter().chain(options.split_whitespace());
            match Arguments::try_parse_from(words).unwrap().command {
                Some(Command::Table(table)) => table.rounds(),
                _ => panic!("no table"),
            }
        };
        assert_eq!(parse("--rounds 5").unwrap().count, 5);
        assert!(parse("--rounds 0").is_err());
        assert!(parse("--rounds 101").is_err());
    }
}
