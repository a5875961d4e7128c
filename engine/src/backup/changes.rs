//! What the records of journal and backups hold: changes, values, and the end of a backup.
//!
//! ```text
//! of a segment   before u64 | count u32 | change ...       change  revision u64 | count u32 | write ...
//! of a backup    0 u8 | count u32 | value ...              value   revision u64 | write
//!                1 u8 | values u64
//! write          0 u8 | database u8 | key sized            (deleted)
//!                1 u8 | database u8 | key sized | value sized
//! ```

use crate::record::codec::{Reader, Writer};
use crate::storage::{Address, Database, NewChange, Revision, Versioned, Write};

/// One record of a segment: a group of changes that were to be made as one step.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Group {
    /// The last change of the storage before them, which was certainly made.
    pub(super) before: Revision,
    /// Changes with their writes; at least one of each.
    pub(super) changes: Vec<(Revision, Vec<Write>)>,
}

/// One record of a backup.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Values, in the order of their addresses.
    Values(Vec<(Revision, Write)>),
    /// The end: so many values were before it.
    End(u64),
}

impl Group {
    /// The record of these changes, and the last one in it; none if nothing of them belongs into a journal.
    pub(super) fn encode(before: Revision, changes: &[NewChange<'_>]) -> Option<(Vec<u8>, Revision)> {
        let kept = |change: &NewChange<'_>| change.writes.iter().filter(|write| is_journaled(write)).count();
        let changes: Vec<_> =
            changes.iter().map(|change| (change, kept(change))).filter(|(_, kept)| *kept > 0).collect();
        let newest = changes.last()?.0.revision;
        let mut out = Writer::default();
        out.u64(before.0).u32(number(changes.len()));
        for (change, kept) in changes {
            out.u64(change.revision.0).u32(number(kept));
            change.writes.iter().filter(|write| is_journaled(write)).for_each(|change| write(&mut out, change));
        }
        Some((out.finish(), newest))
    }

    /// The last change in it.
    pub(super) fn newest(&self) -> Revision {
        self.changes.last().map_or(self.before, |(revision, _)| *revision)
    }

    /// Reads a record.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let before = Revision(reader.u64()?);
        let count = reader.u32()?;
        // Collected one by one: what is allocated follows what is there, not what is announced.
        let changes: Option<Vec<_>> = (0..count).map(|_| read_change(&mut reader)).collect();
        reader.finish()?;
        Some(Self { before, changes: changes? })
    }
}

impl Part {
    /// The record of an end.
    pub(super) fn end(values: u64) -> Vec<u8> {
        let mut out = Writer::default();
        out.u8(END).u64(values);
        out.finish()
    }

    /// Reads a record.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let part = match reader.u8()? {
            VALUES => {
                let count = reader.u32()?;
                let values: Option<Vec<_>> =
                    (0..count).map(|_| Some((Revision(reader.u64()?), read_write(&mut reader)?))).collect();
                Self::Values(values?)
            }
            END => Self::End(reader.u64()?),
            _ => return None,
        };
        reader.finish()?;
        Some(part)
    }
}

/// Values of a backup, gathered for one record.
#[derive(Default)]
pub(super) struct Values {
    count: u32,
    body: Writer,
    size: usize,
}

impl Values {
    /// Adds a value. Gives the bytes so far.
    pub(super) fn push(&mut self, address: Address, value: Versioned) -> usize {
        self.count += 1;
        self.size += address.key.len() + value.value.len() + OVERHEAD;
        self.body.u64(value.revision.0);
        write(&mut self.body, &Write::Put { address, value: value.value });
        self.size
    }

    /// How many there are.
    pub(super) const fn count(&self) -> u32 {
        self.count
    }

    /// Their record.
    pub(super) fn finish(self) -> Vec<u8> {
        let mut out = Writer::default();
        out.u8(VALUES).u32(self.count).bytes(&self.body.finish());
        out.finish()
    }
}

/// Whether a change is in the journal. All of them are in full backups.
fn is_journaled(write: &Write) -> bool {
    match write.address().database {
        Database::Meta | Database::Keys | Database::Authentication | Database::Audit => true,
        // Statistics may be older after a restore. Only their end, with the purge of their key, is not undone.
        Database::Usage => matches!(write, Write::Delete { .. }),
    }
}

fn read_change(reader: &mut Reader<'_>) -> Option<(Revision, Vec<Write>)> {
    let revision = Revision(reader.u64()?);
    let count = reader.u32()?;
    let writes: Option<Vec<_>> = (0..count).map(|_| read_write(reader)).collect();
    Some((revision, writes?))
}

fn write(out: &mut Writer, write: &Write) {
    let address = write.address();
    match write {
        Write::Delete { .. } => out.u8(DELETED).u8(address.database as u8).sized(&address.key),
        Write::Put { value, .. } => out.u8(PUT).u8(address.database as u8).sized(&address.key).sized(value),
    };
}

fn read_write(reader: &mut Reader<'_>) -> Option<Write> {
    let tag = reader.u8()?;
    let address = Address::new(Database::from_id(reader.u8()?)?, reader.sized()?);
    match tag {
        DELETED => Some(Write::Delete { address }),
        PUT => Some(Write::Put { address, value: reader.sized()?.to_vec() }),
        _ => None,
    }
}

/// A count, which the limits of a group keep far below this type's end.
fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

const VALUES: u8 = 0;
const END: u8 = 1;
const DELETED: u8 = 0;
const PUT: u8 = 1;
/// Bytes beside key and value: revision, tag, database, two sizes.
const OVERHEAD: usize = 8 + 1 + 1 + 4 + 4;
