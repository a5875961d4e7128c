//! Where records stand, for tests that reach past the engine into storage. Part of the stored format.

use claviger_engine::key::id::{KeyId, StoreId};
use claviger_engine::storage::{Address, Database, Storage, Versioned, Write};

/// The record of a key.
pub(crate) fn key_address(id: KeyId) -> Address {
    Address::new(Database::Keys, [b"k", &id.0[..]].concat())
}

/// The record of one version of a key.
pub(crate) fn version_address(id: KeyId, version: u32) -> Address {
    Address::new(Database::Keys, [b"v", &id.0[..], &version.to_be_bytes()].concat())
}

/// The record of the name or alias of a key.
pub(crate) fn name_address(store: StoreId, name: &str) -> Address {
    Address::new(Database::Keys, [b"n", &store.0[..], name.as_bytes()].concat())
}

/// The record of how long the installation has been running.
pub(crate) fn run_address() -> Address {
    Address::new(Database::Keys, "r")
}

/// Everything that is stored.
pub(crate) fn all_records(storage: &dyn Storage) -> Vec<(Address, Versioned)> {
    let mut records = Vec::new();
    for database in Database::ALL {
        let prefix = Address::new(database, "");
        let mut after = None;
        loop {
            let page = storage.scan(&prefix, after.as_ref(), 1_000).unwrap();
            let Some((last, _)) = page.last() else { break };
            after = Some(last.clone());
            records.extend(page);
        }
    }
    records
}

/// Writes past the engine.
pub(crate) fn put(storage: &dyn Storage, address: &Address, value: Vec<u8>) {
    storage.transact(&[], &[Write::Put { address: address.clone(), value }]).unwrap();
}

/// Flips a bit in the middle of a record.
pub(crate) fn alter(storage: &dyn Storage, address: &Address) {
    let mut value = storage.get(address).unwrap().unwrap().value;
    let middle = value.len() / 2;
    value[middle] ^= 1;
    put(storage, address, value);
}

/// Deletes past the engine.
pub(crate) fn delete(storage: &dyn Storage, address: &Address) {
    storage.transact(&[], &[Write::Delete { address: address.clone() }]).unwrap();
}
