//! `claviger backup`.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Subcommand;
use claviger_control::ControlClient;
use claviger_control::message::{Backup, BackupFile, BackupList, Progress, PruneJournal};

use super::confirm;
use super::once::OnceArguments;
use crate::show;

/// Operations on full backups and the journal.
#[derive(Subcommand)]
pub(crate) enum BackupCommand {
    /// Make a full backup while the server works, and wait until it is done
    #[command(after_help = "\
The backup stands in the folder of backups of the server. Together with the journal it gives back every change; without the journal, those until it was made.

Examples:
  claviger backup create
  claviger backup create --no-wait --json")]
    Create {
        /// Do not wait; see `claviger backup show`
        #[arg(long)]
        no_wait: bool,
        #[command(flatten)]
        once: OnceArguments,
    },
    /// List the full backups, and how large the journal is
    #[command(after_help = "Examples:\n  claviger backup list\n  claviger backup list --json")]
    List,
    /// Show one backup, and how far it has got
    #[command(after_help = "Example:\n  claviger backup show backup-7")]
    Show {
        /// Name of the backup
        backup: String,
    },
    /// Prove that a backup and the journal after it can be restored, and wait until it is done
    #[command(after_help = "\
The server restores both into a scratch folder, authenticates every record, unwraps every version of every key, and removes the folder again. What it works with is not touched.

Examples:
  claviger backup verify backup-7
  claviger backup verify backup-7 --no-wait")]
    Verify {
        /// Name of the backup
        backup: String,
        /// Do not wait; see `claviger backup show`
        #[arg(long)]
        no_wait: bool,
    },
    /// Remove the part of the journal that lies before a verified backup
    #[command(after_help = "\
Older backups can then be restored only without the changes after them. Without a name, the newest verified backup is taken.

Examples:
  claviger backup prune
  claviger backup prune backup-7 --yes")]
    Prune {
        /// Name of the backup, which must be verified
        backup: Option<String>,
        /// Do not ask for the name of the backup
        #[arg(long)]
        yes: bool,
    },
}

pub(super) async fn run(command: BackupCommand, client: &ControlClient, json: bool) -> anyhow::Result<()> {
    let backup = match command {
        BackupCommand::List => return list(client, json).await,
        BackupCommand::Prune { backup, yes } => return prune(client, backup, yes, json).await,
        BackupCommand::Show { backup } => client.backup(&backup).await?,
        BackupCommand::Create { no_wait: true, once } => once.of(client).create_backup().await?,
        BackupCommand::Verify { backup, no_wait: true } => client.verify_backup(&backup).await?,
        BackupCommand::Create { no_wait: false, once } => {
            let begun = once.of(client).create_backup().await?;
            wait(client, begun).await?
        }
        BackupCommand::Verify { backup, no_wait: false } => wait(client, client.verify_backup(&backup).await?).await?,
    };
    if json { show::json(&backup) } else { facts(&backup) }
}

/// Waits until what is done with a backup is done, and shows how far it has got to whoever sits before it.
async fn wait(client: &ControlClient, mut backup: Backup) -> anyhow::Result<Backup> {
    let shows = io::stderr().is_terminal();
    while let Some(progress) = &backup.progress {
        if shows {
            eprint!("\r{}", line(&backup, progress));
            let _shown_later = io::stderr().flush();
        }
        tokio::time::sleep(ASKED_EVERY).await;
        let name = &backup.name;
        backup =
            client.backup(name).await.with_context(|| format!("{name} goes on; see `claviger backup show {name}`"))?;
    }
    if shows {
        eprintln!();
    }
    match &backup.failure {
        None => Ok(backup),
        Some(failure) => bail!("{}: {failure}", backup.name),
    }
}

fn line(backup: &Backup, Progress { done, total }: &Progress) -> String {
    let Backup { name, state, .. } = backup;
    // At its end, everything that was read is still to be inspected.
    match (done * BAR_SIZE).checked_div(*total) {
        Some(full) => {
            let full = usize::try_from(full.min(BAR_SIZE)).unwrap_or(0);
            format!("{state} {name} [{:<20}] {} of {} MiB", "#".repeat(full), done >> 20, total >> 20)
        }
        None => format!("{state} {name}: {} MiB", done >> 20),
    }
}

async fn list(client: &ControlClient, json: bool) -> anyhow::Result<()> {
    let list = client.backups().await?;
    if json {
        return show::json(&list);
    }
    let BackupList { backups, journal } = list;
    let row = |backup: Backup| {
        let of_file = |of: fn(&BackupFile) -> String| backup.file.as_ref().map(of).unwrap_or_default();
        let verified =
            of_file(|file| file.verified.as_ref().map_or_else(|| "no".to_owned(), |verified| show::time(verified.at)));
        [
            backup.name.clone(),
            backup.state.clone(),
            of_file(|file| show::time(file.created)),
            of_file(|file| file.revision.to_string()),
            of_file(|file| size(file.size)),
            verified,
        ]
    };
    show::table(["backup", "state", "created", "revision", "size", "verified"], backups.into_iter().map(row))?;
    let separated = if journal.separated { "" } else { ", on the same disk as the data folder" };
    show::line(&format!(
        "journal: {} segments, {}, in {}{separated}",
        journal.segments,
        size(journal.size),
        journal.folder
    ))?;
    journal.failure.map_or(Ok(()), |failure| show::line(&format!("journal: changes are refused: {failure}")))
}

async fn prune(client: &ControlClient, backup: Option<String>, yes: bool, json: bool) -> anyhow::Result<()> {
    let name = match backup {
        Some(name) => name,
        None => {
            let verified = |backup: &Backup| backup.file.as_ref().is_some_and(|file| file.verified.is_some());
            let newest = client.backups().await?.backups.into_iter().rfind(verified);
            newest.context("no backup was verified, so that nothing can be removed: see `claviger backup verify`")?.name
        }
    };
    if !yes {
        let question = format!("The journal before {name} is removed for good.");
        confirm::typed(&question, "backup", &name)?;
    }
    let pruned = client.prune_journal(&PruneJournal { backup: name }).await?;
    if json {
        return show::json(&pruned);
    }
    show::line(&format!("journal: {} segments before {} removed", pruned.removed.len(), pruned.backup))
}

fn facts(backup: &Backup) -> anyhow::Result<()> {
    let mut facts = vec![("backup", backup.name.clone()), ("state", backup.state.clone())];
    facts.extend(backup.failure.clone().map(|failure| ("failure", failure)));
    facts.extend(backup.progress.as_ref().map(|progress| ("progress", line(backup, progress))));
    if let Some(file) = &backup.file {
        facts.extend([
            ("created", show::time(file.created)),
            ("revision", file.revision.to_string()),
            ("size", size(file.size)),
            ("needs journal from", format!("segment {}", file.first_segment)),
        ]);
        match &file.verified {
            None => facts.push(("verified", "no".to_owned())),
            Some(verified) => facts.extend([
                ("verified", show::time(verified.at)),
                ("reached revision", format!("{}, with the journal", verified.revision)),
                ("key stores", verified.stores.to_string()),
                ("keys", format!("{}, with {} versions", verified.keys, verified.versions)),
                ("records", verified.records.to_string()),
            ]),
        }
    }
    show::facts(facts)
}

/// Bytes in the unit that fits them.
fn size(bytes: u64) -> String {
    match bytes {
        0..10_240 => format!("{bytes} B"),
        10_240..10_485_760 => format!("{} KiB", bytes >> 10),
        _ => format!("{} MiB", bytes >> 20),
    }
}

/// How often is asked how far it has got.
const ASKED_EVERY: Duration = Duration::from_millis(200);
const BAR_SIZE: u64 = 20;
