//! `claviger secret`.

use super::encoding::confidential_json;
use super::output::{Content, Target};
use super::{KeyArguments, Session, failed};
use anyhow::anyhow;
use claviger_client::{Key, SecretVersion};
use claviger_control::secret::SecretText;
use serde::Serialize;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

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
    /// Wait until a secret has a newer version, and read that
    #[command(after_help = "\
The exit code is 3 if the wait is over and there is no newer version, 1 if that is not known or
not permitted. A wait that has begun goes on while the server is restarted. Without
--known-version, the next update is waited for: one that comes between two calls is missed, so
that a loop names the version that it has. A file that exists is replaced, all at once, and
keeps its mode.

Examples:
  claviger secret wait --store demo --key database-password --known-version 3 --output password.txt
  claviger secret wait --store demo --key database-password --for 1h --output password.txt
  umask 077; set -o pipefail; known=0
  while sleep 1
  do claviger --json secret wait --store demo --key database-password --known-version $known --output new.json &&
     jq -r .value new.json | base64 -d > password.new && mv password.new password.txt &&
     systemctl reload shop && known=$(jq .key_version new.json)
     rm -f new.json password.new
  done")]
    Wait(WaitArguments),
}

/// What `secret wait` is told.
#[derive(clap::Args)]
pub(crate) struct WaitArguments {
    #[command(flatten)]
    key: KeyArguments,
    /// The version that is known; 0 takes any [default: the current one]
    #[arg(long, value_name = "NUMBER")]
    known_version: Option<u32>,
    /// How long to wait: 90s, 10m, 1h [default: until there is one]
    #[arg(long = "for", value_name = "TIME", value_parser = wait_time)]
    wait: Option<Duration>,
    /// Show the value even if standard output is a terminal
    #[arg(long, conflicts_with = "output")]
    show: bool,
    /// File for the value, readable by you only if it is new; standard output if it is left out
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
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
    write(&key, &secret, target, session)?;
    if on_terminal && !session.json {
        // So that the prompt stands on a line of its own.
        println!();
    }
    Ok(())
}

/// Waits for a version of a secret that is newer, and reads it. The exit code is [`NOTHING_NEWER`] if none came.
///
/// # Errors
/// With the thing and the remedy.
pub(super) async fn wait(arguments: WaitArguments, session: &Session) -> anyhow::Result<ExitCode> {
    let path = if arguments.show { Some(Path::new("-")) } else { arguments.output.as_deref() };
    // A file that cannot be written is told now, not when there is something to write.
    let target = Target::new(path, true, Content::Secret)?;
    let name = arguments.key.to_string();
    let key = arguments.key.open(session).await?;
    let known = match arguments.known_version {
        Some(known) => known,
        None => key.read_secret(None).await.map_err(|error| failed(&name, &error))?.key_version,
    };
    let wait = arguments.wait.unwrap_or(Duration::MAX);
    match key.wait_for_newer_secret(known, wait).await.map_err(|error| failed(&name, &error))? {
        Some(secret) => {
            write(&key, &secret, target, session)?;
            Ok(ExitCode::SUCCESS)
        }
        None => {
            eprintln!("claviger: {name}: no version newer than {known} came in time");
            Ok(ExitCode::from(NOTHING_NEWER))
        }
    }
}

fn write(key: &Key, secret: &SecretVersion, target: Target, session: &Session) -> anyhow::Result<()> {
    let value = secret.value.expose();
    if session.json {
        let result = SecretValue {
            key_id: key.id().to_string(),
            key_version: secret.key_version,
            value: SecretText::base64_of(value),
        };
        return target.write(&confidential_json(&result, value.len())?);
    }
    target.write(value)
}

/// A time in seconds, minutes or hours.
fn wait_time(text: &str) -> anyhow::Result<Duration> {
    let unit = [("s", 1), ("m", 60), ("h", 60 * 60)]
        .into_iter()
        .find_map(|(unit, seconds)| Some((text.strip_suffix(unit)?, seconds)));
    let seconds =
        unit.and_then(|(number, seconds)| number.parse::<u32>().ok().map(|number| u64::from(number) * seconds));
    seconds.map(Duration::from_secs).ok_or_else(|| anyhow!("give a number of seconds, minutes or hours: 90s, 10m, 1h"))
}

/// Exit code of a wait that is over: there is nothing newer, which is neither a value nor a failure.
const NOTHING_NEWER: u8 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_unit() {
        for (text, seconds) in [("0s", 0), ("90s", 90), ("10m", 600), ("1h", 3_600)] {
            assert_eq!(wait_time(text).unwrap(), Duration::from_secs(seconds));
        }
        for bad in ["", "s", "90", "-1s", "1.5h", "1d", "1h30m", "99999999999s"] {
            assert!(wait_time(bad).is_err(), "{bad:?}");
        }
    }
}
