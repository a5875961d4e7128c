//! A storage in memory: for tests and for programs that keep nothing. Durable as long as the process lives.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use parking_lot::Mutex;

use super::page::{self, Page};
use super::watch::ChangeLog;
use super::{
    Address, Change, Compare, Revision, SnapshotVisitor, Storage, StorageError, TransactError, Versioned, Watch,
    WatchError, Write, check,
};
use crate::limits::WATCH_LOG_SIZE;

/// A map in memory behind one lock, with the same behaviour as the durable storages.
pub struct MemoryStorage {
    values: Mutex<BTreeMap<Address, Versioned>>,
    log: Arc<ChangeLog>,
}

impl MemoryStorage {
    /// An empty storage.
    pub fn new() -> Self {
        Self::with_watch_log_size(WATCH_LOG_SIZE)
    }

    /// An empty storage that retains about `size` bytes of changes for its watches.
    pub fn with_watch_log_size(size: usize) -> Self {
        Self { values: Mutex::default(), log: ChangeLog::new(Revision::default(), size) }
    }
}

impl Default for MemoryStorage {
    fn default() -> Self {
        Self::new()
    }
}

impl Storage for MemoryStorage {
    fn get(&self, address: &Address) -> Result<Option<Versioned>, StorageError> {
        check::address(address)?;
        Ok(self.values.lock().get(address).cloned())
    }

    fn scan(
        &self,
        prefix: &Address,
        after: Option<&Address>,
        limit: usize,
    ) -> Result<Vec<(Address, Versioned)>, StorageError> {
        check::scan(prefix, after)?;
        let values = self.values.lock();
        let mut page = Page::new(limit);
        let found = values
            .range::<Address, _>((page::start(prefix, after), Bound::Unbounded))
            .take_while(|(address, _)| address.starts_with(prefix));
        for (address, versioned) in found {
            if page.is_full() {
                break;
            }
            page.push(address.clone(), versioned.clone());
        }
        Ok(page.finish())
    }

    fn transact(&self, compares: &[Compare], writes: &[Write]) -> Result<Revision, TransactError> {
        check::transaction(compares, writes)?;
        let mut values = self.values.lock();
        for compare in compares {
            let found = values.get(&compare.address).map(|versioned| versioned.revision);
            if found != compare.expected {
                return Err(TransactError::Conflict { address: compare.address.clone() });
            }
        }
        if writes.is_empty() {
            return Ok(self.log.last());
        }
        let revision = Revision(self.log.last().0 + 1);
        for write in writes {
            match write {
                Write::Put { address, value } => {
                    values.insert(address.clone(), Versioned { value: value.clone(), revision });
                }
                Write::Delete { address } => {
                    values.remove(address);
                }
            }
        }
        // Still under the lock, so that changes enter the log in the order in which they were made.
        self.log.publish([Change::of(revision, writes)]);
        Ok(revision)
    }

    fn watch(&self, from: Revision) -> Result<Watch, WatchError> {
        self.log.watch(from)
    }

    fn revision(&self) -> Revision {
        self.log.last()
    }

    fn check_spare_space(&self) -> Result<(), StorageError> {
        Ok(())
    }

    fn snapshot(&self, visitor: &mut dyn SnapshotVisitor) -> Result<(), StorageError> {
        let (revision, values) = {
            let values = self.values.lock();
            (self.log.last(), values.clone())
        };
        if visitor.begin(revision).is_continue() {
            // Broken off by the visitor: there is nobody left to show the rest to.
            let _ended = values.into_iter().try_for_each(|(address, value)| visitor.value(address, value));
        }
        Ok(())
    }
}

impl Drop for MemoryStorage {
    fn drop(&mut self) {
        self.log.close();
    }
}
