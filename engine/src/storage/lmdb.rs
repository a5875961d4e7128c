//! The durable storage: tables of LMDB in a data folder, one per database, changed by group commit.

use std::cell::RefCell;
use std::io;
use std::ops::{Bound, ControlFlow};
use std::path::Path;
use std::sync::Arc;

use super::environment::{DATA_FILE, Environment, Failure, PendingChange, READERS_FILE, READERS_FILE_SIZE, Snapshot};
use super::folder::Folder;
use super::format::{self, Tables};
use super::group::{GroupCommit, GroupWriter, Transaction};
use super::page::{self, Page};
use super::watch::ChangeLog;
use super::{
    Address, Change, Compare, Database, NewChange, RESTORE_FOLDER, Revision, SnapshotVisitor, Storage, StorageActivity,
    StorageError, TransactError, Versioned, Watch, WatchError, Write, WriteAhead, check,
};
use crate::limits::{FREE_SPACE_FLOOR, MAP_SIZE, MAP_SIZE_MAX, WATCH_LOG_SIZE};

/// A storage in a data folder, for one process at a time.
pub struct LmdbStorage {
    // Fields are dropped in this order: the writer ends before the store it writes to.
    writer: GroupWriter,
    store: Arc<Store>,
}

/// How a data folder is opened.
#[derive(Clone, Debug)]
pub struct LmdbOptions {
    /// Bytes of address space that are mapped at first, up to [`MAP_SIZE_MAX`]; it doubles whenever it is full.
    pub map_size: usize,
    /// Bytes that must be free on the disk before a change is taken.
    pub free_space_floor: u64,
    /// Bytes of recent changes that are retained for watches.
    pub watch_log_size: usize,
    /// Where changes are written before they are made, if anywhere.
    pub write_ahead: Option<Arc<dyn WriteAhead>>,
}

impl Default for LmdbOptions {
    fn default() -> Self {
        Self {
            map_size: MAP_SIZE,
            free_space_floor: FREE_SPACE_FLOOR,
            watch_log_size: WATCH_LOG_SIZE,
            write_ahead: None,
        }
    }
}

impl LmdbStorage {
    /// Opens the data folder at `path`; makes it (mode 0700, files 0600) if it is missing. Its parent must exist.
    ///
    /// # Errors
    /// [`StorageError`]: the folder has a newer format, is in use, is not permitted, is damaged, or is to be made on a
    /// disk without room; changes to it have ended in this process; or what was written ahead of it does not fit it.
    pub fn open(path: &Path, options: &LmdbOptions) -> Result<Self, StorageError> {
        let store = Arc::new(Store::open(path, options)?);
        let writer = GroupWriter::start(Arc::clone(&store)).map_err(|error| store.folder.error("write to", error))?;
        Ok(Self { writer, store })
    }
}

impl Storage for LmdbStorage {
    fn get(&self, address: &Address) -> Result<Option<Versioned>, StorageError> {
        check::address(address)?;
        self.store.get(address)
    }

    fn scan(
        &self,
        prefix: &Address,
        after: Option<&Address>,
        limit: usize,
    ) -> Result<Vec<(Address, Versioned)>, StorageError> {
        check::scan(prefix, after)?;
        self.store.scan(prefix, after, limit)
    }

    fn transact(&self, compares: &[Compare], writes: &[Write]) -> Result<Revision, TransactError> {
        let size = check::transaction(compares, writes)?;
        let transaction = Transaction { compares: compares.to_vec(), writes: writes.to_vec(), size };
        self.writer.transact(transaction).unwrap_or_else(|| {
            Err(self.store.folder.end_writes(io::Error::other("the writer thread has ended")).into())
        })
    }

    fn watch(&self, from: Revision) -> Result<Watch, WatchError> {
        self.store.log.watch(from)
    }

    fn revision(&self) -> Revision {
        self.store.log.last()
    }

    fn check_spare_space(&self) -> Result<(), StorageError> {
        self.store.folder.check_spare_space(self.store.free_space_floor)?;
        self.store
            .write_ahead
            .as_ref()
            .map_or(Ok(()), |ahead| ahead.check_spare_space())
            .map_err(StorageError::WriteAhead)
    }

    fn snapshot(&self, visitor: &mut dyn SnapshotVisitor) -> Result<(), StorageError> {
        let shown = self.store.snapshot(visitor);
        shown.map_err(|failure| self.store.folder.failure("read", failure))
    }

    fn activity(&self) -> StorageActivity {
        let bytes = |size| u64::try_from(size).unwrap_or(u64::MAX);
        // Sizes that cannot be told are those of a storage that says so at each read.
        let (map_size, used_size) = self.store.environment.sizes().unwrap_or_default();
        StorageActivity { map_size: bytes(map_size), used_size: bytes(used_size), ..self.writer.activity() }
    }
}

impl Drop for LmdbStorage {
    fn drop(&mut self) {
        self.store.log.close();
    }
}

/// The open folder. Shared by the readers and the writer thread.
struct Store {
    // Fields are dropped in this order: LMDB closes its files before the folder is given up.
    environment: Environment,
    folder: Folder,
    tables: Tables,
    log: Arc<ChangeLog>,
    free_space_floor: u64,
    write_ahead: Option<Arc<dyn WriteAhead>>,
}

impl Store {
    fn get(&self, address: &Address) -> Result<Option<Versioned>, StorageError> {
        let record = self.environment.get(self.tables.of(address), &address.key, format::decode);
        record.map_err(|failure| self.folder.failure("read", failure))
    }

    fn scan(
        &self,
        prefix: &Address,
        after: Option<&Address>,
        limit: usize,
    ) -> Result<Vec<(Address, Versioned)>, StorageError> {
        let mut page = Page::new(limit);
        let (start, skip) = match page::start(prefix, after) {
            Bound::Excluded(after) if after.database != prefix.database => return Ok(page.finish()),
            Bound::Excluded(after) => (after, Some(&*after.key)),
            Bound::Included(_) | Bound::Unbounded => (prefix, None),
        };
        let visited = self.environment.visit(self.tables.of(prefix), &start.key, |key, record| {
            if page.is_full() || !key.starts_with(&prefix.key) {
                return Ok(ControlFlow::Break(()));
            }
            if skip != Some(key) {
                page.push(Address::new(prefix.database, key), format::decode(record)?);
            }
            Ok(ControlFlow::Continue(()))
        });
        visited.map_err(|failure| self.folder.failure("read", failure))?;
        Ok(page.finish())
    }

    fn snapshot(&self, visitor: &mut dyn SnapshotVisitor) -> Result<(), Failure> {
        // A read that lasts would hold up growth, and with it every change: it breaks off and begins anew. The map doubles each time, so that this happens seldom.
        while let Snapshot::BrokenOff = self.try_snapshot(visitor)? {}
        Ok(())
    }

    fn try_snapshot(&self, visitor: &mut dyn SnapshotVisitor) -> Result<Snapshot, Failure> {
        // Both closures show the visitor something, one after the other.
        let visitor = RefCell::new(visitor);
        self.environment.snapshot(
            self.tables.revision_note(),
            &self.tables.all(),
            |note| Ok(visitor.borrow_mut().begin(Tables::noted_revision(note)?)),
            |index, key, record| {
                let database = Database::ALL.get(index).copied().ok_or(Failure::Damaged("it has a table too many"))?;
                Ok(visitor.borrow_mut().value(Address::new(database, key), format::decode(record)?))
            },
        )
    }
}

impl GroupCommit for Store {
    fn commit(&self, group: &[Transaction]) -> Result<Vec<Result<Revision, TransactError>>, StorageError> {
        self.folder.check_writable()?;
        if group.iter().any(|transaction| !transaction.writes.is_empty()) {
            self.folder.check_free_space(self.free_space_floor)?;
        }
        // Written ahead once, even if the change has to be repeated in a larger map.
        let mut ahead = None;
        loop {
            match self.try_commit(group, &mut ahead) {
                Ok(results) => return Ok(results),
                Err(CommitFailure::Lmdb(Failure::Full)) => {
                    self.grow().inspect_err(|_| self.withdraw(ahead.is_some()))?;
                }
                Err(CommitFailure::Lmdb(failure)) => return Err(self.end_writes(failure)),
                Err(CommitFailure::WriteAhead(error)) => return Err(error),
            }
        }
    }
}

/// Why a group was not made.
enum CommitFailure {
    Lmdb(Failure),
    /// It could not be written ahead: nothing of it is in the storage.
    WriteAhead(StorageError),
}

impl From<Failure> for CommitFailure {
    fn from(failure: Failure) -> Self {
        Self::Lmdb(failure)
    }
}

impl Store {
    /// Makes the whole group in one change of LMDB's, or leaves no trace in it.
    fn try_commit(
        &self,
        group: &[Transaction],
        ahead: &mut Option<Revision>,
    ) -> Result<Vec<Result<Revision, TransactError>>, CommitFailure> {
        let mut pending = self.environment.begin()?;
        let before = self.log.last();
        let mut revision = before;
        let mut changes = Vec::new();
        let mut results = Vec::with_capacity(group.len());
        for Transaction { compares, writes, .. } in group {
            // All compares come before the first write, so a conflict leaves nothing to undo.
            if let Some(address) = self.first_conflict(&pending, compares)? {
                results.push(Err(TransactError::Conflict { address: address.clone() }));
                continue;
            }
            if !writes.is_empty() {
                revision = Revision(revision.0 + 1);
                for write in writes {
                    self.apply(&mut pending, write, revision)?;
                }
                changes.push(NewChange { revision, writes });
            }
            results.push(Ok(revision));
        }
        if !changes.is_empty() {
            self.tables.note_revision(&mut pending, revision)?;
            if let Some(ahead) = self.write_ahead(before, &changes, ahead)? {
                self.tables.note_ahead(&mut pending, ahead)?;
            }
            pending.commit()?;
            self.log.publish(changes.iter().map(|change| Change::of(change.revision, change.writes)));
        }
        Ok(results)
    }

    fn write_ahead(
        &self,
        before: Revision,
        changes: &[NewChange<'_>],
        ahead: &mut Option<Revision>,
    ) -> Result<Option<Revision>, CommitFailure> {
        if let (Some(write_ahead), None) = (&self.write_ahead, &ahead) {
            let written = write_ahead.append(before, changes);
            *ahead = Some(written.map_err(|error| CommitFailure::WriteAhead(StorageError::WriteAhead(error)))?);
        }
        Ok(*ahead)
    }

    /// Has what was written ahead of a change that is not made known as not made.
    fn withdraw(&self, is_ahead: bool) {
        if let (true, Some(write_ahead)) = (is_ahead, &self.write_ahead)
            && let Err(error) = write_ahead.withdraw(self.log.last())
        {
            tracing::error!(%error, "what was written ahead of a change that was refused cannot be withdrawn");
        }
    }

    fn first_conflict<'a>(
        &self,
        pending: &PendingChange<'_>,
        compares: &'a [Compare],
    ) -> Result<Option<&'a Address>, Failure> {
        for Compare { address, expected } in compares {
            let found = pending.get(self.tables.of(address), &address.key, format::revision)?;
            if found != *expected {
                return Ok(Some(address));
            }
        }
        Ok(None)
    }

    fn apply(&self, pending: &mut PendingChange<'_>, write: &Write, revision: Revision) -> Result<(), Failure> {
        match write {
            Write::Put { address, value } => {
                pending.put(self.tables.of(address), &address.key, &format::encode(revision, value))
            }
            Write::Delete { address } => pending.delete(self.tables.of(address), &address.key),
        }
    }

    fn grow(&self) -> Result<(), StorageError> {
        let path = self.folder.path();
        match self.environment.grow() {
            Ok(size) => tracing::info!(folder = %path.display(), size, "the map of the data folder has grown"),
            Err(Failure::Full) => return Err(StorageError::SizeLimit { path: path.to_owned(), limit: MAP_SIZE_MAX }),
            Err(failure) => return Err(self.end_writes(failure)),
        }
        Ok(())
    }

    /// Ends changes for this process, whatever the failure was: what LMDB has on the disk can no longer be known.
    fn end_writes(&self, failure: Failure) -> StorageError {
        let error = self.folder.end_writes(failure.into());
        tracing::error!(%error);
        error
    }
}

/// Opening.
impl Store {
    fn open(path: &Path, options: &LmdbOptions) -> Result<Self, StorageError> {
        let folder = Folder::open(path)?;
        if folder.has(RESTORE_FOLDER) {
            return Err(StorageError::RestoreUnfinished { path: folder.path().to_owned() });
        }
        if !folder.has(DATA_FILE) {
            folder.check_free_space(options.free_space_floor)?;
        }
        // LMDB notes its readers by writing to mapped memory: on a full disk that would be a fatal signal, not an error.
        folder.reserve(READERS_FILE, READERS_FILE_SIZE)?;
        let environment = Environment::open(folder.path(), options.map_size, Tables::COUNT)
            .map_err(|failure| folder.failure("open", failure))?;
        let (tables, revision) = Tables::open(&environment, &folder)?;
        folder.sync()?;
        let write_ahead = options.write_ahead.clone();
        if let Some(write_ahead) = &write_ahead {
            let ahead = tables.ahead(&environment).map_err(|failure| folder.failure("open", failure))?;
            write_ahead.begin(revision, ahead).map_err(StorageError::WriteAhead)?;
        }
        let log = ChangeLog::new(revision, options.watch_log_size);
        Ok(Self { environment, folder, tables, log, free_space_floor: options.free_space_floor, write_ahead })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::Database;

    fn address(key: &str) -> Address {
        Address::new(Database::Keys, key)
    }

    fn transaction(compares: &[Compare], writes: &[(&str, &str)]) -> Transaction {
        let put = |(key, value): &(&str, &str)| Write::Put { address: address(key), value: (*value).into() };
        Transaction { compares: compares.to_vec(), writes: writes.iter().map(put).collect(), size: 0 }
    }

    #[test]
    fn each_transaction_of_a_group_sees_those_before_it_and_keeps_its_own_result() {
        let folder = tempfile::tempdir().unwrap();
        let options = LmdbOptions { map_size: 0, free_space_floor: 0, ..LmdbOptions::default() };
        let store = Store::open(folder.path(), &options).unwrap();
        let absent = Compare::absent(address("a"));
        let group = [
            transaction(std::slice::from_ref(&absent), &[("a", "first")]),
            transaction(std::slice::from_ref(&absent), &[("a", "second"), ("b", "second")]),
            transaction(&[Compare::unchanged(address("a"), Revision(1))], &[("a", "third")]),
            transaction(&[Compare::unchanged(address("a"), Revision(2))], &[]),
            transaction(&[Compare::unchanged(address("a"), Revision(1))], &[]),
        ];
        let results = store.commit(&group).unwrap();
        let conflict = |result: &Result<Revision, TransactError>| matches!(result, Err(TransactError::Conflict { address: found }) if *found == address("a"));
        assert!(matches!(results[0], Ok(Revision(1))));
        assert!(conflict(&results[1]));
        assert!(matches!(results[2], Ok(Revision(2))));
        assert!(matches!(results[3], Ok(Revision(2))));
        assert!(conflict(&results[4]));
        let expected = Versioned { value: "third".into(), revision: Revision(2) };
        assert_eq!(store.get(&address("a")).unwrap(), Some(expected));
        assert_eq!(store.get(&address("b")).unwrap(), None);
    }
}
