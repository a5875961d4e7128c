//! Sealed records in a row, each bound to its file, its number and the record before it.
//!
//! ```text
//! file     header (`header.rs`) | record ...
//! record   marker [8] | sequence u64 | size u32 | HMAC-SHA-256 [32] | sealed [size]
//! sealed   a wrap (`crypto/wrap.rs`); its address is  file id [16] | sequence u64 | link before [16]
//! link     of the header: the first 16 bytes of its tag; of a record: the last 16 bytes of its seal
//! ```
//!
//! So a record that is altered, removed, repeated, moved or taken from another file is found, and the last link stands for everything before it. The HMAC
//! is over file id, sequence and size: no size is believed, and nothing allocated for it, before it is known to be ours. The marker lets a reader tell a
//! record that was torn by a crash, which is the last one, from damage in the middle, after which another record begins.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::BackupError;
use super::header::{HEADER_SIZE, Header, Kind};
use super::seal::{Seal, Sealing};
use crate::crypto::random::{EntropyError, Random};
use crate::crypto::record_key::RECORD_TAG_SIZE;
use crate::crypto::wrap::WrapContext;
use crate::key::material::SecretBytes;
use crate::limits::{BACKUP_RECORD_SIZE_MAX, JOURNAL_SEGMENT_SIZE};
use crate::record::codec::{Reader, Writer};

/// What the next record is bound to: it stands for everything before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Link(pub(super) [u8; LINK_SIZE]);

impl Link {
    /// The link of a header with this tag.
    pub(super) fn first(tag: &[u8; RECORD_TAG_SIZE]) -> Self {
        let mut link = [0; LINK_SIZE];
        link.copy_from_slice(tag.split_at(LINK_SIZE).0);
        Self(link)
    }
}

/// Where a chain has got to.
pub(super) struct Chain {
    installation: [u8; 16],
    system_version: u32,
    id: [u8; 16],
    record_type: u8,
    seal: Arc<Seal>,
    /// Number of the next record, from 1 on.
    sequence: u64,
    /// What it is bound to.
    pub(super) link: Link,
}

impl Chain {
    /// The chain of a file with this header.
    pub(super) fn new(installation: [u8; 16], header: &Header, seal: Arc<Seal>, link: Link) -> Self {
        let record_type = match header.kind {
            Kind::Segment => SEGMENT_RECORD,
            Kind::Backup | Kind::Verified => BACKUP_RECORD,
        };
        Self {
            installation,
            system_version: header.system_version,
            id: header.id,
            record_type,
            seal,
            sequence: 1,
            link,
        }
    }

    /// Begins a file: its bytes so far, and its chain.
    pub(super) fn begin(header: &Header, sealing: &Sealing) -> Option<(Vec<u8>, Self)> {
        let seal = Arc::clone(sealing.version(header.system_version)?);
        let bytes = header.encode(sealing.installation(), &seal);
        let link = Link::first(bytes.last_chunk()?);
        Some((bytes, Self::new(sealing.installation(), header, seal, link)))
    }

    /// The next record, with `content`, and the link after it. The chain goes on there once [`Chain::advance`] says that it is written.
    pub(super) fn seal(&self, content: &[u8], random: &dyn Random) -> Result<(Vec<u8>, Link), EntropyError> {
        let place = self.place();
        let sealed = self.seal.wrapping.wrap(&self.context(&place), content, random)?;
        let size = u32::try_from(sealed.len()).map_err(|_| EntropyError)?;
        let link = sealed.last_chunk().copied().map(Link).ok_or(EntropyError)?;
        let mut out = self.head(size);
        out.extend_from_slice(&sealed);
        Ok((out, link))
    }

    /// The record that was sealed last is written.
    pub(super) const fn advance(&mut self, link: Link) {
        self.sequence += 1;
        self.link = link;
    }

    fn open(&self, sealed: &[u8]) -> Option<(SecretBytes, Link)> {
        let place = self.place();
        let content = self.seal.wrapping.unwrap(&self.context(&place), sealed).ok()?;
        Some((content, Link(*sealed.last_chunk()?)))
    }

    fn context<'a>(&self, place: &'a [u8]) -> WrapContext<'a> {
        WrapContext {
            installation: self.installation,
            record_type: self.record_type,
            address: place,
            wrapping_version: self.system_version,
            shred_secret: None,
        }
    }

    fn place(&self) -> Vec<u8> {
        [&self.id[..], &self.sequence.to_be_bytes(), &self.link.0].concat()
    }

    fn head(&self, size: u32) -> Vec<u8> {
        let mut out = Writer::default();
        out.bytes(MARKER).u64(self.sequence).u32(size);
        let mut head = out.finish();
        let tag = self.head_tag(self.sequence, size);
        head.extend_from_slice(&tag);
        head
    }

    fn head_tag(&self, sequence: u64, size: u32) -> [u8; RECORD_TAG_SIZE] {
        let bytes = [&self.id[..], &sequence.to_be_bytes(), &size.to_be_bytes()].concat();
        self.seal.authentication.tag(HEAD_CONTEXT, &bytes)
    }

    /// Sequence and size in a head, if it is one of this file.
    fn parse_head(&self, head: &[u8]) -> Option<(u64, usize)> {
        let mut reader = Reader::new(head);
        let is_marked = reader.bytes(MARKER.len())? == MARKER;
        let (sequence, size) = (reader.u64()?, reader.u32()?);
        let tag = reader.bytes(RECORD_TAG_SIZE)?;
        let bytes = [&self.id[..], &sequence.to_be_bytes(), &size.to_be_bytes()].concat();
        self.seal.authentication.verify(HEAD_CONTEXT, &bytes, tag).ok()?;
        is_marked.then_some((sequence, usize::try_from(size).ok()?))
    }
}

/// Reads the records of one file, in order.
pub(super) struct ChainReader<R> {
    input: R,
    path: PathBuf,
    pub(super) header: Header,
    chain: Chain,
    /// Where the next record begins, in bytes from the front.
    offset: u64,
}

/// What stands at the place of the next record.
pub(super) enum Next {
    /// A record with this content.
    Record(SecretBytes),
    /// The end of the file.
    End,
    /// A record that is not whole, and none after it: the writing of it was cut off.
    Torn,
}

impl<R: Read> ChainReader<R> {
    /// Reads the header of `input`, the file at `path`.
    pub(super) fn open(mut input: R, kind: Kind, path: &Path, sealing: &Sealing) -> Result<Self, BackupError> {
        let mut bytes = Vec::with_capacity(HEADER_SIZE);
        let header_size = HEADER_SIZE as u64;
        (&mut input).take(header_size).read_to_end(&mut bytes).map_err(BackupError::file(path, "read"))?;
        let (header, seal, link) = Header::decode(&bytes, kind, path, sealing)?;
        let chain = Chain::new(sealing.installation(), &header, seal, link);
        Ok(Self { input, path: path.to_owned(), header, chain, offset: header_size })
    }

    /// Where the next record begins, in bytes from the front: all before it was as it was written.
    pub(super) const fn offset(&self) -> u64 {
        self.offset
    }

    /// The link after the last record that was read.
    pub(super) const fn link(&self) -> Link {
        self.chain.link
    }

    /// The next record.
    ///
    /// # Errors
    /// [`BackupError::Damaged`] if it is not what was written there and others follow it; [`BackupError::File`].
    pub(super) fn next(&mut self) -> Result<Next, BackupError> {
        let mut record = Vec::new();
        self.read(HEAD_SIZE, &mut record)?;
        if record.is_empty() {
            return Ok(Next::End);
        }
        let size = self.chain.parse_head(&record).filter(|(sequence, _)| *sequence == self.chain.sequence);
        let Some((_, size)) = size.filter(|(_, size)| *size <= BACKUP_RECORD_SIZE_MAX) else {
            return self.torn(record, "a record does not begin as it was written");
        };
        self.read(size, &mut record)?;
        let opened = record.get(HEAD_SIZE..).filter(|sealed| sealed.len() == size);
        match opened.and_then(|sealed| self.chain.open(sealed)) {
            None => self.torn(record, "a record is not what was written"),
            Some((content, link)) => {
                self.chain.advance(link);
                self.offset += record.len() as u64;
                Ok(Next::Record(content))
            }
        }
    }

    /// The error of this file at the place of the next record.
    pub(super) fn damaged(&self, what: &'static str) -> BackupError {
        BackupError::Damaged { path: self.path.clone(), what, offset: self.offset }
    }

    fn read(&mut self, size: usize, record: &mut Vec<u8>) -> Result<(), BackupError> {
        let read = (&mut self.input).take(size as u64).read_to_end(record);
        read.map(drop).map_err(BackupError::file(&self.path, "read"))
    }

    /// What is not whole is torn if no record of this file begins after it, and if it is no more than one record could be.
    fn torn(&mut self, begin: Vec<u8>, what: &'static str) -> Result<Next, BackupError> {
        let mut rest = begin;
        let most = JOURNAL_SEGMENT_SIZE + BACKUP_RECORD_SIZE_MAX;
        self.read(most, &mut rest)?;
        let begins_record = |start: usize| {
            let head = rest.get(start..).and_then(|rest| rest.get(..HEAD_SIZE));
            let sequence = head.and_then(|head| self.chain.parse_head(head)).map(|(sequence, _)| sequence);
            sequence.is_some_and(|sequence| start > 0 || sequence != self.chain.sequence)
        };
        let mut marks = rest.windows(MARKER.len()).enumerate().filter(|(_, window)| *window == MARKER);
        if rest.len() > HEAD_SIZE + BACKUP_RECORD_SIZE_MAX || marks.any(|(start, _)| begins_record(start)) {
            return Err(self.damaged(what));
        }
        Ok(Next::Torn)
    }
}

/// Whether an error of the system says that there is no such file.
pub(super) fn is_missing(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
}

const LINK_SIZE: usize = 16;
const MARKER: &[u8; 8] = b"\xf7record\n";
const HEAD_SIZE: usize = MARKER.len() + 8 + 4 + RECORD_TAG_SIZE;
const HEAD_CONTEXT: &[u8] = b"claviger/backup/record/1";
/// Type numbers of sealed records: none of the records of storage.
const SEGMENT_RECORD: u8 = 15;
const BACKUP_RECORD: u8 = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::random::SystemRandom;
    use crate::hierarchy::SystemKeys;
    use crate::storage::Revision;

    fn sealing() -> Sealing {
        SystemKeys::for_tests([3; 32]).sealing()
    }

    /// A file of three records, and the offsets at which they begin.
    fn file(kind: Kind) -> (Vec<u8>, Vec<usize>) {
        let (revision, before) = (Revision(5), Link([7; 16]));
        let header =
            Header { kind, system_version: 1, id: [4; 16], number: 3, revision, made: revision, before, created_ms: 6 };
        let (mut bytes, mut chain) = Chain::begin(&header, &sealing()).unwrap();
        let mut starts = Vec::new();
        for content in ["first", "second", "third"] {
            starts.push(bytes.len());
            let (record, link) = chain.seal(content.as_bytes(), &SystemRandom::new()).unwrap();
            bytes.extend(record);
            chain.advance(link);
        }
        starts.push(bytes.len());
        (bytes, starts)
    }

    /// The contents of the records, and whether the last is torn.
    fn records(bytes: &[u8]) -> Result<(Vec<Vec<u8>>, bool), BackupError> {
        let mut reader = ChainReader::open(bytes, Kind::Segment, Path::new("file"), &sealing())?;
        let mut contents = Vec::new();
        loop {
            match reader.next()? {
                Next::Record(content) => contents.push(content.expose().to_vec()),
                Next::End => return Ok((contents, false)),
                Next::Torn => return Ok((contents, true)),
            }
        }
    }

    // R-H7
    #[test]
    fn every_flipped_bit_is_found() {
        let (bytes, starts) = file(Kind::Segment);
        assert_eq!(records(&bytes).unwrap().0.len(), 3);
        for bit in 0..bytes.len() * 8 {
            let mut bad = bytes.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            match records(&bad) {
                // Only in the last record it looks as if a crash had cut it off.
                Ok((contents, torn)) => assert!(torn && contents.len() == 2 && bit / 8 >= starts[2], "bit {bit}"),
                Err(_) => assert!(bit / 8 < starts[2], "bit {bit}"),
            }
        }
    }

    // R-H7
    #[test]
    fn every_cut_leaves_the_records_before_it() {
        let (bytes, starts) = file(Kind::Segment);
        for cut in 0..bytes.len() {
            let whole = starts[1..].iter().filter(|end| **end <= cut).count();
            match records(&bytes[..cut]) {
                Ok((contents, torn)) => {
                    assert_eq!(contents.len(), whole, "cut at {cut}");
                    assert_eq!(torn, !starts.contains(&cut), "cut at {cut}");
                }
                Err(_) => assert!(cut < HEADER_SIZE, "cut at {cut}"),
            }
        }
    }

    // R-H7
    #[test]
    fn records_that_are_removed_exchanged_repeated_or_of_another_file_are_found() {
        let (bytes, starts) = file(Kind::Segment);
        let (other, other_starts) = file(Kind::Segment);
        let header = &bytes[..starts[0]];
        let part = |n: usize| &bytes[starts[n]..starts[n + 1]];
        let of_other = &other[other_starts[1]..other_starts[2]];
        for (what, parts) in [
            ("first removed", vec![part(1), part(2)]),
            ("second removed", vec![part(0), part(2)]),
            ("exchanged", vec![part(1), part(0), part(2)]),
            ("last two exchanged", vec![part(0), part(2), part(1)]),
            ("repeated", vec![part(0), part(0), part(1), part(2)]),
            ("repeated at the end", vec![part(0), part(1), part(2), part(2)]),
            ("of another file", vec![part(0), of_other, part(2)]),
            ("something between", vec![part(0), b"something", part(1), part(2)]),
        ] {
            let bad = [header, &parts.concat()].concat();
            assert!(matches!(records(&bad), Err(BackupError::Damaged { .. })), "{what}");
        }
        // The last record of another file, whose keys and id are the same, does not follow this one's: it looks torn.
        let last_of_other = [header, part(0), part(1), &other[other_starts[2]..]].concat();
        let (contents, torn) = records(&last_of_other).unwrap();
        assert!(torn && contents.len() == 2);
    }

    // R-H7
    #[test]
    fn files_of_one_kind_are_not_taken_for_another() {
        let (bytes, _) = file(Kind::Backup);
        assert!(records(&bytes).err().unwrap().to_string().contains("is no segment of a journal"));
        assert!(records(b"").err().unwrap().to_string().contains("is no segment of a journal"));
    }
}
