//! Encrypt, Decrypt and Re-encrypt. `SPEC.md` sections 5.6 to 5.8.
//!
//! ```text
//! encrypt     key_id [16] | item_count u16 | item_count x (context bytes32 | plaintext bytes32)
//! decrypt     key_id [16] | item_count u16 | item_count x (context bytes32 | ciphertext bytes32)
//! re-encrypt  source_key_id [16] | target_key_id [16]
//!             | item_count u16 | item_count x (source_context bytes32 | target_context bytes32 | ciphertext bytes32)
//! result      ciphertext, plaintext, ciphertext
//! ```

use super::Message;
use super::batch::{BATCH_BOUNDS, Item, Items};
use crate::codec::Reader;
use crate::error::DecodeError;
use crate::id::KeyId;
use crate::opcode::Opcode;
use crate::output::FrameWriter;

/// Plaintexts to encrypt under the current version of one key.
#[derive(Clone, Debug)]
pub struct Encrypt<I> {
    /// Id of the key.
    pub key_id: KeyId,
    /// 1 to [`crate::limits::BATCH_ITEMS_MAX`].
    pub items: I,
}

/// Ciphertexts to decrypt under one key.
#[derive(Clone, Debug)]
pub struct Decrypt<I> {
    /// Id of the key.
    pub key_id: KeyId,
    /// 1 to [`crate::limits::BATCH_ITEMS_MAX`].
    pub items: I,
}

/// Ciphertexts to decrypt under one key and encrypt under the current version of another or the same.
#[derive(Clone, Debug)]
pub struct Reencrypt<I> {
    /// Id of the key to decrypt with.
    pub source_key_id: KeyId,
    /// Id of the key to encrypt with.
    pub target_key_id: KeyId,
    /// 1 to [`crate::limits::BATCH_ITEMS_MAX`].
    pub items: I,
}

/// One plaintext. No `Debug`, on purpose.
#[derive(Clone, Copy)]
pub struct EncryptItem<'a> {
    /// Encryption context, 0..=[`crate::limits::CONTEXT_SIZE_MAX`] bytes.
    pub context: &'a [u8],
    /// 0..=[`crate::limits::PLAINTEXT_SIZE_MAX`] bytes.
    pub plaintext: &'a [u8],
}

/// One ciphertext.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecryptItem<'a> {
    /// The encryption context it was made with.
    pub context: &'a [u8],
    /// As in `SPEC.md` section 9.
    pub ciphertext: &'a [u8],
}

/// One ciphertext and its contexts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReencryptItem<'a> {
    /// The encryption context that the ciphertext was made with.
    pub source_context: &'a [u8],
    /// The encryption context of the new ciphertext, 0..=[`crate::limits::CONTEXT_SIZE_MAX`] bytes.
    pub target_context: &'a [u8],
    /// As in `SPEC.md` section 9.
    pub ciphertext: &'a [u8],
}

impl<'a> Encrypt<Items<'a, EncryptItem<'a>>> {
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self { key_id: KeyId(reader.array()?), items: Items::read_batch(reader)? })
    }
}

impl<'a> Decrypt<Items<'a, DecryptItem<'a>>> {
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self { key_id: KeyId(reader.array()?), items: Items::read_batch(reader)? })
    }
}

impl<'a> Reencrypt<Items<'a, ReencryptItem<'a>>> {
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self {
            source_key_id: KeyId(reader.array()?),
            target_key_id: KeyId(reader.array()?),
            items: Items::read_batch(reader)?,
        })
    }
}

impl<'a, I: IntoIterator<Item = EncryptItem<'a>>> Message for Encrypt<I> {
    const OPCODE: Opcode = Opcode::Encrypt;

    fn write(self, body: &mut FrameWriter<'_>) {
        body.bytes(&self.key_id.0);
        body.list(self.items, BATCH_BOUNDS, |body, item| item.write(body));
    }
}

impl<'a, I: IntoIterator<Item = DecryptItem<'a>>> Message for Decrypt<I> {
    const OPCODE: Opcode = Opcode::Decrypt;

    fn write(self, body: &mut FrameWriter<'_>) {
        body.bytes(&self.key_id.0);
        body.list(self.items, BATCH_BOUNDS, |body, item| item.write(body));
    }
}

impl<'a, I: IntoIterator<Item = ReencryptItem<'a>>> Message for Reencrypt<I> {
    const OPCODE: Opcode = Opcode::Reencrypt;

    fn write(self, body: &mut FrameWriter<'_>) {
        body.bytes(&self.source_key_id.0);
        body.bytes(&self.target_key_id.0);
        body.list(self.items, BATCH_BOUNDS, |body, item| item.write(body));
    }
}

impl<'a> Item<'a> for EncryptItem<'a> {
    #[inline]
    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self { context: reader.bytes32()?, plaintext: reader.bytes32()? })
    }

    #[inline]
    fn write(self, body: &mut FrameWriter<'_>) {
        body.bytes32(self.context);
        body.bytes32(self.plaintext);
    }
}

impl<'a> Item<'a> for DecryptItem<'a> {
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

impl<'a> Item<'a> for ReencryptItem<'a> {
    #[inline]
    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self { source_context: reader.bytes32()?, target_context: reader.bytes32()?, ciphertext: reader.bytes32()? })
    }

    #[inline]
    fn write(self, body: &mut FrameWriter<'_>) {
        body.bytes32(self.source_context);
        body.bytes32(self.target_context);
        body.bytes32(self.ciphertext);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static_assertions::assert_not_impl_any!(EncryptItem<'static>: std::fmt::Debug);
}
