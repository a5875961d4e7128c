//! Read secret, and wait for a newer version of it. `SPEC.md` sections 5.16 and 5.20.
//!
//! ```text
//! read      key_id [16] | key_version u32
//! wait      key_id [16] | known_version u32 | wait u32
//! reply     key_version u32 | value bytes32
//! ```

use super::{Message, ReplyMessage};
use crate::codec::Reader;
use crate::error::DecodeError;
use crate::id::KeyId;
use crate::opcode::Opcode;
use crate::output::FrameWriter;

/// Which version of a secret to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadSecret {
    /// Id of the key.
    pub key_id: KeyId,
    /// 0 means the current one.
    pub key_version: u32,
}

/// Which version of a secret is known, and how long a newer one is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitForSecret {
    /// Id of the key.
    pub key_id: KeyId,
    /// The version that the client has; 0 means none.
    pub known_version: u32,
    /// Milliseconds. What is above [`crate::limits::SECRET_WAIT_MS_MAX`] counts as that.
    pub wait_ms: u32,
}

/// A secret's value. No `Debug`, on purpose.
#[derive(Clone, Copy)]
pub struct SecretValue<'a> {
    /// The version it is of.
    pub key_version: u32,
    /// 0..=[`crate::limits::SECRET_SIZE_MAX`] bytes.
    pub value: &'a [u8],
}

impl ReadSecret {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { key_id: KeyId(reader.array()?), key_version: reader.u32()? })
    }
}

impl Message for ReadSecret {
    const OPCODE: Opcode = Opcode::ReadSecret;

    fn write(self, body: &mut FrameWriter<'_>) {
        body.bytes(&self.key_id.0);
        body.u32(self.key_version);
    }
}

impl WaitForSecret {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { key_id: KeyId(reader.array()?), known_version: reader.u32()?, wait_ms: reader.u32()? })
    }
}

impl Message for WaitForSecret {
    const OPCODE: Opcode = Opcode::WaitForSecret;

    fn write(self, body: &mut FrameWriter<'_>) {
        body.bytes(&self.key_id.0);
        body.u32(self.known_version);
        body.u32(self.wait_ms);
    }
}

impl<'a> SecretValue<'a> {
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self { key_version: reader.u32()?, value: reader.bytes32()? })
    }
}

impl ReplyMessage for SecretValue<'_> {
    fn write(self, body: &mut FrameWriter<'_>) {
        body.u32(self.key_version);
        body.bytes32(self.value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static_assertions::assert_not_impl_any!(SecretValue<'static>: std::fmt::Debug);
}
