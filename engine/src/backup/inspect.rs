//! Whether a storage holds what it should: everything in it is authenticated, and every key is unwrapped.

use super::BackupError;
use super::progress::Progress;
use crate::error::Error;
use crate::key::id::{KeyId, StoreId};
use crate::key::name::Name;
use crate::key::state::{KeyState, VersionState};
use crate::limits::SCAN_PAGE_RECORDS;
use crate::record::key_name::KeyNameRecord;
use crate::record::key_version::KeyVersionRecord;
use crate::record::reference::Reference;
use crate::record::vault::Vault;
use crate::record::{AuthorityRecord, KeyRecord, KeyStoreRecord, address};
use crate::shred::ShredTable;
use crate::storage::{Address, Database};

/// What a storage holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Inventory {
    /// Records of every kind.
    pub records: u64,
    /// Key stores.
    pub stores: u64,
    /// Keys that can be used again: deleted ones, of which a description is left, and those that were destroyed since are not counted.
    pub keys: u64,
    /// Versions of keys that were unwrapped.
    pub versions: u64,
}

/// Reads everything, as long as `may_unwrap` permits that keys are unwrapped.
///
/// # Errors
/// [`BackupError::Engine`] or [`BackupError::Astray`] with the first record that is not as it should be; those of `may_unwrap`.
pub(super) fn inspect(
    vault: &Vault,
    shred_table: &ShredTable,
    may_unwrap: impl Fn() -> Result<(), Error>,
    progress: &Progress,
) -> Result<Inventory, BackupError> {
    let mut inventory = Inventory::default();
    for database in Database::ALL {
        let everything = Address::new(database, []);
        let mut after = None;
        loop {
            let page = vault.storage().scan(&everything, after.as_ref(), SCAN_PAGE_RECORDS)?;
            let Some((last, _)) = page.last() else { break };
            after = Some(last.clone());
            for (place, value) in &page {
                may_unwrap()?;
                // Of schedule and lists only the addresses count: what there is to know, the keys themselves say.
                let is_entry = address::parse_due(place).is_some()
                    || address::parse_alias(place).is_some()
                    || address::parse_deleted_key(place).is_some();
                if !is_entry || !value.value.is_empty() {
                    vault.authenticate(place, &value.value)?;
                }
                inventory.records += 1;
                match address::holds(place) {
                    Some(address::Holds::KeyStore(id)) => store(vault, id, &mut inventory)?,
                    Some(address::Holds::Key(id)) => key(vault, shred_table, id, &mut inventory)?,
                    Some(address::Holds::KeyName(store, name)) => named(vault, place, store, &name)?,
                    None => {}
                }
            }
            progress.advance(0)?;
        }
    }
    Ok(inventory)
}

/// A key store: its name leads to it, and its authority is there.
fn store(vault: &Vault, id: StoreId, inventory: &mut Inventory) -> Result<(), BackupError> {
    let place = address::key_store(id);
    let astray = || BackupError::Astray(place.to_string());
    let (record, _) = vault.read::<KeyStoreRecord>(&place)?.ok_or_else(astray)?;
    let named = vault.read::<Reference>(&address::key_store_name(&record.name))?;
    let authority_place = address::authority(id);
    let (authority, _) = vault.read::<AuthorityRecord>(&authority_place)?.ok_or_else(astray)?;
    vault.unwrap::<AuthorityRecord>(&authority_place, None, &authority.wrapped_private_key)?;
    if record.id != id || named.is_none_or(|(Reference(named), _)| named != id.0) {
        return Err(astray());
    }
    inventory.stores += 1;
    Ok(())
}

/// A name or an alias: it leads to a key that has it.
fn named(vault: &Vault, place: &Address, store: StoreId, name: &Name) -> Result<(), BackupError> {
    let astray = || BackupError::Astray(place.to_string());
    let (KeyNameRecord { key, is_alias }, _) = vault.read::<KeyNameRecord>(place)?.ok_or_else(astray)?;
    let (record, _) = vault.read::<KeyRecord>(&address::key(key))?.ok_or_else(astray)?;
    let has_it = if is_alias { record.aliases.contains(name) } else { record.name == *name };
    if has_it && record.store == store && record.state != KeyState::Deleted { Ok(()) } else { Err(astray()) }
}

/// A key: its names lead to it, and all its versions can be unwrapped.
fn key(vault: &Vault, shred_table: &ShredTable, id: KeyId, inventory: &mut Inventory) -> Result<(), BackupError> {
    let place = address::key(id);
    let astray = || BackupError::Astray(place.to_string());
    let (record, _) = vault.read::<KeyRecord>(&place)?.ok_or_else(astray)?;
    if record.id != id {
        return Err(astray());
    }
    if record.state == KeyState::Deleted {
        return Ok(());
    }
    for name in std::iter::once(&record.name).chain(&record.aliases) {
        let named = vault.read::<KeyNameRecord>(&address::key_name(record.store, name))?;
        if named.is_none_or(|(named, _)| named.key != id) {
            return Err(astray());
        }
    }
    let secret = match shred_table.secret_of(&record) {
        // Destroyed since: nothing of it is left that could be unwrapped, and nothing is missing.
        Err(Error::KeyShredded(_)) => return Ok(()),
        secret => secret?,
    };
    for summary in record.versions.iter().filter(|summary| summary.state != VersionState::Destroyed) {
        let place = address::key_version(id, summary.version);
        let missing = || BackupError::Astray(place.to_string());
        let (version, _) = vault.read::<KeyVersionRecord>(&place)?.ok_or_else(missing)?;
        vault.unwrap::<KeyVersionRecord>(&place, Some(&secret), &version.wrapped)?;
        inventory.versions += 1;
    }
    inventory.keys += 1;
    Ok(())
}
