//! What can go wrong with the audit log; each message names the file and the remedy.

use std::io;
use std::path::{Path, PathBuf};

use crate::crypto::random::EntropyError;

/// Why something was not done with the audit log.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The system refuses.
    #[error(
        "cannot {action} {path} ({source}): check that the disk of the audit log is there, has free space, and can be written"
    )]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What was tried, as a verb.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The disk of the audit log is nearly full.
    #[error(
        "only {} MiB are free on the disk of audit log {path}, below the floor of {} MiB: nothing was changed; free some space, or move old files of the log to an archive, and ask again",
        .free >> 20,
        .floor >> 20
    )]
    FreeSpaceFloor {
        /// The folder of the log.
        path: PathBuf,
        /// Bytes free for this process.
        free: u64,
        /// Bytes that must be free before a change is taken.
        floor: u64,
    },
    /// The log cannot be written at the moment.
    #[error("the audit log cannot be written, so nothing was changed: {0}")]
    Unavailable(String),
    /// A change was made whose record could not be written to the log yet.
    #[error(
        "the change was made and is in force, but its audit record is not in the log yet: it is kept in the data folder, and written as soon as the log can be ({0})"
    )]
    NotYetLogged(String),
    /// Another process has the log.
    #[error("audit log {0} is in use: another clavigerd has it; stop that one, or give this one a folder of its own")]
    InUse(PathBuf),
    /// The log ends before what is remembered.
    #[error(
        "audit log {folder} ends at record {found}, and record {remembered} was written: somebody has cut it, or its disk was lost; bring the files back from a copy, or begin it anew with `clavigerd new-audit-log`, which is written down"
    )]
    Cut {
        /// The folder of the log.
        folder: PathBuf,
        /// The last record that is there; 0 if there is none.
        found: u64,
        /// The last one that was.
        remembered: u64,
    },
    /// The record that is remembered is another one.
    #[error(
        "record {seq} of audit log {folder} is not the one that was written: somebody has altered the log; bring the files back from a copy, or begin it anew with `clavigerd new-audit-log`, which is written down"
    )]
    Altered {
        /// The folder of the log.
        folder: PathBuf,
        /// The number of the record.
        seq: u64,
    },
    /// Where the log ends is not remembered.
    #[error(
        "{0} is missing or damaged, which remembers where the audit log ends: bring it back from where it was; if it is lost, begin the log anew with `clavigerd new-audit-log`, which is written down"
    )]
    NoHead(PathBuf),
    /// A file of the log is not what was written.
    #[error(
        "{path} is damaged at byte {offset} ({what}): run `clavigerd audit verify`, and bring back an undamaged copy of it, or begin the log anew with `clavigerd new-audit-log`, which is written down"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where, in bytes from the front.
        offset: u64,
        /// What is wrong.
        what: &'static str,
    },
    /// The log or what remembers its end belongs to another installation.
    #[error("{0} belongs to another installation: give the audit log of this one")]
    OtherInstallation(PathBuf),
    /// The public key is none.
    #[error("this is no public key of an installation: give the 64 hexadecimal digits that `claviger audit key` shows")]
    PublicKey,
    /// No random bytes, or the crypto library failed.
    #[error("the crypto library could not sign a checkpoint of the audit log")]
    Signature,
    /// The system gave no random bytes.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// The engine is being shut down.
    #[error("the audit log is closed, because the engine is shutting down")]
    Closed,
}

impl AuditError {
    /// Whether it says that the log, or what remembers its end, is not as it was left; not merely that it cannot be read now.
    pub(super) const fn is_loss(&self) -> bool {
        matches!(self, Self::Cut { .. } | Self::Altered { .. } | Self::NoHead(_) | Self::Damaged { .. })
    }

    /// What the system refused.
    pub(super) fn file(path: &Path, action: &'static str) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { path, action, source }
    }
}
