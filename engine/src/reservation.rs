//! Shred tables that are older than the storage: after all mirrors were put back from older copies, the slots that records name are kept for them.

use crate::approval;
use crate::error::Error;
use crate::key::id::KeyId;
use crate::ledger::Ledger;
use crate::limits::SCAN_PAGE_RECORDS;
use crate::record::shred_table::ShredTableRecord;
use crate::record::{KeyRecord, address};
use crate::shred::Slot;
use crate::storage::{Address, Versioned, Write};
use crate::transfer::secret_id;

impl Ledger {
    /// Keeps the slots that records name, if the mirrors do not know of all secrets that were ever written. As long as they do, which one record tells, nothing is looked through.
    ///
    /// That something is missing is noted before anything is written to the table, which makes it as new as the record says; and it stays noted until a look finds nothing missing.
    ///
    /// # Errors
    /// [`Error::Storage`] if it cannot be read, [`Error::SystemKeyMissing`].
    pub(crate) fn reserve_named_slots(&self) -> Result<(), Error> {
        let table = &self.source.shred_table;
        let stored = match self.vault().read::<ShredTableRecord>(&address::shred_table()) {
            // Nobody knows, so that it is looked.
            Err(Error::Damaged(place)) => {
                tracing::error!(%place, "it is not known whether the mirrors of the shred table are older than the data folder: the record that says so is damaged");
                None
            }
            stored => Some(stored?.map(|(stored, _)| stored).unwrap_or_default()),
        };
        let noted = stored.unwrap_or(ShredTableRecord { sequence: table.sequence(), is_behind: true });
        let is_older = table.sequence() < noted.sequence;
        if !is_older && !noted.is_behind {
            return Ok(());
        }
        let is_behind = self.reserve_all()?;
        if is_behind {
            table.is_behind(noted.sequence);
        }
        let found = ShredTableRecord { is_behind, ..noted };
        if stored != Some(found)
            && let Err(error) = self.vault().transact(&[], &[self.note_shred_table(found.sequence, is_behind)])
        {
            tracing::error!(%error, is_behind, "it cannot be noted whether the mirrors of the shred table are older than the data folder: it is looked again at the next start");
            return Ok(());
        }
        if is_older {
            table.go_on_after(noted.sequence);
        }
        Ok(())
    }

    /// Keeps the slots that records name; gives whether the mirrors lack some of these, or may.
    fn reserve_all(&self) -> Result<bool, Error> {
        let mut unknown = 0_u64;
        self.each_of(&address::all_keys(), |(place, stored)| {
            match self.vault().open::<KeyRecord>(place, &stored.value) {
                Ok(record) => Some((Slot::new(record.shred_slot)?, record.id)),
                Err(error) => {
                    unknown += 1;
                    tracing::error!(%error, "the slot of a key in the shred table is not known, and may be given to another key");
                    None
                }
            }
        })?;
        self.each_of(&address::transport_keys(), |(place, _)| {
            let (_, import, slot) = address::parse_transport_key(place)?;
            Some((slot, secret_id(import)))
        })?;
        self.each_of(&address::approval_secrets(), |(place, _)| {
            let (request, _, slot) = address::parse_approval_secret(place)?;
            Some((slot, approval::secret_id(request)))
        })?;
        self.each_of(&address::pending_destructions(), |(place, _)| address::parse_pending_destruction(place))?;
        let missing = self.source.shred_table.reserved();
        if missing > 0 {
            tracing::error!(
                missing,
                "the mirrors of the shred table are older than the data folder: they lack secrets of keys; bring back a newer mirror in place of one of them"
            );
        }
        Ok(missing > 0 || unknown > 0)
    }

    /// Keeps the slots that records at addresses beginning with `prefix` name.
    fn each_of(
        &self,
        prefix: &Address,
        mut slot: impl FnMut(&(Address, Versioned)) -> Option<(Slot, KeyId)>,
    ) -> Result<(), Error> {
        let mut after = None;
        loop {
            let page = self.vault().storage().scan(prefix, after.as_ref(), SCAN_PAGE_RECORDS)?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            after = Some(last.clone());
            self.source.shred_table.reserve(page.iter().filter_map(&mut slot));
        }
    }

    /// The write that notes how far the shred table is written.
    pub(crate) fn note_shred_table(&self, sequence: u64, is_behind: bool) -> Write {
        self.vault().put(address::shred_table(), &ShredTableRecord { sequence, is_behind })
    }
}
