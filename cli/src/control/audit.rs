//! `claviger audit`.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use claviger_control::message::{AuditFinding, AuditLog, AuditRecord, AuditRecordList, AuditReport};
use claviger_control::{AuditFilter, ControlClient};

use crate::show;

/// Operations on the audit log.
#[derive(Subcommand)]
pub(crate) enum AuditCommand {
    /// List records of the audit log, in the order in which they were written
    #[command(after_help = "\
Examples:
  claviger audit list
  claviger audit list --store payments --since 2030-01-31T12:00:00Z
  claviger audit list --kind refusal --actor alice
  claviger audit list --all --json")]
    List(List),
    /// Verify that the audit log is as it was written: nothing altered, removed, moved, or cut off
    #[command(after_help = "\
The exit code is 1 if anything was found. Auditors who do not trust the server verify a copy of the files by the public key alone: `clavigerd audit verify`, or a program of their
own, as docs/AUDIT.md describes it.

Examples:
  claviger audit verify
  claviger audit verify --from-file 12")]
    Verify {
        /// Begin with the file of this number: those before it are in an archive, or were lost
        #[arg(long, value_name = "NUMBER", default_value_t = 1)]
        from_file: u64,
    },
    /// Show the public key by which the audit log is verified
    #[command(after_help = "Examples:\n  claviger audit key\n  claviger audit key --json")]
    Key,
}

/// What is listed.
#[derive(Args)]
pub(crate) struct List {
    /// Only records of this key store, by name or id
    #[arg(long)]
    store: Option<String>,
    /// Only records of the key of this id
    #[arg(long, value_name = "ID")]
    key: Option<String>,
    /// Only records whose actor, or one of whose clients, has this in its name
    #[arg(long, value_name = "TEXT")]
    actor: Option<String>,
    /// Only records of this kind: change, act, refusal, refusals, uses, checkpoint ...
    #[arg(long)]
    kind: Option<String>,
    /// Only records of this moment or later
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only records after this number
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    after: u64,
    /// All pages, not only the first one
    #[arg(long)]
    all: bool,
}

pub(super) async fn run(command: AuditCommand, client: &ControlClient, json: bool) -> anyhow::Result<ExitCode> {
    match command {
        AuditCommand::List(wanted) => list(wanted, client, json).await.map(|()| ExitCode::SUCCESS),
        AuditCommand::Verify { from_file } => verify(client.verify_audit(from_file).await?, json),
        AuditCommand::Key => {
            let log = client.audit_log().await?;
            if json {
                show::json(&log)?;
            } else {
                let AuditLog { public_key, last, file, failure, lost, dropped_requests } = log;
                let state = failure.unwrap_or_else(|| "written".to_owned());
                show::facts([
                    ("public key", public_key),
                    ("last record", format!("{last}, in file {file}")),
                    ("state", state),
                    ("not recorded", lost.to_string()),
                    ("requests not recorded", format!("{dropped_requests} since the start")),
                ])?;
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

async fn list(wanted: List, client: &ControlClient, json: bool) -> anyhow::Result<()> {
    let List { store, key, actor, kind, since, mut after, all } = wanted;
    let filter = AuditFilter { store, key, actor, kind, since };
    loop {
        let page = client.audit_records(&filter, after, PAGE).await?;
        let next = page.next;
        // An empty page of several says nothing.
        if json {
            show::json(&page)?;
        } else if !page.records.is_empty() || next.is_none() {
            let AuditRecordList { records, .. } = page;
            show::table(["number", "time", "kind", "actor", "what"], records.into_iter().map(row))?;
        }
        match next {
            Some(next) if all => after = next,
            Some(next) => {
                return if json { Ok(()) } else { show::line(&format!("there is more: --after {next}, or --all")) };
            }
            None => return Ok(()),
        }
    }
}

fn row(record: AuditRecord) -> [String; 5] {
    let what = what(&record);
    [record.seq.to_string(), show::time(record.time), record.kind, record.actor, what]
}

/// What it tells, in a line.
fn what(record: &AuditRecord) -> String {
    let mut parts = Vec::new();
    let unit = if record.kind == "request" { "items" } else { "times" };
    parts.extend(record.count.map(|count| format!("{count} {unit}")));
    parts.extend(record.failures.map(|failures| format!("{failures} failed")));
    parts.extend(record.bytes.map(|bytes| format!("{bytes} bytes")));
    let texts = [&record.operation, &record.shown, &record.reason];
    parts.extend(texts.into_iter().filter(|text| !text.is_empty()).cloned());
    if let [key] = &record.keys[..]
        && !record.shown.contains(key.as_str())
    {
        parts.push(format!("key {key}"));
    }
    let client = |client: &str| if client.is_empty() { "others" } else { client }.to_owned();
    parts.extend(record.uses.iter().map(|used| format!("{} items by {}", used.items, client(&used.client))));
    parts.join(": ")
}

fn verify(report: AuditReport, json: bool) -> anyhow::Result<ExitCode> {
    let code = if report.intact { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    if json {
        show::json(&report)?;
        return Ok(code);
    }
    let AuditReport { files, records, last, signed_until, authenticated, findings, more_findings, intact } = report;
    show::facts([
        ("records", format!("{records} in {files} files, up to record {last}")),
        ("signed", format!("up to record {signed_until}")),
        ("by the audit key", authenticated.to_string()),
    ])?;
    for AuditFinding { path, offset, what } in findings {
        show::line(&format!("FOUND {path} at byte {offset}: {what}"))?;
    }
    if more_findings > 0 {
        show::line(&format!("and {more_findings} more"))?;
    }
    if intact {
        show::line("nothing was altered, removed, moved or cut off")?;
    }
    Ok(code)
}

/// Records of one page.
const PAGE: usize = 200;
