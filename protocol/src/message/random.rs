//! Random bytes. `SPEC.md` section 5.18.
//!
//! ```text
//! request   store_id [16] | item_count u16 | item_count x size u32
//! result    that many bytes
//! ```

use super::Message;
use super::batch::{BATCH_BOUNDS, Item, Items};
use crate::codec::Reader;
use crate::error::DecodeError;
use crate::id::StoreId;
use crate::limits::RANDOM_SIZE_MAX;
use crate::opcode::Opcode;
use crate::output::FrameWriter;
use crate::status::Status;

/// Random bytes to make.
#[derive(Clone, Debug)]
pub struct RandomBytes<I> {
    /// The store on whose account they are.
    pub store_id: StoreId,
    /// 1 to [`crate::limits::BATCH_ITEMS_MAX`].
    pub items: I,
}

/// How many random bytes to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RandomBytesItem {
    /// 1..=[`RANDOM_SIZE_MAX`].
    pub size: u32,
}

impl RandomBytesItem {
    /// Checks the size; comes back with it.
    ///
    /// # Errors
    /// [`Status::SizeNotAllowed`].
    pub const fn check(&self) -> Result<usize, Status> {
        match self.size as usize {
            size @ 1..=RANDOM_SIZE_MAX => Ok(size),
            _ => Err(Status::SizeNotAllowed),
        }
    }
}

impl<'a> RandomBytes<Items<'a, RandomBytesItem>> {
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self { store_id: StoreId(reader.array()?), items: Items::read_batch(reader)? })
    }
}

impl<I: IntoIterator<Item = RandomBytesItem>> Message for RandomBytes<I> {
    const OPCODE: Opcode = Opcode::RandomBytes;

    fn write(self, body: &mut FrameWriter<'_>) {
        body.bytes(&self.store_id.0);
        body.list(self.items, BATCH_BOUNDS, |body, item| item.write(body));
    }
}

impl<'a> Item<'a> for RandomBytesItem {
    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self { size: reader.u32()? })
    }

    fn write(self, body: &mut FrameWriter<'_>) {
        body.u32(self.size);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // R-K17
    #[test]
    fn sizes_outside_the_bounds_fail_the_item() {
        let check = |size| RandomBytesItem { size }.check();
        assert_eq!((check(1), check(32_768)), (Ok(1), Ok(32_768)));
        for size in [0, 32_769, u32::MAX] {
            assert_eq!(check(size), Err(Status::SizeNotAllowed), "{size}");
        }
    }
}
