//! From the files of a backup and a journal to a filled data folder.

use std::path::{Path, PathBuf};

use super::chain::{ChainReader, Link, Next};
use super::changes::{Group, Part};
use super::error::BackupError;
use super::header::{Header, Kind};
use super::journal::Segments;
use super::progress::Progress;
use super::restore::read;
use super::seal::Sealing;
use crate::limits::GROUP_SIZE;
use crate::storage::{LmdbRestore, Revision, Write};

/// The files that are read.
pub(super) struct Sources<'a> {
    /// A full backup, if there is one.
    pub(super) backup: Option<&'a Path>,
    /// The folder of the journal, if it is not given up.
    pub(super) journal: Option<&'a Path>,
}

/// What was read.
pub(super) struct Replayed {
    /// The last change.
    pub(super) revision: Revision,
    /// Changes from the journal.
    pub(super) changes: u64,
    /// Segments of the journal.
    pub(super) segments: u64,
    /// The last segment, if its last record was not whole.
    pub(super) torn: Option<PathBuf>,
}

/// Fills a new data folder at `target`.
pub(super) fn fill(
    target: &Path,
    sources: &Sources<'_>,
    sealing: &Sealing,
    progress: &Progress,
) -> Result<Replayed, BackupError> {
    let backup = sources.backup.map(|path| open_backup(path, sealing)).transpose()?;
    let plan = sources.plan(backup.as_ref().map(|(reader, _)| &reader.header), sealing)?;
    progress.begin();
    progress.expect(sources.size(&plan));
    let mut filling = Filling { into: LmdbRestore::create(target)?, pending: Vec::new(), size: 0 };
    let mut revision = Revision::default();
    if let Some((reader, path)) = backup {
        revision = reader.header.revision;
        values(reader, path, &mut filling, progress)?;
    }
    let mut replayed = Replayed { revision, changes: 0, segments: 0, torn: None };
    for planned in &plan {
        segment(planned, sealing, &mut replayed, &mut filling, progress)?;
    }
    filling.flush()?;
    filling.into.finish(replayed.revision)?;
    Ok(replayed)
}

impl Sources<'_> {
    /// Looks at all headers: whether these files belong together, and none is missing.
    pub(super) fn check(&self, sealing: &Sealing) -> Result<(), BackupError> {
        let backup = self.backup.map(|path| open_backup(path, sealing)).transpose()?;
        self.plan(backup.as_ref().map(|(reader, _)| &reader.header), sealing).map(drop)
    }

    /// The segments that follow the backup, and what of each was made.
    fn plan(&self, backup: Option<&Header>, sealing: &Sealing) -> Result<Vec<Planned>, BackupError> {
        let Some(folder) = self.journal else { return Ok(Vec::new()) };
        let first = backup.map_or(1, |backup| backup.number);
        let mut plan: Vec<Planned> = Vec::new();
        for (number, path) in Segments::list(folder)?.iter().filter(|(number, _)| *number >= first) {
            let reader = ChainReader::open(read(path)?, Kind::Segment, path, sealing)?;
            let header = reader.header.clone();
            if header.follows_gap() && backup.is_none_or(|backup| reader.link() != backup.before) {
                return Err(BackupError::Gap(path.to_owned()));
            }
            let expected = first + plan.len() as u64;
            if number != expected {
                return Err(BackupError::SegmentMissing { folder: folder.to_owned(), number: expected });
            }
            let follows = match (plan.last(), backup) {
                (None, Some(backup)) => reader.link() == backup.before,
                (None, None) => header.before == Link::default() && header.revision == Revision::default(),
                (Some(_), _) => true,
            };
            if header.number != number || !follows {
                return Err(BackupError::NotInOrder(path.to_owned()));
            }
            plan.push(Planned { path: path.to_owned(), header, limit: None, next: None });
        }
        if plan.is_empty() {
            return Err(BackupError::SegmentMissing { folder: folder.to_owned(), number: first });
        }
        // What a segment has above the beginning of a later one was never made.
        let mut later: Option<(Revision, Link)> = None;
        for planned in plan.iter_mut().rev() {
            planned.limit = later.map(|(limit, _)| limit);
            planned.next = later.map(|(_, before)| before);
            let own = planned.header.revision;
            later = Some((planned.limit.map_or(own, |limit| limit.min(own)), planned.header.before));
        }
        if let (Some(backup), Some(limit), Some(path)) =
            (backup, plan.first().and_then(|first| first.limit), self.backup)
            && limit < backup.revision
        {
            return Err(BackupError::GivenUp(path.to_owned()));
        }
        Ok(plan)
    }

    /// Bytes of all files.
    fn size(&self, plan: &[Planned]) -> u64 {
        let files = self.backup.into_iter().chain(plan.iter().map(|planned| planned.path.as_path()));
        files.filter_map(|path| path.metadata().ok()).map(|metadata| metadata.len()).sum()
    }
}

/// A segment that is to be read.
struct Planned {
    path: PathBuf,
    header: Header,
    /// Changes above this were never made; `None` in the last segment, whose changes were all made, or nobody was told of them.
    limit: Option<Revision>,
    /// The link that the next segment begins with.
    next: Option<Link>,
}

type BackupReader = ChainReader<std::io::BufReader<std::fs::File>>;

fn open_backup<'a>(path: &'a Path, sealing: &Sealing) -> Result<(BackupReader, &'a Path), BackupError> {
    Ok((ChainReader::open(read(path)?, Kind::Backup, path, sealing)?, path))
}

/// All values of a backup.
fn values(
    mut reader: BackupReader,
    path: &Path,
    filling: &mut Filling,
    progress: &Progress,
) -> Result<(), BackupError> {
    let mut total = 0;
    loop {
        let before = reader.offset();
        let Next::Record(content) = reader.next()? else { return Err(reader.damaged("its end is missing")) };
        match Part::decode(content.expose()).ok_or_else(|| reader.damaged("a record of it cannot be read"))? {
            Part::Values(values) => {
                total += values.len() as u64;
                values.into_iter().try_for_each(|(revision, write)| filling.push(revision, write))?;
            }
            Part::End(expected) if expected == total => break,
            Part::End(_) => return Err(reader.damaged("it does not have as many values as its end says")),
        }
        progress.advance(usize::try_from(reader.offset() - before).unwrap_or(usize::MAX))?;
    }
    match reader.next()? {
        Next::End => Ok(()),
        Next::Record(_) | Next::Torn => {
            let what = "it goes on after its end";
            Err(BackupError::Damaged { path: path.to_owned(), what, offset: reader.offset() })
        }
    }
}

/// The changes of one segment that were made, and are not in the backup.
fn segment(
    planned: &Planned,
    sealing: &Sealing,
    replayed: &mut Replayed,
    filling: &mut Filling,
    progress: &Progress,
) -> Result<(), BackupError> {
    let mut reader = ChainReader::open(read(&planned.path)?, Kind::Segment, &planned.path, sealing)?;
    replayed.segments += 1;
    let mut newest = reader.header.made;
    loop {
        let before = reader.offset();
        match reader.next()? {
            Next::End => break,
            Next::Torn if planned.next.is_none() => {
                replayed.torn = Some(planned.path.clone());
                break;
            }
            Next::Torn => return Err(reader.damaged("its last record is not whole, and another segment follows it")),
            Next::Record(content) => {
                let group = Group::decode(content.expose());
                let group = group.ok_or_else(|| reader.damaged("a record of it cannot be read"))?;
                let was_made = |revision: Revision| planned.limit.is_none_or(|limit| revision <= limit);
                if was_made(group.before) {
                    newest = newest.max(group.before);
                }
                for (revision, writes) in group.changes {
                    if !was_made(revision) || revision <= replayed.revision {
                        continue;
                    }
                    replayed.changes += 1;
                    replayed.revision = revision;
                    writes.into_iter().try_for_each(|write| filling.push(revision, write))?;
                }
            }
        }
        progress.advance(usize::try_from(reader.offset() - before).unwrap_or(usize::MAX))?;
    }
    if planned.next.is_some_and(|next| next != reader.link()) {
        return Err(BackupError::NotInOrder(planned.path.clone()));
    }
    // Changes that are not journaled have revisions too.
    replayed.revision = replayed.revision.max(newest);
    Ok(())
}

/// A data folder that is being filled, and what is still to be written to it.
struct Filling {
    into: LmdbRestore,
    pending: Vec<(Revision, Write)>,
    size: usize,
}

impl Filling {
    fn push(&mut self, revision: Revision, write: Write) -> Result<(), BackupError> {
        self.size += write.address().key.len()
            + match &write {
                Write::Put { value, .. } => value.len(),
                Write::Delete { .. } => 0,
            };
        self.pending.push((revision, write));
        if self.size >= GROUP_SIZE || self.pending.len() >= PENDING_MAX { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), BackupError> {
        self.size = 0;
        Ok(self.into.write(&std::mem::take(&mut self.pending))?)
    }
}

/// Writes of one commit of a restore: enough that its sync costs little.
const PENDING_MAX: usize = 32 * 1_024;
