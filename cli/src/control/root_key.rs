//! `claviger root-key`.

use clap::Subcommand;
use claviger_control::ControlClient;
use claviger_control::message::RootKey;

use crate::show;

/// Operations on the root key.
#[derive(Subcommand)]
pub(crate) enum RootKeyCommand {
    /// Show who holds the root key, and its version
    #[command(after_help = "Examples:\n  claviger root-key show\n  claviger root-key show --json")]
    Show,
    /// Make a new root key, wrap the system keys by it, and destroy the one before
    #[command(after_help = "\
Nothing but the system keys is wrapped anew, and everything is served meanwhile. If it is cut short, the next start of clavigerd or doing it again brings it to its end.

Copies of the root key and of the system-key file from before do not open what is there afterwards: make new copies of both.

Example:
  claviger root-key rotate")]
    Rotate,
}

pub(super) async fn run(command: RootKeyCommand, client: &ControlClient, json: bool) -> anyhow::Result<()> {
    let is_rotated = matches!(command, RootKeyCommand::Rotate);
    let root_key = if is_rotated { client.rotate_root_key().await? } else { client.root_key().await? };
    if json {
        return show::json(&root_key);
    }
    let RootKey { custody, version, older_versions } = root_key;
    if is_rotated {
        show::line(&format!(
            "root key rotated: version {version} wraps the system keys, and the one before is destroyed"
        ))?;
        return show::line(
            "make new copies of the root key and of the system-key file: older ones do not open it any more",
        );
    }
    show::facts([("custody", custody), ("version", version.to_string())])?;
    if older_versions.is_empty() {
        return Ok(());
    }
    show::line(
        "warning: an older version is there still, because a rotation was cut short: `claviger root-key rotate` brings it to its end",
    )
}
