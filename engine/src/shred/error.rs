//! What can go wrong with the shred table. Each message names the file and the remedy.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::slot::Slot;
use crate::crypto::random::EntropyError;
use crate::limits::SHRED_SLOTS_MAX;

/// Why the table did not do what it was asked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ShredError {
    /// A mirror is refused.
    #[error("mirror {path} of the shred table {error}")]
    Mirror {
        /// The mirror.
        path: PathBuf,
        /// Why.
        error: MirrorError,
    },
    /// None of the mirrors can be used.
    #[error(
        "no mirror of the shred table can be used, and no key can be without one:{reasons}\nbring one of them back from where it is, or name the right files in the configuration"
    )]
    NoMirror {
        /// Each mirror with its reason, a line each.
        reasons: String,
    },
    /// Two mirrors hold secrets of different keys in one slot, or differ in what was written in the same turn: they were used apart from each other.
    #[error(
        "mirrors {one} and {other} of the shred table differ in slot {}, and the secret of a key may be lost with either: they were used apart from each other, or one is an old copy; \
         move away the one that was not used last, and make it anew with `clavigerd shred-table mirror`", .slot.get()
    )]
    Disagree {
        /// The slot.
        slot: Slot,
        /// One of them.
        one: PathBuf,
        /// The other one.
        other: PathBuf,
    },
    /// A slot is damaged on every mirror.
    #[error("slot {} of the shred table is damaged on every mirror: bring back another copy of one, if there is any", .0.get())]
    Damaged(Slot),
    /// A record names a slot of which the table does not know.
    #[error(
        "the shred table does not know of slot {}: its mirrors are older than the data folder; stop, and bring back a newer mirror in place of one of them", .0.get()
    )]
    Older(Slot),
    /// There are as many secrets as there can be.
    #[error("the shred table is full: {SHRED_SLOTS_MAX} keys are the most")]
    Full,
    /// No random bytes.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
}

/// Why a mirror cannot be used.
#[derive(Clone, Debug, thiserror::Error)]
pub enum MirrorError {
    /// It is not there.
    #[error(
        "is missing: bring it back (is its disk mounted?), or if it is lost make it anew with `clavigerd shred-table mirror`"
    )]
    Missing,
    /// It was there, and now it is not, or something else is.
    #[error("was removed or replaced while it was in use: put it back; it is looked for each minute")]
    Removed,
    /// It is there already.
    #[error("exists already: it is not overwritten, because all keys need what is in it")]
    Exists,
    /// Somebody has it open.
    #[error("is in use: another clavigerd has it, or it is named twice; stop that one, or name different files")]
    InUse,
    /// It is that of another installation.
    #[error("belongs to another installation: name the mirror of this one")]
    OtherInstallation,
    /// It was written by a newer program.
    #[error("has format {found}, and this program knows formats up to {supported}: start the version that wrote it")]
    NewerFormat {
        /// Its format.
        found: u32,
        /// The newest that this program reads.
        supported: u32,
    },
    /// Others than the owner may read or write it.
    #[error("can be read by others: run `chmod 600` on it")]
    Permissions,
    /// It is not what this program writes.
    #[error("is damaged ({0}): move it away, and make it anew from another mirror with `clavigerd shred-table mirror`")]
    Damaged(&'static str),
    /// The system does not read or write it.
    #[error("cannot be {action}: {error}; check its disk and its free space; it is tried again each minute")]
    System {
        /// What was tried.
        action: &'static str,
        /// What the system said.
        error: Arc<io::Error>,
    },
}

impl MirrorError {
    /// What the system said when `action` was tried.
    pub(super) fn system(action: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |error| Self::System { action, error: Arc::new(error) }
    }

    /// Whether a daemon must not start with this: not a disk that is away, but a mistake.
    pub(super) const fn is_mistake(&self) -> bool {
        matches!(self, Self::InUse | Self::OtherInstallation | Self::NewerFormat { .. } | Self::Permissions)
    }
}
