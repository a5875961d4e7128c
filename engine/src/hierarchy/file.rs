//! Small files that hold keys: readable by the owner only, bounded, written whole or not at all, on the disk before the call returns.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::Path;

use zeroize::Zeroizing;

use super::HierarchyError;
use crate::files::{PendingFile, pending_path, remove_if_there};

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
    begin(path, text)?.create().map(drop).map_err(HierarchyError::file(path))
}

/// Replaces what a file holds, as one step: after a crash it holds the one or the other. Owner and permissions stay as they are.
///
/// An error leaves open which of the two it holds, if it comes from syncing the folder; any other leaves it as it was.
pub(super) fn replace(path: &Path, text: &str) -> Result<(), HierarchyError> {
    // Where a link leads to: the file stays on the volume that it is on.
    let path = &fs::canonicalize(path).map_err(HierarchyError::file(path))?;
    let before = fs::metadata(path).map_err(HierarchyError::file(path))?;
    let mut pending = begin(path, text)?;
    keep_owner_and_permissions(pending.file(), &before).map_err(HierarchyError::file(path))?;
    pending.replace().map_err(HierarchyError::file(path)).map(drop)
}

fn begin(path: &Path, text: &str) -> Result<PendingFile, HierarchyError> {
    let begin = || {
        let mut pending = PendingFile::begin(path)?;
        pending.write_all(text.as_bytes())?;
        Ok(pending)
    };
    begin().map_err(HierarchyError::file(&pending_path(path)))
}

/// Removes what a crash in the middle of writing has left beside a file: it was never used, and a key is in it.
pub(super) fn remove_leftover(path: &Path) -> Result<(), HierarchyError> {
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let leftover = pending_path(&path);
    remove_if_there(&leftover).map_err(HierarchyError::file(&leftover))
}

fn keep_owner_and_permissions(file: &File, before: &fs::Metadata) -> io::Result<()> {
    let now = file.metadata()?;
    if (now.uid(), now.gid()) != (before.uid(), before.gid()) {
        fchown(file, Some(before.uid()), Some(before.gid()))?;
    }
    file.set_permissions(before.permissions())
}

/// Permission bits of everyone but the owner.
const OTHERS: u32 = 0o077;
