//! Read public key. `SPEC.md` section 5.17.
//!
//! ```text
//! request   key_id [16] | key_version u32
//! reply     key_version u32 | algorithm u8 | public_key bytes32
//! ```

use super::{Message, ReplyMessage};
use crate::codec::Reader;
use crate::error::DecodeError;
use crate::id::KeyId;
use crate::opcode::Opcode;
use crate::output::FrameWriter;

/// Which version of a public key to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadPublicKey {
    /// Id of the key.
    pub key_id: KeyId,
    /// 0 means the current one.
    pub key_version: u32,
}

/// A public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicKey<'a> {
    /// The version it is of.
    pub key_version: u32,
    /// Code of its algorithm ([`crate::Algorithm::from_id`]).
    pub algorithm: u8,
    /// DER `SubjectPublicKeyInfo` (RFC 5280 section 4.1).
    pub public_key: &'a [u8],
}

impl ReadPublicKey {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { key_id: KeyId(reader.array()?), key_version: reader.u32()? })
    }
}

impl Message for ReadPublicKey {
    const OPCODE: Opcode = Opcode::ReadPublicKey;

    fn write(self, body: &mut FrameWriter<'_>) {
        body.bytes(&self.key_id.0);
        body.u32(self.key_version);
    }
}

impl<'a> PublicKey<'a> {
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self { key_version: reader.u32()?, algorithm: reader.u8()?, public_key: reader.bytes32()? })
    }
}

impl ReplyMessage for PublicKey<'_> {
    fn write(self, body: &mut FrameWriter<'_>) {
        body.u32(self.key_version);
        body.u8(self.algorithm);
        body.bytes32(self.public_key);
    }
}
