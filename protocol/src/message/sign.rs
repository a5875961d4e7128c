//! Sign and Verify. `SPEC.md` sections 5.12 and 5.13.
//!
//! ```text
//! sign      key_id [16] | form u8 | item_count u16 | item_count x message bytes32
//! verify    key_id [16] | key_version u32 | form u8 | item_count u16 | item_count x (message bytes32 | signature bytes32)
//! result    key_version u32 | signature; key_version u32
//! ```

use super::Message;
use super::batch::{BATCH_BOUNDS, Item, Items, ResultValue};
use crate::algorithm::Algorithm;
use crate::codec::Reader;
use crate::error::DecodeError;
use crate::id::KeyId;
use crate::limits::MESSAGE_SIZE_MAX;
use crate::opcode::Opcode;
use crate::output::FrameWriter;
use crate::status::Status;

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

/// Sizes in bytes that a message of one request may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageSize {
    /// A message: 0 to this many.
    AtMost(usize),
    /// A digest: exactly this many.
    Exactly(usize),
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

    /// What messages of this form a key of this algorithm takes.
    ///
    /// # Errors
    /// [`Status::OperationNotAllowed`], for the frame, if the algorithm takes no digests.
    pub const fn message_size(self, algorithm: Algorithm) -> Result<MessageSize, Status> {
        match (self, algorithm.row().digest_size) {
            (Self::Message, _) => Ok(MessageSize::AtMost(MESSAGE_SIZE_MAX)),
            (Self::Digest, Some(size)) => Ok(MessageSize::Exactly(size)),
            (Self::Digest, None) => Err(Status::OperationNotAllowed),
        }
    }
}

impl MessageSize {
    /// Checks one message.
    ///
    /// # Errors
    /// [`Status::MessageTooLarge`] or [`Status::DigestSizeWrong`], for the item.
    #[inline]
    pub const fn check(self, message: &[u8]) -> Result<(), Status> {
        match self {
            Self::AtMost(size_max) if message.len() > size_max => Err(Status::MessageTooLarge),
            Self::Exactly(size) if message.len() != size => Err(Status::DigestSizeWrong),
            Self::AtMost(_) | Self::Exactly(_) => Ok(()),
        }
    }
}

impl Versioned<'_> {
    /// Bytes before the value.
    pub const PREFIX_SIZE: usize = KEY_VERSION_SIZE;

    /// Writes the version into the front of a result's room and lends the rest to `fill`, which says how many bytes
    /// of it are the value. Comes back with the size of the whole result. For [`crate::BatchWriter::item`].
    ///
    /// # Errors
    /// Those of `fill`; [`Status::InternalError`] if `result` has no room for the version, which is a fault of the
    /// caller.
    #[inline]
    pub fn fill(
        result: &mut [u8],
        key_version: u32,
        fill: impl FnOnce(&mut [u8]) -> Result<usize, Status>,
    ) -> Result<usize, Status> {
        let (prefix, value) = result.split_first_chunk_mut::<KEY_VERSION_SIZE>().ok_or(Status::InternalError)?;
        *prefix = key_version.to_be_bytes();
        fill(value).map(|size| Self::PREFIX_SIZE + size)
    }
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

/// Bytes of a key version on the wire.
const KEY_VERSION_SIZE: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    // R-K4
    #[test]
    fn digests_are_taken_where_the_algorithm_has_a_digest_size() {
        let size = |form: MessageForm, algorithm| form.message_size(algorithm);
        assert_eq!(size(MessageForm::Digest, Algorithm::EcdsaP256Sha256), Ok(MessageSize::Exactly(32)));
        assert_eq!(size(MessageForm::Digest, Algorithm::Rsa4096PssSha256), Ok(MessageSize::Exactly(32)));
        assert_eq!(size(MessageForm::Digest, Algorithm::Ed25519), Err(Status::OperationNotAllowed));
        assert_eq!(size(MessageForm::Message, Algorithm::Ed25519), Ok(MessageSize::AtMost(32_768)));
    }

    // R-K4
    #[test]
    fn messages_over_the_limit_and_digests_of_another_size_fail_the_item() {
        let bytes = vec![0; 32_769];
        let message = MessageSize::AtMost(32_768);
        assert_eq!(message.check(&bytes[..32_768]), Ok(()));
        assert_eq!(message.check(&bytes), Err(Status::MessageTooLarge));
        let digest = MessageSize::Exactly(32);
        assert_eq!(digest.check(&bytes[..32]), Ok(()));
        for size in [0, 31, 33, 32_769] {
            assert_eq!(digest.check(&bytes[..size]), Err(Status::DigestSizeWrong), "{size}");
        }
    }

    #[test]
    fn versioned_results_are_filled_as_they_are_read() {
        let mut result = [0; 10];
        let fill = |value: &mut [u8]| {
            value[..2].copy_from_slice(&[8, 9]);
            Ok(2)
        };
        let size = Versioned::fill(&mut result, 3, fill).unwrap();
        assert_eq!(
            Versioned::read(&mut Reader::new(&result[..size])),
            Ok(Versioned { key_version: 3, value: &[8, 9] })
        );
        assert_eq!(Versioned::read(&mut Reader::new(&result[..3])), Err(DecodeError::Malformed));
        assert_eq!(Versioned::fill(&mut result[..3], 3, fill), Err(Status::InternalError));
        assert_eq!(
            Versioned::fill(&mut result, 3, |_| Err(Status::VerificationFailed)),
            Err(Status::VerificationFailed)
        );
    }
}
