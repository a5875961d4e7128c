//! `clavigerd`: the daemon of Claviger.

#![forbid(unsafe_code)]

mod arguments;
mod audit;
mod installation;
mod progress;
mod restore;
mod say;

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use claviger_daemon::config::Config;
use claviger_daemon::dev::{self, Options};
use claviger_daemon::hardening::Hardening;
use claviger_daemon::logging;
use claviger_daemon::run::{Listeners, end_of_process, run};

use crate::arguments::{Arguments, AuditCommand, Command, ShredTableCommand};

fn main() -> ExitCode {
    let command = Arguments::parse().command;
    // Before any key is made or read. What does not hold is told by health, and by the log of `run`.
    Hardening::apply();
    let result = match command {
        Command::Run { config } => serve(&config),
        Command::Init { config } => installation::init(&config),
        Command::Restore { config, backup, without_journal } => {
            restore::restore_data(&config, backup.as_deref(), without_journal)
        }
        Command::NewJournal { config } => restore::new_journal(&config),
        Command::NewAuditLog { config } => audit::new_audit_log(&config),
        Command::ApprovalOff { config, store, installation: _ } => {
            installation::switch_approval_off(&config, store.as_deref())
        }
        Command::Audit { command: AuditCommand::Verify(arguments) } => match audit::verify(&arguments) {
            Ok(true) => Ok(()),
            Ok(false) => return ExitCode::FAILURE,
            Err(error) => Err(error),
        },
        Command::ShredTable { command: ShredTableCommand::Mirror { config } } => installation::make_mirrors(&config),
        Command::Certificates { config, names } => installation::make_certificates(&config, &names),
        Command::Dev { folder, data, control } => develop(Options { folder, data, control }),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("clavigerd: {}", told(&error));
            ExitCode::FAILURE
        }
    }
}

/// An error with its causes, each once: most name theirs in their own text.
fn told(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |told, cause| match told.as_str() {
        "" => cause,
        before if before.contains(&cause) => told,
        before => format!("{before}: {cause}"),
    })
}

fn serve(path: &Path) -> anyhow::Result<()> {
    let config = Config::read(path)?;
    logging::start(&config.log);
    let listeners = Listeners::bind(&config)?;
    runtime()?.block_on(async { run(path, config, listeners, end_of_process()?).await })
}

fn develop(options: Options) -> anyhow::Result<()> {
    runtime()?.block_on(async { dev::run(options, end_of_process()?).await })
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
