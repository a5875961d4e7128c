//! LMDB, as far as it is sound: the only file that names the LMDB crate, and it needs no `unsafe`.
//!
//! The crate is old and can be made to crash from safe code, so only `put`, `del`, `get` and `RoCursor::get` are used,
//! and this file lends nothing out that could be misused:
//!
//! - Slices that come out of LMDB point into the map. A closure sees them, and cannot keep them.
//! - No iterator: one that outlives its cursor reads freed memory.
//! - The map grows only while no read is under way: [`lmdb::Environment::set_map_size`] unmaps what a reader may be
//!   reading, and returns `Ok`.
//! - One environment per folder in a process, which is the caller's duty: `folder.rs`.
//!
//! LMDB syncs the data, then writes and syncs the page that makes them valid, and only then shows them to readers, so
//! whatever can be read is durable.

use std::io;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use lmdb::{Cursor as _, DatabaseFlags, EnvironmentFlags, RoTransaction, RwTransaction, Transaction as _, WriteFlags};
use parking_lot::{RwLock, RwLockReadGuard};

use crate::limits::{MAP_SIZE_MAX, MAP_SIZE_UNIT, READERS_MAX};

/// Some tables of ordered bytes in a folder. Reads run on any thread; there is one change at a time.
pub(super) struct Environment {
    inner: lmdb::Environment,
    map: RwLock<Map>,
    /// A growth waits for the reads that are under way: long ones break off.
    growing: AtomicBool,
}

/// One table of an environment.
#[derive(Clone, Copy)]
pub(super) struct Table(lmdb::Database);

/// Why LMDB did not do it.
pub(super) enum Failure {
    /// The map is full, so nothing was written: grow it and repeat the change.
    Full,
    /// The files are not what LMDB writes.
    Damaged(&'static str),
    /// The operating system, or LMDB for a reason that does not happen in our use of it.
    System(io::Error),
}

/// How a snapshot ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Snapshot {
    /// Everything was shown, or the visitor has broken it off.
    Shown,
    /// The map is growing: begin anew.
    BrokenOff,
}

/// Whether LMDB has its file in memory. Held shared by each read, and alone while the map grows.
enum Map {
    Usable,
    /// The system refused a larger map after the smaller one was given up. LMDB would follow a null pointer.
    Lost,
}

impl Environment {
    /// Opens the environment in `folder`; makes its files (mode 0600) if they are missing.
    ///
    /// `map_size`: bytes of address space to begin with, brought into bounds here.
    pub(super) fn open(folder: &Path, map_size: usize, tables_max: u32) -> Result<Self, Failure> {
        let inner = lmdb::Environment::new()
            // A read belongs to its transaction, not to its thread: threads come and go.
            .set_flags(EnvironmentFlags::NO_TLS)
            .set_max_dbs(tables_max)
            .set_max_readers(READERS_MAX)
            .set_map_size(map_size.clamp(MAP_SIZE_UNIT, MAP_SIZE_MAX).next_multiple_of(MAP_SIZE_UNIT))
            .open_with_permissions(folder, 0o600)?;
        Ok(Self { inner, map: RwLock::new(Map::Usable), growing: AtomicBool::new(false) })
    }

    /// Opens a table; makes it if it is missing. Only while nothing else is under way.
    pub(super) fn table(&self, name: &str) -> Result<Table, Failure> {
        Ok(Table(self.inner.create_db(Some(name), DatabaseFlags::empty())?))
    }

    /// Shows the record of `key` to `read`, if there is one. `read` should copy and return: it holds up growth.
    pub(super) fn get<T>(
        &self,
        table: Table,
        key: &[u8],
        read: impl FnOnce(&[u8]) -> Result<T, Failure>,
    ) -> Result<Option<T>, Failure> {
        let _map = self.map()?;
        let transaction = self.inner.begin_ro_txn()?;
        look_up(&transaction, table, key, read)
    }

    /// Shows the records from `start` on, ascending, until `visit` breaks or fails. All are of one moment.
    pub(super) fn visit(
        &self,
        table: Table,
        start: &[u8],
        visit: impl FnMut(&[u8], &[u8]) -> Result<ControlFlow<()>, Failure>,
    ) -> Result<(), Failure> {
        let _map = self.map()?;
        let transaction = self.inner.begin_ro_txn()?;
        walk(&transaction, table, start, visit).map(drop)
    }

    /// Shows `note`, a record of the first table, and then all records of `tables`, ascending in each: all of one moment. Breaks off before the end, and
    /// says so, when the map is to grow, which waits for this.
    pub(super) fn snapshot(
        &self,
        (first, note): (Table, &[u8]),
        tables: &[Table],
        begin: impl FnOnce(&[u8]) -> Result<ControlFlow<()>, Failure>,
        mut visit: impl FnMut(usize, &[u8], &[u8]) -> Result<ControlFlow<()>, Failure>,
    ) -> Result<Snapshot, Failure> {
        let _map = self.map()?;
        let transaction = self.inner.begin_ro_txn()?;
        let mut flow = look_up(&transaction, first, note, begin)?.ok_or(Failure::Damaged("a note in it is missing"))?;
        let mut broken_off = false;
        for (index, table) in tables.iter().enumerate() {
            if flow.is_break() {
                break;
            }
            flow = walk(&transaction, *table, &[], |key, record| {
                broken_off = self.growing.load(Ordering::Relaxed);
                if broken_off { Ok(ControlFlow::Break(())) } else { visit(index, key, record) }
            })?;
        }
        Ok(if broken_off { Snapshot::BrokenOff } else { Snapshot::Shown })
    }

    /// Begins a change, after waiting for the one under way. Dropped without a commit, it leaves no trace.
    pub(super) fn begin(&self) -> Result<PendingChange<'_>, Failure> {
        Ok(PendingChange(self.inner.begin_rw_txn()?))
    }

    /// Doubles the map; returns its new size in bytes. On the thread that makes changes, between two of them.
    ///
    /// # Errors
    /// [`Failure::Full`] if the map has its largest size. After any other error nothing can be read any more.
    pub(super) fn grow(&self) -> Result<usize, Failure> {
        let size = self.inner.info()?.map_size();
        if size >= MAP_SIZE_MAX {
            return Err(Failure::Full);
        }
        let larger = size.saturating_mul(2).min(MAP_SIZE_MAX);
        self.growing.store(true, Ordering::Relaxed);
        let mut map = self.map.write();
        self.growing.store(false, Ordering::Relaxed);
        if let Err(error) = self.inner.set_map_size(larger) {
            *map = Map::Lost;
            return Err(error.into());
        }
        Ok(larger)
    }

    /// Bytes that are mapped, and bytes of these that have been used.
    pub(super) fn sizes(&self) -> Result<(usize, usize), Failure> {
        let _map = self.map()?;
        let (info, stat) = (self.inner.info()?, self.inner.stat()?);
        let page_size = usize::try_from(stat.page_size()).unwrap_or(usize::MAX);
        Ok((info.map_size(), info.last_pgno().saturating_add(1).saturating_mul(page_size)))
    }

    /// Keeps the map in its place as long as the guard lives.
    fn map(&self) -> Result<RwLockReadGuard<'_, Map>, Failure> {
        let map = self.map.read();
        match *map {
            Map::Usable => Ok(map),
            Map::Lost => Err(Failure::System(io::Error::other("there was no memory to map more of it"))),
        }
    }
}

/// A change under way. It sees its own writes; readers do not until it is committed.
pub(super) struct PendingChange<'a>(RwTransaction<'a>);

impl PendingChange<'_> {
    /// Shows the record of `key` as it stands in this change to `read`, if there is one.
    pub(super) fn get<T>(
        &self,
        table: Table,
        key: &[u8],
        read: impl FnOnce(&[u8]) -> Result<T, Failure>,
    ) -> Result<Option<T>, Failure> {
        look_up(&self.0, table, key, read)
    }

    /// Sets a record. After an error this change is dead: drop it.
    pub(super) fn put(&mut self, table: Table, key: &[u8], record: &[u8]) -> Result<(), Failure> {
        Ok(self.0.put(table.0, &key, &record, WriteFlags::empty())?)
    }

    /// Removes a record, if there is one. After an error this change is dead: drop it.
    pub(super) fn delete(&mut self, table: Table, key: &[u8]) -> Result<(), Failure> {
        match self.0.del(table.0, &key, None) {
            Err(lmdb::Error::NotFound) => Ok(()),
            result => Ok(result?),
        }
    }

    /// Makes the change durable, then visible.
    ///
    /// # Errors
    /// [`Failure::Full`]: nothing was written. After any other error it is unknown what a restart will find, and no
    /// further change may be made: LMDB itself would go on, on top of what a failed sync may have lost.
    pub(super) fn commit(self) -> Result<(), Failure> {
        Ok(self.0.commit()?)
    }
}

/// Shows the records of a table from `start` on, ascending, until `visit` breaks, which is told, or fails.
fn walk(
    transaction: &RoTransaction<'_>,
    table: Table,
    start: &[u8],
    mut visit: impl FnMut(&[u8], &[u8]) -> Result<ControlFlow<()>, Failure>,
) -> Result<ControlFlow<()>, Failure> {
    let cursor = transaction.open_ro_cursor(table.0)?;
    // LMDB refuses an empty key; without a position, the next record is the first.
    let mut found =
        if start.is_empty() { cursor.get(None, None, NEXT) } else { cursor.get(Some(start), None, SET_RANGE) };
    loop {
        let (key, record) = match found {
            Err(lmdb::Error::NotFound) => return Ok(ControlFlow::Continue(())),
            found => found?,
        };
        // The crate leaves the key out if LMDB did not set it, which these two positions always do.
        let key = key.ok_or(Failure::Damaged("a record has no key"))?;
        if visit(key, record)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
        found = cursor.get(None, None, NEXT);
    }
}

fn look_up<T>(
    transaction: &impl lmdb::Transaction,
    table: Table,
    key: &[u8],
    read: impl FnOnce(&[u8]) -> Result<T, Failure>,
) -> Result<Option<T>, Failure> {
    match transaction.get(table.0, &key) {
        Ok(record) => read(record).map(Some),
        Err(lmdb::Error::NotFound) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

impl From<lmdb::Error> for Failure {
    fn from(error: lmdb::Error) -> Self {
        match error {
            lmdb::Error::MapFull => Self::Full,
            lmdb::Error::Corrupted | lmdb::Error::PageNotFound => Self::Damaged("a page in it is malformed"),
            lmdb::Error::Invalid | lmdb::Error::VersionMismatch => {
                Self::Damaged("its data file was not written by LMDB 0.9")
            }
            lmdb::Error::Other(code) => Self::System(io::Error::from_raw_os_error(code)),
            error => Self::System(io::Error::other(error)),
        }
    }
}

impl From<Failure> for io::Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Full => Self::other("the map is full"),
            Failure::Damaged(what) => Self::new(io::ErrorKind::InvalidData, what),
            Failure::System(error) => error,
        }
    }
}

/// The file that holds the tables, in the folder of the environment.
pub(super) const DATA_FILE: &str = "data.mdb";

/// The file in which readers note what they read, and the bytes it needs: 64 for each reader and for its two headers.
pub(super) const READERS_FILE: &str = "lock.mdb";
pub(super) const READERS_FILE_SIZE: u64 = (READERS_MAX as u64 + 2) * 64;

/// Positions of a cursor (`MDB_cursor_op` in lmdb.h), which the crate does not export: the first key at or after the
/// one given, and the key after the current one.
const SET_RANGE: u32 = 17;
const NEXT: u32 = 8;
