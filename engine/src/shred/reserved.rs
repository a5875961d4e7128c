//! Slots that keys name, though no mirror knows of it: all mirrors are older than the records of the keys. Their numbers are kept for these keys, whose secrets a newer mirror may bring
//! back; given to others, they would be lost for good. Nor is a key taken for destroyed because such a mirror has another key in its slot, which had it before.
//!
//! What is kept is what records say. The slot of a key whose record cannot be read is not known: it is given to another key if no mirror has anything in it.

use super::merge::Merged;
use super::slot::Slot;
use super::table::{Holder, ShredTable};
use crate::key::id::{ID_SIZE, KeyId};
use crate::limits::{SHRED_SEQUENCE_GAP, SHRED_SLOTS_MAX};

impl ShredTable {
    /// The number of the last writing that the mirrors know of.
    pub(crate) fn sequence(&self) -> u64 {
        self.writer.lock().sequence
    }

    /// Keeps slots for the keys that name them, where the mirrors have nothing in them, until a mirror brings back what is in them. Where they have something of another key,
    /// that stays. Neither are these keys taken for destroyed. Reads each slot that holds something.
    pub(crate) fn reserve(&self, named: impl IntoIterator<Item = (Slot, KeyId)>) {
        let mut writer = self.writer.lock();
        for (slot, id) in named {
            // What cannot be a slot takes no memory.
            if slot.get() > SHRED_SLOTS_MAX || writer.reserved.contains(&slot) {
                continue;
            }
            if !writer.space.is_taken(slot) {
                writer.space.take(slot);
                writer.reserved.insert(slot);
            } else if matches!(self.holder(slot, id), Holder::Other | Holder::Unknown) {
                writer.contested.insert((slot, id));
            }
        }
    }

    /// How many secrets the mirrors lack that `reserve` was told of.
    #[must_use]
    pub fn reserved(&self) -> u32 {
        let writer = self.writer.lock();
        u32::try_from(writer.reserved.len() + writer.contested.len()).unwrap_or(u32::MAX)
    }

    /// The mirrors are older than the storage, which has noted the writing of this number, and that is told to whoever notes the next one. What is destroyed until it is noted, or
    /// until [`ShredTable::go_on_after`], makes them look no newer.
    pub(crate) fn is_behind(&self, sequence: u64) {
        self.writer.lock().behind = Some(sequence);
    }

    /// A newer mirror has known the writing of this number. What is written from now on counts as later than all that it can know, so that both go together when it turns up.
    /// If the mirrors lack secrets, that has been noted: it cannot be seen by their numbers any more.
    pub(crate) fn go_on_after(&self, sequence: u64) {
        let mut writer = self.writer.lock();
        writer.sequence = writer.sequence.max(beyond(sequence));
    }
}

impl Merged {
    /// What the mirrors hold now, and what of it was known beside them before.
    pub(super) fn after(mut self, before: &mut Self) -> Self {
        self.sequence = self.sequence.max(before.sequence);
        self.behind = before.behind;
        self.contested = std::mem::take(&mut before.contested);
        self.reserved = std::mem::take(&mut before.reserved);
        self.reserved.retain(|slot| !self.space.is_taken(*slot));
        self.reserved.iter().for_each(|slot| self.space.take(*slot));
        self
    }

    /// The number of the next writing, if that is noted before.
    pub(super) fn next_noted(&self) -> u64 {
        self.sequence.max(self.behind.map_or(0, beyond)).saturating_add(1)
    }

    /// Whether the mirrors have not had yet what this key has in a slot.
    pub(super) fn lacks(&self, slot: Slot, id: KeyId) -> bool {
        self.reserved.contains(&slot) || self.contested.contains(&(slot, id))
    }

    /// A slot holds nothing any more: it is free, unless another key names it.
    pub(super) fn release(&mut self, slot: Slot) {
        let whoever = (slot, KeyId([0; ID_SIZE]))..=(slot, KeyId([u8::MAX; ID_SIZE]));
        if self.contested.range(whoever).next().is_some() {
            self.reserved.insert(slot);
        } else {
            self.space.free(slot);
        }
    }
}

/// A number that no mirror has reached which knew the writing of this one.
const fn beyond(sequence: u64) -> u64 {
    sequence.saturating_add(SHRED_SEQUENCE_GAP)
}
