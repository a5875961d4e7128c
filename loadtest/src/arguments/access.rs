//! What the command line says of changes of access beside connections.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::{DaemonArguments, TransportName, bounded, pause};
use crate::access::AccessPlan;
use crate::limits::{ACCESS_ROUNDS_MAX, CONNECTIONS_MAX};

#[derive(Debug, Args)]
pub(crate) struct AccessArguments {
    /// Connections that use a key meanwhile
    #[arg(long, default_value_t = 1_000)]
    connections: usize,
    #[arg(long, value_enum, default_value = "tcp", help = "What carries their frames")]
    transport: TransportName,
    /// Milliseconds that each connection rests between two items
    #[arg(long, default_value = "20", value_parser = pause, value_name = "MILLISECONDS")]
    pause: Duration,
    /// Make each change so often
    #[arg(long, default_value_t = 10)]
    rounds: usize,
    #[command(flatten)]
    pub(crate) daemon: DaemonArguments,
    /// Write everything that was measured as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

impl AccessArguments {
    /// How it is to be measured.
    ///
    /// # Errors
    /// With the option that is out of its bounds.
    pub(crate) fn plan(&self) -> anyhow::Result<AccessPlan> {
        Ok(AccessPlan {
            transport: self.transport.into(),
            connections: bounded("--connections", self.connections, CONNECTIONS_MAX)?,
            rounds: bounded("--rounds", self.rounds, ACCESS_ROUNDS_MAX)?,
            pause: self.pause,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Arguments, Command};
    use super::*;
    use clap::Parser;

    fn plan(options: &str) -> anyhow::Result<AccessPlan> {
        let words = ["claviger-loadtest", "access"].into_iter().chain(options.split_whitespace());
        match Arguments::try_parse_from(words)?.command {
            Some(Command::Access(arguments)) => arguments.plan(),
            _ => panic!("another command"),
        }
    }

    #[test]
    fn what_is_out_of_bounds_is_named_with_its_bounds() {
        assert_eq!(plan("--pause 0").unwrap().pause, Duration::ZERO);
        for (options, said) in [
            ("--connections 0", "--connections 0: give 1 to 9000"),
            ("--rounds 25", "--rounds 25: give 1 to 24"),
            ("--pause 60001", "give 0 to 60000 milliseconds"),
            ("--pause x", "give 0 to 60000 milliseconds"),
        ] {
            let error = plan(options).err().unwrap_or_else(|| panic!("{options} is taken"));
            assert!(error.to_string().contains(said), "{options}: {error}");
        }
    }
}
