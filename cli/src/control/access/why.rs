//! `claviger why-denied`: whether a client comes in to a store, method by method.

use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use claviger_control::ControlClient;
use claviger_control::message::AskWhyDenied;

use crate::show;

#[derive(Args)]
pub(crate) struct WhyArguments {
    /// The client: a file with its certificate (PEM), an address, the name in its certificate, or the id of its authentication data
    client: String,
    /// Name or id of the key store
    store: String,
    /// The address that it comes from
    #[arg(long)]
    address: Option<String>,
    /// The hardware (MAC) address that the server sees [default: what the server sees of the address now]
    #[arg(long)]
    hardware_address: Option<String>,
    /// The hardware address that the client says it has
    #[arg(long)]
    declared_hardware_address: Option<String>,
    /// What it wants to do, as `claviger access narrow` names it
    #[arg(long)]
    operation: Option<String>,
    /// Name or id of the key with which
    #[arg(long)]
    key: Option<String>,
}

/// The exit code is 1 if the client does not come in.
pub(in crate::control) async fn run(
    arguments: WhyArguments,
    client: &ControlClient,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let WhyArguments { client: who, store, address, hardware_address, declared_hardware_address, operation, key } =
        arguments;
    let mut question = AskWhyDenied {
        address,
        hardware_address,
        declared_hardware_address,
        operation,
        key,
        ..AskWhyDenied::default()
    };
    if Path::new(&who).is_file() {
        question.certificate = Some(fs::read_to_string(&who).with_context(|| format!("file {who}"))?);
    } else if who.parse::<IpAddr>().is_ok() {
        question.address = Some(who);
    } else {
        question.client = Some(who);
    }
    let answer = client.why_denied(&store, &question).await?;
    let code = if answer.admitted { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    if json {
        show::json(&answer)?;
        return Ok(code);
    }
    let row = |check: claviger_control::message::AccessCheck| {
        [check.check.replace('_', " "), if check.passes { "passes" } else { "FAILS" }.to_owned(), check.reason]
    };
    show::table(["check", "", "why"], answer.checks.into_iter().map(row))?;
    show::line(if answer.admitted { "The client comes in." } else { "The client does not come in." })?;
    Ok(code)
}
