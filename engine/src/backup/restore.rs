//! A restore: a backup, and the changes that the journal has after it, into an empty data folder; or the journal alone, from its first segment on.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File};
use std::io::BufReader;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::BackupError;
use super::inspect::{self, Inventory};
use super::progress::Progress;
use super::replay::{self, Sources};
use super::{bury, chain, file, spend};
use crate::audit::outbox;
use crate::crypto::random::Random;
use crate::error::Error;
use crate::files::folder_of;
use crate::hierarchy::SystemKeys;
use crate::record::address;
use crate::record::use_count::RunRecord;
use crate::record::vault::Vault;
use crate::shred::ShredTable;
use crate::storage::{LmdbOptions, LmdbStorage, RESTORE_FOLDER, Revision};

/// What is restored, and where to.
pub struct Restore<'a> {
    /// The file of a full backup; without one, the journal must go back to its first segment.
    pub backup: Option<&'a Path>,
    /// The folder of the journal; without it, everything after the backup is given up.
    pub journal: Option<&'a Path>,
    /// The data folder: empty, or missing.
    pub target: &'a Path,
    /// When this is, in milliseconds since 1970.
    pub now_ms: u64,
}

/// What was restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// The last change that is in the data folder now.
    pub revision: Revision,
    /// Changes that the journal had after the backup.
    pub changes: u64,
    /// Segments of the journal that were read.
    pub segments: u64,
    /// A file whose last record was cut off, if there was one: nobody was told of its changes, unless the file was damaged at its very end.
    pub torn: Option<PathBuf>,
    /// Keys that were destroyed since, as the shred table says: they are deleted again.
    pub destroyed: u64,
    /// Versions of keys that do not encrypt until they are rotated: their algorithm limits their uses, and those after the backup are not known.
    pub spent: u64,
    /// What is in the data folder now. All of it was authenticated, and all key versions were unwrapped.
    pub inventory: Inventory,
}

impl Restore<'_> {
    /// Restores. Nothing but the target is written to; if it fails, that is left empty.
    ///
    /// Counts of uses are raised as after a kill, so that they are not below the truth as long as the journal is whole to its end. Without the journal they are
    /// raised to the limit of the algorithm.
    ///
    /// # Errors
    /// [`BackupError`], with the file and the remedy.
    pub fn run(
        &self,
        system_keys: SystemKeys,
        shred_table: &ShredTable,
        random: Arc<dyn Random>,
        progress: &Progress,
    ) -> Result<Restored, BackupError> {
        let sealing = system_keys.sealing();
        let sources = Sources { backup: self.backup, journal: self.journal };
        // Before the target is touched. The table of another installation would say of every key that it was destroyed.
        shred_table.must_belong_to(system_keys.installation()).map_err(Error::from)?;
        sources.check(&sealing)?;
        let is_new = self.prepare_target()?;
        let scratch = self.target.join(RESTORE_FOLDER);
        let restored = replay::fill(&scratch, &sources, &sealing, progress).and_then(|replayed| {
            let (destroyed, spent, inventory) = self.settle(&scratch, system_keys, shred_table, random, progress)?;
            let replay::Replayed { revision, changes, segments, torn } = replayed;
            Ok(Restored { revision, changes, segments, torn, destroyed, spent, inventory })
        });
        let restored = restored.and_then(|restored| self.put_in_place(&scratch).map(|()| restored));
        if restored.is_err() {
            // As it was found. What cannot be removed is refused by the next start, and removed by the next restore.
            let _left = fs::remove_dir_all(&scratch);
            if is_new {
                let _not_empty = fs::remove_dir(self.target);
            }
        }
        restored
    }

    /// Makes sure that the target is an empty folder; whether it had to be made.
    fn prepare_target(&self) -> Result<bool, BackupError> {
        let target = self.target;
        let entries = match fs::read_dir(target) {
            Ok(entries) => entries,
            Err(error) if chain::is_missing(&error) => {
                DirBuilder::new().mode(0o700).create(target).map_err(BackupError::file(target, "create"))?;
                return Ok(true);
            }
            Err(error) => return Err(BackupError::file(target, "read")(error)),
        };
        let names: Result<Vec<_>, _> = entries.map(|entry| entry.map(|entry| entry.file_name())).collect();
        let names = names.map_err(BackupError::file(target, "read"))?;
        // A restore that was cut short: no storage takes the folder as long as this is in it, so that all of it is that restore's.
        let is_unfinished = names.iter().any(|name| name == RESTORE_FOLDER);
        let is_ours = |name: &OsString| name == RESTORE_FOLDER || name == LOCK || FILES.iter().any(|file| name == file);
        let may_be_filled = names.is_empty() || is_unfinished && names.iter().all(is_ours);
        if !may_be_filled {
            return Err(BackupError::NotEmpty(target.to_owned()));
        }
        for name in FILES.into_iter().filter(|name| names.iter().any(|found| found == name)) {
            let path = target.join(name);
            fs::remove_file(&path).map_err(BackupError::file(&path, "remove"))?;
        }
        remove_folder(&target.join(RESTORE_FOLDER))?;
        Ok(false)
    }

    fn put_in_place(&self, scratch: &Path) -> Result<(), BackupError> {
        let [data, _] = FILES;
        let (from, to) = (scratch.join(data), self.target.join(data));
        fs::rename(&from, &to).map_err(BackupError::file(&to, "create"))?;
        remove_folder(scratch)?;
        file::sync_folder(self.target)?;
        file::sync_folder(folder_of(self.target))
    }

    /// What it was, in words.
    fn shown(&self, revision: Revision) -> String {
        let name = |path: &Path| path.display().to_string();
        let backup = self.backup.map_or("the journal alone".to_owned(), |path| format!("backup {}", name(path)));
        let journal = if self.journal.is_some() { "with" } else { "without" };
        format!(
            "the data folder was restored from {backup}, {journal} what the journal has after it, up to change {revision}"
        )
    }

    /// Makes of what was filled a storage that can be opened, tells the audit log of it, and inspects it. Gives how many keys were destroyed, how many
    /// versions are spent, and what is there.
    fn settle(
        &self,
        scratch: &Path,
        system_keys: SystemKeys,
        shred_table: &ShredTable,
        random: Arc<dyn Random>,
        progress: &Progress,
    ) -> Result<(u64, u64, Inventory), BackupError> {
        let vault = Vault::new(Arc::new(open_scratch(scratch)?), system_keys, random);
        // Uses that were not written when the data folder was lost: counted as after a kill.
        if let Some((run, _)) = vault.read::<RunRecord>(&address::run())? {
            vault.transact(&[], &[vault.put(address::run(), &RunRecord { open: true, ..run })])?;
        }
        let destroyed = bury::bury(&vault, shred_table, self.now_ms, progress)?;
        let spent = if self.journal.is_none() { spend::spend(&vault, progress)? } else { 0 };
        vault.transact(&[], &[outbox::put_restored(&vault, self.shown(vault.storage().revision()), self.now_ms)])?;
        Ok((destroyed, spent, inspect::inspect(&vault, shred_table, || Ok(()), progress)?))
    }
}

/// A storage over what was filled, which nobody else uses.
pub(super) fn open_scratch(scratch: &Path) -> Result<LmdbStorage, BackupError> {
    Ok(LmdbStorage::open(scratch, &LmdbOptions { free_space_floor: 0, ..LmdbOptions::default() })?)
}

/// Removes a folder with what is in it, if it is there.
pub(super) fn remove_folder(folder: &Path) -> Result<(), BackupError> {
    match fs::remove_dir_all(folder) {
        Err(error) if !chain::is_missing(&error) => Err(BackupError::file(folder, "remove")(error)),
        _ => Ok(()),
    }
}

/// A file of journal or backup, to be read from the front.
pub(super) fn read(path: &Path) -> Result<BufReader<File>, BackupError> {
    let opened = File::open(path).map_err(BackupError::file(path, "read"))?;
    Ok(BufReader::with_capacity(READ_SIZE, opened))
}

/// What a data folder consists of. The first is all that is kept.
const FILES: [&str; 2] = ["data.mdb", "lock.mdb"];
/// The lock of the folder, which a start leaves there even if it is refused.
const LOCK: &str = "claviger.lock";
const READ_SIZE: usize = 256 * 1024;
