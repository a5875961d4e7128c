//! Where each record stands. The first byte of an address names what stands there.

mod approval;
mod audit;
mod key;
mod person;
mod secret;
mod store;

use crate::key::id::{KeyId, StoreId};
use crate::key::name::Name;
use crate::person::PersonId;
use crate::storage::{Address, Database, Write};

pub(crate) use self::approval::{
    approval, approval_end, approval_ends, approval_policy, approval_result_end, approval_result_ends, approval_secret,
    approval_secrets, approval_secrets_of, approvals, parse_approval, parse_approval_end, parse_approval_result_end,
    parse_approval_secret,
};
pub(crate) use self::audit::{installation_key, outbox, outboxes, parse_outbox};
pub(crate) use self::key::{
    alias, aliases, all_keys, deleted_key, deleted_keys, due, key, key_name, key_names, key_version, parse_alias,
    parse_deleted_key, parse_due, parse_key_name, parse_key_version, run, schedule, usage, use_count,
};
pub(crate) use self::person::{
    assigned_keys, once, onces, onces_of, parse_assigned_keys, parse_person, person, person_key, person_name, persons,
};
pub(crate) use self::secret::{
    parse_pending_destruction, parse_transport_key, pending_destruction, pending_destructions, pending_destructions_of,
    shred_table, transport_key, transport_keys, transport_keys_at, transport_keys_of,
};
pub(crate) use self::store::{
    access_row, access_rows, access_use, authority, key_store, key_store_name, key_stores, parse_access_row,
};

/// The write of an entry that says nothing but that it stands there.
pub(crate) fn mark(address: Address) -> Write {
    Write::Put { address, value: Vec::new() }
}

/// Whether the installation is locked.
pub(crate) fn lock() -> Address {
    keys(LOCK, &[])
}

/// What a changed address makes stale in the cache.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Changed {
    /// A key, its state or its list of versions.
    Key(KeyId),
    /// A key store or who may come in.
    KeyStore(StoreId),
    /// A person, or what is assigned to him.
    Person(PersonId),
    /// Whether any key is used.
    Lock,
    /// The alias of some key: what was looked up by it is stale, by whoever remembers that.
    Alias,
    /// Nothing that is cached.
    Nothing,
}

/// Reads an address that storage says has changed.
pub(crate) fn changed(address: &Address) -> Changed {
    let Some((&tag, rest)) = address.key.split_first() else { return Changed::Nothing };
    let id = rest.first_chunk::<16>().copied();
    match (address.database, tag, id) {
        (Database::Keys, KEY | KEY_VERSION, Some(id)) => Changed::Key(KeyId(id)),
        (Database::Keys, KEY_STORE, Some(id)) | (Database::Authentication, AUTHORITY | ACCESS_ROW, Some(id)) => {
            Changed::KeyStore(StoreId(id))
        }
        (Database::Authentication, PERSON, Some(id)) => Changed::Person(PersonId(id)),
        (Database::Keys, ALIAS, _) => Changed::Alias,
        (Database::Keys, LOCK, _) => Changed::Lock,
        _ => Changed::Nothing,
    }
}

/// What stands at an address, of what is looked through.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Holds {
    /// A key.
    Key(KeyId),
    /// A key store.
    KeyStore(StoreId),
    /// A name or an alias of a key in a store.
    KeyName(StoreId, Name),
}

/// Reads an address of a storage that is looked through.
pub(crate) fn holds(address: &Address) -> Option<Holds> {
    let (&tag, rest) = address.key.split_first().filter(|_| address.database == Database::Keys)?;
    match tag {
        KEY => rest.try_into().ok().map(KeyId).map(Holds::Key),
        KEY_STORE => rest.try_into().ok().map(StoreId).map(Holds::KeyStore),
        KEY_NAME => {
            let (store, name) = rest.split_first_chunk()?;
            Some(Holds::KeyName(StoreId(*store), Name::from_bytes(name).ok()?))
        }
        _ => None,
    }
}

fn meta(tag: u8, parts: &[&[u8]]) -> Address {
    Address { database: Database::Meta, ..keys(tag, parts) }
}

fn keys(tag: u8, parts: &[&[u8]]) -> Address {
    address(Database::Keys, tag, parts)
}

fn authentication(tag: u8, parts: &[&[u8]]) -> Address {
    address(Database::Authentication, tag, parts)
}

fn address(database: Database, tag: u8, parts: &[&[u8]]) -> Address {
    let mut key = vec![tag];
    for part in parts {
        key.extend_from_slice(part);
    }
    Address { database, key }
}

const APPROVAL_POLICY: u8 = b'g';
const APPROVAL: u8 = b'Q';
const APPROVAL_END: u8 = b'q';
const APPROVAL_SECRET: u8 = b'y';
const APPROVAL_RESULT_END: u8 = b'Y';
const KEY_STORE: u8 = b's';
const KEY_STORE_NAME: u8 = b'S';
const KEY: u8 = b'k';
const KEY_VERSION: u8 = b'v';
const KEY_NAME: u8 = b'n';
const ALIAS: u8 = b'A';
const USE_COUNT: u8 = b'u';
const RUN: u8 = b'r';
const DUE: u8 = b'd';
const PENDING_DESTRUCTION: u8 = b'x';
const SHRED_TABLE: u8 = b'X';
const LOCK: u8 = b'L';
const AUTHORITY: u8 = b'a';
const TRANSPORT_KEY: u8 = b't';
const DELETED_KEY: u8 = b'D';
const USAGE: u8 = b'c';
const OUTBOX: u8 = b'o';
const INSTALLATION_KEY: u8 = b'i';
const ONCE: u8 = b'I';
const PERSON: u8 = b'P';
const PERSON_INDEX: u8 = b'p';
const ACCESS_ROW: u8 = b'R';
const ACCESS_USE: u8 = b'R';

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::id::{AccessRowId, ImportId};
    use crate::key::version::KeyVersion;
    use crate::shred::Slot;

    #[test]
    fn tells_what_a_changed_address_makes_stale() {
        let (key_id, store_id) = (KeyId([1; 16]), StoreId([2; 16]));
        let name: Name = "n".parse().unwrap();
        assert_eq!(changed(&key(key_id)), Changed::Key(key_id));
        assert_eq!(changed(&key_version(key_id, KeyVersion::FIRST)), Changed::Key(key_id));
        assert_eq!(changed(&key_store(store_id)), Changed::KeyStore(store_id));
        assert_eq!(changed(&authority(store_id)), Changed::KeyStore(store_id));
        let row = AccessRowId([4; 16]);
        assert_eq!(changed(&access_row(store_id, row)), Changed::KeyStore(store_id));
        assert_eq!(changed(&access_use(row)), Changed::Nothing);
        assert!(access_row(store_id, row).starts_with(&access_rows(store_id)));
        assert_eq!(changed(&key_name(store_id, &name)), Changed::Nothing);
        assert_eq!(parse_key_name(&key_name(store_id, &name)), Some(name.clone()));
        assert_eq!(parse_key_name(&key(key_id)), None);
        assert_eq!(parse_key_name(&alias(store_id, &name)), None);
        assert_eq!(changed(&alias(store_id, &name)), Changed::Alias);
        assert!(alias(store_id, &name).starts_with(&aliases(store_id)));
        assert_eq!(parse_alias(&alias(store_id, &name)), Some(name.clone()));
        assert_eq!(parse_alias(&key_name(store_id, &name)), None);
        assert_eq!(parse_key_version(&key_version(key_id, KeyVersion::FIRST)), Some(key_id));
        for other in [key(key_id), use_count(key_id, KeyVersion::FIRST), authority(store_id)] {
            assert_eq!(parse_key_version(&other), None, "{other}");
        }
        assert_eq!(changed(&use_count(key_id, KeyVersion::FIRST)), Changed::Nothing);
        assert_eq!(changed(&run()), Changed::Nothing);
        assert_eq!(changed(&shred_table()), Changed::Nothing);
        assert_eq!(changed(&transport_key(store_id, ImportId([3; 16]), Slot::new(1).unwrap())), Changed::Nothing);
        assert_eq!(changed(&usage(key_id)), Changed::Nothing);
        assert_eq!(changed(&deleted_key(store_id, key_id)), Changed::Nothing);
        assert_eq!(parse_deleted_key(&deleted_key(store_id, key_id)), Some(key_id));
        assert_eq!(parse_deleted_key(&key(key_id)), None);
        assert_eq!(changed(&due(1, key_id)), Changed::Nothing);
        assert_eq!(changed(&pending_destruction(key_id, Slot::new(1).unwrap())), Changed::Nothing);
        assert_eq!(changed(&Address { database: Database::Meta, key: vec![] }), Changed::Nothing);
    }

    #[test]
    fn tells_what_stands_at_an_address() {
        let (key_id, store_id) = (KeyId([1; 16]), StoreId([2; 16]));
        let name: Name = "n".parse().unwrap();
        assert_eq!(holds(&key(key_id)), Some(Holds::Key(key_id)));
        assert_eq!(holds(&key_store(store_id)), Some(Holds::KeyStore(store_id)));
        assert_eq!(holds(&key_name(store_id, &name)), Some(Holds::KeyName(store_id, name)));
        for other in [key_version(key_id, KeyVersion::FIRST), run(), authority(store_id), key_names(store_id, "")] {
            assert_eq!(holds(&other), None, "{other}");
        }
    }
}
