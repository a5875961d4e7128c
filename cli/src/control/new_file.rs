//! Files that come into being, and are never overwritten.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{anyhow, ensure};

/// Refuses a path at which there is something; another one is named by `option`. Looked at before anything is done: what appears meanwhile is still not overwritten.
///
/// # Errors
/// It exists.
pub(super) fn check(path: &Path, option: &str) -> anyhow::Result<()> {
    ensure!(!path.exists(), exists(path, option));
    Ok(())
}

/// Writes a new file, durable.
///
/// # Errors
/// It exists, or cannot be written.
pub(super) fn write(path: &Path, bytes: &[u8], mode: u32, option: &str) -> anyhow::Result<()> {
    let write = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(|error: std::io::Error| match error.kind() {
        ErrorKind::AlreadyExists => anyhow!(exists(path, option)),
        _ => anyhow!(error).context(format!("file {}", path.display())),
    })
}

fn exists(path: &Path, option: &str) -> String {
    format!("{} exists already and is not overwritten: remove it, or name another place by {option}", path.display())
}
