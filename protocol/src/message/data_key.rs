//! Generate, wrap and unwrap data keys. `SPEC.md` sections 5.9 to 5.11.
//!
//! ```text
//! generate  key_id [16] | form u8 | data_key_size u16 | item_count u16 | item_count x context bytes32
//! wrap      key_id [16] | item_count u16 | item_count x (context bytes32 | data_key bytes32)
//! unwrap    key_id [16] | item_count u16 | item_count x (context bytes32 | wrapped bytes32)
//! result    wrapped bytes32 | plain; wrapped; data key
//! ```

use super::Message;
use super::batch::{BATCH_BOUNDS, Item, Items, ResultValue};
use crate::codec::Reader;
use crate::error::DecodeError;
use crate::id::KeyId;
use crate::limits::{CIPHERTEXT_OVERHEAD, CONTEXT_SIZE_MAX, DATA_KEY_SIZE_MAX, GENERATED_DATA_KEY_SIZES};
use crate::opcode::Opcode;
use crate::output::FrameWriter;
use crate::status::Status;

/// Data keys to make and wrap under the current version of one key.
#[derive(Clone, Debug)]
pub struct GenerateDataKey<I> {
    /// Id of the key that wraps.
    pub key_id: KeyId,
    /// What is given out.
    pub form: DataKeyForm,
    /// Bytes of each data key, one of [`GENERATED_DATA_KEY_SIZES`].
    pub data_key_size: u16,
    /// 1 to [`crate::limits::BATCH_ITEMS_MAX`].
    pub items: I,
}

/// What is given out of a generated data key. The discriminant is its code on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum DataKeyForm {
    /// Wrapped only: for a later use elsewhere.
    Wrapped = 1,
    /// Wrapped and plain.
    PlainAndWrapped = 2,
}

/// Data keys of the client's own to wrap.
#[derive(Clone, Debug)]
pub struct WrapDataKey<I> {
    /// Id of the key that wraps.
    pub key_id: KeyId,
    /// 1 to [`crate::limits::BATCH_ITEMS_MAX`].
    pub items: I,
}

/// Wrapped data keys to unwrap.
#[derive(Clone, Debug)]
pub struct UnwrapDataKey<I> {
    /// Id of the key that wrapped them.
    pub key_id: KeyId,
    /// 1 to [`crate::limits::BATCH_ITEMS_MAX`].
    pub items: I,
}

/// One data key to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GenerateDataKeyItem<'a> {
    /// Encryption context, 0..=[`CONTEXT_SIZE_MAX`] bytes.
    pub context: &'a [u8],
}

/// One data key to wrap. No `Debug`, on purpose.
#[derive(Clone, Copy)]
pub struct WrapDataKeyItem<'a> {
    /// Encryption context, 0..=[`CONTEXT_SIZE_MAX`] bytes.
    pub context: &'a [u8],
    /// 1..=[`DATA_KEY_SIZE_MAX`] bytes.
    pub data_key: &'a [u8],
}

/// One data key to unwrap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnwrapDataKeyItem<'a> {
    /// The encryption context it was wrapped with.
    pub context: &'a [u8],
    /// As in `SPEC.md` section 9.
    pub wrapped: &'a [u8],
}

/// The result of an item of Generate data key. No `Debug`, on purpose.
#[derive(Clone, Copy)]
pub struct GeneratedDataKey<'a> {
    /// As in `SPEC.md` section 9.
    pub wrapped: &'a [u8],
    /// The data key itself; empty in the form [`DataKeyForm::Wrapped`].
    pub plain: &'a [u8],
}

impl DataKeyForm {
    /// The form's code on the wire.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The form of this code, or nothing if version 1 has none.
    #[must_use]
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Wrapped),
            2 => Some(Self::PlainAndWrapped),
            _ => None,
        }
    }
}

impl<I> GenerateDataKey<I> {
    /// Checks the size; comes back with the size of each result in bytes.
    ///
    /// # Errors
    /// [`Status::SizeNotAllowed`], for the frame.
    pub fn check(&self) -> Result<usize, Status> {
        if GENERATED_DATA_KEY_SIZES.contains(&self.size()) {
            Ok(SIZE_FIELD_SIZE + self.size() + CIPHERTEXT_OVERHEAD + self.plain_size())
        } else {
            Err(Status::SizeNotAllowed)
        }
    }

    /// Divides the room of one result into that of the wrapped and that of the plain data key, and writes what stands
    /// around them. Nothing if `result` has another size than [`check`](Self::check) said.
    pub fn lay_out<'r>(&self, result: &'r mut [u8]) -> Option<(&'r mut [u8], &'r mut [u8])> {
        let wrapped_size = self.size() + CIPHERTEXT_OVERHEAD;
        let (size_field, keys) = result.split_first_chunk_mut::<SIZE_FIELD_SIZE>()?;
        let (wrapped, plain) = keys.split_at_mut_checked(wrapped_size)?;
        if plain.len() != self.plain_size() {
            return None;
        }
        *size_field = u32::try_from(wrapped_size).ok()?.to_be_bytes();
        Some((wrapped, plain))
    }

    fn size(&self) -> usize {
        usize::from(self.data_key_size)
    }

    fn plain_size(&self) -> usize {
        match self.form {
            DataKeyForm::Wrapped => 0,
            DataKeyForm::PlainAndWrapped => self.size(),
        }
    }
}

impl GenerateDataKeyItem<'_> {
    /// Checks the size of the context.
    ///
    /// # Errors
    /// [`Status::ContextTooLarge`].
    pub const fn check(&self) -> Result<(), Status> {
        if self.context.len() > CONTEXT_SIZE_MAX { Err(Status::ContextTooLarge) } else { Ok(()) }
    }
}

impl WrapDataKeyItem<'_> {
    /// Checks the sizes; comes back with the size of the wrapped key in bytes.
    ///
    /// # Errors
    /// [`Status::ContextTooLarge`], [`Status::SizeNotAllowed`], in this order.
    pub const fn check(&self) -> Result<usize, Status> {
        if self.context.len() > CONTEXT_SIZE_MAX {
            return Err(Status::ContextTooLarge);
        }
        match self.data_key.len() {
            size @ 1..=DATA_KEY_SIZE_MAX => Ok(size + CIPHERTEXT_OVERHEAD),
            _ => Err(Status::SizeNotAllowed),
        }
    }
}

impl UnwrapDataKeyItem<'_> {
    /// Checks the sizes; comes back with the size of the data key in bytes.
    ///
    /// # Errors
    /// [`Status::DecryptionFailed`], whatever is wrong: no data key was ever wrapped with such sizes.
    pub const fn check(&self) -> Result<usize, Status> {
        match self.wrapped.len().checked_sub(CIPHERTEXT_OVERHEAD) {
            Some(size @ 1..=DATA_KEY_SIZE_MAX) if self.context.len() <= CONTEXT_SIZE_MAX => Ok(size),
            _ => Err(Status::DecryptionFailed),
        }
    }
}

impl<'a> ResultValue<'a> for GeneratedDataKey<'a> {
    fn read(result: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self { wrapped: result.bytes32()?, plain: result.rest() })
    }

    fn write(self, body: &mut FrameWriter<'_>) {
        body.bytes32(self.wrapped);
        body.bytes(self.plain);
    }
}

impl<'a> GenerateDataKey<Items<'a, GenerateDataKeyItem<'a>>> {
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self {
            key_id: KeyId(reader.array()?),
            form: DataKeyForm::from_code(reader.u8()?).ok_or(DecodeError::Malformed)?,
            data_key_size: reader.u16()?,
            items: Items::read_batch(reader)?,
        })
    }
}

impl<'a> WrapDataKey<Items<'a, WrapDataKeyItem<'a>>> {
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self { key_id: KeyId(reader.array()?), items: Items::read_batch(reader)? })
    }
}

impl<'a> UnwrapDataKey<Items<'a, UnwrapDataKeyItem<'a>>> {
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self { key_id: KeyId(reader.array()?), items: Items::read_batch(reader)? })
    }
}

impl<'a, I: IntoIterator<Item = GenerateDataKeyItem<'a>>> Message for GenerateDataKey<I> {
    const OPCODE: Opcode = Opcode::GenerateDataKey;

    fn write(self, body: &mut FrameWriter<'_>) {
        body.bytes(&self.key_id.0);
        body.u8(self.form.code());
        body.u16(self.data_key_size);
        body.list(self.items, BATCH_BOUNDS, |body, item| item.write(body));
    }
}

impl<'a, I: IntoIterator<Item = WrapDataKeyItem<'a>>> Message for WrapDataKey<I> {
    const OPCODE: Opcode = Opcode::WrapDataKey;

    fn write(self, body: &mut FrameWriter<'_>) {
        body.bytes(&self.key_id.0);
        body.list(self.items, BATCH_BOUNDS, |body, item| item.write(body));
    }
}

impl<'a, I: IntoIterator<Item = UnwrapDataKeyItem<'a>>> Message for UnwrapDataKey<I> {
    const OPCODE: Opcode = Opcode::UnwrapDataKey;

    fn write(self, body: &mut FrameWriter<'_>) {
        body.bytes(&self.key_id.0);
        body.list(self.items, BATCH_BOUNDS, |body, item| item.write(body));
    }
}

impl<'a> Item<'a> for GenerateDataKeyItem<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self { context: reader.bytes32()? })
    }

    fn write(self, body: &mut FrameWriter<'_>) {
        body.bytes32(self.context);
    }
}

impl<'a> Item<'a> for WrapDataKeyItem<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self { context: reader.bytes32()?, data_key: reader.bytes32()? })
    }

    fn write(self, body: &mut FrameWriter<'_>) {
        body.bytes32(self.context);
        body.bytes32(self.data_key);
    }
}

impl<'a> Item<'a> for UnwrapDataKeyItem<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self { context: reader.bytes32()?, wrapped: reader.bytes32()? })
    }

    fn write(self, body: &mut FrameWriter<'_>) {
        body.bytes32(self.context);
        body.bytes32(self.wrapped);
    }
}

/// Bytes of the size that stands before the wrapped key.
const SIZE_FIELD_SIZE: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    static_assertions::assert_not_impl_any!(WrapDataKeyItem<'static>: std::fmt::Debug);
    static_assertions::assert_not_impl_any!(GeneratedDataKey<'static>: std::fmt::Debug);

    const fn request(form: DataKeyForm, data_key_size: u16) -> GenerateDataKey<()> {
        GenerateDataKey { key_id: KeyId([0; 16]), form, data_key_size, items: () }
    }

    // R-K17
    #[test]
    fn generates_128_256_and_512_bits_and_nothing_else() {
        for size in [16, 32, 64] {
            assert_eq!(request(DataKeyForm::Wrapped, size).check(), Ok(98 + usize::from(size)));
            assert_eq!(request(DataKeyForm::PlainAndWrapped, size).check(), Ok(98 + 2 * usize::from(size)));
        }
        for size in [0, 1, 15, 17, 24, 48, 65, u16::MAX] {
            assert_eq!(request(DataKeyForm::Wrapped, size).check(), Err(Status::SizeNotAllowed), "{size}");
        }
    }

    // R-K17
    #[test]
    fn result_is_laid_out_as_it_is_read() {
        let request = request(DataKeyForm::PlainAndWrapped, 32);
        let mut result = vec![0; request.check().unwrap()];
        let (wrapped, plain) = request.lay_out(&mut result).unwrap();
        wrapped.fill(1);
        plain.fill(2);
        let decoded = GeneratedDataKey::read(&mut Reader::new(&result)).unwrap();
        assert_eq!((decoded.wrapped, decoded.plain), (&[1; 126][..], &[2; 32][..]));
        assert!(request.lay_out(&mut result[1..]).is_none());
        assert!(GeneratedDataKey::read(&mut Reader::new(&result[..129])).is_err());
    }

    // R-K17
    #[test]
    fn sizes_of_wrapped_and_plain_data_keys_are_bounded() {
        let large = vec![0; 9_000];
        let wrap = |context, size| WrapDataKeyItem { context: &large[..context], data_key: &large[..size] }.check();
        assert_eq!(wrap(4_096, 1), Ok(95));
        assert_eq!(wrap(0, 8_192), Ok(8_286));
        assert_eq!(wrap(0, 0), Err(Status::SizeNotAllowed));
        assert_eq!(wrap(0, 8_193), Err(Status::SizeNotAllowed));
        assert_eq!(wrap(4_097, 0), Err(Status::ContextTooLarge));
        let unwrap = |context, size| UnwrapDataKeyItem { context: &large[..context], wrapped: &large[..size] }.check();
        assert_eq!(unwrap(0, 95), Ok(1));
        for (context, size) in [(0, 0), (0, 94), (0, 8_287), (4_097, 95)] {
            assert_eq!(unwrap(context, size), Err(Status::DecryptionFailed), "{context}, {size}");
        }
    }
}
