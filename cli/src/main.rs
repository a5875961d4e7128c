//! `claviger`: the command line.
//!
//! `control` asks the control port (stores, keys, certificates, health), `data` the data port (encrypt, sign, ...), both as `config` says.
#![forbid(unsafe_code)]

mod config;
mod control;
mod data;
mod show;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};
use claviger_control::ControlError;

use crate::config::Config;

/// Client of the key management service Claviger.
#[derive(Parser)]
#[command(name = "claviger", version, arg_required_else_help = true, after_help = AFTER_HELP)]
struct Arguments {
    /// Configuration file with addresses, certificates and keys [default: the environment's CLAVIGER_CONFIG]
    #[arg(long, global = true, value_name = "FILE", display_order = LAST)]
    config: Option<PathBuf>,
    /// Answer in JSON, for programs
    #[arg(long, global = true, display_order = LAST)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    #[command(flatten)]
    Control(control::ControlCommand),
    #[command(flatten)]
    Data(data::DataCommand),
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(code) => code,
        Err(error) if matches!(error.downcast_ref(), Some(ControlError::NeedsApproval(_))) => {
            eprintln!("claviger: {error:#}");
            ExitCode::from(NEEDS_APPROVAL)
        }
        Err(error) => {
            eprintln!("claviger: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let config = Config::find(arguments.config)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.context("the system gives no threads")?;
    let result = match arguments.command {
        Command::Control(command) => {
            let client = config.control()?;
            runtime.block_on(control::run(command, &client, arguments.json))
        }
        Command::Data(command) => {
            let settings = config.data()?;
            runtime.block_on(data::run(command, settings, arguments.json))
        }
    };
    // A thread that reads a terminal or a pipe would be waited for.
    runtime.shutdown_background();
    result
}

/// Exit code of what was not done, but asked for.
const NEEDS_APPROVAL: u8 = 4;

/// Place of the options of every command: after its own.
const LAST: usize = 900;

const AFTER_HELP: &str = "\
`clavigerd dev` makes a server to try all of this with, and a configuration file:
  export CLAVIGER_CONFIG=claviger-dev/client.toml
  claviger health
  claviger key list --store demo

Exit codes: 0 done; 1 not done, or the answer is no (not ready, not valid); 2 the command line is wrong;
3 `secret wait` was over before there was a newer version; 4 not done, but asked for: it needs an approval.";
