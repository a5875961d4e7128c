//! `claviger certificate`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, Subcommand};
use claviger_control::ControlClient;
use claviger_control::limits::{
    CERTIFICATE_DAYS, CERTIFICATE_DAYS_MAX, CERTIFICATE_DAYS_MIN, OVERLAP_HOURS, OVERLAP_HOURS_MAX,
};
use claviger_control::message::{AccessRow, AskWhyDenied, IssueCertificate, IssuedCertificate, RenewCertificate};
use serde_json::json;

use crate::control::access::{self, PermitArguments};
use crate::control::new_file;
use crate::control::once::OnceArguments;
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
    /// Renew a client certificate: another one with the same name, which permits the same; the former one lets in for a while beside it
    #[command(after_help = "\
Examples:
  claviger certificate renew --store payments billing
  claviger certificate renew --store payments billing.pem --overlap-hours 24 --out billing-2027
  claviger certificate renew --store payments billing --request billing.csr
  claviger certificate renew --store payments billing.pem --idempotency-key billing-2027")]
    Renew(RenewArguments),
    /// Revoke a client certificate, at once, on live connections too: the same as `claviger access disable`
    #[command(after_help = "Example:\n  claviger certificate revoke --store payments billing.pem")]
    Revoke {
        /// Name or id of the key store
        #[arg(long)]
        store: String,
        /// The certificate: its file, the name in it, its serial number, or the id of its authentication data
        certificate: String,
    },
}

/// What is said of each certificate that is made.
#[derive(Args)]
struct NewArguments {
    #[command(flatten)]
    once: OnceArguments,
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
}

#[derive(Args)]
pub(crate) struct RenewArguments {
    #[command(flatten)]
    new: NewArguments,
    #[arg(long, help = format!(
        "For how many hours the former one still lets in, 0 to {OVERLAP_HOURS_MAX} [default: {OVERLAP_HOURS}]"
    ))]
    overlap_hours: Option<u32>,
    /// Where to write: PREFIX.pem and PREFIX-key.pem [default: the name in the certificate and -renewed]
    #[arg(long, value_name = "PREFIX")]
    out: Option<PathBuf>,
    /// The certificate: its file, the name in it, its serial number, or the id of its authentication data
    certificate: String,
}

#[derive(Args)]
pub(crate) struct IssueArguments {
    #[command(flatten)]
    new: NewArguments,
    /// Where to write: PREFIX.pem and PREFIX-key.pem [default: NAME]
    #[arg(long, value_name = "PREFIX")]
    out: Option<PathBuf>,
    #[command(flatten)]
    permit: PermitArguments,
    /// Who the client is; it appears in logs
    name: String,
}

pub(super) async fn run(command: CertificateCommand, client: &ControlClient, json: bool) -> anyhow::Result<()> {
    match command {
        CertificateCommand::Issue(arguments) => issue(arguments, client, json).await,
        CertificateCommand::Renew(arguments) => renew(arguments, client, json).await,
        CertificateCommand::Revoke { store, certificate } => {
            let row = find(client, &store, &certificate).await?;
            let stopped = client.disable_access(&store, &row.id).await?;
            access::stopped(&stopped, &format!("certificate of {}", row.common_name.unwrap_or_default()), json)
        }
    }
}

async fn issue(arguments: IssueArguments, client: &ControlClient, json: bool) -> anyhow::Result<()> {
    let IssueArguments { new: NewArguments { once, store, days, request }, out, name, permit } = arguments;
    let PermitArguments { operations, keys } = permit;
    let prefix = out.unwrap_or_else(|| PathBuf::from(&name));
    let (paths, signing_request) = prepare(&prefix, request)?;
    let request = IssueCertificate { common_name: name, lifetime_days: days, signing_request, operations, keys };
    write(once.of(client).issue_certificate(&store, &request).await?, paths, json)
}

async fn renew(arguments: RenewArguments, client: &ControlClient, json: bool) -> anyhow::Result<()> {
    let RenewArguments { new: NewArguments { once, store, days, request }, overlap_hours, out, certificate } =
        arguments;
    let row = find(client, &store, &certificate).await?;
    let name = || PathBuf::from(format!("{}-renewed", row.common_name.as_deref().unwrap_or(&row.id)));
    let (paths, signing_request) = prepare(&out.unwrap_or_else(name), request)?;
    let renewal = RenewCertificate { lifetime_days: days, overlap_hours, signing_request };
    write(once.of(client).renew_certificate(&store, &row.id, &renewal).await?, paths, json)
}

/// The row of a certificate: told by its file, or as `claviger access` tells rows.
async fn find(client: &ControlClient, store: &str, certificate: &str) -> anyhow::Result<AccessRow> {
    if !Path::new(certificate).is_file() {
        return access::find_row(client, store, certificate).await;
    }
    let text = fs::read_to_string(certificate).with_context(|| format!("file {certificate}"))?;
    let question = AskWhyDenied { certificate: Some(text), ..AskWhyDenied::default() };
    let checks = client.why_denied(store, &question).await?.checks;
    let id = checks.iter().find(|check| check.check == "client_certificate").and_then(|check| check.access_ids.first());
    let id = id.with_context(|| {
        format!("{certificate} is no certificate that this store knows: see `claviger access list --store {store}`")
    })?;
    Ok(client.access_row(store, id).await?)
}

/// Where to write, and the signing request.
fn prepare(prefix: &Path, request: Option<PathBuf>) -> anyhow::Result<((PathBuf, PathBuf), Option<String>)> {
    let (certificate_path, key_path) = (with_suffix(prefix, ".pem")?, with_suffix(prefix, "-key.pem")?);
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
    Ok(((certificate_path, key_path), signing_request))
}

fn write(
    issued: IssuedCertificate,
    (certificate_path, key_path): (PathBuf, PathBuf),
    json: bool,
) -> anyhow::Result<()> {
    // The key first: it cannot be had again.
    let key_path = issued
        .private_key
        .as_ref()
        .map(|key| new_file::write(&key_path, key.expose().as_bytes(), 0o600, OUT).map(|()| key_path));
    let key_path = key_path.transpose()?;
    new_file::write(&certificate_path, issued.certificate.as_bytes(), 0o644, OUT)?;
    if json {
        return show::json(&json!({
            "access_id": issued.access_id,
            "certificate": certificate_path,
            "private_key": key_path,
            "not_after": issued.not_after,
            "former_ends": issued.former_ends,
        }));
    }
    let key = key_path.map(|path| ("private key", format!("{} (readable by you only)", path.display())));
    let facts =
        [("certificate", certificate_path.display().to_string()), ("valid until", show::time(issued.not_after))];
    let former = issued.former_ends.map(|ends| ("former one", format!("lets in until {}", show::time(ends))));
    show::facts(facts.into_iter().chain(key).chain(former))
}

fn with_suffix(prefix: &Path, suffix: &str) -> anyhow::Result<PathBuf> {
    let name = prefix.file_name().context("--out names no file")?;
    let mut name = name.to_owned();
    name.push(suffix);
    Ok(prefix.with_file_name(name))
}

const OUT: &str = "--out";
