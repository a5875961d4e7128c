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
use crate::limits::CIPHERTEXT_OVERHEAD_MAX;
use crate::opcode::Opcode;
use crate::output::FrameWriter;

/// Data keys to make and wrap under the current version of one key.
#[derive(Clone, Debug)]
pub struct GenerateDataKey<I> {
    /// Id of the key that wraps.
    pub key_id: KeyId,
    /// What is given out.
    pub form: DataKeyForm,
    /// Bytes of each data key, one of [`crate::limits::GENERATED_DATA_KEY_SIZES`].
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
    /// Encryption context, 0..=[`crate::limits::CONTEXT_SIZE_MAX`] bytes.
    pub context: &'a [u8],
}

/// One data key to wrap. No `Debug`, on purpose.
#[derive(Clone, Copy)]
pub struct WrapDataKeyItem<'a> {
    /// Encryption context, 0..=[`crate::limits::CONTEXT_SIZE_MAX`] bytes.
    pub context: &'a [u8],
    /// 1..=[`crate::limits::DATA_KEY_SIZE_MAX`] bytes.
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
    /// Most bytes of the result of each item.
    #[must_use]
    pub fn result_size_max(&self) -> usize {
        SIZE_FIELD_SIZE + usize::from(self.data_key_size) + CIPHERTEXT_OVERHEAD_MAX + self.plain_size()
    }

    /// Bytes of the plain data key in each result.
    #[must_use]
    pub fn plain_size(&self) -> usize {
        match self.form {
            DataKeyForm::Wrapped => 0,
            DataKeyForm::PlainAndWrapped => usize::from(self.data_key_size),
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
    use crate::header::RequestHeader;
    use crate::limits::HEADER_SIZE;
    use crate::output::OutputBuffer;

    static_assertions::assert_not_impl_any!(WrapDataKeyItem<'static>: std::fmt::Debug);
    static_assertions::assert_not_impl_any!(GeneratedDataKey<'static>: std::fmt::Debug);

    // R-K17
    #[test]
    fn result_has_the_size_that_its_request_says() {
        for (form, plain) in [(DataKeyForm::Wrapped, &[][..]), (DataKeyForm::PlainAndWrapped, &[2; 32])] {
            let request = GenerateDataKey { key_id: KeyId([0; 16]), form, data_key_size: 32, items: () };
            let mut output = OutputBuffer::new();
            let mut frame = output.begin_request(&RequestHeader::new(1));
            GeneratedDataKey { wrapped: &[1; 126], plain }.write(&mut frame);
            frame.finish().unwrap();
            let result_size = output.len() - HEADER_SIZE;
            assert_eq!((result_size, plain.len()), (request.result_size_max(), request.plain_size()));
        }
    }

    #[test]
    fn refuses_a_result_whose_wrapped_key_does_not_end() {
        let result = [&[0, 0, 0, 126][..], &[1; 125]].concat();
        assert!(GeneratedDataKey::read(&mut Reader::new(&result)).is_err());
    }
}
