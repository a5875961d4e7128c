//! Keys whose uses are limited, after a restore that knows only of some of these uses.

use super::BackupError;
use super::progress::Progress;
use crate::key::state::KeyState;
use crate::limits::SCAN_PAGE_RECORDS;
use crate::record::use_count::{RunRecord, UseCountRecord};
use crate::record::vault::Vault;
use crate::record::{KeyRecord, address};

/// Has each current version whose algorithm limits its uses be used up; gives how many there are. They open what they have sealed, and seal nothing more until
/// they are rotated.
///
/// # Errors
/// [`BackupError::Engine`]: a record is damaged.
pub(super) fn spend(vault: &Vault, progress: &Progress) -> Result<u64, BackupError> {
    let unclean_stops = vault.read::<RunRecord>(&address::run())?.map_or(0, |(run, _)| run.unclean_stops);
    let (mut after, mut spent) = (None, 0);
    loop {
        let page = vault.scan::<KeyRecord>(&address::all_keys(), after.as_ref(), SCAN_PAGE_RECORDS)?;
        let Some((last, _)) = page.last() else { return Ok(spent) };
        after = Some(last.clone());
        let living = page.iter().filter(|(_, key)| key.state != KeyState::Deleted);
        let writes: Vec<_> = living
            .filter_map(|(_, key)| {
                let count = UseCountRecord { used: key.algorithm.row().use_limit?, unclean_stops };
                Some(vault.put(address::use_count(key.id, key.current()?), &count))
            })
            .collect();
        if !writes.is_empty() {
            vault.transact(&[], &writes)?;
        }
        spent += writes.len() as u64;
        progress.advance(0)?;
    }
}
