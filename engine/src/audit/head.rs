//! Where the log ends, remembered apart from it: a small signed file, in which a crash leaves at least what it said before.
//!
//! Two slots of 512 bytes, written in turn. Each: `"claviger/audit-head/1\n" | counter u64 | installation [16] | file u64 | seq u64 | hash [32] | signature [64]`, zeros behind it;
//! the signature, by the installation key, is over all before it. The slot with the higher counter counts.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::line::{HASH_SIZE, Link};
use super::signer::{InstallationKey, SIGNATURE_SIZE};
use super::{AuditError, InstallationPublicKey};
use crate::record::codec::{Reader, Writer};

/// What is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// Grows with each writing.
    counter: u64,
    pub(super) installation: [u8; 16],
    /// Number of the file in which the last line stands.
    pub(super) file: u64,
    /// The last line.
    pub(super) last: Link,
}

/// What was found in the file.
pub(super) struct Found {
    /// What is remembered.
    pub(super) head: Head,
    /// Whether one of the slots is damaged. The other may then be the older one.
    pub(super) is_torn: bool,
}

/// The file, open to be written.
pub(super) struct HeadFile {
    path: PathBuf,
    file: File,
    counter: u64,
}

/// Reads the file at `path`, whose slots `key` has signed; `None` if there is no file.
///
/// # Errors
/// [`AuditError::NoHead`] if neither slot is whole, [`AuditError::File`].
pub(super) fn read(path: &Path, key: &InstallationPublicKey) -> Result<Option<Found>, AuditError> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(AuditError::file(path, "read"))?,
    };
    let slots = [0, 1].map(|slot| {
        let mut bytes = [0; SLOT_SIZE];
        file.read_exact_at(&mut bytes, slot * SLOT_SIZE as u64).ok().and_then(|()| Head::parse(&bytes, key))
    });
    let newer = match slots {
        [Some(one), Some(other)] => Some(if one.counter > other.counter { one } else { other }),
        [one, other] => one.or(other),
    };
    let head = newer.ok_or_else(|| AuditError::NoHead(path.to_owned()))?;
    Ok(Some(Found { head, is_torn: slots.iter().any(Option::is_none) }))
}

impl HeadFile {
    /// The file at `path`, made if it is missing; what was in it had this counter.
    ///
    /// # Errors
    /// [`AuditError::File`].
    pub(super) fn open(path: &Path, before: Option<&Head>) -> Result<Self, AuditError> {
        let open = || {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
            let is_new = !path.exists();
            let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
            if is_new {
                File::open(folder)?.sync_all()?;
            }
            Ok(file)
        };
        let file = open().map_err(AuditError::file(path, "open"))?;
        Ok(Self { path: path.to_owned(), file, counter: before.map_or(0, |head| head.counter) })
    }

    /// Remembers that the log ends with `last`, in the file of this number. Durable when it returns.
    ///
    /// # Errors
    /// [`AuditError::File`], [`AuditError::Signature`]: what was remembered before still is.
    pub(super) fn write(
        &mut self,
        installation: [u8; 16],
        file: u64,
        last: Link,
        key: &InstallationKey,
    ) -> Result<(), AuditError> {
        let counter = self.counter.saturating_add(1);
        let bytes = Head { counter, installation, file, last }.bytes(key)?;
        let offset = counter % 2 * SLOT_SIZE as u64;
        // What is written to a file that nobody finds again is lost: a disk that has gone away.
        let is_there = fs::metadata(&self.path).and_then(|there| {
            let own = self.file.metadata()?;
            Ok(identity(&there) == identity(&own))
        });
        let is_there = is_there.map_err(AuditError::file(&self.path, "find"))?;
        if !is_there {
            return Err(AuditError::file(&self.path, "find")(io::Error::other("another file is in its place")));
        }
        let written = self.file.write_all_at(&bytes, offset).and_then(|()| self.file.sync_data());
        written.map_err(AuditError::file(&self.path, "write"))?;
        self.counter = counter;
        Ok(())
    }
}

impl Head {
    fn bytes(&self, key: &InstallationKey) -> Result<Vec<u8>, AuditError> {
        let mut out = Writer::default();
        out.bytes(LABEL).u64(self.counter).bytes(&self.installation).u64(self.file);
        out.u64(self.last.seq).bytes(&self.last.hash);
        let mut bytes = out.finish();
        let signature = key.sign(b"", &bytes)?;
        bytes.extend_from_slice(&signature);
        bytes.resize(SLOT_SIZE, 0);
        Ok(bytes)
    }

    fn parse(slot: &[u8; SLOT_SIZE], key: &InstallationPublicKey) -> Option<Self> {
        let (signed, rest) = slot.split_at_checked(SIGNED_SIZE)?;
        let (signature, rest) = rest.split_first_chunk::<SIGNATURE_SIZE>()?;
        if rest.iter().any(|byte| *byte != 0) || !key.verifies(b"", signed, signature) {
            return None;
        }
        let mut reader = Reader::new(signed.strip_prefix(LABEL)?);
        let (counter, installation, file) = (reader.u64()?, reader.array()?, reader.u64()?);
        let last = Link { seq: reader.u64()?, hash: reader.array()? };
        Some(Self { counter, installation, file, last })
    }
}

fn identity(metadata: &fs::Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

const LABEL: &[u8] = b"claviger/audit-head/1\n";
/// A sector, which disks write whole.
const SLOT_SIZE: usize = 512;
const SIGNED_SIZE: usize = LABEL.len() + 8 + 16 + 8 + 8 + HASH_SIZE;
