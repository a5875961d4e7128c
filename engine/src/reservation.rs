//! Shred tables that are older than the storage: after all mirrors were put back from older copies, the slots that records name are kept for them.

use crate::error::Error;
use crate::ledger::Ledger;
use crate::limits::SCAN_PAGE_RECORDS;
use crate::record::shred_table::ShredTableRecord;
use crate::record::{KeyRecord, address};
use crate::shred::Slot;
use crate::storage::{Address, Versioned, Write};

impl Ledger {
    /// Keeps the slots that records name, if the mirrors do not know of all secrets that were ever written. As long as they do, which one record tells, nothing is looked through.
    ///
    /// # Errors
    /// [`Error::Storage`], [`Error::SystemKeyMissing`].
    pub(crate) fn reserve_named_slots(&self) -> Result<(), Error> {
        let table = &self.source.shred_table;
        let noted = match self.vault().read::<ShredTableRecord>(&address::shred_table()) {
            // Nobody knows, so that it is looked.
            Err(Error::Damaged(place)) => {
                tracing::error!(%place, "it is not known whether the mirrors of the shred table are older than the data folder: the record that says so is damaged");
                ShredTableRecord { sequence: 0, is_behind: true }
            }
            noted => noted?.map(|(noted, _)| noted).unwrap_or_default(),
        };
        let is_behind = table.sequence() < noted.sequence;
        if !is_behind && !noted.is_behind {
            return Ok(());
        }
        if is_behind {
            table.go_on_after(noted.sequence);
        }
        self.each_of(&address::all_keys(), |(place, stored)| {
            match self.vault().open::<KeyRecord>(place, &stored.value) {
                Ok(record) => Slot::new(record.shred_slot),
                Err(error) => {
                    tracing::error!(%error, "the slot of a key in the shred table is not known, and may be given to another key");
                    None
                }
            }
        })?;
        self.each_of(&address::transport_keys(), |(place, _)| Some(address::parse_transport_key(place)?.2))?;
        self.each_of(&address::pending_destructions(), |(place, _)| {
            Some(address::parse_pending_destruction(place)?.0)
        })?;
        let missing = table.reserved();
        if missing > 0 {
            tracing::error!(
                missing,
                "the mirrors of the shred table are older than the data folder: they lack secrets of keys; bring back a newer mirror in place of one of them"
            );
        }
        Ok(())
    }

    /// Keeps the slots that records at addresses beginning with `prefix` name.
    fn each_of(&self, prefix: &Address, slot: impl Fn(&(Address, Versioned)) -> Option<Slot>) -> Result<(), Error> {
        let mut after = None;
        loop {
            let page = self.vault().storage().scan(prefix, after.as_ref(), SCAN_PAGE_RECORDS)?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            after = Some(last.clone());
            self.source.shred_table.reserve(page.iter().filter_map(&slot));
        }
    }

    /// The write that notes how far the shred table is written.
    pub(crate) fn note_shred_table(&self, sequence: u64, is_behind: bool) -> Write {
        self.vault().put(address::shred_table(), &ShredTableRecord { sequence, is_behind })
    }
}
