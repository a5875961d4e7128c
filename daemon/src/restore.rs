//! What brings a lost place back: a restore of the data folder, and a new journal.

use std::path::Path;
use std::sync::Arc;

use anyhow::bail;
use claviger_engine::backup::{Progress, Restore, Restored};
use claviger_engine::clock::{Clock, SystemClock};
use claviger_engine::crypto::random::SystemRandom;

use crate::config::Config;
use crate::installation::{is_empty, make_parent, open_journal, open_storage, unlock};
use crate::shred_table;

/// Restores the data folder from a backup and the journal after it, or from the journal alone. Only for a daemon that does not run.
///
/// `without_journal`: the journal is lost. What has changed since the backup is lost with it, and a new journal begins.
///
/// # Errors
/// With file and remedy; then the data folder is left empty.
pub fn restore(
    config: &Config,
    backup: Option<&Path>,
    without_journal: bool,
    progress: &Progress,
) -> anyhow::Result<Restored> {
    let journal = &config.journal.folder;
    if without_journal && !is_empty(journal) {
        bail!(
            "the journal {} is not empty: leave out --without-journal to restore what is in it, or move it away if it belongs to another time",
            journal.display()
        );
    }
    if without_journal && backup.is_none() {
        bail!("without a journal there is nothing to restore: name a backup by --backup");
    }
    make_parent(&config.storage.folder)?;
    let random = Arc::new(SystemRandom::new());
    let restore = Restore {
        backup,
        journal: Some(journal.as_path()).filter(|_| !without_journal),
        target: &config.storage.folder,
        now_ms: SystemClock.now_ms(),
    };
    let system_keys = unlock(config)?;
    let shred_table = shred_table::open(config, &system_keys)?;
    let restored = restore.run(system_keys, &shred_table, random, progress)?;
    drop(shred_table);
    if without_journal {
        new_journal(config)?;
    }
    Ok(restored)
}

/// Begins a new journal, in an empty folder, for a data folder that has lost its journal.
///
/// # Errors
/// With file and remedy.
pub fn new_journal(config: &Config) -> anyhow::Result<()> {
    let folder = &config.journal.folder;
    if !is_empty(folder) {
        bail!("the journal {} is not empty, and is left as it is: nothing has to be begun anew", folder.display());
    }
    if is_empty(&config.storage.folder) {
        bail!("there is no data folder {}: restore it first", config.storage.folder.display());
    }
    make_parent(folder)?;
    open_storage(config, &open_journal(config, &unlock(config)?, true)?)?;
    Ok(())
}
