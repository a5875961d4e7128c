//! The newest segment of a journal: what is written to it, and taken away from it again.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::backup::chain::{Chain, Link, is_missing};
use crate::backup::error::BackupError;
use crate::crypto::random::{EntropyError, Random};

/// A segment of which the first `end` bytes are written.
pub(super) struct Segment {
    pub(super) number: u64,
    pub(super) path: PathBuf,
    pub(super) link: Link,
    pub(super) end: u64,
    /// Which file it is, whatever stands at its path.
    pub(super) identity: Identity,
    /// What writes on in it; without it, the next change begins a new one.
    pub(super) open: Option<(File, Chain)>,
}

/// Device and number of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity(u64, u64);

impl Identity {
    /// Of an open file, at `path`.
    pub(super) fn of(file: &File, path: &Path) -> Result<Self, BackupError> {
        Ok(Self::from(&file.metadata().map_err(BackupError::file(path, "read"))?))
    }

    /// Of the file at `path`.
    pub(super) fn at(path: &Path) -> Result<Self, BackupError> {
        Ok(Self::from(&path.metadata().map_err(BackupError::file(path, "read"))?))
    }

    /// Whether this file, and no other, stands at `path`.
    pub(super) fn is_at(self, path: &Path) -> Result<bool, BackupError> {
        match path.metadata() {
            Ok(metadata) => Ok(Self::from(&metadata) == self),
            Err(error) if is_missing(&error) => Ok(false),
            Err(error) => Err(BackupError::file(path, "read")(error)),
        }
    }

    /// Refuses if this file does not stand at `path`.
    pub(super) fn must_be_at(self, path: &Path) -> Result<(), BackupError> {
        let gone = || io::Error::other("it was removed, or another one has taken its place");
        if self.is_at(path)? { Ok(()) } else { Err(BackupError::file(path, "find")(gone())) }
    }
}

impl From<&Metadata> for Identity {
    fn from(metadata: &Metadata) -> Self {
        Self(metadata.dev(), metadata.ino())
    }
}

impl Segment {
    /// Whether it is still there: what is written to a file without a name is written for nobody.
    pub(super) fn is_there(&self) -> Result<bool, BackupError> {
        self.identity.is_at(&self.path)
    }

    /// Makes a record durable.
    pub(super) fn append(&mut self, content: &[u8], random: &dyn Random) -> Result<(), BackupError> {
        let Some((file, chain)) = &mut self.open else { return Err(EntropyError.into()) };
        let (record, link) = chain.seal(content, random)?;
        file.write_all_at(&record, self.end).map_err(BackupError::file(&self.path, "write to"))?;
        file.sync_data().map_err(BackupError::file(&self.path, "sync"))?;
        chain.advance(link);
        self.link = link;
        self.end += record.len() as u64;
        Ok(())
    }

    /// Takes away what is behind its end.
    pub(super) fn cut(&self) -> Result<(), BackupError> {
        let size = self.path.metadata().map_err(BackupError::file(&self.path, "read"))?.len();
        if size <= self.end {
            return Ok(());
        }
        let cut = || {
            let file = OpenOptions::new().write(true).open(&self.path)?;
            file.set_len(self.end)?;
            file.sync_all()
        };
        cut().map_err(BackupError::file(&self.path, "shorten"))
    }
}
