//! The files of a journal: which there are, and what they are called.

use std::fs;
use std::path::{Path, PathBuf};

use crate::backup::chain::ChainReader;
use crate::backup::error::BackupError;
use crate::backup::header::Kind;
use crate::backup::restore::read;
use crate::backup::seal::Sealing;

/// The segments in a folder, by number.
pub(in crate::backup) struct Segments(Vec<(u64, PathBuf)>);

impl Segments {
    /// Those in `folder`. Files of other names are left alone.
    pub(in crate::backup) fn list(folder: &Path) -> Result<Self, BackupError> {
        let read = || {
            let mut segments = Vec::new();
            for entry in fs::read_dir(folder)? {
                let entry = entry?;
                segments.extend(entry.file_name().to_str().and_then(number).map(|number| (number, entry.path())));
            }
            Ok(segments)
        };
        let mut segments = read().map_err(BackupError::file(folder, "read"))?;
        segments.sort_unstable();
        Ok(Self(segments))
    }

    /// The segment of the highest number.
    pub(in crate::backup) fn last(&self) -> Option<(u64, &Path)> {
        self.0.last().map(|(number, path)| (*number, path.as_path()))
    }

    /// All, by ascending number.
    pub(in crate::backup) fn iter(&self) -> impl Iterator<Item = (u64, &Path)> {
        self.0.iter().map(|(number, path)| (*number, path.as_path()))
    }

    /// The newest one before which changes are missing. One that cannot be read is none: who needs it is told.
    pub(in crate::backup) fn last_gap(&self, sealing: &Sealing) -> Option<u64> {
        let is_gap = |path: &Path| {
            let reader = ChainReader::open(read(path)?, Kind::Segment, path, sealing)?;
            Ok::<_, BackupError>(reader.header.follows_gap())
        };
        self.0.iter().rev().find(|(_, path)| is_gap(path).unwrap_or(false)).map(|(number, _)| *number)
    }

    /// The file of the segment of this number.
    pub(in crate::backup) fn path(folder: &Path, number: u64) -> PathBuf {
        folder.join(format!("{PREFIX}{number}"))
    }
}

/// The number in the name of a segment, written as [`Segments::path`] writes it.
fn number(name: &str) -> Option<u64> {
    let number = name.strip_prefix(PREFIX)?.parse().ok()?;
    (number > 0 && name == format!("{PREFIX}{number}")).then_some(number)
}

const PREFIX: &str = "journal-";
