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
use crate::opcode::Opcode;
use crate::output::FrameWriter;

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
    /// 1..=[`crate::limits::RANDOM_SIZE_MAX`].
    pub size: u32,
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
