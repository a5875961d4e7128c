//! `claviger system-key`.

use std::process::ExitCode;
use std::time::Duration;

use clap::Subcommand;
use claviger_control::ControlClient;
use claviger_control::message::{Renewal, SystemKey, SystemKeyList};

use super::confirm;
use crate::show;

/// Operations on the system keys.
#[derive(Subcommand)]
pub(crate) enum SystemKeyCommand {
    /// List the versions of the system key, and how far their replacement has come
    #[command(after_help = "Examples:\n  claviger system-key list\n  claviger system-key list --json")]
    List,
    /// Make a new system key, by which all records are protected anew while everything is served
    #[command(after_help = "\
The version before is needed until all records are protected anew; `claviger system-key list` shows how far that has come. Copy the system-key file anew: a copy from before
does not open what is written from now on.

The exit code is 1 if it was waited for, and some records cannot be protected anew.

Examples:
  claviger system-key rotate
  claviger system-key rotate --wait")]
    Rotate {
        /// Wait until all records are protected anew, and tell how far it has come
        #[arg(long)]
        wait: bool,
    },
    /// Destroy an old system key for good, if nothing needs it
    #[command(after_help = "\
Backups and copies of the data folder from before the rotation become unreadable for everybody: make and verify a new backup first.

You are asked to type the number of the version; --yes goes without.

Examples:
  claviger system-key destroy 1
  claviger system-key destroy --yes 1")]
    Destroy {
        /// Do not ask for the number of the version
        #[arg(long)]
        yes: bool,
        /// Number of the version
        version: u32,
    },
}

pub(super) async fn run(command: SystemKeyCommand, client: &ControlClient, json: bool) -> anyhow::Result<ExitCode> {
    match command {
        SystemKeyCommand::List => list(client.system_keys().await?, json)?,
        SystemKeyCommand::Rotate { wait } => return rotate(client, wait, json).await,
        SystemKeyCommand::Destroy { yes, version } => {
            confirm(version, yes)?;
            let keys = client.destroy_system_key(version).await?;
            if json {
                show::json(&keys)?;
            } else {
                show::line(&format!(
                    "system key: version {version} is destroyed; backups from before it was replaced cannot be read any more"
                ))?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The version in use, and how far the replacement of those before has come.
pub(super) fn in_words(version: u32, renewal: Option<&Renewal>) -> String {
    renewal.map_or_else(|| format!("version {version}"), |renewal| format!("version {version}, {}", progress(renewal)))
}

fn list(SystemKeyList { system_keys, renewal }: SystemKeyList, json: bool) -> anyhow::Result<()> {
    if json {
        return show::json(&SystemKeyList { system_keys, renewal });
    }
    let row = |SystemKey { version, state, created }: SystemKey| [version.to_string(), state, show::time(created)];
    show::table(["version", "state", "created"], system_keys.into_iter().map(row))?;
    renewal.map_or(Ok(()), |renewal| show::line(&progress(&renewal)))
}

async fn rotate(client: &ControlClient, wait: bool, json: bool) -> anyhow::Result<ExitCode> {
    let mut keys = client.rotate_system_key().await?;
    let version = keys.system_keys.last().map_or(0, |key| key.version);
    if !json {
        show::line(&format!("system key rotated: version {version} protects what is written from now on"))?;
    }
    while let Some(renewal) = keys.renewal.as_ref().filter(|renewal| wait && renewal.failing.is_none()) {
        if !json {
            show::line(&progress(renewal))?;
        }
        tokio::time::sleep(LOOK_EVERY).await;
        keys = client.system_keys().await?;
    }
    let failing = keys.renewal.as_ref().is_some_and(|renewal| renewal.failing.is_some());
    if json {
        show::json(&keys)?;
    } else {
        show::line(&keys.renewal.as_ref().map_or_else(|| "all records are protected by it".to_owned(), progress))?;
        show::line("copy the system-key file anew: a copy from before does not open what is written from now on")?;
    }
    Ok(if wait && failing { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn progress(renewal: &Renewal) -> String {
    let Renewal { since, records, renewed, failing } = renewal;
    let since = show::time(*since);
    match failing {
        None => format!("{renewed} of {records} records are protected anew, since {since}"),
        Some(why) => {
            format!("{renewed} of {records} records are protected anew, since {since}; it does not go on: {why}")
        }
    }
}

/// Has the number of the version typed, unless that is not wanted.
fn confirm(version: u32, yes: bool) -> anyhow::Result<()> {
    let number = version.to_string();
    let question = format!(
        "This destroys version {number} of the system key for good: backups from before it was replaced become unreadable."
    );
    if yes { Ok(()) } else { confirm::typed(&question, "version", &number) }
}

/// How often is looked how far it has come.
const LOOK_EVERY: Duration = Duration::from_secs(1);
