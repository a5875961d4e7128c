//! The folder of backups: which there are, and which were verified.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use parking_lot::Mutex;

use super::chain::{Chain, ChainReader, Link, Next, is_missing};
use super::error::BackupError;
use super::file;
use super::header::{Header, Kind};
use super::inspect::Inventory;
use super::restore::{read, remove_folder};
use super::seal::Sealing;
use crate::crypto::random::{EntropyError, Random};
use crate::record::codec::{Reader, Writer};
use crate::storage::Revision;

/// A backup that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupFile {
    /// Its name: that of the file.
    pub name: String,
    /// The last change that it holds.
    pub revision: Revision,
    /// When it was made, in milliseconds since 1970.
    pub created_ms: u64,
    /// Its size in bytes.
    pub size: u64,
    /// The first segment of the journal that a restore of it needs.
    pub first_segment: u64,
    /// What its last verification has found, if there was one.
    pub verified: Option<Verified>,
}

/// A verification that has found everything as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
    /// The last change that was restored, those from the journal included.
    pub revision: Revision,
    /// What was restored.
    pub inventory: Inventory,
}

/// The folder of backups.
pub(super) struct Catalogue {
    folder: PathBuf,
    /// Held from when the folder is there.
    lock: Mutex<Option<File>>,
}

impl Catalogue {
    /// The backups in `folder`, to be looked at only.
    pub(super) const fn at(folder: PathBuf) -> Self {
        Self { folder, lock: Mutex::new(None) }
    }

    /// The backups in `folder`; what a process that was cut off has left there is removed.
    pub(super) fn open(folder: PathBuf) -> Result<Self, BackupError> {
        let catalogue = Self::at(folder);
        if catalogue.folder.is_dir() {
            catalogue.claim()?;
            catalogue.remove_scratch()?;
            for name in catalogue.names()?.into_iter().filter(|name| is_unfinished(name)) {
                let path = catalogue.folder.join(name);
                fs::remove_file(&path).map_err(BackupError::file(&path, "remove"))?;
            }
        }
        Ok(catalogue)
    }

    /// Takes the folder, which must be there, for this process.
    pub(super) fn claim(&self) -> Result<(), BackupError> {
        let mut held = self.lock.lock();
        if held.is_none() {
            let lock = file::lock(&self.folder.join(LOCK_FILE))?;
            *held = Some(lock.ok_or_else(|| BackupError::FolderInUse(self.folder.clone()))?);
        }
        Ok(())
    }

    /// Removes what a restore that was tried out has left; anything else of that name is somebody's, and is refused.
    pub(super) fn remove_scratch(&self) -> Result<(), BackupError> {
        let scratch = self.scratch();
        let found = match fs::read_dir(&scratch) {
            Err(error) if is_missing(&error) => return Ok(()),
            found => found.map_err(BackupError::file(&scratch, "read"))?,
        };
        for entry in found {
            let name = entry.map_err(BackupError::file(&scratch, "read"))?.file_name();
            if !FILES.iter().any(|ours| name == *ours) {
                return Err(BackupError::NotEmpty(scratch));
            }
        }
        remove_folder(&scratch)
    }

    /// The folder.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where a restore is tried out.
    pub(super) fn scratch(&self) -> PathBuf {
        self.folder.join("verifying")
    }

    /// The file of a backup.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// A name that no backup has, higher than all there are.
    pub(super) fn new_name(&self) -> Result<String, BackupError> {
        let highest = self.numbers()?.last().copied().unwrap_or(0);
        Ok(name_of(highest.saturating_add(1)))
    }

    /// All backups, oldest first; a file that cannot be read is left out, and the log says why.
    pub(super) fn list(&self, sealing: &Sealing) -> Result<Vec<BackupFile>, BackupError> {
        let describe = |number| match self.describe(&name_of(number), sealing) {
            Ok(backup) => Some(backup),
            Err(error) => {
                tracing::warn!(%error, "a backup cannot be read");
                None
            }
        };
        Ok(self.numbers()?.into_iter().filter_map(describe).collect())
    }

    /// The backup of this name.
    pub(super) fn describe(&self, name: &str, sealing: &Sealing) -> Result<BackupFile, BackupError> {
        // Nothing that a caller names is joined to the folder but the name of a backup.
        let path = number(name).map(|_| self.path(name)).filter(|path| path.is_file());
        let path = path.ok_or_else(|| BackupError::NoSuchBackup(name.to_owned()))?;
        let reader = ChainReader::open(read(&path)?, Kind::Backup, &path, sealing)?;
        let size = path.metadata().map_err(BackupError::file(&path, "read"))?.len();
        let (header, link) = (&reader.header, reader.link());
        // A note that cannot be read is none: then the backup is to be verified again.
        let verified = self.note(name, link, sealing).ok().flatten();
        Ok(BackupFile {
            name: name.to_owned(),
            revision: header.revision,
            created_ms: header.created_ms,
            size,
            first_segment: header.number,
            verified,
        })
    }

    /// Notes what a verification has found.
    pub(super) fn note_verified(
        &self,
        name: &str,
        verified: &Verified,
        sealing: &Sealing,
        random: &dyn Random,
    ) -> Result<(), BackupError> {
        let path = self.path(name);
        let backup = ChainReader::open(read(&path)?, Kind::Backup, &path, sealing)?;
        let mut id = [0; 16];
        random.fill(&mut id)?;
        let header = Header {
            kind: Kind::Verified,
            system_version: sealing.current(),
            id,
            number: backup.header.number,
            revision: verified.revision,
            made: backup.header.revision,
            before: backup.link(),
            created_ms: verified.at_ms,
        };
        let (mut bytes, chain) = Chain::begin(&header, sealing).ok_or(EntropyError)?;
        let Inventory { records, stores, keys, versions } = verified.inventory;
        let mut counts = Writer::default();
        counts.u64(records).u64(stores).u64(keys).u64(versions);
        bytes.extend(chain.seal(&counts.finish(), random)?.0);
        file::put(&self.note_path(name), &bytes).map(drop)
    }

    /// Takes back what [`Catalogue::note_verified`] has noted.
    pub(super) fn forget_verified(&self, name: &str) -> Result<(), BackupError> {
        let path = self.note_path(name);
        match fs::remove_file(&path) {
            Err(error) if !is_missing(&error) => Err(BackupError::file(&path, "remove")(error)),
            _ => Ok(()),
        }
    }

    fn note(&self, name: &str, backup: Link, sealing: &Sealing) -> Result<Option<Verified>, BackupError> {
        let path = self.note_path(name);
        if !path.is_file() {
            return Ok(None);
        }
        let mut reader = ChainReader::open(read(&path)?, Kind::Verified, &path, sealing)?;
        let Next::Record(content) = reader.next()? else { return Ok(None) };
        let mut fields = Reader::new(content.expose());
        let mut inventory = || {
            let (records, stores) = (fields.u64()?, fields.u64()?);
            Some(Inventory { records, stores, keys: fields.u64()?, versions: fields.u64()? })
        };
        let Header { before, revision, created_ms, .. } = reader.header;
        // Of another file that had this name.
        let verified = inventory().map(|inventory| Verified { at_ms: created_ms, revision, inventory });
        Ok(verified.filter(|_| before == backup))
    }

    fn note_path(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}{NOTE}"))
    }

    fn numbers(&self) -> Result<Vec<u64>, BackupError> {
        if !self.folder.is_dir() {
            return Ok(Vec::new());
        }
        let mut numbers: Vec<_> = self.names()?.iter().filter_map(|name| number(name)).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    fn names(&self) -> Result<Vec<String>, BackupError> {
        let read = || fs::read_dir(&self.folder)?.map(|entry| Ok(entry?.file_name().into_string().ok())).collect();
        let names: Result<Vec<Option<String>>, _> = read();
        Ok(names.map_err(BackupError::file(&self.folder, "read"))?.into_iter().flatten().collect())
    }
}

fn name_of(number: u64) -> String {
    format!("{PREFIX}{number}")
}

/// The number in the name of a backup, written as [`name_of`] writes it.
fn number(name: &str) -> Option<u64> {
    let number = name.strip_prefix(PREFIX)?.parse().ok()?;
    (number > 0 && name == name_of(number)).then_some(number)
}

/// Whether a file of this name was begun here, and not finished.
fn is_unfinished(name: &str) -> bool {
    let of = name.strip_suffix(".new").map(|name| name.strip_suffix(NOTE).unwrap_or(name));
    of.is_some_and(|of| number(of).is_some())
}

const PREFIX: &str = "backup-";
const NOTE: &str = ".verified";
/// The file whose lock stands for the folder. It stays empty.
const LOCK_FILE: &str = "backup.lock";
/// What a data folder consists of.
const FILES: [&str; 3] = ["data.mdb", "lock.mdb", "claviger.lock"];
