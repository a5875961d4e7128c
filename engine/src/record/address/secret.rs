//! Secrets that keys are wrapped with beside the system key: what is to be destroyed, and transport keys of imports.

use super::{PENDING_DESTRUCTION, SHRED_TABLE, TRANSPORT_KEY, keys};
use crate::key::id::{ImportId, KeyId, StoreId};
use crate::shred::Slot;
use crate::storage::{Address, Database};

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

#[cfg(test)]
mod tests {
    use super::super::*;
    use super::*;

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
}
