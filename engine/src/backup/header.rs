//! The first bytes of each file of the journal and of each backup, authenticated as a whole.

use std::path::Path;
use std::sync::Arc;

use super::chain::Link;
use super::error::BackupError;
use super::seal::{Seal, Sealing};
use crate::crypto::record_key::RECORD_TAG_SIZE;
use crate::record::codec::{Reader, Writer};
use crate::storage::Revision;

/// What a file says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// What it is.
    pub(super) kind: Kind,
    /// Version of the system key that it is sealed with.
    pub(super) system_version: u32,
    /// Drawn for this file; all its records are bound to it.
    pub(super) id: [u8; 16],
    /// Of a segment: its number, from 1 on. Of a backup: the segment of the journal that began with it.
    pub(super) number: u64,
    /// Of a segment: changes above it, in earlier segments, were never made. Of a backup: the last change that it holds.
    pub(super) revision: Revision,
    /// Of a segment: a change that was certainly in the data folder when the segment began. Of a backup: as `revision`.
    pub(super) made: Revision,
    /// Of a segment: the last link of the segment before; zeros if there is none, or if it lacks changes. Of a backup: the first link of segment `number`.
    pub(super) before: Link,
    /// When it was begun, in milliseconds since 1970.
    pub(super) created_ms: u64,
}

/// The kinds of files. Their numbers are part of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    /// A segment of the journal.
    Segment = 1,
    /// A full backup.
    Backup = 2,
    /// The note that a backup was verified.
    Verified = 3,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Segment => "segment of a journal",
            Self::Backup => "backup",
            Self::Verified => "note of a verification",
        }
    }
}

impl Header {
    /// Of a segment: whether changes before it are missing. It is bound to nothing, and yet the storage had changes.
    pub(super) fn follows_gap(&self) -> bool {
        self.before == Link::default() && self.revision > Revision::default()
    }

    /// The bytes: [`HEADER_SIZE`].
    pub(super) fn encode(&self, installation: [u8; 16], seal: &Seal) -> Vec<u8> {
        let mut out = Writer::default();
        out.bytes(MAGIC).u16(FORMAT).u8(self.kind as u8).bytes(&installation).u32(self.system_version);
        out.bytes(&self.id).u64(self.number).u64(self.revision.0).u64(self.made.0).bytes(&self.before.0);
        out.u64(self.created_ms);
        let mut bytes = out.finish();
        let tag = seal.authentication.tag(HEADER_CONTEXT, &bytes);
        bytes.extend_from_slice(&tag);
        bytes
    }

    /// The header of the file at `path`, its keys, and the first link of its chain.
    pub(super) fn decode(
        bytes: &[u8],
        kind: Kind,
        path: &Path,
        sealing: &Sealing,
    ) -> Result<(Self, Arc<Seal>, Link), BackupError> {
        let foreign = || BackupError::Foreign { path: path.to_owned(), expected: kind.name() };
        let damaged = |what| BackupError::Damaged { path: path.to_owned(), what, offset: 0 };
        let mut reader = Reader::new(bytes);
        if reader.bytes(MAGIC.len()) != Some(MAGIC) {
            return Err(foreign());
        }
        let format = reader.u16().ok_or_else(foreign)?;
        if format > FORMAT {
            return Err(BackupError::NewerFormat { path: path.to_owned(), found: format, supported: FORMAT });
        }
        let short = || damaged("its header is cut short");
        let found_kind = reader.u8().ok_or_else(short)?;
        let installation: [u8; 16] = reader.array().ok_or_else(short)?;
        let system_version = reader.u32().ok_or_else(short)?;
        let other = installation != sealing.installation();
        let Some(seal) = sealing.version(system_version).filter(|_| !other) else {
            return Err(if other {
                BackupError::OtherInstallation(path.to_owned())
            } else {
                BackupError::SystemKeyMissing { path: path.to_owned(), version: system_version }
            });
        };
        let (signed, tag) = bytes.split_last_chunk::<RECORD_TAG_SIZE>().ok_or_else(short)?;
        let authentic = seal.authentication.verify(HEADER_CONTEXT, signed, tag);
        authentic.map_err(|_| damaged("its header is not what was written"))?;
        if format != FORMAT {
            return Err(damaged("its format was never written"));
        }
        if found_kind != kind as u8 {
            return Err(foreign());
        }
        let mut rest = || {
            Some(Self {
                kind,
                system_version,
                id: reader.array()?,
                number: reader.u64()?,
                revision: Revision(reader.u64()?),
                made: Revision(reader.u64()?),
                before: Link(reader.array()?),
                created_ms: reader.u64()?,
            })
        };
        let header = rest().ok_or_else(short)?;
        Ok((header, Arc::clone(seal), Link::first(tag)))
    }
}

/// Bytes of a header.
pub(super) const HEADER_SIZE: usize = MAGIC.len() + 2 + 1 + 16 + 4 + 16 + 8 + 8 + 8 + 16 + 8 + RECORD_TAG_SIZE;

const MAGIC: &[u8] = b"CLAVIGER";
/// Format of segments and backups that this program writes, and the only one there is.
const FORMAT: u16 = 1;
const HEADER_CONTEXT: &[u8] = b"claviger/backup/header/1";
