//! `clavigerd`: the daemon of Claviger.

#![forbid(unsafe_code)]

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context;
use clap::{Parser, Subcommand};
use claviger_daemon::certificates::Certificates;
use claviger_daemon::config::Config;
use claviger_daemon::dev::{self, Options};
use claviger_daemon::hardening::Hardening;
use claviger_daemon::run::{Listeners, end_of_process, run};
use claviger_daemon::{installation, logging, restore};
use claviger_engine::backup::{Progress, Restored};
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
    /// Make a new installation: root key, system keys, data folder, journal and shred table, where the configuration file says.
    #[command(after_help = "Example:\n  clavigerd init --config /etc/claviger/clavigerd.toml")]
    Init {
        /// The configuration file.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Restore a lost data folder: a backup and all changes that the journal has after it, or the journal alone.
    #[command(after_help = "\
The data folder of the configuration file must be empty or missing, and no daemon may run on it. Root key, system keys and journal are taken from where the
configuration file says. If anything is missing or damaged, nothing is restored.

Examples:
  clavigerd restore --config /etc/claviger/clavigerd.toml --backup /backup/claviger/backup-7
  clavigerd restore --config /etc/claviger/clavigerd.toml")]
    Restore {
        /// The configuration file.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// The full backup; without one, the journal must reach back to its beginning.
        #[arg(long, value_name = "FILE")]
        backup: Option<PathBuf>,
        /// The journal is lost: give up what has changed since the backup, and begin a new journal.
        #[arg(long, requires = "backup")]
        without_journal: bool,
    },
    /// Begin a new journal, because the one before is lost. Make a full backup at once.
    #[command(after_help = "Example:\n  clavigerd new-journal --config /etc/claviger/clavigerd.toml")]
    NewJournal {
        /// The configuration file.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// See to the shred table: the secrets without which no key can be used.
    #[command(name = "shred-table", arg_required_else_help = true)]
    ShredTable {
        #[command(subcommand)]
        command: ShredTableCommand,
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

#[derive(Subcommand)]
enum ShredTableCommand {
    /// Make the mirrors that are missing, as copies of one that is there. Not while clavigerd runs. First make sure that the disk of the missing one is not merely away.
    #[command(after_help = "Example:\n  clavigerd shred-table mirror --config /etc/claviger/clavigerd.toml")]
    Mirror {
        /// The configuration file.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
}

fn main() -> ExitCode {
    let command = Arguments::parse().command;
    // Before any key is made or read. What does not hold is told by health, and by the log of `run`.
    Hardening::apply();
    let result = match command {
        Command::Run { config } => serve(&config),
        Command::Init { config } => init(&config),
        Command::Restore { config, backup, without_journal } => {
            restore_data(&config, backup.as_deref(), without_journal)
        }
        Command::NewJournal { config } => new_journal(&config),
        Command::ShredTable { command: ShredTableCommand::Mirror { config } } => make_mirrors(&config),
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
    runtime()?.block_on(async { run(path, config, listeners, end_of_process()?).await })
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
    println!("  journal      {}   on another disk than the data folder", config.journal.folder.display());
    for mirror in &config.shred_table.mirrors {
        println!(
            "  shred table  {}   on a disk of its own, in no backup: without all of these no key can be used",
            mirror.display()
        );
    }
    Ok(())
}

fn make_mirrors(path: &Path) -> anyhow::Result<()> {
    let made = installation::make_missing_mirrors(&Config::read(path)?)?;
    if made.is_empty() {
        println!("all mirrors of the shred table are there, and equal");
    }
    for path in made {
        println!("made mirror {} of the shred table", path.display());
    }
    Ok(())
}

fn restore_data(path: &Path, backup: Option<&Path>, without_journal: bool) -> anyhow::Result<()> {
    let config = Config::read(path)?;
    let progress = Arc::new(Progress::default());
    let shown = show_progress(&progress);
    let restored = restore::restore(&config, backup, without_journal, &progress);
    drop(shown);
    let Restored { revision, changes, segments, torn, destroyed, spent, inventory } = restored?;
    println!("restored data folder {}", config.storage.folder.display());
    println!("  up to change   {revision}, of which {changes} come from {segments} segments of the journal");
    println!(
        "  key stores     {}\n  keys           {}, with {} versions, each unwrapped\n  records        {}, each authenticated",
        inventory.stores, inventory.keys, inventory.versions, inventory.records
    );
    if destroyed > 0 {
        println!(
            "  destroyed      {destroyed} keys that backup and journal still had: their shred secrets are gone, and they are deleted again. \
             If nobody has deleted them, the mirrors of the shred table are older than the keys: bring newer ones, and restore anew"
        );
    }
    if let Some(torn) = torn {
        println!(
            "The last record of {} was cut off, as a crash leaves it: nobody was told of its changes. If the disk of the journal was damaged, changes at its end may be missing.",
            torn.display()
        );
    }
    if spent > 0 {
        println!(
            "Nobody knows how often {spent} AES-256-GCM keys were used since the backup: they decrypt, and encrypt again when they are rotated (`claviger key rotate`)."
        );
    }
    if without_journal {
        println!(
            "What has changed since the backup is lost. What was deleted stays so; requests of deletions, disabled keys and rotations have to be made again. \
             A new journal has begun: make a full backup now (`claviger backup create`), because the older ones do not go with it."
        );
    }
    println!("start it with `clavigerd run`");
    Ok(())
}

fn new_journal(path: &Path) -> anyhow::Result<()> {
    let config = Config::read(path)?;
    restore::new_journal(&config)?;
    println!("began a new journal in {}", config.journal.folder.display());
    println!(
        "Older backups do not go with it: start the daemon and make a full backup now (`claviger backup create`); until then a lost data folder is lost."
    );
    Ok(())
}

/// Shows how far a work has got to whoever sits before it, until the returned value is dropped.
fn show_progress(progress: &Arc<Progress>) -> Option<ProgressLine> {
    std::io::stderr().is_terminal().then(|| ProgressLine::start(Arc::clone(progress)))
}

struct ProgressLine {
    end: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl ProgressLine {
    fn start(progress: Arc<Progress>) -> Self {
        let (end, ended) = mpsc::channel::<()>();
        let show = move || {
            while let Err(mpsc::RecvTimeoutError::Timeout) = ended.recv_timeout(PROGRESS_EVERY) {
                let (done, total) = progress.bytes();
                eprint!("\rrestoring: {} of {} MiB", done >> 20, total >> 20);
            }
            eprintln!();
        };
        Self { end: Some(end), thread: Some(std::thread::spawn(show)) }
    }
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            // It only shows something.
            let _ended = thread.join();
        }
    }
}

/// How often progress is shown.
const PROGRESS_EVERY: Duration = Duration::from_millis(200);

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
