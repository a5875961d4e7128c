//! The durable storage: tables of LMDB in a data folder, one per database, changed by group commit.

use std::io;
use std::ops::{Bound, ControlFlow};
use std::path::Path;
use std::sync::Arc;

use super::environment::{DATA_FILE, Environment, Failure, PendingChange, READERS_FILE, READERS_FILE_SIZE, Table};
use super::folder::Folder;
use super::group::{GroupCommit, GroupWriter, Transaction};
use super::page::{self, Page};
use super::watch::ChangeLog;
use super::{
    Address, Change, Compare, Database, Revision, Storage, StorageError, TransactError, Versioned, Watch, WatchError,
    Write, check,
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
}

impl Default for LmdbOptions {
    fn default() -> Self {
        Self { map_size: MAP_SIZE, free_space_floor: FREE_SPACE_FLOOR, watch_log_size: WATCH_LOG_SIZE }
    }
}

impl LmdbStorage {
    /// Opens the data folder at `path`; makes it (mode 0700, files 0600) if it is missing. Its parent must exist.
    ///
    /// # Errors
    /// [`StorageError`]: the folder has a newer format, is in use, is not permitted, is damaged, or is to be made on a
    /// disk without room; or changes to it have ended in this process.
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
}

#[derive(Clone, Copy)]
struct Tables {
    /// What the storage notes about itself: apart, so that no address of a caller can collide with it.
    storage: Table,
    meta: Table,
    keys: Table,
    authentication: Table,
}

impl Tables {
    fn of(&self, address: &Address) -> Table {
        match address.database {
            Database::Meta => self.meta,
            Database::Keys => self.keys,
            Database::Authentication => self.authentication,
        }
    }
}

impl Store {
    fn get(&self, address: &Address) -> Result<Option<Versioned>, StorageError> {
        let record = self.environment.get(self.tables.of(address), &address.key, decode);
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
                page.push(Address::new(prefix.database, key), decode(record)?);
            }
            Ok(ControlFlow::Continue(()))
        });
        visited.map_err(|failure| self.folder.failure("read", failure))?;
        Ok(page.finish())
    }
}

impl GroupCommit for Store {
    fn commit(&self, group: &[Transaction]) -> Result<Vec<Result<Revision, TransactError>>, StorageError> {
        self.folder.check_writable()?;
        if group.iter().any(|transaction| !transaction.writes.is_empty()) {
            self.folder.check_free_space(self.free_space_floor)?;
        }
        loop {
            match self.try_commit(group) {
                Ok(results) => return Ok(results),
                Err(Failure::Full) => self.grow()?,
                Err(failure) => return Err(self.end_writes(failure)),
            }
        }
    }
}

impl Store {
    /// Makes the whole group in one change of LMDB's, or leaves no trace.
    fn try_commit(&self, group: &[Transaction]) -> Result<Vec<Result<Revision, TransactError>>, Failure> {
        let mut pending = self.environment.begin()?;
        let mut revision = self.log.last();
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
                changes.push(Change::of(revision, writes));
            }
            results.push(Ok(revision));
        }
        if !changes.is_empty() {
            pending.put(self.tables.storage, REVISION, &revision.0.to_be_bytes())?;
            pending.commit()?;
            self.log.publish(changes);
        }
        Ok(results)
    }

    fn first_conflict<'a>(
        &self,
        pending: &PendingChange<'_>,
        compares: &'a [Compare],
    ) -> Result<Option<&'a Address>, Failure> {
        for Compare { address, expected } in compares {
            let found = pending.get(self.tables.of(address), &address.key, |record| Ok(split(record)?.0))?;
            if found != *expected {
                return Ok(Some(address));
            }
        }
        Ok(None)
    }

    fn apply(&self, pending: &mut PendingChange<'_>, write: &Write, revision: Revision) -> Result<(), Failure> {
        match write {
            Write::Put { address, value } => {
                pending.put(self.tables.of(address), &address.key, &encode(revision, value))
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
        if !folder.has(DATA_FILE) {
            folder.check_free_space(options.free_space_floor)?;
        }
        // LMDB notes its readers by writing to mapped memory: on a full disk that would be a fatal signal, not an error.
        folder.reserve(READERS_FILE, READERS_FILE_SIZE)?;
        let environment = Environment::open(folder.path(), options.map_size, TABLE_COUNT)
            .map_err(|failure| folder.failure("open", failure))?;
        let (tables, revision) = open_tables(&environment, &folder)?;
        folder.sync()?;
        let log = ChangeLog::new(revision, options.watch_log_size);
        Ok(Self { environment, folder, tables, log, free_space_floor: options.free_space_floor })
    }
}

/// Opens the tables, or makes them in a new folder; returns them with the revision of the last change.
fn open_tables(environment: &Environment, folder: &Folder) -> Result<(Tables, Revision), StorageError> {
    let failed = |failure| folder.failure("open", failure);
    let table = |name| environment.table(name).map_err(failed);

    // The format first: nothing else of a newer folder is touched.
    let storage = table("storage")?;
    let format = environment.get(storage, FORMAT, number).map_err(failed)?.map(u32::from_be_bytes);
    match format {
        None | Some(FORMAT_VERSION) => {}
        Some(0) => return Err(folder.damaged("its format version is zero")),
        // Migrations come in here: a backup of the older format first, then one step from each version to the next.
        Some(found) => {
            let path = folder.path().to_owned();
            return Err(StorageError::NewerFormat { path, found, supported: FORMAT_VERSION });
        }
    }
    let tables = Tables {
        storage,
        meta: table(Database::Meta.name())?,
        keys: table(Database::Keys.name())?,
        authentication: table(Database::Authentication.name())?,
    };
    let revision = environment.get(storage, REVISION, number).map_err(failed)?.map(u64::from_be_bytes).map(Revision);
    match (format, revision) {
        (Some(_), Some(revision)) => Ok((tables, revision)),
        (Some(_), None) => Err(folder.damaged("its revision is missing")),
        (None, Some(_)) => Err(folder.damaged("its format version is missing")),
        (None, None) => {
            // A new folder, or one whose making was cut short: no change can have been made before this one.
            note_format(environment, storage).map_err(failed)?;
            Ok((tables, Revision::default()))
        }
    }
}

fn note_format(environment: &Environment, storage: Table) -> Result<(), Failure> {
    let mut pending = environment.begin()?;
    pending.put(storage, FORMAT, &FORMAT_VERSION.to_be_bytes())?;
    pending.put(storage, REVISION, &Revision::default().0.to_be_bytes())?;
    pending.commit()
}

fn number<const SIZE: usize>(record: &[u8]) -> Result<[u8; SIZE], Failure> {
    record.try_into().map_err(|_wrong_size| Failure::Damaged("a number in it has the wrong size"))
}

// A record: revision of its last change u64 big-endian | value.

fn encode(revision: Revision, value: &[u8]) -> Vec<u8> {
    [&revision.0.to_be_bytes(), value].concat()
}

fn decode(record: &[u8]) -> Result<Versioned, Failure> {
    let (revision, value) = split(record)?;
    Ok(Versioned { value: value.to_vec(), revision })
}

fn split(record: &[u8]) -> Result<(Revision, &[u8]), Failure> {
    let (revision, value) = record.split_first_chunk().ok_or(Failure::Damaged("a record in it is cut short"))?;
    Ok((Revision(u64::from_be_bytes(*revision)), value))
}

impl Folder {
    /// A failure of LMDB outside a change, sorted by who can act.
    fn failure(&self, action: &'static str, failure: Failure) -> StorageError {
        match failure {
            Failure::Damaged(what) => self.damaged(what),
            failure => self.error(action, failure.into()),
        }
    }

    fn damaged(&self, what: &'static str) -> StorageError {
        StorageError::Damaged { path: self.path().to_owned(), what }
    }
}

/// Version of the stored format that this program writes, and the newest that it reads.
const FORMAT_VERSION: u32 = 1;

/// What the storage notes about itself: the format version, u32 big-endian, and the last revision, u64 big-endian.
const FORMAT: &[u8] = b"format";
const REVISION: &[u8] = b"revision";

/// The storage's own table, and one for each database.
const TABLE_COUNT: u32 = 4;

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn open(folder: &TempDir) -> Result<Store, StorageError> {
        Store::open(folder.path(), &LmdbOptions { map_size: 0, free_space_floor: 0, watch_log_size: WATCH_LOG_SIZE })
    }

    /// Makes a folder and changes it as no storage would.
    fn tampered(tamper: impl FnOnce(&Tables, &mut PendingChange<'_>) -> Result<(), Failure>) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        let store = open(&folder).unwrap();
        let tampering = || {
            let mut pending = store.environment.begin()?;
            tamper(&store.tables, &mut pending)?;
            pending.commit()
        };
        tampering().map_err(io::Error::from).unwrap();
        folder
    }

    fn address(key: &str) -> Address {
        Address::new(Database::Keys, key)
    }

    fn transaction(compares: &[Compare], writes: &[(&str, &str)]) -> Transaction {
        let put = |(key, value): &(&str, &str)| Write::Put { address: address(key), value: (*value).into() };
        Transaction { compares: compares.to_vec(), writes: writes.iter().map(put).collect(), size: 0 }
    }

    // R-O7
    #[test]
    fn refuses_a_newer_format_and_leaves_it_alone() {
        let newer = FORMAT_VERSION + 1;
        let folder = tampered(|tables, pending| pending.put(tables.storage, FORMAT, &newer.to_be_bytes()));
        let data = || std::fs::read(folder.path().join(DATA_FILE)).unwrap();
        let before = data();
        for _ in 0..2 {
            let error = open(&folder).err().unwrap();
            assert!(matches!(error, StorageError::NewerFormat { found, .. } if found == newer), "{error}");
            assert!(error.to_string().contains("run the newer program"), "{error}");
        }
        assert_eq!(data(), before);
    }

    #[test]
    fn refuses_a_folder_whose_own_notes_are_not_as_written() {
        type Tamper = fn(&Tables, &mut PendingChange<'_>) -> Result<(), Failure>;
        let cases: [Tamper; 5] = [
            |tables, pending| pending.put(tables.storage, FORMAT, &0_u32.to_be_bytes()),
            |tables, pending| pending.put(tables.storage, FORMAT, b"1"),
            |tables, pending| pending.delete(tables.storage, FORMAT),
            |tables, pending| pending.delete(tables.storage, REVISION),
            |tables, pending| pending.put(tables.storage, REVISION, &[0; 9]),
        ];
        for (case, tamper) in cases.into_iter().enumerate() {
            let error = open(&tampered(tamper)).err().unwrap();
            assert!(matches!(error, StorageError::Damaged { .. }), "case {case}: {error}");
        }
    }

    #[test]
    fn refuses_a_record_cut_short() {
        let folder = tampered(|tables, pending| pending.put(tables.keys, b"short", &[0; 7]));
        let store = open(&folder).unwrap();
        assert!(matches!(store.get(&address("short")), Err(StorageError::Damaged { .. })));
        assert!(matches!(store.scan(&address(""), None, 1), Err(StorageError::Damaged { .. })));
        let error = store.commit(&[transaction(&[Compare::absent(address("short"))], &[])]).unwrap_err();
        assert!(matches!(error, StorageError::WritesEnded { .. }), "{error}");
    }

    #[test]
    fn making_a_folder_that_was_cut_short_is_finished() {
        let folder = tampered(|tables, pending| {
            pending.delete(tables.storage, FORMAT)?;
            pending.delete(tables.storage, REVISION)
        });
        let store = open(&folder).unwrap();
        assert_eq!(store.log.last(), Revision::default());
    }

    #[test]
    fn each_transaction_of_a_group_sees_those_before_it_and_keeps_its_own_result() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(&folder).unwrap();
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
