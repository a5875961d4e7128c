//! `claviger mac` and `claviger verify-mac`.

use super::encoding::Encoding;
use super::input::Input;
use super::signature::{CodeOutput, read_code, tell_verdict};
use super::{KeyArguments, Session, failed};
use anyhow::Context;
use std::path::PathBuf;
use std::process::ExitCode;

/// What `mac` is told.
#[derive(clap::Args)]
pub(crate) struct MakeArguments {
    #[command(flatten)]
    key: KeyArguments,
    #[command(flatten)]
    encoding: Encoding,
    /// Replace the output file if it exists
    #[arg(long)]
    force: bool,
    /// File to authenticate, at most 32,768 bytes; - is standard input
    #[arg(value_name = "FILE", default_value = "-")]
    message: PathBuf,
    /// File for the MAC; standard output if it is - or left out
    #[arg(value_name = "MAC")]
    mac: Option<PathBuf>,
}

/// What `verify-mac` is told.
#[derive(clap::Args)]
pub(crate) struct VerifyArguments {
    #[command(flatten)]
    key: KeyArguments,
    /// The version that made it [default: the current one, then older ones]
    #[arg(long = "key-version", value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    key_version: Option<u32>,
    #[command(flatten)]
    encoding: Encoding,
    /// File that was authenticated; - is standard input
    #[arg(value_name = "FILE")]
    message: PathBuf,
    /// File with the MAC; - is standard input
    #[arg(value_name = "MAC")]
    mac: PathBuf,
}

/// Makes a MAC.
///
/// # Errors
/// With the thing and the remedy.
pub(super) async fn make(arguments: MakeArguments, session: &Session) -> anyhow::Result<()> {
    let MakeArguments { key: key_arguments, encoding, force, message, mac } = arguments;
    let output = CodeOutput::new(mac.as_deref(), force, encoding, session)?;
    let message = read_message(Input::open(&message)?)?;
    let key = key_arguments.open(session).await?;
    let mac = key.make_mac(&message).await.map_err(|error| failed(&key_arguments.to_string(), &error))?;
    output.write("mac", &key, &mac)
}

/// Verifies a MAC. The exit code is 1 if it is not valid.
///
/// # Errors
/// With the thing and the remedy, if it could not be found out.
pub(super) async fn verify(arguments: VerifyArguments, session: &Session) -> anyhow::Result<ExitCode> {
    let VerifyArguments { key: key_arguments, key_version, encoding, message, mac } = arguments;
    let mac = read_code(&message, &mac, encoding)?;
    let input = Input::open(&message)?;
    let name = input.name.clone();
    let message = read_message(input)?;
    let key = key_arguments.open(session).await?;
    let verified = key.verify_mac(&message, &mac, key_version).await;
    tell_verdict("MAC", &name, &key_arguments, verified, session)
}

fn read_message(input: Input) -> anyhow::Result<Vec<u8>> {
    input.read_message().context("a MAC is made of a whole message, 32,768 bytes at most")
}
