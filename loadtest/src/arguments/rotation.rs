//! What the command line says of rotations beside connections.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::{DaemonArguments, TransportName, bounded, pause};
use crate::limits::{CONNECTIONS_MAX, ROTATIONS_MAX};
use crate::rotation::RotationPlan;

#[derive(Debug, Args)]
pub(crate) struct RotationArguments {
    /// Connections that use the key meanwhile
    #[arg(long, default_value_t = 1_000)]
    connections: usize,
    #[arg(long, value_enum, default_value = "tcp", help = "What carries their frames")]
    transport: TransportName,
    /// Milliseconds that each connection rests between two items
    #[arg(long, default_value = "20", value_parser = pause, value_name = "MILLISECONDS")]
    pause: Duration,
    /// Rotate so often without connections, and again with them
    #[arg(long, default_value_t = 40)]
    rotations: usize,
    #[command(flatten)]
    pub(crate) daemon: DaemonArguments,
    /// Write everything that was measured as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

impl RotationArguments {
    /// How it is to be measured.
    ///
    /// # Errors
    /// With the option that is out of its bounds.
    pub(crate) fn plan(&self) -> anyhow::Result<RotationPlan> {
        Ok(RotationPlan {
            transport: self.transport.into(),
            connections: bounded("--connections", self.connections, CONNECTIONS_MAX)?,
            rotations: bounded("--rotations", self.rotations, ROTATIONS_MAX)?,
            pause: self.pause,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Arguments, Command};
    use super::*;
    use clap::Parser;

    fn plan(options: &str) -> anyhow::Result<RotationPlan> {
        let words = ["claviger-loadtest", "rotation"].into_iter().chain(options.split_whitespace());
        match Arguments::try_parse_from(words)?.command {
            Some(Command::Rotation(arguments)) => arguments.plan(),
            _ => panic!("another command"),
        }
    }

    #[test]
    fn what_is_out_of_bounds_is_named_with_its_bounds() {
        assert_eq!(plan("--pause 0").unwrap().pause, Duration::ZERO);
        for (options, said) in [
            ("--connections 0", "--connections 0: give 1 to 9000"),
            ("--connections 9001", "--connections 9001"),
            ("--rotations 50", "--rotations 50: give 1 to 49"),
            ("--pause 60001", "give 0 to 60000 milliseconds"),
        ] {
            let error = plan(options).err().unwrap_or_else(|| panic!("{options} is taken"));
            assert!(error.to_string().contains(said), "{options}: {error}");
        }
    }
}
