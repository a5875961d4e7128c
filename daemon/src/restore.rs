//! What brings a lost place back: a restore of the data folder, and a new journal.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::bail;
use claviger_engine::backup::{BackupError, Journal, Progress, Restore, Restored};
use claviger_engine::clock::{Clock, SystemClock};
use claviger_engine::crypto::random::SystemRandom;

use crate::config::Config;
use crate::installation::{Installation, is_empty, make_parent, open_journal, open_storage, unlock};
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
    if without_journal && !Journal::is_empty(journal)? {
        bail!(
            "the journal {} has segments: leave out --without-journal to restore what is in it, or move it away if it belongs to another time",
            journal.display()
        );
    }
    if without_journal && backup.is_none() {
        bail!("without a journal there is nothing to restore: name a backup by --backup");
    }
    if !without_journal && !journal.exists() {
        bail!(
            "the journal {} is missing: bring it back, or name where it is in the configuration file; if it is lost, give up what has changed since a backup \
             (--backup and --without-journal)",
            journal.display()
        );
    }
    make_parent(&config.storage.folder)?;
    let random = Arc::new(SystemRandom::new());
    let backup = backup.map(|backup| backup_file(config, backup));
    let restore = Restore {
        backup: backup.as_deref(),
        journal: Some(journal.as_path()).filter(|_| !without_journal),
        target: &config.storage.folder,
        now_ms: SystemClock.now_ms(),
    };
    let system_keys = unlock(config)?;
    let shred_table = shred_table::open(config, &system_keys)?;
    let restored = match restore.run(system_keys, &shred_table, random, progress) {
        Err(error @ BackupError::SegmentMissing { .. }) if backup.is_some() => bail!(
            "{error}; if there is neither, move the rest of the journal away, and give up what has changed since this backup (--without-journal)"
        ),
        restored => restored?,
    };
    drop(shred_table);
    if without_journal {
        new_journal(config)?;
    }
    Ok(restored)
}

/// The file of a backup that was given by its path, or by its name as lists of backups have it.
fn backup_file(config: &Config, backup: &Path) -> PathBuf {
    let named = config.backup.folder.join(backup);
    let is_name = backup.components().count() == 1 && !backup.exists() && named.exists();
    if is_name { named } else { backup.to_owned() }
}

/// Begins a new journal, in a folder without segments, for a data folder that has lost its journal.
///
/// # Errors
/// With file and remedy.
pub fn new_journal(config: &Config) -> anyhow::Result<()> {
    let folder = &config.journal.folder;
    if !Journal::is_empty(folder)? {
        bail!("the journal {} has segments, and is left as it is: nothing has to be begun anew", folder.display());
    }
    if is_empty(&config.storage.folder) {
        bail!("there is no data folder {}: restore it first", config.storage.folder.display());
    }
    make_parent(folder)?;
    open_storage(config, &open_journal(config, &unlock(config)?, true)?)?;
    Ok(())
}

/// Begins the audit log anew if it is lost, or not as it was left; what is known of that is its first record. Gives whether it was.
///
/// # Errors
/// With file and remedy.
pub fn new_audit_log(config: &Config) -> anyhow::Result<bool> {
    let files = || std::fs::read_dir(&config.audit.folder).map_or(0, Iterator::count);
    let before = files();
    drop(Installation::open_by(config, true)?);
    Ok(files() > before)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use claviger_engine::audit::{AuditFilter, EventKind};

    use super::*;
    use crate::installation::init;

    fn config(folder: &Path) -> Config {
        Config::parse("[storage]\nmap_size_mib = 1\nfree_space_floor_mib = 0\n[audit]\nfile_size_mib = 1\nfree_space_floor_mib = 0", folder).unwrap()
    }

    fn said(result: anyhow::Result<impl Sized>) -> String {
        format!("{:#}", result.err().unwrap())
    }

    // R-H7
    #[test]
    fn a_lost_journal_is_begun_anew_by_order_although_its_lock_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path());
        init(&config).unwrap();
        drop(Installation::open(&config).unwrap());
        let journal = &config.journal.folder;
        assert!(said(new_journal(&config)).contains("has segments"));
        fs::remove_dir_all(journal).unwrap();
        assert!(said(Installation::open(&config)).contains("clavigerd new-journal"));
        // As a process leaves it that was killed before there was a segment; and one that cannot be begun.
        fs::create_dir(journal).unwrap();
        fs::write(journal.join("journal.lock"), b"").unwrap();
        fs::create_dir(journal.join("journal-1.new")).unwrap();
        assert!(said(Installation::open(&config)).contains("clavigerd new-journal"));
        assert!(said(new_journal(&config)).contains("journal-1.new"));
        fs::remove_dir(journal.join("journal-1.new")).unwrap();
        new_journal(&config).unwrap();
        let installation = Installation::open(&config).unwrap();
        assert!(installation.backups.journal().has_gap());
        installation.backups.create().unwrap();
        installation.backups.wait();
        assert!(!installation.backups.journal().has_gap());
    }

    // R-O3
    #[test]
    fn a_lost_audit_log_is_begun_anew_only_by_order_which_is_its_first_record() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path());
        let public_key = init(&config).unwrap();
        assert!(!new_audit_log(&config).unwrap(), "it is as it was left");
        fs::remove_dir_all(&config.audit.folder).unwrap();
        let error = said(Installation::open(&config));
        assert!(error.contains("clavigerd new-audit-log"), "{error}");
        assert!(new_audit_log(&config).unwrap());
        let installation = Installation::open(&config).unwrap();
        assert_eq!(installation.engine.audit_status().unwrap().public_key, public_key);
        let anew = AuditFilter { kind: Some(EventKind::BegunAnew), ..AuditFilter::default() };
        let told = installation.engine.audit_page(&anew, 0, 10).unwrap().unwrap().records;
        assert!(told[0].event.shown.contains("ends at record 0"), "{told:?}");
        drop(installation);
        assert!(!new_audit_log(&config).unwrap(), "once");
    }

    // R-H7
    #[test]
    fn a_restore_without_the_journal_begins_a_new_one_although_its_lock_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path());
        init(&config).unwrap();
        let installation = Installation::open(&config).unwrap();
        let name = installation.backups.create().unwrap();
        installation.backups.wait();
        let first_segment = installation.backups.file(&name).unwrap().first_segment;
        drop(installation);
        let (backup, journal) = (config.backup.folder.join(name), &config.journal.folder);
        fs::remove_dir_all(&config.storage.folder).unwrap();
        let restore = || restore(&config, Some(&backup), true, &Progress::default());
        assert!(said(restore()).contains("has segments"));
        fs::remove_dir_all(journal).unwrap();
        fs::create_dir(journal).unwrap();
        fs::write(journal.join("journal.lock"), b"").unwrap();
        restore().unwrap();
        // Its numbers are above those that the backup knows, which does not go with it.
        assert!(!journal.join("journal-1").exists());
        assert!(journal.join(format!("journal-{}", first_segment + 1)).exists());
        let installation = Installation::open(&config).unwrap();
        assert!(installation.backups.journal().has_gap());
        // R-O3: the audit log goes on, and tells of it.
        let restored = AuditFilter { kind: Some(EventKind::Restored), ..AuditFilter::default() };
        let told = installation.engine.audit_page(&restored, 0, 10).unwrap().unwrap().records;
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].event.shown.contains("without what the journal has"), "{told:?}");
        assert!(installation.engine.verify_audit(1).unwrap().unwrap().is_intact());
    }
}
