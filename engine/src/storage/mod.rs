//! Storage: an ordered, transactional, watchable map from addresses to bytes, which knows nothing of keys.
//!
//! Three calls carry everything: read ([`Storage::get`], [`Storage::scan`]), change ([`Storage::transact`]) and be told
//! of changes ([`Storage::watch`]). All of them block, and none is called from a worker thread of the data port.
//!
//! A cache over a storage is filled and kept right like this, in this order, so that no change is missed:
//!
//! ```
//! # use claviger_engine::storage::{Address, Database, MemoryStorage, Storage};
//! # let storage = MemoryStorage::new();
//! let mut watch = storage.watch(storage.revision())?;
//! let records = storage.scan(&Address::new(Database::Keys, ""), None, 1_000)?; // page by page
//! // From here on: for each change of `watch`, forget or read again its addresses.
//! # assert!(records.is_empty());
//! # assert!(watch.next_timeout(std::time::Duration::ZERO)?.is_none());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod activity;
mod check;
mod environment;
mod error;
mod failing;
mod folder;
mod format;
mod group;
mod lmdb;
mod memory;
mod page;
mod restore;
mod watch;
mod write_ahead;

use std::fmt;
use std::ops::ControlFlow;

pub use self::activity::StorageActivity;
pub use self::error::{StorageError, TransactError};
pub use self::failing::{Call, FailingStorage, Pause};
pub use self::lmdb::{LmdbOptions, LmdbStorage};
pub use self::memory::MemoryStorage;
pub use self::restore::{LmdbRestore, RESTORE_FOLDER};
pub use self::watch::{Change, Watch, WatchError, WatchStopper};
pub use self::write_ahead::{NewChange, WriteAhead, WriteAheadError};

/// A durable, ordered map whose changes are transactions and can be watched.
///
/// A change can be read as soon as any watch shows it, and every watch can show it as soon as `transact` has returned.
pub trait Storage: Send + Sync {
    /// Reads one value, with the revision of its last change; `None` if the address holds none.
    ///
    /// # Errors
    /// [`StorageError`]: a bad address, or the place cannot be read.
    fn get(&self, address: &Address) -> Result<Option<Versioned>, StorageError>;

    /// Reads one page: at most `limit` values whose address starts with `prefix`, ascending by address.
    ///
    /// `prefix` names the database and the first 0..=[`ADDRESS_SIZE_MAX`](crate::limits::ADDRESS_SIZE_MAX) bytes.
    /// `after` is the last address of the page before, and is itself left out; `None` starts at the front. A page shows
    /// one moment; changes between two pages may or may not be seen, so follow them with a watch. A page also ends at
    /// [`SCAN_PAGE_COUNT_MAX`](crate::limits::SCAN_PAGE_COUNT_MAX) values or about
    /// [`SCAN_PAGE_SIZE`](crate::limits::SCAN_PAGE_SIZE) bytes: only an empty page says that the scan is over.
    ///
    /// # Errors
    /// [`StorageError`]: a bad address, or the place cannot be read.
    fn scan(
        &self,
        prefix: &Address,
        after: Option<&Address>,
        limit: usize,
    ) -> Result<Vec<(Address, Versioned)>, StorageError>;

    /// Makes all of `writes`, if all of `compares` hold, as one step: all or nothing, durable when it returns.
    ///
    /// Returns the revision of the change, which is higher than every earlier one. Without writes nothing changes, and
    /// the current revision comes back once the compares hold. Deleting an absent address is allowed.
    ///
    /// # Errors
    /// [`TransactError::Conflict`] names the first compare that does not hold; nothing was written.
    /// [`StorageError::WritesEnded`] leaves open whether the change will be there after a restart; after any other error
    /// it is certainly not there.
    fn transact(&self, compares: &[Compare], writes: &[Write]) -> Result<Revision, TransactError>;

    /// Watches every change later than `from`, in order.
    ///
    /// # Errors
    /// [`WatchError::Behind`] if the changes after `from` are no longer retained, or if `from` is later than anything
    /// this storage has seen (it was put back to an older state): read everything again.
    fn watch(&self, from: Revision) -> Result<Watch, WatchError>;

    /// The revision of the last change; everything up to it can be read.
    fn revision(&self) -> Revision;

    /// Refuses what can wait while less than twice the floor is free on a disk that changes are written to, so that it never takes the room that changes need.
    ///
    /// # Errors
    /// [`StorageError::SpareSpace`], [`StorageError::WriteAhead`]: wait; else [`StorageError`] if it cannot be measured.
    fn check_spare_space(&self) -> Result<(), StorageError>;

    /// Shows every value of one moment to `visitor`. Changes go on meanwhile, and are not shown.
    ///
    /// # Errors
    /// [`StorageError`]: the place cannot be read.
    fn snapshot(&self, visitor: &mut dyn SnapshotVisitor) -> Result<(), StorageError>;

    /// What it has done since it was opened, for whoever watches it. Zeros, if it does not count.
    fn activity(&self) -> StorageActivity {
        StorageActivity::default()
    }
}

/// Is shown every value of a storage as it was at one moment. It must not call the storage.
pub trait SnapshotVisitor {
    /// A snapshot begins, of the moment after the change of this revision. Called again if the storage had to let go of that moment: then everything that was shown is void.
    fn begin(&mut self, revision: Revision) -> ControlFlow<()>;

    /// One value, with the revision of its last change. They come in the order of their addresses. Breaking ends the snapshot.
    fn value(&mut self, address: Address, value: Versioned) -> ControlFlow<()>;
}

/// Which of the separate maps an address lies in. The numbers are part of the stored format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Database {
    /// The installation and its key stores.
    Meta = 0,
    /// Keys and key versions.
    Keys = 1,
    /// Authentication data, which stand in a database of their own.
    Authentication = 2,
    /// How keys are used: statistics, which may be behind the truth by a minute and are not in the journal.
    Usage = 3,
    /// Records of the audit log on their way to its files, and the key that signs there.
    Audit = 4,
}

impl Database {
    /// All databases, ascending.
    pub const ALL: [Self; 5] = [Self::Meta, Self::Keys, Self::Authentication, Self::Usage, Self::Audit];

    /// The database of this number, if there is one.
    pub(crate) fn from_id(id: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|database| *database as u8 == id)
    }

    /// The name in the stored format and in messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Meta => "meta",
            Self::Keys => "keys",
            Self::Authentication => "authentication",
            Self::Usage => "usage",
            Self::Audit => "audit",
        }
    }
}

/// Where a value stands. Ordered by database, then by the bytes of the key.
///
/// `key` has 1..=[`ADDRESS_SIZE_MAX`](crate::limits::ADDRESS_SIZE_MAX) bytes of any value and is not confidential: it
/// appears in errors and logs. (It has nothing to do with cryptographic keys.)
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// The map it lies in.
    pub database: Database,
    /// The bytes that name it there.
    pub key: Vec<u8>,
}

impl Address {
    /// An address from its parts. Its length is checked by the storage it is given to.
    pub fn new(database: Database, key: impl Into<Vec<u8>>) -> Self {
        Self { database, key: key.into() }
    }

    /// Whether this address is in the database of `prefix` and its key starts with that of `prefix`.
    pub fn starts_with(&self, prefix: &Self) -> bool {
        self.database == prefix.database && self.key.starts_with(&prefix.key)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.database.name(), self.key.escape_ascii())
    }
}

/// The number of a change. Zero is the empty storage; each change has a higher number than all before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(pub u64);

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A value and the revision of its last change. Values are wrapped or public before they come here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versioned {
    /// 0..=[`VALUE_SIZE_MAX`](crate::limits::VALUE_SIZE_MAX) bytes.
    pub value: Vec<u8>,
    /// The revision of the transaction that put it.
    pub revision: Revision,
}

/// A condition of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compare {
    /// The address that is looked at.
    pub address: Address,
    /// The revision that the value there must have; `None` if there must be no value.
    pub expected: Option<Revision>,
}

impl Compare {
    /// The value at `address` must still be the one that was read with `revision`.
    pub fn unchanged(address: Address, revision: Revision) -> Self {
        Self { address, expected: Some(revision) }
    }

    /// There must be no value at `address`.
    pub fn absent(address: Address) -> Self {
        Self { address, expected: None }
    }
}

/// One write of a transaction. A transaction names each address in one write at most.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// Sets the value at an address, whether or not there was one.
    Put {
        /// Where.
        address: Address,
        /// 0..=[`VALUE_SIZE_MAX`](crate::limits::VALUE_SIZE_MAX) bytes.
        value: Vec<u8>,
    },
    /// Removes the value at an address, if there is one.
    Delete {
        /// Where.
        address: Address,
    },
}

impl Write {
    /// The address that is written.
    pub fn address(&self) -> &Address {
        match self {
            Self::Put { address, .. } | Self::Delete { address } => address,
        }
    }

    /// Bytes of its key and its value.
    pub(crate) const fn size(&self) -> usize {
        match self {
            Self::Put { address, value } => address.key.len() + value.len(),
            Self::Delete { address } => address.key.len(),
        }
    }
}
