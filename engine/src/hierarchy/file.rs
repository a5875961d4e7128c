//! Small files that hold keys: readable by the owner only, bounded, written whole or not at all, on the disk before the call returns.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use zeroize::Zeroizing;

use super::HierarchyError;

/// Reads a text file of at most `size_max` bytes that only its owner may read.
pub(super) fn read(path: &Path, size_max: usize) -> Result<Zeroizing<String>, HierarchyError> {
    let file = File::open(path).map_err(HierarchyError::file(path))?;
    let metadata = file.metadata().map_err(HierarchyError::file(path))?;
    if metadata.permissions().mode() & OTHERS != 0 {
        return Err(HierarchyError::Permissions(path.to_owned()));
    }
    // One byte more than allowed tells a file that is too large; reserved once, so that no copy of a key is left behind by growing.
    let mut text = Zeroizing::new(String::with_capacity(size_max + 1));
    let limit = u64::try_from(size_max + 1).unwrap_or(u64::MAX);
    let size = file.take(limit).read_to_string(&mut text).map_err(HierarchyError::file(path))?;
    if size > size_max {
        return Err(HierarchyError::Damaged { path: path.to_owned(), what: "it is too large" });
    }
    Ok(text)
}

/// Writes a new file; one that exists is an error.
pub(super) fn create(path: &Path, text: &str) -> Result<(), HierarchyError> {
    if path.exists() {
        return Err(HierarchyError::Exists(path.to_owned()));
    }
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".new");
    let temporary = Path::new(&temporary);
    let written = write_new(temporary, text).and_then(|()| {
        // A hard link fails if `path` came into being meanwhile; a rename would overwrite it.
        fs::hard_link(temporary, path).map_err(HierarchyError::file(path))
    });
    // Whatever happened: what is in it is a key.
    let removed = fs::remove_file(temporary).map_err(HierarchyError::file(temporary));
    written.and(removed)?;
    let folder = path.parent().unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(HierarchyError::file(folder))
}

/// Writes a file of its own making: one left behind by a crash is removed, not written to, because its permissions are unknown.
fn write_new(path: &Path, text: &str) -> Result<(), HierarchyError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(HierarchyError::file(path)(error)),
        _ => {}
    }
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut file = file.map_err(HierarchyError::file(path))?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(HierarchyError::file(path))
}

/// Permission bits of everyone but the owner.
const OTHERS: u32 = 0o077;
