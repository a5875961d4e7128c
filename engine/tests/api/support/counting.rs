//! A storage that counts what is read from it, around any other.

use std::collections::BTreeMap;

use claviger_engine::storage::{
    Address, Compare, Revision, SnapshotVisitor, Storage, StorageError, TransactError, Versioned, Watch, WatchError,
    Write,
};
use parking_lot::Mutex;

/// Passes every call on to `S`, and counts the reads of each address.
pub(crate) struct CountingStorage<S> {
    inner: S,
    reads: Mutex<BTreeMap<Address, u64>>,
}

impl<S> CountingStorage<S> {
    pub(crate) fn new(inner: S) -> Self {
        Self { inner, reads: Mutex::default() }
    }

    /// How often `address` was read.
    pub(crate) fn reads(&self, address: &Address) -> u64 {
        self.reads.lock().get(address).copied().unwrap_or(0)
    }
}

impl<S: Storage> Storage for CountingStorage<S> {
    fn get(&self, address: &Address) -> Result<Option<Versioned>, StorageError> {
        *self.reads.lock().entry(address.clone()).or_default() += 1;
        self.inner.get(address)
    }

    fn scan(
        &self,
        prefix: &Address,
        after: Option<&Address>,
        limit: usize,
    ) -> Result<Vec<(Address, Versioned)>, StorageError> {
        self.inner.scan(prefix, after, limit)
    }

    fn transact(&self, compares: &[Compare], writes: &[Write]) -> Result<Revision, TransactError> {
        self.inner.transact(compares, writes)
    }

    fn watch(&self, from: Revision) -> Result<Watch, WatchError> {
        self.inner.watch(from)
    }

    fn revision(&self) -> Revision {
        self.inner.revision()
    }

    fn check_spare_space(&self) -> Result<(), StorageError> {
        self.inner.check_spare_space()
    }

    fn snapshot(&self, visitor: &mut dyn SnapshotVisitor) -> Result<(), StorageError> {
        self.inner.snapshot(visitor)
    }
}
