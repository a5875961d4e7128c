//! The files of the log: numbered, in a folder of its own, each begun with its first line or not at all.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::FallocateFlags;

use super::AuditError;
use crate::files::{self, PendingFile};
use crate::limits::AUDIT_FILE_RESERVE;

/// The path of the file of this number.
pub(super) fn path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{PREFIX}{number:010}{SUFFIX}"))
}

/// The numbers of the files that are there, ascending.
///
/// # Errors
/// [`AuditError::File`].
pub(super) fn list(folder: &Path) -> Result<Vec<u64>, AuditError> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(AuditError::file(folder, "read"))?,
    };
    let mut numbers = Vec::new();
    for entry in entries {
        let name = entry.map_err(AuditError::file(folder, "read"))?.file_name();
        numbers.extend(name.to_str().and_then(number));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// Makes the folder if it is missing, and locks it for this process.
///
/// # Errors
/// [`AuditError::InUse`], [`AuditError::File`].
pub(super) fn lock(folder: &Path) -> Result<File, AuditError> {
    if !folder.is_dir() {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.map_err(AuditError::file(folder, "create"))?;
    }
    let path = folder.join(LOCK);
    let opened = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
    let lock = opened.map_err(AuditError::file(&path, "open"))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(AuditError::InUse(folder.to_owned())),
        Err(TryLockError::Error(error)) => Err(AuditError::file(&path, "lock")(error)),
    }
}

/// Makes a file that begins with this line, durable, under its name only once it is whole, with `size` bytes and the reserve set aside for it. Gives it, open to be written on.
///
/// # Errors
/// [`AuditError::File`]: there is no such file then.
pub(super) fn begin(folder: &Path, number: u64, first_line: &[u8], size: u64) -> Result<File, AuditError> {
    let path = path(folder, number);
    let begin = || {
        let mut pending = PendingFile::begin(&path)?;
        set_aside(pending.file(), size.saturating_add(AUDIT_FILE_RESERVE))?;
        pending.write_all(first_line)?;
        pending.create()
    };
    begin().map_err(AuditError::file(&path, "create"))
}

/// Opens a file to be written on, and sets aside what it may still take.
///
/// # Errors
/// [`AuditError::File`].
pub(super) fn open(folder: &Path, number: u64, size: u64) -> Result<File, AuditError> {
    let path = path(folder, number);
    let file = OpenOptions::new().write(true).open(&path).map_err(AuditError::file(&path, "open"))?;
    set_aside(&file, size.saturating_add(AUDIT_FILE_RESERVE)).map_err(AuditError::file(&path, "set room aside for"))?;
    Ok(file)
}

/// Refuses if the disk has fewer than `floor` bytes free for this process.
///
/// # Errors
/// [`AuditError::FreeSpaceFloor`], [`AuditError::File`].
pub(super) fn check_free_space(folder: &Path, floor: u64) -> Result<(), AuditError> {
    let free = files::free_space(folder).map_err(AuditError::file(folder, "measure"))?;
    if free < floor {
        return Err(AuditError::FreeSpaceFloor { path: folder.to_owned(), free, floor });
    }
    Ok(())
}

/// Has the disk keep this much room for a file, whose size stays as it is. A file system that does not know how is left to its free space.
fn set_aside(file: &File, size: u64) -> io::Result<()> {
    match rustix::fs::fallocate(file, FallocateFlags::KEEP_SIZE, 0, size) {
        Err(error) if error != rustix::io::Errno::OPNOTSUPP => Err(error.into()),
        _ => Ok(()),
    }
}

fn number(name: &str) -> Option<u64> {
    let digits = name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?;
    digits.parse().ok().filter(|number: &u64| format!("{number:010}") == digits)
}

const PREFIX: &str = "audit-";
const SUFFIX: &str = ".jsonl";
/// The file whose lock stands for the folder. It stays empty.
const LOCK: &str = "audit.lock";
