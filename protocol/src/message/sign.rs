//! Sign and Verify. `SPEC.md` sections 5.12 and 5.13.
//!
//! ```text
//! sign      key_id [16] | form u8 | item_count u16 | item_count x message bytes32
//! verify    key_id [16] | key_version u32 | form u8 | item_count u16 | item_count x (message bytes32 | signature bytes32)
//! result    key_version u32 | signature; key_version u32
//! ```

use super::Message;
use super::batch::{BATCH_BOUNDS, Item, Items, ResultValue};
use crate::codec::Reader;
use crate::error::DecodeError;
use crate::id::KeyId;
use crate::opcode::Opcode;
use crate::output::FrameWriter;

/// Messages to sign with the current version of one key.
#[derive(Clone, Debug)]
pub struct Sign<I> {
    /// Id of the key.
    pub key_id: KeyId,
    /// What the messages are.
    pub form: MessageForm,
    /// 1 to [`crate::limits::BATCH_ITEMS_MAX`].
    pub items: I,
}

/// Signatures to verify with one key.
#[derive(Clone, Debug)]
pub struct Verify<I> {
    /// Id of the key.
    pub key_id: KeyId,
    /// The version that signed; 0 tries the current one, then older ones, newest first.
    pub key_version: u32,
    /// What the messages are.
    pub form: MessageForm,
    /// 1 to [`crate::limits::BATCH_ITEMS_MAX`].
    pub items: I,
}

/// What the bytes to sign are. The discriminant is its code on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum MessageForm {
    /// A message, which the server hashes as the algorithm says.
    Message = 1,
    /// A digest that the client made.
    Digest = 2,
}

/// What to sign. No `Debug`, on purpose: a message may be confidential.
#[derive(Clone, Copy)]
pub struct SignItem<'a> {
    /// A message or a digest, as the form says.
    pub message: &'a [u8],
}

/// What was signed, and how. No `Debug`, on purpose: a message may be confidential.
#[derive(Clone, Copy)]
pub struct VerifyItem<'a> {
    /// A message or a digest, as the form says.
    pub message: &'a [u8],
    /// As in `SPEC.md` section 10; any size.
    pub signature: &'a [u8],
}

/// The result of Sign and of Make MAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Versioned<'a> {
    /// The version that signed or made the MAC.
    pub key_version: u32,
    /// The signature or MAC, as in `SPEC.md` section 10.
    pub value: &'a [u8],
}

/// The result of Verify and of Verify MAC: the signature or MAC is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The version that signed or made the MAC.
    pub key_version: u32,
}

impl MessageForm {
    /// The form's code on the wire.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The form of this code, or nothing if version 1 has none.
    #[must_use]
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Message),
            2 => Some(Self::Digest),
            _ => None,
        }
    }
}

impl Versioned<'_> {
    /// Bytes before the value.
    pub const PREFIX_SIZE: usize = 4;
}

impl<'a> ResultValue<'a> for Versioned<'a> {
    fn read(result: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self { key_version: result.u32()?, value: result.rest() })
    }

    fn write(self, body: &mut FrameWriter<'_>) {
        body.u32(self.key_version);
        body.bytes(self.value);
    }
}

impl<'a> ResultValue<'a> for Verified {
    fn read(result: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self { key_version: result.u32()? })
    }

    fn write(self, body: &mut FrameWriter<'_>) {
        body.u32(self.key_version);
    }
}

impl<'a> Sign<Items<'a, SignItem<'a>>> {
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self { key_id: KeyId(reader.array()?), form: read_form(reader)?, items: Items::read_batch(reader)? })
    }
}

impl<'a> Verify<Items<'a, VerifyItem<'a>>> {
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self {
            key_id: KeyId(reader.array()?),
            key_version: reader.u32()?,
            form: read_form(reader)?,
            items: Items::read_batch(reader)?,
        })
    }
}

fn read_form(reader: &mut Reader<'_>) -> Result<MessageForm, DecodeError> {
    MessageForm::from_code(reader.u8()?).ok_or(DecodeError::Malformed)
}

impl<'a, I: IntoIterator<Item = SignItem<'a>>> Message for Sign<I> {
    const OPCODE: Opcode = Opcode::Sign;

    fn write(self, body: &mut FrameWriter<'_>) {
        body.bytes(&self.key_id.0);
        body.u8(self.form.code());
        body.list(self.items, BATCH_BOUNDS, |body, item| item.write(body));
    }
}

impl<'a, I: IntoIterator<Item = VerifyItem<'a>>> Message for Verify<I> {
    const OPCODE: Opcode = Opcode::Verify;

    fn write(self, body: &mut FrameWriter<'_>) {
        body.bytes(&self.key_id.0);
        body.u32(self.key_version);
        body.u8(self.form.code());
        body.list(self.items, BATCH_BOUNDS, |body, item| item.write(body));
    }
}

impl<'a> Item<'a> for SignItem<'a> {
    #[inline]
    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self { message: reader.bytes32()? })
    }

    #[inline]
    fn write(self, body: &mut FrameWriter<'_>) {
        body.bytes32(self.message);
    }
}

impl<'a> Item<'a> for VerifyItem<'a> {
    #[inline]
    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self { message: reader.bytes32()?, signature: reader.bytes32()? })
    }

    #[inline]
    fn write(self, body: &mut FrameWriter<'_>) {
        body.bytes32(self.message);
        body.bytes32(self.signature);
    }
}
