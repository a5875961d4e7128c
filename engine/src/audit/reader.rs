//! Reading a file of the log line by line, never more than one line at once.

use std::fs::File;
use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::AuditError;
use crate::limits::AUDIT_LINE_SIZE_MAX;

/// The lines of a file.
pub(super) struct Lines {
    path: PathBuf,
    input: BufReader<File>,
    size: u64,
    offset: u64,
    line: Vec<u8>,
}

/// What stands next in a file.
pub(super) enum Read<'a> {
    /// A line, without its end.
    Line(&'a [u8]),
    /// More than a line can have, or the beginning of one that has no end.
    Unfinished,
    /// Nothing.
    End,
}

impl Lines {
    /// The lines of the file at `path`, as far as it goes now.
    ///
    /// # Errors
    /// [`AuditError::File`].
    pub(super) fn open(path: &Path) -> Result<Self, AuditError> {
        let file = File::open(path).map_err(AuditError::file(path, "read"))?;
        let size = file.metadata().map_err(AuditError::file(path, "read"))?.len();
        let input = BufReader::with_capacity(READ_SIZE, file);
        Ok(Self { path: path.to_owned(), input, size, offset: 0, line: Vec::new() })
    }

    /// The same, from `offset` on to `end`, in bytes from the front.
    ///
    /// # Errors
    /// [`AuditError::File`].
    pub(super) fn open_between(path: &Path, offset: u64, end: u64) -> Result<Self, AuditError> {
        let mut lines = Self::open(path)?;
        lines.input.seek(SeekFrom::Start(offset)).map_err(AuditError::file(path, "read"))?;
        (lines.offset, lines.size) = (offset, lines.size.min(end));
        Ok(lines)
    }

    /// The next line.
    ///
    /// # Errors
    /// [`AuditError::File`].
    pub(super) fn next(&mut self) -> Result<Read<'_>, AuditError> {
        self.line.clear();
        let left = self.size.saturating_sub(self.offset);
        if left == 0 {
            return Ok(Read::End);
        }
        loop {
            let room = left - self.line.len() as u64;
            let buffer = self.input.fill_buf().map_err(AuditError::file(&self.path, "read"))?;
            let taken = usize::try_from(room).unwrap_or(usize::MAX).min(buffer.len());
            let Some(buffer) = buffer.get(..taken).filter(|buffer| !buffer.is_empty()) else {
                return Ok(Read::Unfinished);
            };
            let end = buffer.iter().position(|byte| *byte == b'\n');
            let part = buffer.get(..end.unwrap_or(taken)).unwrap_or_default();
            if self.line.len() + part.len() > AUDIT_LINE_SIZE_MAX {
                return Ok(Read::Unfinished);
            }
            self.line.extend_from_slice(part);
            self.input.consume(end.map_or(taken, |end| end + 1));
            if end.is_some() {
                self.offset += self.line.len() as u64 + 1;
                return Ok(Read::Line(&self.line));
            }
        }
    }

    /// Where the line begins that comes next, in bytes from the front.
    pub(super) const fn offset(&self) -> u64 {
        self.offset
    }

    /// How much of the file is read, in bytes.
    pub(super) const fn size(&self) -> u64 {
        self.size
    }
}

const READ_SIZE: usize = 64 * 1024;
