//! Files that are there whole or not at all, and the room on their disks.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::error::BackupError;

/// Makes a file with these bytes durable, under its name only once it is whole. Gives it, open to be written on.
pub(super) fn put(path: &Path, bytes: &[u8]) -> Result<File, BackupError> {
    let mut pending = begin(path)?;
    pending.write_all(bytes).map_err(BackupError::file(path, "write"))?;
    finish(&pending, path)?;
    Ok(pending)
}

/// Makes a file for the owner alone, under a name that says that it is not whole. One that is left over from before is replaced.
pub(super) fn begin(path: &Path) -> Result<File, BackupError> {
    let pending = pending_path(path);
    let opened = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&pending);
    opened.map_err(BackupError::file(&pending, "create"))
}

/// Gives a file that was begun its name, and makes both durable.
pub(super) fn finish(pending: &File, path: &Path) -> Result<(), BackupError> {
    pending.sync_all().map_err(BackupError::file(path, "sync"))?;
    fs::rename(pending_path(path), path).map_err(BackupError::file(path, "create"))?;
    sync_folder(path.parent().unwrap_or(Path::new(".")))
}

/// Takes away what [`begin`] has begun, as far as it is there.
pub(super) fn abandon(path: &Path) {
    let _may_be_gone = fs::remove_file(pending_path(path));
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
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(BackupError::file(folder, "sync"))
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
    let disk = rustix::fs::statvfs(folder).map_err(|error| BackupError::file(folder, "measure")(error.into()))?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

fn pending_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    name.into()
}
