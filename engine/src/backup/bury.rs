//! Keys that a restore brings back although they were destroyed: what the restored storage does not know, the shred table does.

use super::BackupError;
use super::progress::Progress;
use crate::deletion::{delete_key, put_key};
use crate::key::state::KeyState;
use crate::limits::SCAN_PAGE_RECORDS;
use crate::record::use_count::RunRecord;
use crate::record::vault::Vault;
use crate::record::{Deleted, Destroyed, KeyRecord, address};
use crate::shred::ShredTable;
use crate::storage::Compare;

/// Deletes each key whose shred secret is gone; gives how many there were. Nothing of them can be unwrapped any more.
///
/// # Errors
/// [`BackupError::Engine`]: a record is damaged, or no mirror of the shred table can tell.
pub(super) fn bury(
    vault: &Vault,
    shred_table: &ShredTable,
    now_ms: u64,
    progress: &Progress,
) -> Result<u64, BackupError> {
    let running_ms = vault.read::<RunRecord>(&address::run())?.map_or(0, |(run, _)| run.running_ms);
    let destroyed = Some(Destroyed { class: shred_table.class(), at_ms: now_ms });
    let (mut after, mut buried) = (None, 0);
    loop {
        let page = vault.scan::<KeyRecord>(&address::all_keys(), after.as_ref(), SCAN_PAGE_RECORDS)?;
        let Some((last, _)) = page.last() else { return Ok(buried) };
        after = Some(last.clone());
        for (place, before) in page {
            if before.state == KeyState::Deleted || !shred_table.is_shredded(&before)? {
                continue;
            }
            let (_, revision) =
                vault.read::<KeyRecord>(&place)?.ok_or_else(|| BackupError::Astray(place.to_string()))?;
            let (mut record, mut writes) = (before.clone(), Vec::new());
            delete_key(&mut record, Deleted { at_ms: now_ms, running_ms, destroyed }, &mut writes);
            record.changed_ms = now_ms;
            put_key(vault, Some(&before), &record, &mut writes);
            vault.transact(&[Compare::unchanged(place, revision)], &writes)?;
            buried += 1;
        }
        progress.advance(0)?;
    }
}
