//! Hello: versions and limits. `SPEC.md` section 3.
//!
//! ```text
//! request   version_min u8 | version_max u8 | option_count u16 | option_count x (option u16 | value bytes16)
//! reply     version u8 | limit_count u16 | limit_count x (limit u16 | value u64)
//! ```

use super::batch::{Item, Items, no_code_twice};
use super::{Message, ReplyMessage};
use crate::codec::Reader;
use crate::error::DecodeError;
use crate::header::VERSION;
use crate::limits::{HELLO_OPTION_SIZE_MAX, HELLO_OPTIONS_MAX};
use crate::opcode::Opcode;
use crate::output::FrameWriter;
use crate::status::Status;

/// The greeting of a client.
#[derive(Clone, Debug)]
pub struct Hello<I> {
    /// Lowest protocol version that the client speaks.
    pub version_min: u8,
    /// Highest protocol version that the client speaks.
    pub version_max: u8,
    /// At most [`HELLO_OPTIONS_MAX`]; version 1 defines one ([`crate::limits::HELLO_OPTION_HARDWARE_ADDRESS`]).
    pub options: I,
}

/// Something that a client says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HelloOption<'a> {
    /// Code of the option.
    pub option: u16,
    /// At most [`HELLO_OPTION_SIZE_MAX`] bytes.
    pub value: &'a [u8],
}

/// The greeting of a server.
#[derive(Clone, Debug)]
pub struct HelloReply<I> {
    /// The protocol version that both speak.
    pub version: u8,
    /// The limits that the server announces, each at most once, in any order.
    pub limits: I,
}

/// One limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitValue {
    /// Code of the limit ([`crate::Limit::from_code`]); a client ignores those it does not know.
    pub limit: u16,
    /// In the limit's unit.
    pub value: u64,
}

impl<I> Hello<I> {
    /// The version that both sides speak, for a server that speaks version 1 only.
    ///
    /// # Errors
    /// [`Status::UnsupportedVersion`] if there is none; the byte stream ends then.
    pub const fn version(&self) -> Result<u8, Status> {
        if self.version_min <= VERSION && VERSION <= self.version_max {
            Ok(VERSION)
        } else {
            Err(Status::UnsupportedVersion)
        }
    }
}

impl<'a> Hello<Items<'a, HelloOption<'a>>> {
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let (version_min, version_max) = (reader.u8()?, reader.u8()?);
        if version_min == 0 || version_min > version_max {
            return Err(DecodeError::Malformed);
        }
        Ok(Self { version_min, version_max, options: Items::read_list(reader, HELLO_OPTIONS_MAX)? })
    }
}

impl<'a, I: IntoIterator<Item = HelloOption<'a>>> Message for Hello<I> {
    const OPCODE: Opcode = Opcode::Hello;

    fn write(self, body: &mut FrameWriter<'_>) {
        body.u8(self.version_min);
        body.u8(self.version_max);
        body.list(self.options, 0..=HELLO_OPTIONS_MAX, |body, option| option.write(body));
    }
}

impl<'a> HelloReply<Items<'a, LimitValue>> {
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let (version, limits) = (reader.u8()?, Items::<LimitValue>::read_list(reader, usize::MAX)?);
        no_code_twice(limits.clone().map(|limit| limit.limit))?;
        Ok(Self { version, limits })
    }
}

impl<I: IntoIterator<Item = LimitValue>> ReplyMessage for HelloReply<I> {
    fn write(self, body: &mut FrameWriter<'_>) {
        body.u8(self.version);
        body.list(self.limits, 0..=usize::MAX, |body, limit| limit.write(body));
    }
}

impl<'a> Item<'a> for HelloOption<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let option = Self { option: reader.u16()?, value: reader.bytes16()? };
        if option.value.len() > HELLO_OPTION_SIZE_MAX { Err(DecodeError::Malformed) } else { Ok(option) }
    }

    fn write(self, body: &mut FrameWriter<'_>) {
        body.u16(self.option);
        body.bytes16(self.value);
    }
}

impl<'a> Item<'a> for LimitValue {
    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self { limit: reader.u16()?, value: reader.u64()? })
    }

    fn write(self, body: &mut FrameWriter<'_>) {
        body.u16(self.limit);
        body.u64(self.value);
    }
}
