//! A full backup: all values of one moment in one file, while changes go on.

use std::io::{BufWriter, Write as _};
use std::ops::ControlFlow;
use std::path::Path;

use super::chain::Chain;
use super::changes::{Part, Values};
use super::error::BackupError;
use super::file;
use super::header::{Header, Kind};
use super::journal::{Journal, Position};
use super::progress::Progress;
use crate::crypto::random::{EntropyError, Random};
use crate::files::PendingFile;
use crate::limits::BACKUP_RECORD_SIZE;
use crate::storage::{Address, Revision, SnapshotVisitor, Storage, TransactError, Versioned};

/// Writes a backup of `storage` to the file at `path`, which is there once it is whole. A segment of the journal begins with it: it and those after it have
/// every later change. Gives its number.
pub(super) fn create(
    path: &Path,
    storage: &dyn Storage,
    journal: &Journal,
    random: &dyn Random,
    now_ms: u64,
    progress: &Progress,
) -> Result<u64, BackupError> {
    let position = cut(storage, journal)?;
    progress.begin();
    let mut writing = Writing { path, journal, position, random, now_ms, progress, open: None, failure: None };
    storage.snapshot(&mut writing)?;
    writing.finish().map(|()| position.number)
}

/// Begins a segment of the journal, and waits until everything in those before it is in storage.
pub(super) fn cut(storage: &dyn Storage, journal: &Journal) -> Result<Position, BackupError> {
    let position = journal.cut()?;
    // It changes nothing, and goes the way of all changes: those before it have been made when it returns.
    let revision = storage.transact(&[], &[]).map_err(|error| match error {
        TransactError::Storage(error) => BackupError::Storage(error),
        TransactError::Conflict { address } => BackupError::Astray(address.to_string()),
    })?;
    if revision < position.appended {
        let folder = journal.folder().to_owned();
        return Err(BackupError::DataFolderOlder { folder, found: revision, known: position.appended });
    }
    Ok(position)
}

struct Writing<'a> {
    path: &'a Path,
    journal: &'a Journal,
    position: Position,
    random: &'a dyn Random,
    now_ms: u64,
    progress: &'a Progress,
    open: Option<Open>,
    failure: Option<BackupError>,
}

struct Open {
    file: BufWriter<PendingFile>,
    chain: Chain,
    values: Values,
    total: u64,
}

impl Writing<'_> {
    fn try_begin(&mut self, revision: Revision) -> Result<(), BackupError> {
        let mut id = [0; 16];
        self.random.fill(&mut id)?;
        let begun = self.journal.with_sealing(|sealing| {
            let header = Header {
                kind: Kind::Backup,
                system_version: sealing.current(),
                id,
                number: self.position.number,
                revision,
                made: revision,
                before: self.position.link,
                created_ms: self.now_ms,
            };
            Chain::begin(&header, sealing)
        });
        let (header, chain) = begun.ok_or(EntropyError)?;
        // Before another one is begun: it would be removed in its place.
        self.open = None;
        let mut file = BufWriter::with_capacity(BACKUP_RECORD_SIZE, file::begin(self.path)?);
        file.write_all(&header).map_err(BackupError::file(self.path, "write"))?;
        self.progress.begin();
        self.open = Some(Open { file, chain, values: Values::default(), total: 0 });
        Ok(())
    }

    fn try_value(&mut self, address: Address, value: Versioned) -> Result<(), BackupError> {
        let Some(open) = &mut self.open else { return Ok(()) };
        if open.values.push(address, value) >= BACKUP_RECORD_SIZE {
            open.put_values(self.path, self.random, self.progress)?;
        }
        Ok(())
    }

    fn finish(mut self) -> Result<(), BackupError> {
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        let Some(mut open) = self.open.take() else { return Err(BackupError::Ended) };
        open.put_values(self.path, self.random, self.progress)?;
        open.put(&Part::end(open.total), self.path, self.random, self.progress)?;
        let file = open.file.into_inner().map_err(|error| BackupError::file(self.path, "write")(error.into_error()))?;
        file::finish(file, self.path).map(drop)
    }

    fn keep(&mut self, result: Result<(), BackupError>) -> ControlFlow<()> {
        match result {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                self.failure = Some(error);
                ControlFlow::Break(())
            }
        }
    }
}

impl SnapshotVisitor for Writing<'_> {
    fn begin(&mut self, revision: Revision) -> ControlFlow<()> {
        let begun = self.try_begin(revision);
        self.keep(begun)
    }

    fn value(&mut self, address: Address, value: Versioned) -> ControlFlow<()> {
        let taken = self.try_value(address, value);
        self.keep(taken)
    }
}

impl Open {
    fn put_values(&mut self, path: &Path, random: &dyn Random, progress: &Progress) -> Result<(), BackupError> {
        let values = std::mem::take(&mut self.values);
        if values.count() == 0 {
            return Ok(());
        }
        self.total += u64::from(values.count());
        self.put(&values.finish(), path, random, progress)
    }

    fn put(
        &mut self,
        content: &[u8],
        path: &Path,
        random: &dyn Random,
        progress: &Progress,
    ) -> Result<(), BackupError> {
        let (record, link) = self.chain.seal(content, random)?;
        self.file.write_all(&record).map_err(BackupError::file(path, "write"))?;
        self.chain.advance(link);
        progress.advance(record.len())
    }
}
