//! Asymmetric decrypt. `SPEC.md` section 5.19.
//!
//! ```text
//! request   key_id [16] | key_version u32 | item_count u16 | item_count x (context bytes32 | ciphertext bytes32)
//! result    key_version u32 | plaintext
//! ```

use super::Message;
use super::batch::{BATCH_BOUNDS, Item, Items, ResultValue};
use crate::codec::Reader;
use crate::error::DecodeError;
use crate::id::KeyId;
use crate::opcode::Opcode;
use crate::output::FrameWriter;

/// Ciphertexts to decrypt that others have made with the public half of one key.
#[derive(Clone, Debug)]
pub struct AsymmetricDecrypt<I> {
    /// Id of the key.
    pub key_id: KeyId,
    /// The version that it was encrypted to; 0 tries the current one, then older ones, newest first.
    pub key_version: u32,
    /// 1 to [`crate::limits::BATCH_ITEMS_MAX`].
    pub items: I,
}

/// One ciphertext.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AsymmetricDecryptItem<'a> {
    /// The encryption context: the label of OAEP that it was made with.
    pub context: &'a [u8],
    /// As in `SPEC.md` section 10; any size here.
    pub ciphertext: &'a [u8],
}

/// The result. No `Debug`, on purpose.
#[derive(Clone, Copy)]
pub struct Decrypted<'a> {
    /// The version that it was encrypted to.
    pub key_version: u32,
    /// What was encrypted.
    pub plaintext: &'a [u8],
}

impl Decrypted<'_> {
    /// Bytes before the plaintext.
    pub const PREFIX_SIZE: usize = 4;
}

impl<'a> ResultValue<'a> for Decrypted<'a> {
    fn read(result: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self { key_version: result.u32()?, plaintext: result.rest() })
    }

    fn write(self, body: &mut FrameWriter<'_>) {
        body.u32(self.key_version);
        body.bytes(self.plaintext);
    }
}

impl<'a> AsymmetricDecrypt<Items<'a, AsymmetricDecryptItem<'a>>> {
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self { key_id: KeyId(reader.array()?), key_version: reader.u32()?, items: Items::read_batch(reader)? })
    }
}

impl<'a, I: IntoIterator<Item = AsymmetricDecryptItem<'a>>> Message for AsymmetricDecrypt<I> {
    const OPCODE: Opcode = Opcode::AsymmetricDecrypt;

    fn write(self, body: &mut FrameWriter<'_>) {
        body.bytes(&self.key_id.0);
        body.u32(self.key_version);
        body.list(self.items, BATCH_BOUNDS, |body, item| item.write(body));
    }
}

impl<'a> Item<'a> for AsymmetricDecryptItem<'a> {
    #[inline]
    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self { context: reader.bytes32()?, ciphertext: reader.bytes32()? })
    }

    #[inline]
    fn write(self, body: &mut FrameWriter<'_>) {
        body.bytes32(self.context);
        body.bytes32(self.ciphertext);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static_assertions::assert_not_impl_any!(Decrypted<'static>: std::fmt::Debug);
}
