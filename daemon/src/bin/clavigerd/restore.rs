//! What brings a lost place back, and what is told of it.

use std::path::Path;
use std::sync::Arc;

use claviger_daemon::config::Config;
use claviger_daemon::restore;
use claviger_engine::backup::{Progress, Restored};

use crate::progress::ProgressLine;
use crate::say::say;

pub(crate) fn restore_data(path: &Path, backup: Option<&Path>, without_journal: bool) -> anyhow::Result<()> {
    let config = Config::read(path)?;
    let progress = Arc::new(Progress::default());
    let shown = ProgressLine::show(&progress);
    let restored = restore::restore(&config, backup, without_journal, &progress);
    drop(shown);
    let Restored { revision, changes, segments, torn, destroyed, spent, inventory } = restored?;
    say!("restored data folder {}", config.storage.folder.display());
    say!("  up to change   {revision}, of which {changes} come from {segments} segments of the journal");
    say!(
        "  key stores     {}\n  keys           {}, with {} versions, each unwrapped\n  records        {}, each authenticated",
        inventory.stores,
        inventory.keys,
        inventory.versions,
        inventory.records
    );
    if destroyed > 0 {
        say!(
            "  destroyed      {destroyed} keys that backup and journal still had: their shred secrets are gone, and they are deleted again. \
             They were deleted since, or a version of them was destroyed, as the oldest value is when a secret that has ten is updated. \
             If neither was done, the mirrors of the shred table are older than the keys: bring newer ones, and restore anew"
        );
    }
    if let Some(torn) = torn {
        say!(
            "The last record of {} was cut off, as a crash leaves it: nobody was told of its changes. If the disk of the journal was damaged, changes at its end may be missing.",
            torn.display()
        );
    }
    if spent > 0 {
        say!(
            "Nobody knows how often {spent} AES-256-GCM keys were used since the backup: they decrypt, and encrypt again when they are rotated (`claviger key rotate`)."
        );
    }
    if without_journal {
        say!(
            "What has changed since the backup is lost. What was deleted stays so; requests of deletions, disabled keys and rotations have to be made again. \
             A new journal has begun: make a full backup now (`claviger backup create`), because the older ones do not go with it."
        );
    }
    say!("start it with `clavigerd run`");
    Ok(())
}

pub(crate) fn new_journal(path: &Path) -> anyhow::Result<()> {
    let config = Config::read(path)?;
    restore::new_journal(&config)?;
    say!("began a new journal in {}", config.journal.folder.display());
    say!(
        "Older backups do not go with it: start the daemon and make a full backup now (`claviger backup create`); until then a lost data folder is lost."
    );
    Ok(())
}
