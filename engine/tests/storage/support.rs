//! What the tests of storages share.

use std::path::PathBuf;

use claviger_engine::storage::{Address, Compare, Database, LmdbOptions, LmdbStorage, Revision, Storage, Write};
use tempfile::TempDir;

/// A data folder that goes away with the test.
pub(crate) struct DataFolder {
    parent: TempDir,
}

impl DataFolder {
    pub(crate) fn new() -> Self {
        Self { parent: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.parent.path().join("data")
    }

    pub(crate) fn open(&self) -> LmdbStorage {
        LmdbStorage::open(&self.path(), &options()).unwrap()
    }
}

/// The smallest map, so that every test also grows it; no floor, so that tests run on a crowded disk.
pub(crate) fn options() -> LmdbOptions {
    LmdbOptions { map_size: 0, free_space_floor: 0, ..LmdbOptions::default() }
}

pub(crate) fn key(key: impl Into<Vec<u8>>) -> Address {
    Address::new(Database::Keys, key)
}

pub(crate) fn put(address: &Address, value: impl Into<Vec<u8>>) -> Write {
    Write::Put { address: address.clone(), value: value.into() }
}

pub(crate) fn delete(address: &Address) -> Write {
    Write::Delete { address: address.clone() }
}

/// Writes one value whatever was there before.
pub(crate) fn set(storage: &dyn Storage, address: &Address, value: impl Into<Vec<u8>>) -> Revision {
    storage.transact(&[], &[put(address, value)]).unwrap()
}

pub(crate) fn value(storage: &dyn Storage, address: &Address) -> Option<Vec<u8>> {
    storage.get(address).unwrap().map(|versioned| versioned.value)
}

/// Adds one to the number at `address`, however many others do the same.
pub(crate) fn increment(storage: &dyn Storage, address: &Address) -> Revision {
    loop {
        let current = storage.get(address).unwrap();
        let count = current.as_ref().map_or(0, |current| u64::from_be_bytes(current.value[..].try_into().unwrap()));
        let compare = Compare { address: address.clone(), expected: current.map(|current| current.revision) };
        match storage.transact(&[compare], &[put(address, (count + 1).to_be_bytes())]) {
            Ok(revision) => return revision,
            Err(error) => assert!(error.to_string().contains("changed in the meantime"), "{error}"),
        }
    }
}
