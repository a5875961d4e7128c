//! Files that are there whole or not at all, and the room on their disks.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::error::BackupError;
use crate::files::{self, PendingFile, pending_path};

/// Makes a file with these bytes durable, under its name only once it is whole. Gives it, open to be written on.
pub(super) fn put(path: &Path, bytes: &[u8]) -> Result<File, BackupError> {
    let mut pending = begin(path)?;
    pending.write_all(bytes).map_err(BackupError::file(path, "write"))?;
    finish(pending, path)
}

/// Begins a file, which is removed unless it is finished.
pub(super) fn begin(path: &Path) -> Result<PendingFile, BackupError> {
    PendingFile::begin(path).map_err(BackupError::file(&pending_path(path), "create"))
}

/// Gives a file that was begun its name, durable.
pub(super) fn finish(pending: PendingFile, path: &Path) -> Result<File, BackupError> {
    pending.replace().map_err(BackupError::file(path, "create"))
}

/// Locks the file at `path`, which is made if it is missing and stays empty; none if another process has it.
pub(super) fn lock(path: &Path) -> Result<Option<File>, BackupError> {
    let opened = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path);
    let lock = opened.map_err(BackupError::file(path, "open"))?;
    match lock.try_lock() {
        Ok(()) => Ok(Some(lock)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(BackupError::file(path, "lock")(error)),
    }
}

/// Makes the names in a folder durable.
pub(super) fn sync_folder(folder: &Path) -> Result<(), BackupError> {
    files::sync_folder(folder).map_err(BackupError::file(folder, "sync"))
}

/// Refuses if the disk of a journal has fewer than `floor` bytes free for this process.
pub(super) fn check_free_space(folder: &Path, floor: u64) -> Result<(), BackupError> {
    let free = free_space(folder)?;
    if free < floor {
        return Err(BackupError::FreeSpaceFloor { path: folder.to_owned(), free, floor });
    }
    Ok(())
}

/// Refuses what can wait if the disk of a journal has fewer than twice `floor` bytes free for this process.
pub(super) fn check_spare_space(folder: &Path, floor: u64) -> Result<(), BackupError> {
    let (free, needed) = (free_space(folder)?, floor.saturating_mul(2));
    if free < needed {
        return Err(BackupError::SpareSpace { path: folder.to_owned(), free, needed });
    }
    Ok(())
}

fn free_space(folder: &Path) -> Result<u64, BackupError> {
    files::free_space(folder).map_err(BackupError::file(folder, "measure"))
}
