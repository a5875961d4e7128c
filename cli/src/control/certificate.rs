//! `claviger certificate`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, Subcommand};
use claviger_control::ControlClient;
use claviger_control::limits::{CERTIFICATE_DAYS, CERTIFICATE_DAYS_MAX, CERTIFICATE_DAYS_MIN};
use claviger_control::message::IssueCertificate;
use serde_json::json;

use crate::control::new_file;
use crate::show;

/// Operations on client certificates.
#[derive(Subcommand)]
pub(crate) enum CertificateCommand {
    /// Issue a client certificate of a key store: NAME.pem, and its private key NAME-key.pem unless it is for a signing request
    #[command(after_help = "\
Examples:
  claviger certificate issue --store payments billing
  claviger certificate issue --store payments --days 30 --out /etc/billing/claviger billing

  A private key that never leaves its machine:
  openssl req -new -newkey ed25519 -nodes -subj / -keyout billing-key.pem -out billing.csr
  claviger certificate issue --store payments --request billing.csr billing")]
    Issue(IssueArguments),
}

#[derive(Args)]
pub(crate) struct IssueArguments {
    /// Name or id of the key store
    #[arg(long)]
    store: String,
    #[arg(long, help = format!(
        "For how many days it is valid, {CERTIFICATE_DAYS_MIN} to {CERTIFICATE_DAYS_MAX} [default: {CERTIFICATE_DAYS}]"
    ))]
    days: Option<u32>,
    /// Signing request (PKCS#10, PEM); nothing but its key is taken from it
    #[arg(long, value_name = "FILE")]
    request: Option<PathBuf>,
    /// Where to write: PREFIX.pem and PREFIX-key.pem [default: NAME]
    #[arg(long, value_name = "PREFIX")]
    out: Option<PathBuf>,
    /// Who the client is; it appears in logs
    name: String,
}

pub(super) async fn run(command: CertificateCommand, client: &ControlClient, json: bool) -> anyhow::Result<()> {
    let CertificateCommand::Issue(IssueArguments { store, days, request, out, name }) = command;
    let prefix = out.unwrap_or_else(|| PathBuf::from(&name));
    let (certificate_path, key_path) = (with_suffix(&prefix, ".pem")?, with_suffix(&prefix, "-key.pem")?);
    let signing_request =
        request.map(|path| fs::read_to_string(&path).with_context(|| format!("file {}", path.display())));
    let signing_request = signing_request.transpose()?;
    // Looked at before anything is issued. A file that appears meanwhile is still not overwritten.
    for path in [&certificate_path, &key_path] {
        let is_written = *path == certificate_path || signing_request.is_none();
        if is_written {
            new_file::check(path, OUT)?;
        }
    }
    let request = IssueCertificate { common_name: name, lifetime_days: days, signing_request };
    let issued = client.issue_certificate(&store, &request).await?;
    // The key first: it cannot be had again.
    let key_path = issued
        .private_key
        .as_ref()
        .map(|key| new_file::write(&key_path, key.expose().as_bytes(), 0o600, OUT).map(|()| key_path));
    let key_path = key_path.transpose()?;
    new_file::write(&certificate_path, issued.certificate.as_bytes(), 0o644, OUT)?;
    if json {
        return show::json(
            &json!({ "certificate": certificate_path, "private_key": key_path, "not_after": issued.not_after }),
        );
    }
    let key = key_path.map(|path| ("private key", format!("{} (readable by you only)", path.display())));
    let facts =
        [("certificate", certificate_path.display().to_string()), ("valid until", show::time(issued.not_after))];
    show::facts(facts.into_iter().chain(key))
}

fn with_suffix(prefix: &Path, suffix: &str) -> anyhow::Result<PathBuf> {
    let name = prefix.file_name().context("--out names no file")?;
    let mut name = name.to_owned();
    name.push(suffix);
    Ok(prefix.with_file_name(name))
}

const OUT: &str = "--out";
