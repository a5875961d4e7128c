//! The audit log without a daemon: verified, or begun anew.

use std::path::Path;

use anyhow::Context;
use claviger_daemon::config::Config;
use claviger_daemon::{installation, restore};
use claviger_engine::audit::{Finding, Report, Verification};

use crate::arguments::VerifyArguments;
use crate::say::say;

/// Verifies an audit log, and says what was found; whether that was nothing.
pub(crate) fn verify(arguments: &VerifyArguments) -> anyhow::Result<bool> {
    let config = arguments.config.as_deref().map(Config::read).transpose()?;
    let keys = config.as_ref().map(installation::system_keys).transpose()?;
    let folder = arguments.folder.as_deref().or(config.as_ref().map(|config| &*config.audit.folder));
    let folder = folder.context("name the folder of the log by --folder")?;
    // What is remembered belongs to the log of the configuration file, not to a copy of it elsewhere.
    let own_head = config.as_ref().filter(|_| arguments.folder.is_none()).map(|config| &*config.audit.head);
    let mut verification = Verification::new(folder, arguments.public_key).from_file(arguments.from_file);
    if let Some(keys) = &keys {
        verification = verification.by_keys(keys);
    }
    if let Some(head) = arguments.head.as_deref().or(own_head) {
        verification = verification.with_head(head);
    }
    let Report {
        files,
        records,
        last,
        signed_until,
        authenticated,
        end_is_known,
        is_unfinished,
        findings,
        more_findings,
        ..
    } = verification.run()?;
    say!("{records} records in {files} files, up to record {last}");
    say!("  proven by signature up to record {signed_until}; {authenticated} by the audit key each");
    if !end_is_known {
        say!("  whether records were cut off at the end cannot be told: name the file that remembers it by --head");
    }
    if is_unfinished {
        say!("  the last line is not finished, as a crash leaves it: the next start takes it away");
    }
    for Finding { path, offset, what } in &findings {
        say!("  FOUND {} at byte {offset}: {what}", path.display());
    }
    if more_findings > 0 {
        say!("  and {more_findings} more");
    }
    if findings.is_empty() {
        say!("nothing was altered, removed or moved");
    }
    Ok(findings.is_empty())
}

pub(crate) fn new_audit_log(path: &Path) -> anyhow::Result<()> {
    let config = Config::read(path)?;
    if restore::new_audit_log(&config)? {
        say!("began the audit log anew in {}; what was before it stays where it is", config.audit.folder.display());
        say!("`claviger audit verify --from-file NUMBER` verifies it from the new file on");
    } else {
        say!("the audit log is as it was left: nothing had to be begun anew");
    }
    Ok(())
}
