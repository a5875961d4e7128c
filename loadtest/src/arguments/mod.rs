//! What the command line says.

mod access;
mod algorithm;
mod beside;
mod command;
mod compare;
mod crowd;
mod population;
mod rotation;
mod rounds;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use clap::{Args, Parser, ValueEnum};
use claviger_algorithm::Algorithm;
use claviger_client::Transport;
use claviger_protocol::limits::{FRAMES_IN_FLIGHT_MAX, STREAMS_PER_CONNECTION_MAX};

pub(crate) use self::access::AccessArguments;
pub(crate) use self::beside::BesideArguments;
pub(crate) use self::command::Command;
pub(crate) use self::compare::CompareArguments;
use self::crowd::CrowdArguments;
pub(crate) use self::population::PopulationArguments;
pub(crate) use self::rotation::RotationArguments;
pub(crate) use self::rounds::RoundsArguments;
use crate::cpus::Cpus;
use crate::limits::{BYTE_STREAMS_MAX, DURATION_MAX, DURATION_MIN, RATE_MAX};
use crate::run::Plan;
use crate::target::Remote;
use crate::task::{Operation, Task};

/// Measures what a Claviger daemon does, against the same operation in process.
///
/// Unless told otherwise it starts the clavigerd that stands beside it, in a temporary folder and on addresses of this machine only.
/// Answers are checked; a wrong one fails the run.
#[derive(Debug, Parser)]
#[command(name = "claviger-loadtest", version, args_conflicts_with_subcommands = true, after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) run: RunArguments,
}

#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    /// What is asked of the daemon
    #[arg(long, value_enum, default_value = "encrypt", value_name = "OPERATION")]
    operation: Operation,
    #[arg(
        long,
        value_parser = algorithm::parser(algorithm::KINDS),
        ignore_case = true,
        hide_possible_values = true,
        value_name = "ALGORITHM",
        help = "Algorithm of the key that is used [default: the first that does the operation; --help names all]",
        long_help = algorithm::help(
            "Algorithm of the key that is used [default: the first that does the operation]",
            algorithm::KINDS,
        )
    )]
    algorithm: Option<Algorithm>,
    #[arg(long, value_enum, default_value = "tcp", help = "What carries the frames")]
    transport: TransportName,
    /// Bytes of each plaintext, message or result [default: 1024; 64 to sign, verify and ping; 32 for what is as long as a key]
    #[arg(long, value_name = "BYTES")]
    size: Option<usize>,
    /// Items of one frame [default: 16; 1 where a frame has one only]
    #[arg(long, value_name = "ITEMS")]
    batch: Option<usize>,
    /// Frames in flight on each byte stream [default: about 256 KiB of them, but five at least of up to 128 KiB each; fewer for signatures]
    #[arg(long, value_name = "FRAMES")]
    in_flight: Option<usize>,
    /// Connections to the daemon
    #[arg(long, default_value_t = 1)]
    connections: usize,
    /// Byte streams of each QUIC connection
    #[arg(long, default_value_t = 1)]
    streams: usize,
    /// Open loop: so many items a second in all, whatever the daemon does; latency counts from when a frame should have been sent.
    /// Without it the loop is closed: a reply makes place for the next frame
    #[arg(long, value_name = "ITEMS")]
    rate: Option<u32>,
    /// Seconds to measure
    #[arg(long, default_value = "5", value_parser = duration, value_name = "SECONDS")]
    seconds: Duration,
    /// Seconds of load before that
    #[arg(long, default_value = "1", value_parser = warm_up, value_name = "SECONDS")]
    warm_up: Duration,
    #[command(flatten)]
    pub(crate) daemon: DaemonArguments,
    #[command(flatten)]
    remote: RemoteArguments,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
}

/// The daemon that is started, and where both sides run.
#[derive(Debug, Args)]
pub(crate) struct DaemonArguments {
    /// The clavigerd to start [default: the one beside this program]
    #[arg(long, value_name = "FILE")]
    daemon: Option<PathBuf>,
    /// Processors of the daemon, as in 0 or 0,2-3; it makes as many workers. In process is measured there too [default: all]
    #[arg(long, value_name = "CPUS")]
    pin_daemon: Option<Cpus>,
    /// Processors of the load, with one thread each, which then never sleeps [default: one thread on any]
    #[arg(long, value_name = "CPUS")]
    pub(crate) pin_load: Option<Cpus>,
}

/// A daemon that runs already.
#[derive(Debug, Args)]
struct RemoteArguments {
    /// Load a daemon that runs already, instead of starting one: the configuration file of a client that it admits
    #[arg(long, value_name = "FILE", requires_all = ["store", "key"], conflicts_with_all = ["daemon", "pin_daemon"])]
    config: Option<PathBuf>,
    /// Its data port [default: what the file says]
    #[arg(long, value_name = "HOST:PORT", requires = "config")]
    address: Option<String>,
    /// Key store that admits the client
    #[arg(long, value_name = "NAME", requires = "config")]
    store: Option<String>,
    /// Key to use; its algorithm must fit the operation
    #[arg(long, value_name = "NAME", requires = "config")]
    key: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct OutputArguments {
    /// Write everything that was measured as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Draw what was measured as SVG
    #[arg(long, value_name = "FILE")]
    pub(crate) plot: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum TransportName {
    /// TLS over TCP
    Tcp,
    /// QUIC
    Quic,
}

impl RunArguments {
    /// What is to be measured.
    ///
    /// # Errors
    /// With the option that is out of its bounds.
    pub(crate) fn plan(&self) -> anyhow::Result<Plan> {
        let operation = self.operation;
        let batch_default = if operation.is_alone() { 1 } else { BATCH_DEFAULT };
        let task = Task {
            operation,
            algorithm: self.algorithm.unwrap_or_else(|| operation.algorithm_default()),
            size: self.size.unwrap_or_else(|| operation.size_default()),
            batch: self.batch.unwrap_or(batch_default),
        };
        if let Err(reason) = task.check() {
            bail!(reason);
        }
        let plan = Plan {
            task,
            transport: self.transport.into(),
            connections: bounded("--connections", self.connections, BYTE_STREAMS_MAX)?,
            streams: bounded("--streams", self.streams, STREAMS_PER_CONNECTION_MAX)?,
            in_flight: self.in_flight.map(|count| bounded("--in-flight", count, FRAMES_IN_FLIGHT_MAX)).transpose()?,
            rate: self.rate.map(checked_rate).transpose()?,
            warm_up: self.warm_up,
            duration: self.seconds,
            load_cpus: self.daemon.pin_load.clone(),
            load_sleeps: false,
            in_process_cpus: self.daemon.pin_daemon.clone(),
            in_process_meanwhile: false,
        };
        ensure!(
            plan.byte_streams() <= BYTE_STREAMS_MAX,
            "--connections with --streams: {} byte streams in all, at most {BYTE_STREAMS_MAX} can be loaded",
            plan.byte_streams()
        );
        Ok(plan)
    }

    /// The daemon to load, if it is not to be started.
    pub(crate) fn remote(&self) -> Option<Remote> {
        let RemoteArguments { config, address, store, key } = &self.remote;
        Some(Remote { config: config.clone()?, address: address.clone(), store: store.clone()?, key: key.clone()? })
    }
}

impl DaemonArguments {
    /// The program to start.
    ///
    /// # Errors
    /// If the system does not tell where this program is.
    pub(crate) fn program(&self) -> anyhow::Result<PathBuf> {
        if let Some(program) = &self.daemon {
            return Ok(program.clone());
        }
        let own =
            std::env::current_exe().context("where this program is, is not known: name the daemon with --daemon")?;
        Ok(own.with_file_name("clavigerd"))
    }

    /// Where the daemon runs.
    ///
    /// # Errors
    /// If the system does not tell where this process may run.
    pub(crate) fn daemon_cpus(&self) -> anyhow::Result<Cpus> {
        self.pin_daemon.clone().map_or_else(Cpus::current, Ok)
    }
}

impl From<TransportName> for Transport {
    fn from(name: TransportName) -> Self {
        match name {
            TransportName::Tcp => Self::Tcp,
            TransportName::Quic => Self::Quic,
        }
    }
}

fn bounded(option: &str, value: usize, most: usize) -> anyhow::Result<usize> {
    ensure!((1..=most).contains(&value), "{option} {value}: give 1 to {most}");
    Ok(value)
}

/// Items a second in all.
fn checked_rate(rate: u32) -> anyhow::Result<u32> {
    ensure!((1..=RATE_MAX).contains(&rate), "--rate {rate}: give 1 to {RATE_MAX} items a second");
    Ok(rate)
}

fn duration(text: &str) -> Result<Duration, String> {
    seconds(text, DURATION_MIN)
}

fn warm_up(text: &str) -> Result<Duration, String> {
    seconds(text, Duration::ZERO)
}

fn seconds(text: &str, least: Duration) -> Result<Duration, String> {
    let duration = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    duration
        .filter(|duration| (least..=DURATION_MAX).contains(duration))
        .ok_or_else(|| format!("give {} to {} seconds", least.as_secs_f64(), DURATION_MAX.as_secs()))
}

/// Items of a frame unless told otherwise.
const BATCH_DEFAULT: usize = 16;

const EXAMPLES: &str = "\
Examples:
  claviger-loadtest
      encrypt 1 KiB, 16 items a frame, over TLS/TCP, for 5 seconds
  claviger-loadtest --operation sign --algorithm ECDSA-P256-SHA256 --batch 64 --transport quic
  claviger-loadtest --rate 200000 --seconds 30 --plot latency.svg
      latency at a load that is given, drawn over time
  claviger-loadtest --pin-daemon 0 --pin-load 1
      one core for each side, as figures are compared
  claviger-loadtest table --seconds 5 --json table.json
      the table of the README
  claviger-loadtest --config claviger-dev/client.toml --store demo --key records
      a daemon that runs elsewhere";

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn plan(options: &str) -> anyhow::Result<Plan> {
        let words = std::iter::once("claviger-loadtest").chain(options.split_whitespace());
        Arguments::try_parse_from(words)?.run.plan()
    }

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn help_has_examples_that_are_taken() {
        let command = Arguments::command();
        for command in std::iter::once(&command).chain(command.get_subcommands().filter(|it| !it.is_hide_set())) {
            let help = command.get_after_help().unwrap().to_string();
            let examples: Vec<_> =
                help.lines().filter(|line| line.trim_start().starts_with("claviger-loadtest")).collect();
            assert!(!examples.is_empty(), "{help}");
            for example in examples {
                let arguments = Arguments::try_parse_from(example.split_whitespace()).unwrap();
                match arguments.command {
                    None => drop(arguments.run.plan().unwrap()),
                    Some(Command::Table(table)) => drop(table.rounds().unwrap()),
                    Some(Command::Beside(beside)) => drop(beside.plan().unwrap()),
                    Some(Command::Rotation(rotation)) => drop(rotation.plan().unwrap()),
                    Some(Command::Access(access)) => drop(access.plan().unwrap()),
                    Some(Command::Keys(keys)) => drop(keys.plan().unwrap()),
                    Some(Command::Compare(compare)) => drop((compare.rows().unwrap(), compare.plan().unwrap())),
                    Some(Command::Spin) => panic!("nobody is told of it"),
                }
            }
        }
    }

    #[test]
    fn nothing_said_is_encryption_over_tcp() {
        let plan = plan("").unwrap();
        assert_eq!(
            (plan.task.to_string().as_str(), plan.task.batch, plan.transport),
            ("encrypt XAES-256-GCM, 1,024 B", 16, Transport::Tcp)
        );
        assert_eq!((plan.duration, plan.rate, plan.connections), (Duration::from_secs(5), None, 1));
    }

    #[test]
    fn algorithms_are_known_by_their_names_in_whatever_case() {
        for algorithm in Algorithm::ALL {
            for name in [algorithm.name().to_owned(), algorithm.name().to_lowercase()] {
                let operation =
                    if algorithm.row().does(claviger_algorithm::Operation::Sign) { "sign" } else { "random" };
                let plan = plan(&format!("--operation {operation} --algorithm {name}")).unwrap();
                assert_eq!(plan.task.algorithm, *algorithm);
            }
        }
    }

    #[test]
    fn fractions_of_seconds_are_understood() {
        assert_eq!(plan("--seconds 0.5 --warm-up 0").unwrap().duration, Duration::from_millis(500));
    }

    #[test]
    fn what_is_out_of_bounds_is_named_with_its_bounds() {
        for (options, said) in [
            ("--size 40000", "--size 40000"),
            ("--batch 0", "--batch 0"),
            ("--operation ping --batch 2", "--batch 2"),
            ("--algorithm ROT13", "XAES-256-GCM"),
            ("--operation mac --algorithm Ed25519", "its keys do not mac; choose one of HMAC-SHA-256"),
            ("--in-flight 0", "--in-flight 0: give 1 to 1024"),
            ("--connections 0", "--connections 0"),
            ("--connections 10001", "give 1 to 10000"),
            ("--streams 17", "give 1 to 16"),
            ("--connections 1000 --streams 16 --transport quic", "16000 byte streams"),
            ("--rate 0", "--rate 0"),
            ("--seconds 0", "give 0.1 to 3600"),
            ("--seconds nan", "give 0.1 to 3600"),
            ("--seconds 1e99", "give 0.1 to 3600"),
            ("--warm-up -1", "unexpected argument"),
            ("--pin-load x", "is no processor"),
            ("--transport udp", "possible values: tcp, quic"),
            ("--config c", "--store"),
            ("--key records", "--config"),
            ("--config c --store s --key k --daemon d", "cannot be used with"),
            ("--address a:1", "--config"),
            ("--seconds 5 table", "cannot be used with"),
        ] {
            let error = plan(options).err().unwrap_or_else(|| panic!("{options} is taken"));
            assert!(error.to_string().contains(said), "{options}: {error}");
        }
    }
}
