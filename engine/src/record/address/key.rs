//! Keys, their versions, names and aliases, how they are used, and what the clock does with them.

use super::{ALIAS, DELETED_KEY, DUE, KEY, KEY_NAME, KEY_VERSION, RUN, USAGE, USE_COUNT, keys};
use crate::key::id::{KeyId, StoreId};
use crate::key::name::Name;
use crate::key::version::KeyVersion;
use crate::storage::{Address, Database};

/// A key: its description and the list of its versions.
pub(crate) fn key(id: KeyId) -> Address {
    keys(KEY, &[&id.0])
}

/// All keys, for scans.
pub(crate) fn all_keys() -> Address {
    keys(KEY, &[])
}

/// The wrapped material of one version of a key.
pub(crate) fn key_version(id: KeyId, version: KeyVersion) -> Address {
    keys(KEY_VERSION, &[&id.0, &version.get().to_be_bytes()])
}

/// The key whose version's material stands at an address.
pub(crate) fn parse_key_version(address: &Address) -> Option<KeyId> {
    let (id, version) = address.key.strip_prefix(&[KEY_VERSION])?.split_first_chunk()?;
    (address.database == Database::Keys && version.len() == size_of::<u32>()).then_some(KeyId(*id))
}

/// How often one version of a key was used, if its algorithm limits that.
pub(crate) fn use_count(id: KeyId, version: KeyVersion) -> Address {
    keys(USE_COUNT, &[&id.0, &version.get().to_be_bytes()])
}

/// How a key is used.
pub(crate) fn usage(id: KeyId) -> Address {
    Address { database: Database::Usage, key: [&[USAGE], &id.0[..]].concat() }
}

/// That a key of this store is deleted, and still told of. Only where to look: what it was, its own record says.
pub(crate) fn deleted_key(store: StoreId, id: KeyId) -> Address {
    keys(DELETED_KEY, &[&store.0, &id.0])
}

/// All deleted keys of a store, for scans: they come in the order of their ids.
pub(crate) fn deleted_keys(store: StoreId) -> Address {
    keys(DELETED_KEY, &[&store.0])
}

/// The id in the address of a deleted key.
pub(crate) fn parse_deleted_key(address: &Address) -> Option<KeyId> {
    let (_store, id) = address.key.strip_prefix(&[DELETED_KEY])?.split_first_chunk::<16>()?;
    Some(KeyId(id.try_into().ok()?))
}

/// How the process that has, or had, the installation open ended.
pub(crate) fn run() -> Address {
    keys(RUN, &[])
}

/// An entry of the schedule: the clock has to look at this key at this moment, in milliseconds since 1970. They come in the order of the moments.
pub(crate) fn due(moment_ms: u64, id: KeyId) -> Address {
    keys(DUE, &[&moment_ms.to_be_bytes(), &id.0])
}

/// All entries of the schedule, for scans.
pub(crate) fn schedule() -> Address {
    keys(DUE, &[])
}

/// Moment and key of an entry of the schedule.
pub(crate) fn parse_due(address: &Address) -> Option<(u64, KeyId)> {
    let (moment, id) = address.key.strip_prefix(&[DUE])?.split_first_chunk()?;
    Some((u64::from_be_bytes(*moment), KeyId(id.try_into().ok()?)))
}

/// From the name of a key in a store, or an alias of it, to its id.
pub(crate) fn key_name(store: StoreId, name: &Name) -> Address {
    keys(KEY_NAME, &[&store.0, name.as_str().as_bytes()])
}

/// The names and aliases of a store that begin with `prefix`, for scans: they come in the order of the names.
pub(crate) fn key_names(store: StoreId, prefix: &str) -> Address {
    keys(KEY_NAME, &[&store.0, prefix.as_bytes()])
}

/// The name in the address of a key's name.
pub(crate) fn parse_key_name(address: &Address) -> Option<Name> {
    name_behind_store(KEY_NAME, address)
}

/// An entry of the list of a store's aliases. What the alias stands for, the record at its [`key_name`] says.
pub(crate) fn alias(store: StoreId, alias: &Name) -> Address {
    keys(ALIAS, &[&store.0, alias.as_str().as_bytes()])
}

/// All aliases of a store, for scans: they come in the order of the names.
pub(crate) fn aliases(store: StoreId) -> Address {
    keys(ALIAS, &[&store.0])
}

/// The alias in the address of an entry of the list of aliases.
pub(crate) fn parse_alias(address: &Address) -> Option<Name> {
    name_behind_store(ALIAS, address)
}

fn name_behind_store(tag: u8, address: &Address) -> Option<Name> {
    let (_store, name) = address.key.strip_prefix(&[tag])?.split_first_chunk::<16>()?;
    Name::from_bytes(name).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_of_the_schedule_are_read_back_and_stand_in_the_order_of_their_moments() {
        let moments = [0, 1, 255, 256, 1 << 40, u64::MAX];
        // Ids that stand in the opposite order.
        let id = |moment: u64| KeyId([!moment.to_be_bytes()[7]; 16]);
        let entries = moments.map(|moment| due(moment, id(moment)));
        assert!(entries.is_sorted());
        for (entry, moment) in entries.iter().zip(moments) {
            assert_eq!(parse_due(entry), Some((moment, id(moment))));
            assert!(entry.starts_with(&schedule()));
        }
        let entry = &entries[0];
        let long = Address { key: [&entry.key[..], &[0]].concat(), ..entry.clone() };
        let short = Address { key: entry.key[..entry.key.len() - 1].to_vec(), ..entry.clone() };
        for bad in [long, short, schedule(), key(KeyId([1; 16]))] {
            assert_eq!(parse_due(&bad), None, "{bad}");
        }
    }
}
