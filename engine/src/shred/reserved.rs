//! Slots that keys name, though no mirror knows of it: all mirrors are older than the records of the keys. Their numbers are kept for these keys, whose secrets a newer mirror may bring
//! back; given to others, they would be lost for good.

use super::merge::Merged;
use super::slot::Slot;
use super::table::ShredTable;
use crate::limits::{SHRED_SEQUENCE_GAP, SHRED_SLOTS_MAX};

impl ShredTable {
    /// The number of the last writing that the mirrors know of.
    pub(crate) fn sequence(&self) -> u64 {
        self.writer.lock().sequence
    }

    /// Keeps slots for the keys that name them, where the mirrors have nothing in them, until a mirror brings back what is in them. Nor are these keys
    /// taken for destroyed.
    pub(crate) fn reserve(&self, named: impl IntoIterator<Item = Slot>) {
        let mut writer = self.writer.lock();
        for slot in named {
            // What cannot be a slot takes no memory.
            if slot.get() <= SHRED_SLOTS_MAX && !writer.space.is_taken(slot) {
                writer.space.take(slot);
                writer.reserved.insert(slot);
            }
        }
    }

    /// Whether a slot is kept so.
    pub(super) fn is_reserved(&self, slot: Slot) -> bool {
        self.writer.lock().reserved.contains(&slot)
    }

    /// How many slots are kept so.
    #[must_use]
    pub fn reserved(&self) -> u32 {
        u32::try_from(self.writer.lock().reserved.len()).unwrap_or(u32::MAX)
    }

    /// A newer mirror has known the writing of this number. What is written from now on counts as later than all that it can know, so that both go together when it turns up.
    pub(crate) fn go_on_after(&self, sequence: u64) {
        let mut writer = self.writer.lock();
        writer.sequence = writer.sequence.max(sequence.saturating_add(SHRED_SEQUENCE_GAP));
    }
}

impl Merged {
    /// What the mirrors hold now, and what of it was known beside them before.
    pub(super) fn after(mut self, before: &mut Self) -> Self {
        self.sequence = self.sequence.max(before.sequence);
        self.reserved = std::mem::take(&mut before.reserved);
        self.reserved.retain(|slot| !self.space.is_taken(*slot));
        self.reserved.iter().for_each(|slot| self.space.take(*slot));
        self
    }
}
