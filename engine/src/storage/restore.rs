//! A new data folder that is filled with what another one held, each value with the revision that it had there.

use std::path::Path;

use super::environment::{Environment, Failure, READERS_FILE, READERS_FILE_SIZE};
use super::folder::Folder;
use super::format::{self, Tables};
use super::{Revision, StorageError, Write};
use crate::limits::{MAP_SIZE, MAP_SIZE_MAX};

/// A data folder that is being filled. Until [`LmdbRestore::finish`] it must not be used as a storage.
pub struct LmdbRestore {
    // Fields are dropped in this order: LMDB closes its files before the folder is given up.
    environment: Environment,
    folder: Folder,
    tables: Tables,
}

impl LmdbRestore {
    /// Makes a data folder at `path`, which must not exist.
    ///
    /// # Errors
    /// [`StorageError`]: it cannot be made.
    pub fn create(path: &Path) -> Result<Self, StorageError> {
        let folder = Folder::open(path)?;
        folder.reserve(READERS_FILE, READERS_FILE_SIZE)?;
        let environment = Environment::open(folder.path(), MAP_SIZE, Tables::COUNT)
            .map_err(|failure| folder.failure("open", failure))?;
        let (tables, _) = Tables::open(&environment, &folder)?;
        folder.sync()?;
        Ok(Self { environment, folder, tables })
    }

    /// Makes these writes in their order, each with its revision. As many as a shared commit has: see [`GROUP_SIZE`](crate::limits::GROUP_SIZE).
    ///
    /// # Errors
    /// [`StorageError`]: the folder is to be thrown away.
    pub fn write(&self, writes: &[(Revision, Write)]) -> Result<(), StorageError> {
        self.commit(|restore| {
            let mut pending = restore.environment.begin()?;
            for (revision, write) in writes {
                let table = restore.tables.of(write.address());
                match write {
                    Write::Put { address, value } => {
                        pending.put(table, &address.key, &format::encode(*revision, value))?;
                    }
                    Write::Delete { address } => pending.delete(table, &address.key)?,
                }
            }
            pending.commit()
        })
    }

    /// Notes the revision of the last change and ends. From here on it is a data folder like any other.
    ///
    /// # Errors
    /// As [`LmdbRestore::write`].
    pub fn finish(self, revision: Revision) -> Result<(), StorageError> {
        self.commit(|restore| {
            let mut pending = restore.environment.begin()?;
            restore.tables.note_revision(&mut pending, revision)?;
            pending.commit()
        })
    }

    fn commit(&self, attempt: impl Fn(&Self) -> Result<(), Failure>) -> Result<(), StorageError> {
        loop {
            match attempt(self) {
                Err(Failure::Full) => self.grow()?,
                done => return done.map_err(|failure| self.folder.failure("write to", failure)),
            }
        }
    }

    fn grow(&self) -> Result<(), StorageError> {
        match self.environment.grow() {
            Ok(_) => Ok(()),
            Err(Failure::Full) => {
                Err(StorageError::SizeLimit { path: self.folder.path().to_owned(), limit: MAP_SIZE_MAX })
            }
            Err(failure) => Err(self.folder.failure("write to", failure)),
        }
    }
}

/// A folder of this name in a data folder holds a restore that has not come to its end.
pub const RESTORE_FOLDER: &str = "restoring";
