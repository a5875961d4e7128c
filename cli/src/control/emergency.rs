//! `claviger emergency`.

use clap::Subcommand;
use claviger_control::ControlClient;
use claviger_control::message::{Emergency, Lock, Locked, LockedNow, UnwrittenStop};

use crate::show;

/// Emergency stops of the whole daemon.
#[derive(Subcommand)]
pub(crate) enum EmergencyCommand {
    /// Lock the daemon: no key is used any more, at once, on live connections too, and those in memory are wiped
    #[command(after_help = "\
It needs no approval, and is in force even if it cannot be written, and says so then. Clients are answered Locked; nobody's connection is cut. Keys are neither made nor given out, and
rotations and deletions wait. Persons, access and key states can still be changed. A daemon that is locked durably is locked after a restart, too.

One key store or one client alone: `claviger store disable`, `claviger access disable`.

Examples:
  claviger emergency lock
  claviger emergency lock --reason 'a backup was stolen'")]
    Lock {
        /// Why, for those who find it locked
        #[arg(long, value_name = "TEXT", default_value = "")]
        reason: String,
    },
    /// Unlock the daemon: keys are used again
    #[command(after_help = "\
Where changes of the installation of class custody need an approval, this does.

Example:
  claviger emergency unlock")]
    Unlock,
    /// Show whether the daemon is locked, and what is stopped in memory alone
    #[command(after_help = "Examples:\n  claviger emergency show\n  claviger emergency show --json")]
    Show,
}

pub(super) async fn run(command: EmergencyCommand, client: &ControlClient, json: bool) -> anyhow::Result<()> {
    let emergency = match command {
        EmergencyCommand::Lock { reason } => {
            let now = client.lock(&Lock { reason }).await?;
            return if json { show::json(&now) } else { locked(&now) };
        }
        EmergencyCommand::Unlock => client.unlock().await?,
        EmergencyCommand::Show => client.emergency().await?,
    };
    if json { show::json(&emergency) } else { describe(emergency) }
}

fn locked(now: &LockedNow) -> anyhow::Result<()> {
    show::line(&format!("{}; no key is used any more", in_words(&now.locked)))?;
    if let Some(detail) = &now.detail {
        eprintln!("claviger: {detail}");
    }
    if now.keys_left > 0 {
        eprintln!("claviger: {} keys are still in the hands of work that is ending, and wiped after it", now.keys_left);
    }
    Ok(())
}

fn describe(Emergency { locked, unwritten }: Emergency) -> anyhow::Result<()> {
    show::line(&locked.as_ref().map_or_else(|| "not locked".to_owned(), in_words))?;
    for UnwrittenStop { what, store_id, access_id } in unwritten {
        let of = |name: &str, id: Option<String>| id.map(|id| format!(" {name} {id}")).unwrap_or_default();
        let (store, access) = (of("store", store_id), of("authentication data", access_id));
        show::line(&format!(
            "in memory alone, over if the daemon ends before it can be written: {what}{access}{store}"
        ))?;
    }
    Ok(())
}

/// A lock in words.
pub(super) fn in_words(Locked { since, by, reason }: &Locked) -> String {
    let since = since.map(|since| format!(" since {}", show::time(since))).unwrap_or_default();
    let by = if by.is_empty() { String::new() } else { format!(" by {by}") };
    let reason = if reason.is_empty() { String::new() } else { format!(": {reason}") };
    format!("LOCKED{since}{by}{reason}")
}
