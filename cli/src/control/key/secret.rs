//! `claviger key update`.

use std::path::PathBuf;

use clap::Args;
use claviger_control::ControlClient;
use claviger_control::message::UpdateSecret;

use super::{KeyArguments, changed, current_version, read_value};

/// A secret and its new value.
#[derive(Args)]
pub(crate) struct UpdateArguments {
    #[command(flatten)]
    key: KeyArguments,
    /// File with the value, byte for byte, a line end included; `-` is standard input
    #[arg(long, value_name = "FILE")]
    file: PathBuf,
    /// Only if this is the current version still: so that nobody else's update is lost
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    expected_version: Option<u32>,
}

pub(super) async fn update(arguments: UpdateArguments, client: &ControlClient, json: bool) -> anyhow::Result<()> {
    let UpdateArguments { key: KeyArguments { store, key }, file, expected_version } = arguments;
    let update = UpdateSecret { value: read_value(&file)?, expected_version };
    let key = client.update_secret(&store, &key, &update).await?;
    changed(&key, &format!("updated, version {} is the current one", current_version(&key)), json)
}
