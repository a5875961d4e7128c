//! `clavigerd`: the daemon of Claviger.

#![forbid(unsafe_code)]

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};
use claviger_daemon::certificates::Certificates;
use claviger_daemon::config::Config;
use claviger_daemon::dev::{self, Options};
use claviger_daemon::hardening::Hardening;
use claviger_daemon::run::{Listeners, end_of_process, run};
use claviger_daemon::{installation, logging};
use claviger_engine::crypto::random::SystemRandom;

/// The key management service Claviger.
#[derive(Parser)]
#[command(name = "clavigerd", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve until SIGTERM or Ctrl-C.
    #[command(after_help = "Example:\n  clavigerd run --config /etc/claviger/clavigerd.toml")]
    Run {
        /// The configuration file.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Make a new installation: root key, system keys and data folder, where the configuration file says.
    #[command(after_help = "Example:\n  clavigerd init --config /etc/claviger/clavigerd.toml")]
    Init {
        /// The configuration file.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Make certificates for both ports and for a first administrator, where the configuration file says.
    #[command(
        after_help = "Example:\n  clavigerd certificates --config /etc/claviger/clavigerd.toml --names kms.example.org,10.0.0.5"
    )]
    Certificates {
        /// The configuration file.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// Host names and addresses by which clients reach this machine.
        #[arg(long, value_name = "NAME,...", value_delimiter = ',', required = true)]
        names: Vec<String>,
    },
    /// Try everything out: makes an installation in one folder (UNSAFE), uses it, and serves until Ctrl-C.
    #[command(
        after_help = "Examples:\n  clavigerd dev\n  clavigerd dev --folder /tmp/claviger --data 127.0.0.1:0 --control 127.0.0.1:0"
    )]
    Dev {
        /// Where to make it; one that was made before is used again.
        #[arg(long, value_name = "FOLDER", default_value = "claviger-dev")]
        folder: PathBuf,
        /// Where the data port listens; port 0 takes any that is free. [default: 127.0.0.1:7700]
        #[arg(long, value_name = "ADDRESS")]
        data: Option<SocketAddr>,
        /// Where the control port listens; port 0 takes any that is free. [default: 127.0.0.1:7701]
        #[arg(long, value_name = "ADDRESS")]
        control: Option<SocketAddr>,
    },
}

fn main() -> ExitCode {
    let command = Arguments::parse().command;
    // Before any key is made or read. What does not hold is told by health, and by the log of `run`.
    Hardening::apply();
    let result = match command {
        Command::Run { config } => serve(&config),
        Command::Init { config } => init(&config),
        Command::Certificates { config, names } => make_certificates(&config, &names),
        Command::Dev { folder, data, control } => develop(Options { folder, data, control }),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("clavigerd: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn serve(path: &Path) -> anyhow::Result<()> {
    let config = Config::read(path)?;
    logging::start(&config.log);
    let listeners = Listeners::bind(&config)?;
    runtime()?.block_on(async { run(config, listeners, end_of_process()?).await })
}

fn develop(options: Options) -> anyhow::Result<()> {
    runtime()?.block_on(async { dev::run(options, end_of_process()?).await })
}

fn init(path: &Path) -> anyhow::Result<()> {
    let config = Config::read(path)?;
    installation::init(&config)?;
    println!("made a new installation:");
    println!(
        "  root key     {}   UNSAFE, for development: whoever reads this file has the root key",
        config.root_key.path.display()
    );
    println!("  system keys  {}   keep a copy apart from the data folder", config.system_keys.path.display());
    println!("  data folder  {}", config.storage.folder.display());
    Ok(())
}

fn make_certificates(path: &Path, names: &[String]) -> anyhow::Result<()> {
    let certificates = Certificates::of(&Config::read(path)?);
    certificates.make(names, &SystemRandom::new())?;
    println!("made certificates, valid for ten years:\n{certificates}");
    println!(
        "The private keys of the two authorities are not kept: for further or new certificates move these files away and make all of them again."
    );
    Ok(())
}

/// The runtime of the control port and of everything that waits; the data port brings threads of its own.
fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("control")
        .enable_all()
        .build()
        .context("the system gives no threads")
}
