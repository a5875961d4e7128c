//! The data folder: whose it is, who has it open, and how much room its disk has.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use super::StorageError;
use super::environment::Failure;
use crate::files;

/// A data folder that this process, and nobody else, has open. Let go of when dropped.
pub(super) struct Folder {
    // Fields are dropped in this order: the lock is given back before this process may ask for it again.
    _lock: FolderLock,
    registration: Registration,
}

impl Folder {
    /// Makes the folder if it is missing (mode 0700, its parent must exist) and takes it for this process.
    pub(super) fn open(path: &Path) -> Result<Self, StorageError> {
        let created = match DirBuilder::new().mode(0o700).create(path) {
            Ok(()) => true,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => false,
            Err(error) => return Err(system_error(path, "create", error)),
        };
        let path = fs::canonicalize(path).map_err(|error| system_error(path, "find", error))?;
        let registration = Registration::take(path)?;
        let folder = Self { _lock: FolderLock::take(&registration.path)?, registration };
        if let (true, Some(parent)) = (created, folder.path().parent()) {
            sync(parent).map_err(|error| folder.error("create", error))?;
        }
        Ok(folder)
    }

    /// Its path without links, as messages name it.
    pub(super) fn path(&self) -> &Path {
        &self.registration.path
    }

    /// Whether the folder holds a file of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.path().join(name).exists()
    }

    /// Makes the names of new files durable. Syncing a file does not do that for its entry in the folder.
    pub(super) fn sync(&self) -> Result<(), StorageError> {
        sync(self.path()).map_err(|error| self.error("sync", error))
    }

    /// Gives a file at least `size` bytes of its own on the disk, creating it with mode 0600 if it is missing.
    pub(super) fn reserve(&self, name: &str, size: u64) -> Result<(), StorageError> {
        let reserve = || {
            let file = open_private(&self.path().join(name))?;
            let allocate = || rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, size);
            match rustix::io::retry_on_intr(allocate) {
                // A file system that cannot reserve can still serve.
                Ok(()) | Err(rustix::io::Errno::OPNOTSUPP) => Ok(()),
                Err(error) => Err(io::Error::from(error)),
            }
        };
        reserve().map_err(|error| self.error("reserve space in", error))
    }

    /// Refuses if the disk has fewer than `floor` bytes free for this process.
    pub(super) fn check_free_space(&self, floor: u64) -> Result<(), StorageError> {
        let free = self.free_space()?;
        if free < floor {
            return Err(StorageError::FreeSpaceFloor { path: self.path().to_owned(), free, floor });
        }
        Ok(())
    }

    /// Refuses what can wait if the disk has fewer than twice `floor` bytes free for this process.
    pub(super) fn check_spare_space(&self, floor: u64) -> Result<(), StorageError> {
        let (free, needed) = (self.free_space()?, floor.saturating_mul(2));
        if free < needed {
            return Err(StorageError::SpareSpace { path: self.path().to_owned(), free, needed });
        }
        Ok(())
    }

    fn free_space(&self) -> Result<u64, StorageError> {
        files::free_space(self.path()).map_err(|error| self.error("measure", error))
    }

    /// Ends changes to this folder for the rest of this process, even if it is closed and opened again.
    ///
    /// The first cause stays; it comes back as the error for every further change.
    pub(super) fn end_writes(&self, cause: io::Error) -> StorageError {
        self.registration.end_writes(Arc::new(cause))
    }

    /// The error of every change if writes have ended.
    pub(super) fn check_writable(&self) -> Result<(), StorageError> {
        self.registration.check_writable()
    }

    /// What the operating system refused, sorted by who can act.
    pub(super) fn error(&self, action: &'static str, error: io::Error) -> StorageError {
        system_error(self.path(), action, error)
    }

    /// What LMDB did not do outside a change, sorted by who can act.
    pub(super) fn failure(&self, action: &'static str, failure: Failure) -> StorageError {
        match failure {
            Failure::Damaged(what) => self.damaged(what),
            failure => self.error(action, failure.into()),
        }
    }

    /// The error of files that are not what this program writes.
    pub(super) fn damaged(&self, what: &'static str) -> StorageError {
        StorageError::Damaged { path: self.path().to_owned(), what }
    }
}

/// The right of one process to the folder: `flock` on a file of our own.
///
/// LMDB would let two processes in. Its own locks are POSIX record locks, which a process loses as soon as it closes
/// any other descriptor of the same file, so nobody in this program opens LMDB's files while LMDB has them.
struct FolderLock(File);

impl FolderLock {
    fn take(path: &Path) -> Result<Self, StorageError> {
        let file = open_private(&path.join(LOCK_FILE)).map_err(|error| system_error(path, "lock", error))?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(StorageError::InUse { path: path.to_owned() }),
            Err(TryLockError::Error(error)) => Err(system_error(path, "lock", error)),
        }
    }
}

impl Drop for FolderLock {
    fn drop(&mut self) {
        // Explicitly, because a child process that is just being started holds a copy of the descriptor for a moment.
        // Should it fail, closing the file unlocks it all the same.
        let _closing_unlocks_too = self.0.unlock();
    }
}

/// The entry of an open folder in the list of this process. LMDB must not open one environment twice in a process, and
/// on file systems that emulate `flock` by record locks the lock alone would not stop that.
struct Registration {
    path: PathBuf,
}

/// Folders of this process by path without links.
static FOLDERS: Mutex<BTreeMap<PathBuf, FolderState>> = Mutex::new(BTreeMap::new());

#[derive(Clone)]
enum FolderState {
    Open,
    /// A write failed. The entry stays when the folder is closed.
    WritesEnded(Arc<io::Error>),
}

impl Registration {
    fn take(path: PathBuf) -> Result<Self, StorageError> {
        match FOLDERS.lock().entry(path.clone()) {
            Entry::Vacant(entry) => {
                entry.insert(FolderState::Open);
                Ok(Self { path })
            }
            Entry::Occupied(entry) => Err(match entry.get().clone() {
                FolderState::Open => StorageError::AlreadyOpen { path },
                FolderState::WritesEnded(source) => StorageError::WritesEnded { path, source },
            }),
        }
    }

    fn end_writes(&self, cause: Arc<io::Error>) -> StorageError {
        let mut folders = FOLDERS.lock();
        let state = folders.entry(self.path.clone()).or_insert(FolderState::Open);
        let source = match state {
            FolderState::WritesEnded(first) => Arc::clone(first),
            FolderState::Open => {
                *state = FolderState::WritesEnded(Arc::clone(&cause));
                cause
            }
        };
        StorageError::WritesEnded { path: self.path.clone(), source }
    }

    fn check_writable(&self) -> Result<(), StorageError> {
        match FOLDERS.lock().get(&self.path) {
            Some(FolderState::WritesEnded(source)) => {
                Err(StorageError::WritesEnded { path: self.path.clone(), source: Arc::clone(source) })
            }
            Some(FolderState::Open) | None => Ok(()),
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut folders = FOLDERS.lock();
        if let Some(FolderState::Open) = folders.get(&self.path) {
            folders.remove(&self.path);
        }
    }
}

fn open_private(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

fn system_error(path: &Path, action: &'static str, error: io::Error) -> StorageError {
    let (path, source) = (path.to_owned(), Arc::new(error));
    match source.kind() {
        ErrorKind::PermissionDenied => StorageError::Permission { path, source },
        _ => StorageError::System { path, action, source },
    }
}

/// The file whose lock stands for the folder. It stays empty.
const LOCK_FILE: &str = "claviger.lock";
