//! `clavigerd`: the daemon of Claviger.

#![forbid(unsafe_code)]

use std::io::{IsTerminal, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context;
use clap::{Parser, Subcommand};
use claviger_daemon::approval_off::approval_off;
use claviger_daemon::certificates::Certificates;
use claviger_daemon::config::Config;
use claviger_daemon::dev::{self, Options};
use claviger_daemon::hardening::Hardening;
use claviger_daemon::run::{Listeners, end_of_process, run};
use claviger_daemon::{installation, logging, restore};
use claviger_engine::audit::{Finding, InstallationPublicKey, Report, Verification};
use claviger_engine::backup::{Progress, Restored};
use claviger_engine::crypto::random::SystemRandom;

/// Prints a line. What was done is done, whether or not anybody reads of it.
macro_rules! say {
    ($($line:tt)*) => {
        let _nobody_reads = writeln!(std::io::stdout(), $($line)*);
    };
}

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
  clavigerd restore --config /etc/claviger/clavigerd.toml --backup backup-7
  clavigerd restore --config /etc/claviger/clavigerd.toml --backup /copies/claviger/backup-7
  clavigerd restore --config /etc/claviger/clavigerd.toml")]
    Restore {
        /// The configuration file.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// The full backup: its file, or its name in the folder of backups; without one, the journal must reach back to its beginning.
        #[arg(long, value_name = "BACKUP")]
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
    /// Begin the audit log anew, because the one before is lost, or not as it was left. What is known of that is written into it.
    #[command(after_help = "Example:\n  clavigerd new-audit-log --config /etc/claviger/clavigerd.toml")]
    NewAuditLog {
        /// The configuration file.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Switch approval off, in the installation or in a key store, because nobody is left who could approve. Not while clavigerd runs.
    #[command(after_help = "\
It needs the root key, as a start does, and the audit log tells of it. Afterwards grant the role approver to those who shall have it, and set what needs an approval anew
(`claviger approval set-policy`).

Examples:
  clavigerd approval-off --config /etc/claviger/clavigerd.toml --installation
  clavigerd approval-off --config /etc/claviger/clavigerd.toml --store payments")]
    ApprovalOff {
        /// The configuration file.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// The name of the key store.
        #[arg(long, value_name = "NAME", required_unless_present = "installation", conflicts_with = "installation")]
        store: Option<String>,
        /// In the installation: persons, settings, custody.
        #[arg(long)]
        installation: bool,
    },
    /// Look at the audit log without a daemon.
    #[command(arg_required_else_help = true)]
    Audit {
        #[command(subcommand)]
        command: AuditCommand,
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
enum AuditCommand {
    /// Verify that the audit log is as it was written: nothing altered, removed, moved, or cut off
    #[command(after_help = "\
By the public key alone, which `claviger audit key` shows and `clavigerd init` has shown, the chain and the signed checkpoints are verified; with --head also that nothing was cut off
at the end; with --config each record by the audit key, too. Exit code 1: something was found.

Examples:
  clavigerd audit verify --public-key KEY --folder /audit/claviger
  clavigerd audit verify --public-key KEY --folder /audit/claviger --head /etc/claviger/audit-head
  clavigerd audit verify --public-key KEY --config /etc/claviger/clavigerd.toml")]
    Verify {
        /// The public half of the installation key, 64 hexadecimal digits.
        #[arg(long, value_name = "KEY")]
        public_key: InstallationPublicKey,
        /// The configuration file, for the places and the system keys.
        #[arg(long, value_name = "FILE", required_unless_present = "folder")]
        config: Option<PathBuf>,
        /// The folder of the log, if it is not that of the configuration file.
        #[arg(long, value_name = "FOLDER")]
        folder: Option<PathBuf>,
        /// The file that remembers where the log ends, if it is not that of the configuration file.
        #[arg(long, value_name = "FILE")]
        head: Option<PathBuf>,
        /// Begin with the file of this number: those before it are in an archive, or were lost.
        #[arg(long, value_name = "NUMBER", default_value_t = 1)]
        from_file: u64,
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
        Command::NewAuditLog { config } => new_audit_log(&config),
        Command::ApprovalOff { config, store, installation: _ } => switch_approval_off(&config, store.as_deref()),
        Command::Audit { command: AuditCommand::Verify { public_key, config, folder, head, from_file } } => {
            let places = AuditPlaces { config: config.as_deref(), folder: folder.as_deref(), head: head.as_deref() };
            match verify_audit(public_key, &places, from_file) {
                Ok(true) => Ok(()),
                Ok(false) => return ExitCode::FAILURE,
                Err(error) => Err(error),
            }
        }
        Command::ShredTable { command: ShredTableCommand::Mirror { config } } => make_mirrors(&config),
        Command::Certificates { config, names } => make_certificates(&config, &names),
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

fn init(path: &Path) -> anyhow::Result<()> {
    let config = Config::read(path)?;
    let public_key = installation::init(&config)?;
    say!("made a new installation:");
    say!(
        "  root key     {}   UNSAFE, for development: whoever reads this file has the root key",
        config.root_key.path.display()
    );
    say!("  system keys  {}   keep a copy apart from the data folder", config.system_keys.path.display());
    say!("  data folder  {}", config.storage.folder.display());
    say!("  journal      {}   belongs on another disk than the data folder", config.journal.folder.display());
    for mirror in &config.shred_table.mirrors {
        say!(
            "  shred table  {}   belongs on a disk of its own, and in no backup: if all of these are lost, every key is",
            mirror.display()
        );
    }
    say!("  audit log    {}   belongs on another disk than the data folder", config.audit.folder.display());
    say!("               {}   remembers where it ends: apart from the log", config.audit.head.display());
    say!("give auditors the public key of this installation, by which its audit log is verified:\n  {public_key}");
    Ok(())
}

fn new_audit_log(path: &Path) -> anyhow::Result<()> {
    let config = Config::read(path)?;
    if restore::new_audit_log(&config)? {
        say!("began the audit log anew in {}; what was before it stays where it is", config.audit.folder.display());
        say!("`claviger audit verify --from-file NUMBER` verifies it from the new file on");
    } else {
        say!("the audit log is as it was left: nothing had to be begun anew");
    }
    Ok(())
}

fn switch_approval_off(path: &Path, store: Option<&str>) -> anyhow::Result<()> {
    let before = approval_off(&Config::read(path)?, store)?;
    let place = store.map_or_else(|| "the installation".to_owned(), |name| format!("key store {name}"));
    say!("nothing of {place} needs an approval any more; before: {before}");
    say!("the audit log tells of it; set it anew with `claviger approval set-policy` when there are approvers again");
    Ok(())
}

/// Where an audit log is that is verified.
struct AuditPlaces<'a> {
    config: Option<&'a Path>,
    folder: Option<&'a Path>,
    head: Option<&'a Path>,
}

/// Verifies an audit log, and says what was found; whether that was nothing.
fn verify_audit(public_key: InstallationPublicKey, places: &AuditPlaces<'_>, from_file: u64) -> anyhow::Result<bool> {
    let config = places.config.map(Config::read).transpose()?;
    let keys = config.as_ref().map(installation::system_keys).transpose()?;
    let folder = places.folder.or(config.as_ref().map(|config| &*config.audit.folder));
    let folder = folder.context("name the folder of the log by --folder")?;
    // What is remembered belongs to the log of the configuration file, not to a copy of it elsewhere.
    let own_head = config.as_ref().filter(|_| places.folder.is_none()).map(|config| &*config.audit.head);
    let mut verification = Verification::new(folder, public_key).from_file(from_file);
    if let Some(keys) = &keys {
        verification = verification.by_keys(keys);
    }
    if let Some(head) = places.head.or(own_head) {
        verification = verification.with_head(head);
    }
    let Report {
        files,
        records,
        last,
        signed_until,
        authenticated,
        end_is_known,
        is_unfinished,
        findings,
        more_findings,
        ..
    } = verification.run()?;
    say!("{records} records in {files} files, up to record {last}");
    say!("  proven by signature up to record {signed_until}; {authenticated} by the audit key each");
    if !end_is_known {
        say!("  whether records were cut off at the end cannot be told: name the file that remembers it by --head");
    }
    if is_unfinished {
        say!("  the last line is not finished, as a crash leaves it: the next start takes it away");
    }
    for Finding { path, offset, what } in &findings {
        say!("  FOUND {} at byte {offset}: {what}", path.display());
    }
    if more_findings > 0 {
        say!("  and {more_findings} more");
    }
    if findings.is_empty() {
        say!("nothing was altered, removed or moved");
    }
    Ok(findings.is_empty())
}

fn make_mirrors(path: &Path) -> anyhow::Result<()> {
    let made = installation::make_missing_mirrors(&Config::read(path)?)?;
    if made.is_empty() {
        say!("all mirrors of the shred table are there, and equal");
    }
    for path in made {
        say!("made mirror {} of the shred table", path.display());
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
    say!("restored data folder {}", config.storage.folder.display());
    say!("  up to change   {revision}, of which {changes} come from {segments} segments of the journal");
    say!(
        "  key stores     {}\n  keys           {}, with {} versions, each unwrapped\n  records        {}, each authenticated",
        inventory.stores,
        inventory.keys,
        inventory.versions,
        inventory.records
    );
    if destroyed > 0 {
        say!(
            "  destroyed      {destroyed} keys that backup and journal still had: their shred secrets are gone, and they are deleted again. \
             They were deleted since, or a version of them was destroyed, as the oldest value is when a secret that has ten is updated. \
             If neither was done, the mirrors of the shred table are older than the keys: bring newer ones, and restore anew"
        );
    }
    if let Some(torn) = torn {
        say!(
            "The last record of {} was cut off, as a crash leaves it: nobody was told of its changes. If the disk of the journal was damaged, changes at its end may be missing.",
            torn.display()
        );
    }
    if spent > 0 {
        say!(
            "Nobody knows how often {spent} AES-256-GCM keys were used since the backup: they decrypt, and encrypt again when they are rotated (`claviger key rotate`)."
        );
    }
    if without_journal {
        say!(
            "What has changed since the backup is lost. What was deleted stays so; requests of deletions, disabled keys and rotations have to be made again. \
             A new journal has begun: make a full backup now (`claviger backup create`), because the older ones do not go with it."
        );
    }
    say!("start it with `clavigerd run`");
    Ok(())
}

fn new_journal(path: &Path) -> anyhow::Result<()> {
    let config = Config::read(path)?;
    restore::new_journal(&config)?;
    say!("began a new journal in {}", config.journal.folder.display());
    say!(
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
    say!("made certificates, valid for ten years:\n{certificates}");
    say!(
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
