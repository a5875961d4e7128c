//! `claviger secret read`.

use super::encoding::confidential_json;
use super::output::{Content, Target};
use super::{KeyArguments, Session, failed};
use claviger_control::secret::SecretText;
use serde::Serialize;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

/// What is done with secrets.
#[derive(clap::Subcommand)]
pub(crate) enum SecretCommand {
    /// Read the value of a secret
    #[command(after_help = "\
Examples:
  claviger secret read --store demo --key database-password --show
  claviger secret read --store demo --key database-password password.txt
  PGPASSWORD=$(claviger secret read --store demo --key database-password) psql")]
    Read(ReadArguments),
}

/// What `secret read` is told.
#[derive(clap::Args)]
pub(crate) struct ReadArguments {
    #[command(flatten)]
    key: KeyArguments,
    /// The version to read [default: the current one]
    #[arg(long = "key-version", value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    key_version: Option<u32>,
    /// Show the value even if standard output is a terminal
    #[arg(long, conflicts_with = "output")]
    show: bool,
    /// Replace the output file if it exists
    #[arg(long)]
    force: bool,
    /// File for the value, readable by you only; standard output if it is left out
    #[arg(value_name = "OUT")]
    output: Option<PathBuf>,
}

/// The answer to a program.
#[derive(Serialize)]
struct SecretValue {
    key_id: String,
    key_version: u32,
    /// Base64.
    value: SecretText,
}

/// Reads the value of a secret: its bytes, as they are.
///
/// # Errors
/// With the thing and the remedy.
pub(super) async fn read(arguments: ReadArguments, session: &Session) -> anyhow::Result<()> {
    let path = if arguments.show { Some(Path::new("-")) } else { arguments.output.as_deref() };
    let on_terminal = arguments.show && io::stdout().is_terminal();
    let target = Target::new(path, arguments.force, Content::Secret)?;
    let key = arguments.key.open(session).await?;
    let secret = key.read_secret(arguments.key_version).await;
    let secret = secret.map_err(|error| failed(&arguments.key.to_string(), &error))?;
    let value = secret.value.expose();
    if session.json {
        let result = SecretValue {
            key_id: key.id().to_string(),
            key_version: secret.key_version,
            value: SecretText::base64_of(value),
        };
        return target.write(&confidential_json(&result, value.len())?);
    }
    target.write(value)?;
    if on_terminal {
        // So that the prompt stands on a line of its own.
        println!();
    }
    Ok(())
}
