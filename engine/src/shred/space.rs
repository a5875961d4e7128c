//! Which slots are free: one bit a slot in memory.

use super::slot::Slot;
use crate::limits::SHRED_SLOTS_MAX;

/// The slots of a table that hold a secret, or may.
#[derive(Default)]
pub(super) struct Space {
    /// A bit for each slot, set if it is taken; bit 0 stands for slot 1.
    words: Vec<u64>,
    taken: u32,
    /// Where the search goes on: slots are used in turn, so that one that was freed is not used again at once.
    next: u32,
}

impl Space {
    /// How many slots are taken.
    pub(super) const fn taken(&self) -> u32 {
        self.taken
    }

    /// Whether a slot holds something.
    pub(super) fn is_taken(&self, slot: Slot) -> bool {
        let (word, bit) = place(slot);
        self.words.get(word).is_some_and(|word| word & bit != 0)
    }

    /// Notes that a slot holds something.
    pub(super) fn take(&mut self, slot: Slot) {
        let (word, bit) = place(slot);
        if self.words.len() <= word {
            self.words.resize(word + 1, 0);
        }
        if let Some(word) = self.words.get_mut(word).filter(|word| **word & bit == 0) {
            *word |= bit;
            self.taken += 1;
        }
    }

    /// Notes that a slot holds nothing any more.
    pub(super) fn free(&mut self, slot: Slot) {
        let (word, bit) = place(slot);
        if let Some(word) = self.words.get_mut(word).filter(|word| **word & bit != 0) {
            *word &= !bit;
            self.taken -= 1;
        }
    }

    /// Takes so many free slots, ascending; `None` if there are not so many.
    pub(super) fn allocate(&mut self, count: usize) -> Option<Vec<Slot>> {
        if u64::from(self.taken) + count as u64 > u64::from(SHRED_SLOTS_MAX) {
            return None;
        }
        let mut slots = Vec::with_capacity(count);
        while slots.len() < count {
            let slot = self.find()?;
            self.take(slot);
            self.next = slot.get();
            slots.push(slot);
        }
        slots.sort_unstable();
        Some(slots)
    }

    /// A free slot: behind the last that was given, else from the beginning, else a new one at the end.
    fn find(&self) -> Option<Slot> {
        let bits = u32::try_from(self.words.len()).ok()?.checked_mul(u64::BITS)?;
        let from_next = self.find_between(self.next, bits);
        from_next.or_else(|| self.find_between(0, self.next)).or_else(|| Slot::new(bits + 1))
    }

    fn find_between(&self, first: u32, end: u32) -> Option<Slot> {
        let mut index = first;
        while index < end {
            let word = self.words.get(usize::try_from(index / u64::BITS).ok()?)?;
            let free = !word & (u64::MAX << (index % u64::BITS));
            if free != 0 {
                let found = index / u64::BITS * u64::BITS + free.trailing_zeros();
                return if found < end { Slot::new(found + 1) } else { None };
            }
            index = (index / u64::BITS + 1) * u64::BITS;
        }
        None
    }
}

fn place(slot: Slot) -> (usize, u64) {
    let index = slot.get() - 1;
    ((index / u64::BITS) as usize, 1 << (index % u64::BITS))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(slots: Option<Vec<Slot>>) -> Vec<u32> {
        slots.unwrap().into_iter().map(Slot::get).collect()
    }

    #[test]
    fn slots_are_given_in_turn_and_again_when_all_others_are_taken() {
        let mut space = Space::default();
        assert_eq!(numbers(space.allocate(64)), (1..=64).collect::<Vec<_>>());
        space.free(Slot::new(2).unwrap());
        space.free(Slot::new(9).unwrap());
        assert_eq!(numbers(space.allocate(1)), [2]);
        assert_eq!(numbers(space.allocate(3)), [9, 65, 66]);
        space.free(Slot::new(1).unwrap());
        assert_eq!(numbers(space.allocate(62)), (67..=128).collect::<Vec<_>>());
        assert_eq!(numbers(space.allocate(2)), [1, 129]);
        assert_eq!(space.taken(), 129);
    }

    #[test]
    fn taking_or_freeing_twice_counts_once() {
        let mut space = Space::default();
        let slot = Slot::new(1_000).unwrap();
        space.free(slot);
        space.take(slot);
        space.take(slot);
        assert_eq!(space.taken(), 1);
        space.free(slot);
        space.free(slot);
        assert_eq!(space.taken(), 0);
    }

    #[test]
    fn more_than_there_can_be_is_not_given() {
        let mut space = Space::default();
        assert!(space.allocate(SHRED_SLOTS_MAX as usize + 1).is_none());
        assert_eq!(space.taken(), 0);
    }
}
