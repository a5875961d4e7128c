//! What can go wrong with journal and backups; each message names the file and the remedy.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::crypto::random::EntropyError;
use crate::error::Error;
use crate::storage::{Revision, StorageError, WriteAheadError};

/// Why something was not done with the journal or a backup.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The system refuses.
    #[error("cannot {action} {path} ({source}): check that its disk is there, has free space, and can be written")]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What was tried, as a verb.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The disk of the journal is nearly full.
    #[error(
        "only {} MiB are free on the disk of journal {path}, below the floor of {} MiB: nothing was changed; \
         make a backup, verify it and run `claviger backup prune`, or free some space otherwise, and ask again",
        .free >> 20,
        .floor >> 20
    )]
    FreeSpaceFloor {
        /// The folder of the journal.
        path: PathBuf,
        /// Bytes free for this process.
        free: u64,
        /// Bytes that must be free before a change is taken.
        floor: u64,
    },
    /// What can wait is not written, so that changes find room.
    #[error(
        "only {} MiB are free on the disk of journal {path}, and what can wait is not written below {} MiB: \
         make a backup, verify it and run `claviger backup prune`, or free some space otherwise; it goes on by itself",
        .free >> 20,
        .needed >> 20
    )]
    SpareSpace {
        /// The folder of the journal.
        path: PathBuf,
        /// Bytes free for this process.
        free: u64,
        /// Bytes that must be free: twice what changes need.
        needed: u64,
    },
    /// Another process has the journal.
    #[error("journal {0} is in use: another clavigerd has it; stop that one, or give this one a folder of its own")]
    InUse(PathBuf),
    /// Another process has the folder of backups.
    #[error(
        "backup folder {0} is in use: another clavigerd has it; stop that one, or give this one a folder of its own"
    )]
    FolderInUse(PathBuf),
    /// A file is something else.
    #[error("{path} is no {expected} of Claviger: name another file, or take this one out of the folder")]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What it should be.
        expected: &'static str,
    },
    /// A file was written by a newer version of this program.
    #[error(
        "{path} has format {found}, and this program knows format {supported}: run the newer program that wrote it"
    )]
    NewerFormat {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u16,
        /// The one that this program reads.
        supported: u16,
    },
    /// A file belongs to another installation.
    #[error("{0} belongs to another installation: give root key, system keys, journal and backup of the same one")]
    OtherInstallation(PathBuf),
    /// The system key that a file was sealed with is missing.
    #[error(
        "{path} was sealed with version {version} of the system key, which is missing: give a copy of the system-key file that has it, or a newer backup"
    )]
    SystemKeyMissing {
        /// The file.
        path: PathBuf,
        /// The version of the system key.
        version: u32,
    },
    /// A file is not what was written.
    #[error("{path} is damaged at byte {offset} ({what}): bring back an undamaged copy of it, or use another backup")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: &'static str,
        /// Where, in bytes from the front.
        offset: u64,
    },
    /// A segment of the journal is missing.
    #[error(
        "segment {number} of journal {folder} is missing: bring it back from a copy, or use a backup that was made after it"
    )]
    SegmentMissing {
        /// The folder of the journal.
        folder: PathBuf,
        /// The number of the segment.
        number: u64,
    },
    /// A segment does not follow the one before it.
    #[error(
        "{0} does not follow the segment or backup before it: the files are of different times or were exchanged; give those that belong together"
    )]
    NotInOrder(PathBuf),
    /// The journal lacks changes.
    #[error(
        "journal: changes before {0} are missing, because segments were lost or a new journal was begun: use a backup that was made after it, or make one now (`claviger backup create`)"
    )]
    Gap(PathBuf),
    /// The backup is of a state that was given up by a later restore.
    #[error(
        "{0} holds a state that was given up when an older backup was restored after it: use a backup from before or after that"
    )]
    GivenUp(PathBuf),
    /// There is no journal.
    #[error(
        "journal {0} is empty, but the data folder is not: bring the journal back if it has moved; if it is lost, begin a new one with `clavigerd new-journal` and make a backup at once"
    )]
    NoJournal(PathBuf),
    /// The journal knows of more changes than the data folder.
    #[error(
        "the data folder is older than journal {folder}: it ends at change {found}, and change {known} was acknowledged; empty the data folder and run `clavigerd restore`"
    )]
    DataFolderOlder {
        /// The folder of the journal.
        folder: PathBuf,
        /// The last change in the data folder.
        found: Revision,
        /// A later change that was in it once.
        known: Revision,
    },
    /// A folder that must be empty is not.
    #[error("{0} is not empty: nothing was written to it; move away what is in it, or name another folder")]
    NotEmpty(PathBuf),
    /// There is no backup of this name.
    #[error("there is no backup {0}: see `claviger backup list`")]
    NoSuchBackup(String),
    /// The backup was not verified.
    #[error(
        "backup {0} was not verified: run `claviger backup verify {0}`, so that nothing is removed that may still be needed"
    )]
    NotVerified(String),
    /// Something else is being done already.
    #[error("{0} is being made or verified: one at a time; wait until it is done")]
    Busy(String),
    /// The daemon is ending.
    #[error("broken off because the daemon is ending: do it again when it is running")]
    Ended,
    /// The storage, or the data folder of a restore.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// What is stored is not as it should be.
    #[error(transparent)]
    Engine(#[from] Error),
    /// A name leads to no key, or to another one.
    #[error(
        "record {0} does not lead to what it names: the storage is damaged; restore an older backup, and keep this data folder to find out why"
    )]
    Astray(String),
    /// The system gave no random bytes.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
}

impl BackupError {
    /// Whether it says of the files of a backup or journal that they are not, or not all, what was written; not merely that they could not be read or tried out now.
    pub(super) const fn is_damage(&self) -> bool {
        match self {
            Self::Foreign { .. }
            | Self::OtherInstallation(_)
            | Self::Damaged { .. }
            | Self::SegmentMissing { .. }
            | Self::NotInOrder(_)
            | Self::Gap(_)
            | Self::GivenUp(_)
            | Self::Astray(_)
            | Self::Engine(Error::Damaged(_)) => true,
            Self::File { .. }
            | Self::FreeSpaceFloor { .. }
            | Self::SpareSpace { .. }
            | Self::InUse(_)
            | Self::FolderInUse(_)
            | Self::NewerFormat { .. }
            | Self::SystemKeyMissing { .. }
            | Self::NoJournal(_)
            | Self::DataFolderOlder { .. }
            | Self::NotEmpty(_)
            | Self::NoSuchBackup(_)
            | Self::NotVerified(_)
            | Self::Busy(_)
            | Self::Ended
            | Self::Storage(_)
            | Self::Engine(_)
            | Self::Entropy(_) => false,
        }
    }

    /// What the system refused.
    pub(super) fn file(path: &Path, action: &'static str) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { path, action, source }
    }
}

impl From<BackupError> for WriteAheadError {
    fn from(error: BackupError) -> Self {
        let is_full = match &error {
            BackupError::FreeSpaceFloor { .. } | BackupError::SpareSpace { .. } => true,
            BackupError::File { source, .. } => {
                matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
            }
            _ => false,
        };
        Self { cause: Arc::new(error), is_full }
    }
}
