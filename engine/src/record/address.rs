//! Where each record stands. The first byte of an address names what stands there.

use crate::approval::{ApprovalId, SecretPart};
use crate::key::id::{AccessRowId, ImportId, KeyId, StoreId};
use crate::key::name::Name;
use crate::key::version::KeyVersion;
use crate::person::{PersonId, PublicKeyHash};
use crate::shred::Slot;
use crate::storage::{Address, Database, Write};

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

/// A shred secret that is to be destroyed: the slot in which the secret of this key stands, or stood.
pub(crate) fn pending_destruction(id: KeyId, slot: Slot) -> Address {
    keys(PENDING_DESTRUCTION, &[&id.0, &slot.get().to_be_bytes()])
}

/// All shred secrets of a key that are to be destroyed, for scans.
pub(crate) fn pending_destructions_of(id: KeyId) -> Address {
    keys(PENDING_DESTRUCTION, &[&id.0])
}

/// All shred secrets that are to be destroyed, for scans.
pub(crate) fn pending_destructions() -> Address {
    keys(PENDING_DESTRUCTION, &[])
}

/// Slot and key of a shred secret that is to be destroyed.
pub(crate) fn parse_pending_destruction(address: &Address) -> Option<(Slot, KeyId)> {
    let (id, slot) = address.key.strip_prefix(&[PENDING_DESTRUCTION])?.split_first_chunk()?;
    Some((Slot::new(u32::from_be_bytes(slot.try_into().ok()?))?, KeyId(*id)))
}

/// How far the shred table is written.
pub(crate) fn shred_table() -> Address {
    keys(SHRED_TABLE, &[])
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

/// An open import: the transport key that it is wrapped to. The place tells in which slot the shred secret of it stands, so that this can be destroyed even if the record is damaged.
pub(crate) fn transport_key(store: StoreId, id: ImportId, slot: Slot) -> Address {
    keys(TRANSPORT_KEY, &[&store.0, &id.0, &slot.get().to_be_bytes()])
}

/// The one open import of this id, for scans.
pub(crate) fn transport_keys_at(store: StoreId, id: ImportId) -> Address {
    keys(TRANSPORT_KEY, &[&store.0, &id.0])
}

/// Store, import and slot in the address of a transport key.
pub(crate) fn parse_transport_key(address: &Address) -> Option<(StoreId, ImportId, Slot)> {
    let address = Some(address).filter(|address| address.database == Database::Keys)?;
    let (store, rest) = address.key.strip_prefix(&[TRANSPORT_KEY])?.split_first_chunk()?;
    let (id, slot) = rest.split_first_chunk()?;
    Some((StoreId(*store), ImportId(*id), Slot::new(u32::from_be_bytes(slot.try_into().ok()?))?))
}

/// The open imports of a store, for scans.
pub(crate) fn transport_keys_of(store: StoreId) -> Address {
    keys(TRANSPORT_KEY, &[&store.0])
}

/// All open imports, for scans.
pub(crate) fn transport_keys() -> Address {
    keys(TRANSPORT_KEY, &[])
}

/// The certificate authority of a key store, in the database of authentication data.
pub(crate) fn authority(store: StoreId) -> Address {
    authentication(AUTHORITY, &[&store.0])
}

/// A request of a caller that is made once: the one that he names by a key with this hash.
pub(crate) fn once(caller: &[u8; 32], key: &[u8; 32]) -> Address {
    keys(ONCE, &[caller, key])
}

/// All requests of a caller that are made once, for scans.
pub(crate) fn onces_of(caller: &[u8; 32]) -> Address {
    keys(ONCE, &[caller])
}

/// All requests that are made once, for scans.
pub(crate) fn onces() -> Address {
    keys(ONCE, &[])
}

/// A person: who he is, and what he is let do.
pub(crate) fn person(id: PersonId) -> Address {
    authentication(PERSON, &[&id.0])
}

/// The keys of a store that are assigned to a person: behind [`person`], so that they come with him.
pub(crate) fn assigned_keys(id: PersonId, store: StoreId) -> Address {
    authentication(PERSON, &[&id.0, &store.0])
}

/// All persons and what is assigned to them, for scans.
pub(crate) fn persons() -> Address {
    authentication(PERSON, &[])
}

/// The person whose record stands at an address.
pub(crate) fn parse_person(address: &Address) -> Option<PersonId> {
    Some(address).filter(|address| address.database == Database::Authentication)?;
    address.key.strip_prefix(&[PERSON])?.try_into().ok().map(PersonId)
}

/// Person and store in the address of assigned keys.
pub(crate) fn parse_assigned_keys(address: &Address) -> Option<(PersonId, StoreId)> {
    Some(address).filter(|address| address.database == Database::Authentication)?;
    let (id, store) = address.key.strip_prefix(&[PERSON])?.split_first_chunk()?;
    Some((PersonId(*id), StoreId(store.try_into().ok()?)))
}

/// From the name of a person to his id.
pub(crate) fn person_name(name: &Name) -> Address {
    authentication(PERSON_INDEX, &[b"n", name.as_str().as_bytes()])
}

/// From the public key of a certificate to the id of the person.
pub(crate) fn person_key(key: &PublicKeyHash) -> Address {
    authentication(PERSON_INDEX, &[b"k", &key.0])
}

/// What needs an approval in a key store, or in the installation.
pub(crate) fn approval_policy(store: Option<StoreId>) -> Address {
    meta(APPROVAL_POLICY, &[store.as_ref().map_or(&[], |store| &store.0[..])])
}

/// A request for approval. They come in the order in which they were made.
pub(crate) fn approval(id: ApprovalId) -> Address {
    meta(APPROVAL, &[&id.0])
}

/// All requests for approval, for scans.
pub(crate) fn approvals() -> Address {
    meta(APPROVAL, &[])
}

/// The id in the address of a request for approval.
pub(crate) fn parse_approval(address: &Address) -> Option<ApprovalId> {
    address.key.strip_prefix(&[APPROVAL])?.try_into().ok().map(ApprovalId)
}

/// That an open request for approval ends at this moment, in milliseconds since 1970.
pub(crate) fn approval_end(ends_ms: u64, id: ApprovalId) -> Address {
    meta(APPROVAL_END, &[&ends_ms.to_be_bytes(), &id.0])
}

/// The ends of all open requests for approval, for scans.
pub(crate) fn approval_ends() -> Address {
    meta(APPROVAL_END, &[])
}

/// Moment and request of an end.
pub(crate) fn parse_approval_end(address: &Address) -> Option<(u64, ApprovalId)> {
    moment_and_approval(APPROVAL_END, address)
}

/// What of a request may hold secrets. The place tells in which slot the shred secret of it stands, so that this can be destroyed even if the record is damaged.
pub(crate) fn approval_secret(id: ApprovalId, part: SecretPart, slot: Slot) -> Address {
    meta(APPROVAL_SECRET, &[&id.0, &[part as u8], &slot.get().to_be_bytes()])
}

/// What is kept of one part of a request, for scans.
pub(crate) fn approval_secrets_of(id: ApprovalId, part: SecretPart) -> Address {
    meta(APPROVAL_SECRET, &[&id.0, &[part as u8]])
}

/// What of all requests may hold secrets, for scans.
pub(crate) fn approval_secrets() -> Address {
    meta(APPROVAL_SECRET, &[])
}

/// Request, part and slot in the address of what may hold secrets.
pub(crate) fn parse_approval_secret(address: &Address) -> Option<(ApprovalId, SecretPart, Slot)> {
    let address = Some(address).filter(|address| address.database == Database::Meta)?;
    let (id, rest) = address.key.strip_prefix(&[APPROVAL_SECRET])?.split_first_chunk()?;
    let (part, slot) = rest.split_first()?;
    let slot = Slot::new(u32::from_be_bytes(slot.try_into().ok()?))?;
    Some((ApprovalId(*id), SecretPart::from_byte(*part)?, slot))
}

/// That what came of a request is forgotten at this moment, in milliseconds since 1970.
pub(crate) fn approval_result_end(ends_ms: u64, id: ApprovalId) -> Address {
    meta(APPROVAL_RESULT_END, &[&ends_ms.to_be_bytes(), &id.0])
}

/// The ends of all results, for scans.
pub(crate) fn approval_result_ends() -> Address {
    meta(APPROVAL_RESULT_END, &[])
}

/// Moment and request of the end of a result.
pub(crate) fn parse_approval_result_end(address: &Address) -> Option<(u64, ApprovalId)> {
    moment_and_approval(APPROVAL_RESULT_END, address)
}

fn moment_and_approval(tag: u8, address: &Address) -> Option<(u64, ApprovalId)> {
    let (moment, id) = address.key.strip_prefix(&[tag])?.split_first_chunk()?;
    Some((u64::from_be_bytes(*moment), ApprovalId(id.try_into().ok()?)))
}

/// The write of an entry that says nothing but that it stands there.
pub(crate) fn mark(address: Address) -> Write {
    Write::Put { address, value: Vec::new() }
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

/// What a change has to tell to the audit log. Numbers begin at 1; at 0 stands what a restore has to tell.
pub(crate) fn outbox(number: u64) -> Address {
    Address { database: Database::Audit, key: [&[OUTBOX], &number.to_be_bytes()[..]].concat() }
}

/// All that is on its way to the audit log, for scans: it comes in the order of its numbers.
pub(crate) fn outboxes() -> Address {
    Address { database: Database::Audit, key: vec![OUTBOX] }
}

/// The number of what is on its way to the audit log.
pub(crate) fn parse_outbox(address: &Address) -> Option<u64> {
    let address = Some(address).filter(|address| address.database == Database::Audit)?;
    Some(u64::from_be_bytes(address.key.strip_prefix(&[OUTBOX])?.try_into().ok()?))
}

/// The installation key.
pub(crate) fn installation_key() -> Address {
    Address { database: Database::Audit, key: vec![INSTALLATION_KEY] }
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
        _ => Changed::Nothing,
    }
}

fn name_behind_store(tag: u8, address: &Address) -> Option<Name> {
    let (_store, name) = address.key.strip_prefix(&[tag])?.split_first_chunk::<16>()?;
    Name::from_bytes(name).ok()
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
    fn places_of_what_requests_keep_tell_which_and_where_its_secret_is() {
        let (id, slot) = (ApprovalId([1; 16]), Slot::new(7).unwrap());
        for part in [SecretPart::Calls, SecretPart::Answers] {
            let place = approval_secret(id, part, slot);
            assert_eq!(parse_approval_secret(&place), Some((id, part, slot)));
            assert!(place.starts_with(&approval_secrets_of(id, part)) && place.starts_with(&approval_secrets()));
            assert_eq!(changed(&place), Changed::Nothing);
            for other in [Address { database: Database::Keys, ..place }, approval(id), approval_end(1, id)] {
                assert_eq!(parse_approval_secret(&other), None);
            }
        }
        assert!(
            !approval_secret(id, SecretPart::Calls, slot).starts_with(&approval_secrets_of(id, SecretPart::Answers))
        );
    }

    #[test]
    fn places_of_persons_tell_whose_they_are() {
        let (id, store) = (PersonId([1; 16]), StoreId([2; 16]));
        let (record, assigned) = (person(id), assigned_keys(id, store));
        assert_eq!((parse_person(&record), parse_assigned_keys(&record)), (Some(id), None));
        assert_eq!((parse_person(&assigned), parse_assigned_keys(&assigned)), (None, Some((id, store))));
        assert!(assigned.starts_with(&record) && record.starts_with(&persons()));
        for place in [&record, &assigned] {
            assert_eq!(changed(place), Changed::Person(id));
            let elsewhere = Address { database: Database::Keys, ..place.clone() };
            assert_eq!((parse_person(&elsewhere), parse_assigned_keys(&elsewhere)), (None, None));
        }
        for index in [person_name(&"n".parse().unwrap()), person_key(&PublicKeyHash([3; 32]))] {
            assert_eq!((changed(&index), parse_person(&index)), (Changed::Nothing, None));
        }
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

    #[test]
    fn place_of_a_pending_destruction_tells_slot_and_key() {
        let (slot, id) = (Slot::new(0x0102_0304).unwrap(), KeyId([1; 16]));
        let address = pending_destruction(id, slot);
        assert_eq!(parse_pending_destruction(&address), Some((slot, id)));
        assert!(address.starts_with(&pending_destructions_of(id)) && address.starts_with(&pending_destructions()));
        let with_key = |key: Vec<u8>| Address { key, ..address.clone() };
        let zero = [&address.key[..17], &[0; 4]].concat();
        let long = [&address.key[..], &[0]].concat();
        for bad in [with_key(zero), with_key(long), pending_destructions_of(id), pending_destructions(), key(id)] {
            assert_eq!(parse_pending_destruction(&bad), None, "{bad}");
        }
    }

    #[test]
    fn place_of_a_transport_key_tells_store_import_and_slot() {
        let (store, id, slot) = (StoreId([1; 16]), ImportId([2; 16]), Slot::new(0x0102_0304).unwrap());
        let address = transport_key(store, id, slot);
        assert_eq!(parse_transport_key(&address), Some((store, id, slot)));
        let prefixes = [transport_keys_at(store, id), transport_keys_of(store), transport_keys()];
        assert!(prefixes.iter().all(|prefix| address.starts_with(prefix)));
        let with_key = |key: Vec<u8>| Address { key, ..address.clone() };
        let zero = [&address.key[..33], &[0; 4]].concat();
        let long = [&address.key[..], &[0]].concat();
        let other = Address { database: Database::Usage, ..address.clone() };
        let [at, of, all] = prefixes;
        for bad in [with_key(zero), with_key(long), other, at, of, all, pending_destruction(KeyId([1; 16]), slot)] {
            assert_eq!(parse_transport_key(&bad), None, "{bad}");
        }
    }

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
