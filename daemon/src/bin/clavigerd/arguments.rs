//! What `clavigerd` is told on its command line, and its help.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use claviger_engine::audit::InstallationPublicKey;

/// The key management service Claviger.
#[derive(Parser)]
#[command(name = "clavigerd", version, arg_required_else_help = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
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
pub(crate) enum AuditCommand {
    /// Verify that the audit log is as it was written: nothing altered, removed, moved, or cut off
    #[command(after_help = "\
By the public key alone, which `claviger audit key` shows and `clavigerd init` has shown, the chain and the signed checkpoints are verified; with --head also that nothing was cut off
at the end; with --config each record by the audit key, too. Exit code 1: something was found.

Examples:
  clavigerd audit verify --public-key KEY --folder /audit/claviger
  clavigerd audit verify --public-key KEY --folder /audit/claviger --head /etc/claviger/audit-head
  clavigerd audit verify --public-key KEY --config /etc/claviger/clavigerd.toml")]
    Verify(VerifyArguments),
}

/// Which audit log is verified, and by what.
#[derive(Args)]
pub(crate) struct VerifyArguments {
    /// The public half of the installation key, 64 hexadecimal digits.
    #[arg(long, value_name = "KEY")]
    pub(crate) public_key: InstallationPublicKey,
    /// The configuration file, for the places and the system keys.
    #[arg(long, value_name = "FILE", required_unless_present = "folder")]
    pub(crate) config: Option<PathBuf>,
    /// The folder of the log, if it is not that of the configuration file.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) folder: Option<PathBuf>,
    /// The file that remembers where the log ends, if it is not that of the configuration file.
    #[arg(long, value_name = "FILE")]
    pub(crate) head: Option<PathBuf>,
    /// Begin with the file of this number: those before it are in an archive, or were lost.
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub(crate) from_file: u64,
}

#[derive(Subcommand)]
pub(crate) enum ShredTableCommand {
    /// Make the mirrors that are missing, as copies of one that is there. Not while clavigerd runs. First make sure that the disk of the missing one is not merely away.
    #[command(after_help = "Example:\n  clavigerd shred-table mirror --config /etc/claviger/clavigerd.toml")]
    Mirror {
        /// The configuration file.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
}
