//! A worker's own short cut from key ids to slots.

use std::sync::Arc;

use super::registry::Cache;
use super::slot::Slot;
use crate::key::id::KeyId;
use crate::limits::SLOT_TABLE_SIZE;

/// Slots that a worker used last, found by one byte of the id: ids are random. Owned by one worker, so it needs no lock, and it keeps no key: only places.
pub(crate) struct SlotTable(Box<[Option<Arc<Slot>>; SLOT_TABLE_SIZE]>);

impl SlotTable {
    /// An empty table.
    pub(crate) fn new() -> Self {
        Self(Box::new([const { None }; SLOT_TABLE_SIZE]))
    }

    /// The slot of a key that is or was loaded.
    pub(crate) fn slot(&mut self, cache: &Cache, id: KeyId) -> Option<&Arc<Slot>> {
        let [first, ..] = id.0;
        #[expect(clippy::indexing_slicing, reason = "the table has a place for every value of a byte")]
        let place = &mut self.0[usize::from(first)];
        let fresh = place.as_ref().is_some_and(|slot| slot.id() == id && !slot.is_retired());
        if !fresh {
            *place = Some(cache.slot(id)?);
        }
        place.as_ref()
    }
}

const _: () = assert!(SLOT_TABLE_SIZE == 256);
