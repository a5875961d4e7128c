//! `claviger key`: rotation by itself, deletion, and the life of single versions.

use std::str::FromStr;

use anyhow::bail;
use clap::{ArgGroup, Args, Subcommand};
use claviger_control::ControlClient;
use claviger_control::limits::{
    DELETION_WAIT_HOURS_MAX, DELETION_WAIT_HOURS_MIN, ROTATION_DAYS_MAX, ROTATION_DAYS_MIN,
};
use claviger_control::message::{
    Deletion, Destruction, Key, RequestDeletion, Rotation, RotationByUse, SetRotation, SetRotationByUse,
};
use indicatif::HumanCount;

use super::confirm::{Confirmed, ConfirmedArguments};
use super::{KeyArguments, changed};
use crate::show;

/// What happens to a key and its versions in their life.
#[derive(Subcommand)]
pub(crate) enum LifeCommand {
    /// Have a key rotated by itself, or no longer
    #[command(after_help = "\
Rotating by hand does not move the schedule. What was missed while the server was down is made up for by one rotation.
Rotation by use follows within about a second; what the current version was used for already counts.

Examples:
  claviger key rotation --store payments --every 90d records
  claviger key rotation --store payments --every off records
  claviger key rotation --store payments --after-items 1000000000 --after-bytes 64000000000 records
  claviger key rotation --store payments --after-use off records")]
    Rotation(RotationArguments),
    /// Refuse ciphertexts of the versions below one, from now on
    #[command(after_help = "Example:\n  claviger key lowest-version --store payments records 2")]
    LowestVersion(VersionArguments),
    /// Work with one version of a key that is not the current one
    #[command(subcommand)]
    Version(VersionCommand),
    /// Request the deletion of a key: it does nothing from now on, and after a wait it is gone for good
    #[command(after_help = "\
Until the wait is over, `claviger key cancel-deletion` keeps the key.

Examples:
  claviger key delete --store payments records
  claviger key delete --store payments --wait-hours 240 records")]
    Delete(DeleteArguments),
    /// Keep a key whose deletion was requested; it is disabled then
    #[command(after_help = "Example:\n  claviger key cancel-deletion --store payments records")]
    CancelDeletion(KeyArguments),
    /// Delete a key whose deletion was requested, for good, without the rest of the wait
    #[command(after_help = "\
Asks for the name of the key, unless --yes is given. What was encrypted with the key is lost.
It is refused if the key was used in the last 24 hours, unless --force is given: see `claviger key clients`.

Examples:
  claviger key delete-now --store payments records
  claviger key delete-now --store payments --force records
  claviger key delete-now --store payments --yes records")]
    DeleteNow(DeleteNowArguments),
}

/// Operations on one version.
#[derive(Subcommand)]
pub(crate) enum VersionCommand {
    /// Have a version do nothing until it is enabled again
    #[command(after_help = "Example:\n  claviger key version disable --store payments records 1")]
    Disable(VersionArguments),
    /// Let a disabled version decrypt and verify again
    #[command(after_help = "Example:\n  claviger key version enable --store payments records 1")]
    Enable(VersionArguments),
    /// Destroy the material of a version for good; its number stays taken
    #[command(after_help = "\
Asks for the name of the key, unless --yes is given. What was encrypted with the version is lost.

Examples:
  claviger key version destroy --store payments records 1
  claviger key version destroy --store payments --yes records 1")]
    Destroy(DestroyArguments),
}

#[derive(Args)]
#[command(group(
    ArgGroup::new("when").required(true).multiple(true).args(["every", "after_items", "after_bytes", "after_use"])
))]
pub(crate) struct RotationArguments {
    #[command(flatten)]
    key: KeyArguments,
    #[arg(long, value_name = "DAYS", help = format!(
        "Time from one rotation to the next, {ROTATION_DAYS_MIN}d to {ROTATION_DAYS_MAX}d; `off` ends it"
    ))]
    every: Option<Every>,
    /// Rotate it when its current version has made, opened or verified so many items
    #[arg(long, value_name = "ITEMS", value_parser = clap::value_parser!(u64).range(1..))]
    after_items: Option<u64>,
    /// Rotate it when its current version was used for so many bytes
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u64).range(1..))]
    after_bytes: Option<u64>,
    /// `off` ends rotation by use
    #[arg(long, value_name = "off", conflicts_with_all = ["after_items", "after_bytes"])]
    after_use: Option<Off>,
}

/// The word that ends something.
#[derive(Clone, Copy, clap::ValueEnum)]
enum Off {
    /// No longer
    Off,
}

#[derive(Args)]
pub(crate) struct DeleteNowArguments {
    #[command(flatten)]
    confirmed: ConfirmedArguments,
    /// Even if the key was used in the last 24 hours
    #[arg(long)]
    force: bool,
}

#[derive(Args)]
pub(crate) struct DeleteArguments {
    #[command(flatten)]
    key: KeyArguments,
    #[arg(long, value_name = "HOURS", help = format!(
        "How long it can be cancelled, {DELETION_WAIT_HOURS_MIN} to {DELETION_WAIT_HOURS_MAX} hours [default: as the key store says]"
    ))]
    wait_hours: Option<u32>,
}

#[derive(Args)]
pub(crate) struct VersionArguments {
    #[command(flatten)]
    key: KeyArguments,
    /// Number of the version
    version: u32,
}

#[derive(Args)]
pub(crate) struct DestroyArguments {
    #[command(flatten)]
    confirmed: ConfirmedArguments,
    /// Number of the version
    version: u32,
}

pub(super) async fn run(command: LifeCommand, client: &ControlClient, json: bool) -> anyhow::Result<()> {
    let (key, what) = match command {
        LifeCommand::Rotation(arguments) => set_rotation(arguments, client).await?,
        LifeCommand::LowestVersion(VersionArguments { key: KeyArguments { store, key }, version }) => {
            let key = client.set_lowest_version(&store, &key, version).await?;
            let what = format!("ciphertexts of versions below {} are refused", key.lowest_version);
            (key, what)
        }
        LifeCommand::Version(command) => return change_version(command, client, json).await,
        LifeCommand::Delete(DeleteArguments { key: KeyArguments { store, key }, wait_hours }) => {
            let key = client.request_deletion(&store, &key, &RequestDeletion { wait_hours }).await?;
            let when = key.deletion.map_or_else(|| "soon".to_owned(), deletion);
            (key, format!("deleted {when}; nothing is done with it any more"))
        }
        LifeCommand::CancelDeletion(KeyArguments { store, key }) => {
            let key = client.cancel_deletion(&store, &key).await?;
            (key, "kept, and disabled: `claviger key enable` makes it available again".to_owned())
        }
        LifeCommand::DeleteNow(DeleteNowArguments { confirmed, force }) => {
            let what =
                if force { "This deletes the key, even if somebody still uses it," } else { "This deletes the key" };
            let Confirmed { store, key, client } = confirmed.confirm(client, what).await?;
            let key = client.delete_now(&store, &key, force).await?;
            let destroyed = key.destruction.as_ref().map(|what| format!("; destroyed: {}", destruction(what)));
            (key, format!("deleted{}", destroyed.unwrap_or_default()))
        }
    };
    changed(&key, &what, json)
}

async fn set_rotation(arguments: RotationArguments, client: &ControlClient) -> anyhow::Result<(Key, String)> {
    let RotationArguments { key: KeyArguments { store, key: name }, every, after_items, after_bytes, after_use } =
        arguments;
    let is_by_use = after_items.is_some() || after_bytes.is_some() || after_use.is_some();
    let mut shown = None;
    if let Some(Every(period_days)) = every {
        shown = Some(client.set_rotation(&store, &name, &SetRotation { period_days }).await?);
    }
    if is_by_use {
        let rotation = SetRotationByUse { items: after_items, bytes: after_bytes };
        shown = Some(client.set_rotation_by_use(&store, &name, &rotation).await?);
    }
    let Some(key) = shown else {
        bail!("say when the key is rotated: --every DAYS, --after-items ITEMS, --after-bytes BYTES, or --after-use off")
    };
    let clock = key.rotation.map(rotation);
    let by_use = key.rotation_by_use.map(rotation_by_use);
    let what: Vec<_> = clock.into_iter().chain(by_use).collect();
    let what = if what.is_empty() { "by hand only".to_owned() } else { what.join("; ") };
    Ok((key, format!("rotated {what}")))
}

async fn change_version(command: VersionCommand, client: &ControlClient, json: bool) -> anyhow::Result<()> {
    let (key, version) = match command {
        VersionCommand::Disable(VersionArguments { key: KeyArguments { store, key }, version }) => {
            (client.disable_version(&store, &key, version).await?, version)
        }
        VersionCommand::Enable(VersionArguments { key: KeyArguments { store, key }, version }) => {
            (client.enable_version(&store, &key, version).await?, version)
        }
        VersionCommand::Destroy(DestroyArguments { confirmed, version }) => {
            let what = format!("This destroys version {version} of the key");
            let Confirmed { store, key, client } = confirmed.confirm(client, &what).await?;
            (client.destroy_version(&store, &key, version).await?, version)
        }
    };
    let state = key.versions.iter().find(|it| it.version == version).map_or("changed", |it| it.state.as_str());
    changed(&key, &format!("version {version} is {state}"), json)
}

/// What has become of what was deleted.
pub(super) fn destruction(destruction: &Destruction) -> String {
    let time = show::time(destruction.time);
    match &destruction.class {
        Some(class) => format!("{class}, at {time}"),
        None if destruction.reasons.is_empty() => format!("not yet, since {time}"),
        None => format!("not yet, since {time}: {}", destruction.reasons.join("; ")),
    }
}

/// When a key is rotated by itself.
pub(super) fn rotation(rotation: Rotation) -> String {
    let days = if rotation.period_days == 1 { "day".to_owned() } else { format!("{} days", rotation.period_days) };
    format!("every {days}, next on {}", show::time(rotation.next))
}

/// After how much use a key is rotated.
pub(super) fn rotation_by_use(RotationByUse { items, bytes }: RotationByUse) -> String {
    let items = items.map(|items| format!("{} items", HumanCount(items)));
    let bytes = bytes.map(|bytes| format!("{} bytes", HumanCount(bytes)));
    format!("after {}", items.into_iter().chain(bytes).collect::<Vec<_>>().join(" or "))
}

/// When a key is deleted whose deletion was requested.
pub(super) fn deletion(deletion: Deletion) -> String {
    format!("on {} at the earliest, unless that is cancelled", show::time(deletion.deadline))
}

/// Days from one rotation to the next, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Every(Option<u16>);

impl FromStr for Every {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        if text == "off" {
            return Ok(Self(None));
        }
        let days = text.strip_suffix('d').and_then(|days| days.parse().ok());
        match days.filter(|days| (ROTATION_DAYS_MIN..=ROTATION_DAYS_MAX).contains(days)) {
            Some(days) => Ok(Self(Some(days))),
            None => bail!("give {ROTATION_DAYS_MIN}d to {ROTATION_DAYS_MAX}d, or off"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_are_days_or_off() {
        for (text, days) in [("off", None), ("1d", Some(1)), ("90d", Some(90)), ("730d", Some(730))] {
            assert_eq!(text.parse::<Every>().unwrap(), Every(days));
        }
        for bad in ["", "d", "0d", "731d", "90", "90h", "-1d", "1.5d", "99999d", "Off", "90d "] {
            assert!(bad.parse::<Every>().is_err(), "{bad:?}");
        }
    }
}
