//! Key stores, their authorities, and who comes in to them.

use super::{ACCESS_ROW, ACCESS_USE, AUTHORITY, KEY_STORE, KEY_STORE_NAME, authentication, keys};
use crate::key::id::{AccessRowId, StoreId};
use crate::key::name::Name;
use crate::storage::{Address, Database};

/// A key store.
pub(crate) fn key_store(id: StoreId) -> Address {
    keys(KEY_STORE, &[&id.0])
}

/// Before the first key store, for scans.
pub(crate) fn key_stores() -> Address {
    keys(KEY_STORE, &[])
}

/// From the name of a key store to its id.
pub(crate) fn key_store_name(name: &Name) -> Address {
    keys(KEY_STORE_NAME, &[name.as_str().as_bytes()])
}

/// The certificate authority of a key store, in the database of authentication data.
pub(crate) fn authority(store: StoreId) -> Address {
    authentication(AUTHORITY, &[&store.0])
}

/// A row of the authentication data of a key store, in the database of authentication data.
pub(crate) fn access_row(store: StoreId, id: AccessRowId) -> Address {
    authentication(ACCESS_ROW, &[&store.0, &id.0])
}

/// Reads an address of [`access_row`].
pub(crate) fn parse_access_row(address: &Address) -> Option<(StoreId, AccessRowId)> {
    Some(address).filter(|address| address.database == Database::Authentication)?;
    let (store, id) = address.key.strip_prefix(&[ACCESS_ROW])?.split_first_chunk()?;
    Some((StoreId(*store), AccessRowId(id.try_into().ok()?)))
}

/// All rows of the authentication data of a key store, for scans: they come in the order of their ids.
pub(crate) fn access_rows(store: StoreId) -> Address {
    authentication(ACCESS_ROW, &[&store.0])
}

/// When a row of authentication data was last used.
pub(crate) fn access_use(id: AccessRowId) -> Address {
    Address { database: Database::Usage, key: [&[ACCESS_USE], &id.0[..]].concat() }
}
