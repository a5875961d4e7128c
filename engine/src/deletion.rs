//! The writes by which a key is deleted, whoever finds that it is.

use crate::key::state::{KeyState, VersionState};
use crate::record::vault::Vault;
use crate::record::{Deleted, KeyRecord, address};
use crate::storage::Write;

/// Makes of a record that of a deleted key, and adds what goes with it: material, name and aliases; what it was and how it was used stays described for a year.
pub(crate) fn delete_key(record: &mut KeyRecord, deleted: Deleted, writes: &mut Vec<Write>) {
    let delete = |address| Write::Delete { address };
    let versions = record.versions.iter().map(|summary| summary.version);
    writes.extend(versions.map(|version| delete(address::key_version(record.id, version))));
    writes.push(delete(address::key_name(record.store, &record.name)));
    for alias in std::mem::take(&mut record.aliases) {
        writes.push(delete(address::key_name(record.store, &alias)));
        writes.push(delete(address::alias(record.store, &alias)));
    }
    writes.push(Write::Put { address: address::deleted_key(record.store, record.id), value: Vec::new() });
    for summary in &mut record.versions {
        summary.state = VersionState::Destroyed;
    }
    record.state = KeyState::Deleted;
    record.shred_slot = 0;
    record.deleted = Some(deleted);
    (record.deletion, record.rotation, record.rotation_by_use) = (None, None, None);
}

/// The writes of a key's record: itself, and its place in the schedule.
pub(crate) fn put_key(vault: &Vault, before: Option<&KeyRecord>, record: &KeyRecord, writes: &mut Vec<Write>) {
    let (was_due, due) = (before.and_then(KeyRecord::due_ms), record.due_ms());
    if was_due != due {
        writes.extend(was_due.map(|due| Write::Delete { address: address::due(due, record.id) }));
        // Nothing is kept there: what is to be done, the record itself says.
        writes.extend(due.map(|due| Write::Put { address: address::due(due, record.id), value: Vec::new() }));
    }
    writes.push(vault.put(address::key(record.id), record));
}
