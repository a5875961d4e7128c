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
use crate::limits::{CIPHERTEXT_OVERHEAD, CIPHERTEXT_SIZE_MAX, CONTEXT_SIZE_MAX, PLAINTEXT_SIZE_MAX};
use crate::opcode::Opcode;
use crate::output::FrameWriter;
use crate::status::Status;

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
    /// Encryption context, 0..=[`CONTEXT_SIZE_MAX`] bytes.
    pub context: &'a [u8],
    /// 0..=[`PLAINTEXT_SIZE_MAX`] bytes.
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
    /// The encryption context of the new ciphertext, 0..=[`CONTEXT_SIZE_MAX`] bytes.
    pub target_context: &'a [u8],
    /// As in `SPEC.md` section 9.
    pub ciphertext: &'a [u8],
}

impl EncryptItem<'_> {
    /// Checks the sizes; comes back with the size of the ciphertext in bytes.
    ///
    /// # Errors
    /// [`Status::PlaintextTooLarge`], [`Status::ContextTooLarge`], in this order.
    #[inline]
    pub const fn check(&self) -> Result<usize, Status> {
        if self.plaintext.len() > PLAINTEXT_SIZE_MAX {
            return Err(Status::PlaintextTooLarge);
        }
        if self.context.len() > CONTEXT_SIZE_MAX {
            return Err(Status::ContextTooLarge);
        }
        Ok(self.plaintext.len() + CIPHERTEXT_OVERHEAD)
    }
}

impl DecryptItem<'_> {
    /// Checks the sizes; comes back with the size of the plaintext in bytes.
    ///
    /// # Errors
    /// [`Status::DecryptionFailed`], whatever is wrong: no ciphertext was ever made with such sizes.
    #[inline]
    pub const fn check(&self) -> Result<usize, Status> {
        decrypted_size(self.context, self.ciphertext)
    }
}

impl ReencryptItem<'_> {
    /// Checks the sizes; comes back with the size of the new ciphertext in bytes.
    ///
    /// # Errors
    /// [`Status::DecryptionFailed`] for what is to be decrypted, [`Status::ContextTooLarge`] for the target context,
    /// in this order.
    #[inline]
    pub const fn check(&self) -> Result<usize, Status> {
        match decrypted_size(self.source_context, self.ciphertext) {
            Ok(_) if self.target_context.len() > CONTEXT_SIZE_MAX => Err(Status::ContextTooLarge),
            Ok(plaintext_size) => Ok(plaintext_size + CIPHERTEXT_OVERHEAD),
            Err(status) => Err(status),
        }
    }
}

/// Bytes of the plaintext in a ciphertext, if the sizes are those of one.
const fn decrypted_size(context: &[u8], ciphertext: &[u8]) -> Result<usize, Status> {
    match ciphertext.len().checked_sub(CIPHERTEXT_OVERHEAD) {
        Some(size) if ciphertext.len() <= CIPHERTEXT_SIZE_MAX && context.len() <= CONTEXT_SIZE_MAX => Ok(size),
        _ => Err(Status::DecryptionFailed),
    }
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

    // R-K3, R-K19
    #[test]
    fn sizes_over_the_limit_fail_the_item() {
        let large = vec![0; PLAINTEXT_SIZE_MAX + 1];
        let check =
            |context, plaintext| EncryptItem { context: &large[..context], plaintext: &large[..plaintext] }.check();
        assert_eq!(check(4_096, 32_768), Ok(32_862));
        assert_eq!(check(0, 0), Ok(94));
        assert_eq!(check(0, 32_769), Err(Status::PlaintextTooLarge));
        assert_eq!(check(4_097, 0), Err(Status::ContextTooLarge));
        assert_eq!(check(4_097, 32_769), Err(Status::PlaintextTooLarge));
    }

    #[test]
    fn sizes_that_no_ciphertext_has_fail_like_any_other_decryption() {
        let large = vec![0; CIPHERTEXT_SIZE_MAX + 1];
        let check = |context, size| DecryptItem { context: &large[..context], ciphertext: &large[..size] }.check();
        assert_eq!(check(4_096, 94), Ok(0));
        assert_eq!(check(0, 32_862), Ok(32_768));
        for (context, size) in [(0, 0), (0, 93), (0, 32_863), (4_097, 94)] {
            assert_eq!(check(context, size), Err(Status::DecryptionFailed), "{context}, {size}");
        }
    }

    #[test]
    fn reencryption_names_only_the_target_context_as_too_large() {
        let large = vec![0; CONTEXT_SIZE_MAX + 1];
        let check = |source, target, size| {
            let (source_context, target_context) = (&large[..source], &large[..target]);
            ReencryptItem { source_context, target_context, ciphertext: &large[..size] }.check()
        };
        assert_eq!(check(0, 0, 100), Ok(100));
        assert_eq!(check(0, 4_097, 100), Err(Status::ContextTooLarge));
        assert_eq!(check(4_097, 4_097, 100), Err(Status::DecryptionFailed));
        assert_eq!(check(0, 4_097, 93), Err(Status::DecryptionFailed));
    }
}
