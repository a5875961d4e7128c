//! What is written before a storage changes: by somebody else, to a place of its own, so that a change outlives the folder it was made in.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use super::{Revision, Write};

/// Is told of each group of changes before it is made. Called by one thread at a time.
pub trait WriteAhead: fmt::Debug + Send + Sync {
    /// The storage has been opened: its last change is that of `revision`, and `ahead` is what it has noted of [`WriteAhead::append`]; zero if nothing.
    ///
    /// # Errors
    /// [`WriteAheadError`]: what was appended before does not fit a storage with this last change.
    fn begin(&self, revision: Revision, ahead: Revision) -> Result<(), WriteAheadError>;

    /// The storage, whose last change is that of `before`, is about to make these changes as one step. They are made only if this has made them durable. Gives
    /// the last change that is written now: the storage notes it, and tells it when it begins anew.
    ///
    /// # Errors
    /// [`WriteAheadError`]: the changes are refused.
    fn append(&self, before: Revision, changes: &[NewChange<'_>]) -> Result<Revision, WriteAheadError>;

    /// Refuses what can wait while there is less than twice the room that changes need.
    ///
    /// # Errors
    /// [`WriteAheadError`]: wait.
    fn check_spare_space(&self) -> Result<(), WriteAheadError>;

    /// What was appended last has not been made, and will not be: the last change is still that of `revision`.
    ///
    /// # Errors
    /// [`WriteAheadError`]: this could not be noted.
    fn withdraw(&self, revision: Revision) -> Result<(), WriteAheadError>;
}

/// A transaction that is about to be made.
#[derive(Clone, Copy, Debug)]
pub struct NewChange<'a> {
    /// The revision that it will have.
    pub revision: Revision,
    /// What it writes; one at least.
    pub writes: &'a [Write],
}

/// Why changes are refused. Its message names place and remedy.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{cause}")]
pub struct WriteAheadError {
    /// The cause.
    pub cause: Arc<dyn Error + Send + Sync>,
    /// Whether the disk is full.
    pub is_full: bool,
}
