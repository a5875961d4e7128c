//! Make MAC and Verify MAC. `SPEC.md` sections 5.14 and 5.15.
//!
//! ```text
//! make      key_id [16] | item_count u16 | item_count x message bytes32
//! verify    key_id [16] | key_version u32 | item_count u16 | item_count x (message bytes32 | mac bytes32)
//! result    key_version u32 | mac; key_version u32   (`Versioned`, `Verified`)
//! ```

use super::Message;
use super::batch::{BATCH_BOUNDS, Item, Items};
use crate::codec::Reader;
use crate::error::DecodeError;
use crate::id::KeyId;
use crate::opcode::Opcode;
use crate::output::FrameWriter;

/// Messages to authenticate with the current version of one key.
#[derive(Clone, Debug)]
pub struct MakeMac<I> {
    /// Id of the key.
    pub key_id: KeyId,
    /// 1 to [`crate::limits::BATCH_ITEMS_MAX`].
    pub items: I,
}

/// MACs to verify with one key.
#[derive(Clone, Debug)]
pub struct VerifyMac<I> {
    /// Id of the key.
    pub key_id: KeyId,
    /// The version that made the MAC; 0 tries the current one, then older ones, newest first.
    pub key_version: u32,
    /// 1 to [`crate::limits::BATCH_ITEMS_MAX`].
    pub items: I,
}

/// What to authenticate. No `Debug`, on purpose: a message may be confidential.
#[derive(Clone, Copy)]
pub struct MakeMacItem<'a> {
    /// 0..=[`crate::limits::MESSAGE_SIZE_MAX`] bytes.
    pub message: &'a [u8],
}

/// What was authenticated, and how. No `Debug`, on purpose: a message may be confidential, and a MAC that is guessed is
/// a secret until it is compared.
#[derive(Clone, Copy)]
pub struct VerifyMacItem<'a> {
    /// 0..=[`crate::limits::MESSAGE_SIZE_MAX`] bytes.
    pub message: &'a [u8],
    /// As in `SPEC.md` section 10, never shortened; any size here.
    pub mac: &'a [u8],
}

impl<'a> MakeMac<Items<'a, MakeMacItem<'a>>> {
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self { key_id: KeyId(reader.array()?), items: Items::read_batch(reader)? })
    }
}

impl<'a> VerifyMac<Items<'a, VerifyMacItem<'a>>> {
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self { key_id: KeyId(reader.array()?), key_version: reader.u32()?, items: Items::read_batch(reader)? })
    }
}

impl<'a, I: IntoIterator<Item = MakeMacItem<'a>>> Message for MakeMac<I> {
    const OPCODE: Opcode = Opcode::MakeMac;

    fn write(self, body: &mut FrameWriter<'_>) {
        body.bytes(&self.key_id.0);
        body.list(self.items, BATCH_BOUNDS, |body, item| item.write(body));
    }
}

impl<'a, I: IntoIterator<Item = VerifyMacItem<'a>>> Message for VerifyMac<I> {
    const OPCODE: Opcode = Opcode::VerifyMac;

    fn write(self, body: &mut FrameWriter<'_>) {
        body.bytes(&self.key_id.0);
        body.u32(self.key_version);
        body.list(self.items, BATCH_BOUNDS, |body, item| item.write(body));
    }
}

impl<'a> Item<'a> for MakeMacItem<'a> {
    #[inline]
    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self { message: reader.bytes32()? })
    }

    #[inline]
    fn write(self, body: &mut FrameWriter<'_>) {
        body.bytes32(self.message);
    }
}

impl<'a> Item<'a> for VerifyMacItem<'a> {
    #[inline]
    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self { message: reader.bytes32()?, mac: reader.bytes32()? })
    }

    #[inline]
    fn write(self, body: &mut FrameWriter<'_>) {
        body.bytes32(self.message);
        body.bytes32(self.mac);
    }
}
