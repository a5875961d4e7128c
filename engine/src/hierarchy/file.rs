//! Small files that hold keys: readable by the owner only, bounded, written whole or not at all, on the disk before the call returns.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

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
    let temporary = &temporary(path);
    let written = write_new(temporary, text).and_then(|_| {
        // A hard link fails if `path` came into being meanwhile; a rename would overwrite it.
        fs::hard_link(temporary, path).map_err(HierarchyError::file(path))
    });
    // Whatever happened: what is in it is a key.
    let removed = fs::remove_file(temporary).map_err(HierarchyError::file(temporary));
    written.and(removed)?;
    sync_folder(path)
}

/// Replaces what a file holds, as one step: after a crash it holds the one or the other. Owner and permissions stay as they are.
///
/// An error leaves open which of the two it holds, if it comes from syncing the folder; any other leaves it as it was.
pub(super) fn replace(path: &Path, text: &str) -> Result<(), HierarchyError> {
    // Where a link leads to: the file stays on the volume that it is on.
    let path = &fs::canonicalize(path).map_err(HierarchyError::file(path))?;
    let before = fs::metadata(path).map_err(HierarchyError::file(path))?;
    let temporary = &temporary(path);
    let replaced = write_new(temporary, text).and_then(|file| {
        keep_owner_and_permissions(&file, &before)
            .and_then(|()| file.sync_all())
            .and_then(|()| fs::rename(temporary, path))
            .map_err(HierarchyError::file(path))
    });
    if replaced.is_err() {
        // What is in it is a key. If it cannot be removed either, the next start tries again.
        let _removed = remove_if_there(temporary);
    }
    replaced?;
    sync_folder(path)
}

/// Removes what a crash in the middle of writing has left beside a file: it was never used, and a key is in it.
pub(super) fn remove_leftover(path: &Path) -> Result<(), HierarchyError> {
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let temporary = temporary(&path);
    remove_if_there(&temporary).map_err(HierarchyError::file(&temporary))
}

fn keep_owner_and_permissions(file: &File, before: &fs::Metadata) -> io::Result<()> {
    let now = file.metadata()?;
    if (now.uid(), now.gid()) != (before.uid(), before.gid()) {
        fchown(file, Some(before.uid()), Some(before.gid()))?;
    }
    file.set_permissions(before.permissions())
}

/// Writes a file of its own making: one left behind by a crash is removed, not written to, because its permissions are unknown.
fn write_new(path: &Path, text: &str) -> Result<File, HierarchyError> {
    remove_if_there(path).map_err(HierarchyError::file(path))?;
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut file = file.map_err(HierarchyError::file(path))?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(HierarchyError::file(path))?;
    Ok(file)
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn temporary(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    name.into()
}

/// Has the disk know the name of a file, too.
fn sync_folder(path: &Path) -> Result<(), HierarchyError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(HierarchyError::file(folder))
}

/// Permission bits of everyone but the owner.
const OTHERS: u32 = 0o077;
