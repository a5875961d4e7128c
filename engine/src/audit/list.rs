//! Reading the log, page by page. What is read is not verified: that is a work of its own, over all of it.

use std::path::Path;

use super::AuditError;
use super::event::{Event, EventKind};
use super::folder;
use super::line::Line;
use super::log::End;
use super::reader::{Lines, Read};
use crate::key::id::{KeyId, StoreId};
use crate::limits::{AUDIT_EXAMINED_MAX, AUDIT_PAGE_SIZE};

/// What records are wanted. All that is said must hold; what is not said, does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Of this key store.
    pub store: Option<StoreId>,
    /// Of this key.
    pub key: Option<KeyId>,
    /// Whose actor, or one of whose clients, contains this text.
    pub actor: Option<String>,
    /// Of this kind.
    pub kind: Option<EventKind>,
    /// Written at this moment or later, in milliseconds since 1970.
    pub since_ms: Option<u64>,
}

/// A record of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRecord {
    /// Its number.
    pub seq: u64,
    /// What it tells.
    pub event: Event,
}

/// Some records, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditPage {
    /// The records.
    pub records: Vec<AuditRecord>,
    /// The number after which the next page begins; `None` if there is nothing more.
    pub next: Option<u64>,
}

impl AuditFilter {
    /// Whether the event is wanted.
    fn takes(&self, event: &Event) -> bool {
        let names = |actor: &String| {
            event.actor.contains(actor.as_str()) || event.uses.iter().any(|used| used.client.contains(actor.as_str()))
        };
        self.store.is_none_or(|store| event.store == Some(store))
            && self.key.is_none_or(|key| event.keys.contains(&key))
            && self.actor.as_ref().is_none_or(names)
            && self.kind.is_none_or(|kind| event.kind == kind)
            && self.since_ms.is_none_or(|since| event.time_ms >= since)
    }
}

/// The records behind number `after` that `filter` takes, `limit` at most, up to `end`. A page looks at a bounded number of records, so that it may have fewer, and still not be the
/// last one.
///
/// # Errors
/// [`AuditError::File`], [`AuditError::Damaged`] with the first line that is none.
pub(super) fn page(
    folder: &Path,
    end: End,
    filter: &AuditFilter,
    after: u64,
    limit: usize,
) -> Result<AuditPage, AuditError> {
    let mut page = AuditPage::default();
    let (mut examined, mut page_size) = (0, 0);
    for number in files_behind(folder, end, after)? {
        let path = folder::path(folder, number);
        let size = if number == end.file { end.size } else { u64::MAX };
        let mut lines = Lines::open_between(&path, 0, size)?;
        loop {
            let offset = lines.offset();
            let damaged = |what| AuditError::Damaged { path: path.clone(), offset, what };
            let line_size;
            let line = match lines.next()? {
                Read::Line(bytes) => {
                    line_size = bytes.len();
                    Line::parse(bytes).ok_or_else(|| damaged("it is no line of an audit log"))?
                }
                Read::End => break,
                Read::Unfinished => return Err(damaged("the line has no end")),
            };
            if line.seq <= after {
                continue;
            }
            let event = line.event().ok_or_else(|| damaged("it is no line of an audit log"))?;
            examined += 1;
            if filter.takes(&event) {
                page_size += line_size;
                page.records.push(AuditRecord { seq: line.seq, event });
            }
            if page.records.len() >= limit || page_size >= AUDIT_PAGE_SIZE || examined >= AUDIT_EXAMINED_MAX {
                page.next = Some(line.seq).filter(|seq| *seq < end.last.seq);
                return Ok(page);
            }
        }
    }
    Ok(page)
}

/// The numbers of the files that may hold records behind number `after`, ascending.
fn files_behind(folder: &Path, end: End, after: u64) -> Result<Vec<u64>, AuditError> {
    let mut numbers = folder::list(folder)?;
    numbers.retain(|number| *number <= end.file);
    // Files are in the order of their records: all before the last one that begins at or before it are passed over.
    let (mut low, mut high) = (0, numbers.len());
    while low + 1 < high {
        let middle = usize::midpoint(low, high);
        let first = numbers.get(middle).map(|number| first_seq(folder, *number)).transpose()?.flatten();
        if first.is_some_and(|first| first <= after.saturating_add(1)) {
            low = middle;
        } else {
            high = middle;
        }
    }
    Ok(numbers.split_off(low))
}

fn first_seq(folder: &Path, number: u64) -> Result<Option<u64>, AuditError> {
    let mut lines = Lines::open(&folder::path(folder, number))?;
    Ok(match lines.next()? {
        Read::Line(bytes) => Line::parse(bytes).map(|line| line.seq),
        Read::Unfinished | Read::End => None,
    })
}
