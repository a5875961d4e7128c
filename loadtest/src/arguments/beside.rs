//! What the command line says of a fast operation beside slow ones.

use clap::Args;
use claviger_algorithm::Algorithm;
use claviger_protocol::limits::BATCH_ITEMS_MAX;

use super::{RoundsArguments, TransportName, algorithm, bounded, checked_rate};
use crate::beside::{BesidePlan, SLOW_BATCH, SLOW_OPERATIONS, slow_algorithms};
use crate::limits::CONNECTIONS_MAX;

#[derive(Debug, Args)]
pub(crate) struct BesideArguments {
    #[arg(
        long,
        value_parser = algorithm::parser(SLOW_OPERATIONS),
        ignore_case = true,
        hide_possible_values = true,
        value_delimiter = ',',
        value_name = "ALGORITHM",
        help = "Algorithms of the slow operations [default: all that a daemon does apart, RSA with one padding]",
        long_help = algorithm::help(
            "Algorithms of the slow operations [default: all that a daemon does apart, RSA with one padding]",
            SLOW_OPERATIONS,
        )
    )]
    algorithm: Vec<Algorithm>,
    #[arg(long, value_enum, default_value = "tcp", help = "What carries the frames of both")]
    transport: TransportName,
    /// Open loop of the fast operation: so many items a second, whatever the daemon does; latency counts from when a frame should have been sent.
    /// Without it, one frame is in flight
    #[arg(long, value_name = "ITEMS")]
    rate: Option<u32>,
    /// Items of a frame of the fast operation
    #[arg(long, value_name = "ITEMS", default_value_t = SLOW_BATCH)]
    batch: usize,
    /// Let the slow operations be those of another key store, with a client of its own
    #[arg(long)]
    flood_store: bool,
    /// Connections of the slow operations
    #[arg(long, value_name = "COUNT", default_value_t = 1)]
    flood_connections: usize,
    #[command(flatten)]
    pub(crate) rounds: RoundsArguments,
}

impl BesideArguments {
    /// How it is to be measured.
    ///
    /// # Errors
    /// With the option that is out of its bounds.
    pub(crate) fn plan(&self) -> anyhow::Result<BesidePlan> {
        let algorithms = if self.algorithm.is_empty() { slow_algorithms() } else { self.algorithm.clone() };
        Ok(BesidePlan {
            algorithms,
            transport: self.transport.into(),
            batch: bounded("--batch", self.batch, BATCH_ITEMS_MAX)?,
            flood_store: self.flood_store,
            flood_connections: bounded("--flood-connections", self.flood_connections, CONNECTIONS_MAX)?,
            rate: self.rate.map(checked_rate).transpose()?,
            rounds: self.rounds.rounds()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Arguments, Command};
    use super::*;
    use clap::Parser;

    fn plan(options: &str) -> anyhow::Result<BesidePlan> {
        let words = ["claviger-loadtest", "beside"].into_iter().chain(options.split_whitespace());
        match Arguments::try_parse_from(words)?.command {
            Some(Command::Beside(arguments)) => arguments.plan(),
            _ => panic!("another command"),
        }
    }

    #[test]
    fn slow_operations_are_chosen_by_algorithm() {
        let plan = plan("--algorithm ml-dsa-65,RSA-2048-OAEP-SHA256 --algorithm Ed25519").unwrap();
        assert_eq!(plan.algorithms, [Algorithm::MlDsa65, Algorithm::Rsa2048OaepSha256, Algorithm::Ed25519]);
    }

    #[test]
    fn what_is_out_of_bounds_is_named_with_its_bounds() {
        for (options, said) in [
            ("--algorithm XAES-256-GCM", "possible values: Ed25519"),
            ("--algorithm HMAC-SHA-256", "RSA-4096-OAEP-SHA256"),
            ("--batch 0", "--batch 0: give 1 to 1024"),
            ("--batch 1025", "--batch 1025"),
            ("--flood-connections 0", "--flood-connections 0: give 1 to"),
            ("--rounds 0", "--rounds 0: give 1 to 100"),
            ("--rounds 101", "--rounds 101"),
            ("--rate 0", "--rate 0"),
            ("--seconds 0", "give 0.1 to 3600"),
            ("--config c", "unexpected argument"),
        ] {
            let error = plan(options).err().unwrap_or_else(|| panic!("{options} is taken"));
            assert!(error.to_string().contains(said), "{options}: {error}");
        }
    }
}
