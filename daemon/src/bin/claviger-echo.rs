//! `claviger-echo`: the data port of Claviger with the engine taken out, to measure what the transport costs. It holds no keys and keeps nothing.

#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use claviger_daemon::config::Config;
use claviger_daemon::{data_port, logging};
use tokio::runtime::Builder;
use tokio::task::LocalSet;

/// Sends every frame of a client back as it is, on one thread, over the transports of the data port: the yardstick of `claviger-loadtest compare`.
#[derive(Parser)]
#[command(
    name = "claviger-echo",
    version,
    arg_required_else_help = true,
    after_help = "Example:\n  claviger-echo --config clavigerd.toml"
)]
struct Arguments {
    /// The configuration file of a daemon, whose address and certificate of the data port are used.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

fn main() -> ExitCode {
    let Arguments { config } = Arguments::parse();
    match serve(&config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("claviger-echo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn serve(path: &std::path::Path) -> anyhow::Result<()> {
    let config = Config::read(path)?;
    logging::start(&config.log);
    let runtime = Builder::new_current_thread().enable_all().build().context("no runtime")?;
    LocalSet::new().block_on(&runtime, data_port::echo::serve(&config))
}
