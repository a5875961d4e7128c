//! Ping: the same bytes back. `SPEC.md` section 5.2.
//!
//! ```text
//! request   payload, to the end
//! reply     the same
//! ```

use super::{Message, ReplyMessage};
use crate::codec::Reader;
use crate::error::DecodeError;
use crate::limits::PING_SIZE_MAX;
use crate::opcode::Opcode;
use crate::output::FrameWriter;

/// A ping and its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ping<'a> {
    /// 0..=[`PING_SIZE_MAX`] bytes of the client's choice.
    pub payload: &'a [u8],
}

impl<'a> Ping<'a> {
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let payload = reader.rest();
        if payload.len() > PING_SIZE_MAX { Err(DecodeError::Malformed) } else { Ok(Self { payload }) }
    }
}

impl Message for Ping<'_> {
    const OPCODE: Opcode = Opcode::Ping;

    fn write(self, body: &mut FrameWriter<'_>) {
        body.bytes(self.payload);
    }
}

impl ReplyMessage for Ping<'_> {
    fn write(self, body: &mut FrameWriter<'_>) {
        body.bytes(self.payload);
    }
}
