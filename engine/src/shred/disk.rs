//! Files of mirrors, and the trait behind which tests put files that fail.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::MirrorError;
use crate::files::{PendingFile, folder_of};

/// Where mirrors are.
pub(super) trait Disk: Send + Sync {
    /// Opens a file that exists, for this process alone.
    fn open(&self, path: &Path) -> Result<Arc<dyn MirrorFile>, MirrorError>;

    /// Makes a new file with this content, durable, for its owner only.
    fn create(&self, path: &Path, content: &[u8]) -> Result<(), MirrorError>;
}

/// An open file. Writes do not count before a `sync` after them has succeeded.
pub(super) trait MirrorFile: Send + Sync {
    /// Reads from `offset` on until `out` is full or the file ends; gives how much was read.
    fn read_at(&self, out: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes all of `bytes`, beyond the end too.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Makes durable what was written.
    fn sync(&self) -> io::Result<()>;

    /// Size in bytes.
    fn size(&self) -> io::Result<u64>;

    /// Whether the file still stands where it was opened. What is written to a file that nobody finds again is lost.
    fn is_there(&self) -> bool;

    /// Whether the file was deleted, its folder is still there, and nothing is at its place. A disk that is not mounted is something else.
    fn is_deleted(&self) -> bool;
}

/// The file system.
pub(super) struct FileSystem;

/// A file of the file system. The lock on it is let go of when it is dropped.
struct OpenFile {
    file: File,
    path: PathBuf,
}

impl Disk for FileSystem {
    fn open(&self, path: &Path) -> Result<Arc<dyn MirrorFile>, MirrorError> {
        let not_opened = |error: io::Error| match error.kind() {
            ErrorKind::NotFound => MirrorError::Missing,
            _ => MirrorError::system("opened")(error),
        };
        // Asked before it is opened: opening a pipe would wait for its other end.
        let metadata = fs::metadata(path).map_err(not_opened)?;
        if !metadata.is_file() {
            return Err(MirrorError::Damaged("it is not a file"));
        }
        if metadata.permissions().mode() & OTHERS != 0 {
            return Err(MirrorError::Permissions);
        }
        let file = OpenOptions::new().read(true).write(true).open(path).map_err(not_opened)?;
        match file.try_lock() {
            Ok(()) => Ok(Arc::new(OpenFile { file, path: path.to_owned() })),
            Err(TryLockError::WouldBlock) => Err(MirrorError::InUse),
            Err(TryLockError::Error(error)) => Err(MirrorError::system("locked")(error)),
        }
    }

    fn create(&self, path: &Path, content: &[u8]) -> Result<(), MirrorError> {
        let write = || {
            DirBuilder::new().recursive(true).mode(0o700).create(folder_of(path))?;
            let mut pending = PendingFile::begin(path)?;
            pending.write_all(content)?;
            pending.create().map(drop)
        };
        write().map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => MirrorError::Exists,
            _ => MirrorError::system("made")(error),
        })
    }
}

impl MirrorFile for OpenFile {
    fn read_at(&self, out: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut filled = 0;
        while let Some(rest) = out.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.file.read_at(rest, offset + filled as u64) {
                Ok(0) => break,
                Ok(size) => filled += size,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_all_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn is_there(&self) -> bool {
        let same = |here: fs::Metadata, there: fs::Metadata| (here.dev(), here.ino()) == (there.dev(), there.ino());
        self.file.metadata().and_then(|here| Ok(same(here, fs::metadata(&self.path)?))).unwrap_or(false)
    }

    fn is_deleted(&self) -> bool {
        let is_gone = matches!(fs::symlink_metadata(&self.path), Err(error) if error.kind() == ErrorKind::NotFound);
        let has_place = |here: fs::Metadata| {
            here.nlink() == 0 && fs::metadata(folder_of(&self.path)).is_ok_and(|folder| folder.dev() == here.dev())
        };
        is_gone && self.file.metadata().is_ok_and(has_place)
    }
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        // Explicitly, because a child process that is just being started holds a copy of the descriptor for a moment.
        // Should it fail, closing the file unlocks it all the same.
        let _closing_unlocks_too = self.file.unlock();
    }
}

/// Permission bits of everyone but the owner.
const OTHERS: u32 = 0o077;
