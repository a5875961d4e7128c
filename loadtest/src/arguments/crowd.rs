//! What the command line says of connections beside which something is changed.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::{DaemonArguments, TransportName, bounded};
use crate::crowd::CrowdPlan;
use crate::limits::{CONNECTIONS_MAX, PAUSE_MS_MAX};

#[derive(Debug, Args)]
pub(crate) struct CrowdArguments {
    /// Connections that use a key meanwhile
    #[arg(long, default_value_t = 1_000)]
    connections: usize,
    #[arg(long, value_enum, default_value = "tcp", help = "What carries their frames")]
    transport: TransportName,
    /// Milliseconds that each connection rests between two items
    #[arg(long, default_value = "20", value_parser = pause, value_name = "MILLISECONDS")]
    pause: Duration,
    #[command(flatten)]
    pub(crate) daemon: DaemonArguments,
    /// Write everything that was measured as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

impl CrowdArguments {
    /// The connections that are to be made.
    ///
    /// # Errors
    /// With the option that is out of its bounds.
    pub(super) fn plan(&self) -> anyhow::Result<CrowdPlan> {
        Ok(CrowdPlan {
            transport: self.transport.into(),
            connections: bounded("--connections", self.connections, CONNECTIONS_MAX)?,
            pause: self.pause,
        })
    }
}

/// How long a connection rests between two items.
fn pause(text: &str) -> Result<Duration, String> {
    let pause = text.parse().ok().filter(|pause| *pause <= PAUSE_MS_MAX);
    pause.map(Duration::from_millis).ok_or_else(|| format!("give 0 to {PAUSE_MS_MAX} milliseconds"))
}

#[cfg(test)]
mod tests {
    use super::super::{Arguments, Command};
    use super::*;
    use clap::Parser;

    fn plan(options: &str) -> anyhow::Result<CrowdPlan> {
        let words = ["claviger-loadtest", "rotation"].into_iter().chain(options.split_whitespace());
        match Arguments::try_parse_from(words)?.command {
            Some(Command::Rotation(arguments)) => arguments.crowd.plan(),
            _ => panic!("another command"),
        }
    }

    #[test]
    fn what_is_out_of_bounds_is_named_with_its_bounds() {
        assert_eq!(plan("--pause 0").unwrap().pause, Duration::ZERO);
        for (options, said) in [
            ("--connections 0", "--connections 0: give 1 to 9000"),
            ("--connections 9001", "--connections 9001"),
            ("--pause 60001", "give 0 to 60000 milliseconds"),
            ("--pause x", "give 0 to 60000 milliseconds"),
        ] {
            let error = plan(options).err().unwrap_or_else(|| panic!("{options} is taken"));
            assert!(error.to_string().contains(said), "{options}: {error}");
        }
    }
}
