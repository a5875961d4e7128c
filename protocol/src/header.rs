//! The 40 bytes before every body. `SPEC.md` section 2.
//!
//! `length u32 | version u8 | opcode u8 | flags u16 | request_id u64 | trace_id [16] | milliseconds u32 | status u8 | reserved [3]`

use crate::codec::Reader;
use crate::error::DecodeError;
use crate::id::TraceId;
use crate::limits::{HEADER_SIZE, LENGTH_FIELD_SIZE};
use crate::opcode::Opcode;
use crate::status::Status;

/// Header of a request. Flags, status and reserved bytes are 0 in version 1 and not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct RequestHeader {
    /// Code of the operation; may be one that version 1 does not have.
    pub opcode: u8,
    /// Chosen by the client; ties the reply to the request.
    pub request_id: u64,
    /// Chosen by the client; [`TraceId::NONE`] means none.
    pub trace_id: TraceId,
    /// Milliseconds from the moment when the whole request has been read; 0 means none.
    pub deadline_ms: u32,
}

/// Header of a reply. Its one flag is always set and not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplyHeader {
    /// That of the request.
    pub opcode: u8,
    /// That of the request.
    pub request_id: u64,
    /// That of the request.
    pub trace_id: TraceId,
    /// Milliseconds to wait before a retry; 0 means no advice.
    pub retry_ms: u32,
    /// What became of the request as a whole; the body is empty unless it is [`Status::Ok`].
    pub status: Status,
}

impl RequestHeader {
    /// A header without trace id and deadline. The opcode is filled in with the message
    /// ([`crate::OutputBuffer::request`]).
    #[must_use]
    pub const fn new(request_id: u64) -> Self {
        Self { opcode: 0, request_id, trace_id: TraceId::NONE, deadline_ms: 0 }
    }

    /// The operation asked for, in the order of checks of `SPEC.md` section 8; `greeted` says whether a Hello has been
    /// answered on this byte stream.
    ///
    /// # Errors
    /// [`Status::HelloRequired`] (ends the byte stream) or [`Status::UnknownOpcode`] (does not).
    pub fn operation(&self, greeted: bool) -> Result<Opcode, Status> {
        match Opcode::from_code(self.opcode) {
            Some(Opcode::Hello) => Ok(Opcode::Hello),
            _ if !greeted => Err(Status::HelloRequired),
            opcode => opcode.ok_or(Status::UnknownOpcode),
        }
    }

    /// The header of a reply to this request.
    #[must_use]
    pub const fn reply(&self, status: Status, retry_ms: u32) -> ReplyHeader {
        ReplyHeader { opcode: self.opcode, request_id: self.request_id, trace_id: self.trace_id, retry_ms, status }
    }
}

/// The protocol version of this crate.
pub const VERSION: u8 = 1;

/// The one flag of version 1: this frame is a reply.
pub const FLAG_REPLY: u16 = 0x8000;

/// A header of either direction, from and to the fields of the frame.
pub(crate) trait FrameHeader: Sized {
    /// The header that `fields` carry, as far as it can be told, and whether what is reserved is as version 1 has it.
    fn from_fields(fields: &Fields) -> (Self, bool);

    /// What goes over the wire; `length` and `version` are set.
    fn to_fields(&self, length: u32) -> Fields;
}

/// All fields of a header, unchecked.
#[derive(Default)]
pub(crate) struct Fields {
    /// Bytes after this field.
    pub(crate) length: u32,
    pub(crate) version: u8,
    opcode: u8,
    flags: u16,
    request_id: u64,
    trace_id: [u8; 16],
    milliseconds: u32,
    status: u8,
    reserved: [u8; 3],
}

impl Fields {
    /// Reads a whole header.
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            length: reader.u32()?,
            version: reader.u8()?,
            opcode: reader.u8()?,
            flags: reader.u16()?,
            request_id: reader.u64()?,
            trace_id: reader.array()?,
            milliseconds: reader.u32()?,
            status: reader.u8()?,
            reserved: reader.array()?,
        })
    }

    /// The header's bytes.
    pub(crate) fn to_bytes(&self) -> [u8; HEADER_SIZE] {
        let [l0, l1, l2, l3] = self.length.to_be_bytes();
        let [f0, f1] = self.flags.to_be_bytes();
        let [r0, r1, r2, r3, r4, r5, r6, r7] = self.request_id.to_be_bytes();
        let [t0, t1, t2, t3, t4, t5, t6, t7, t8, t9, ta, tb, tc, td, te, tf] = self.trace_id;
        let [m0, m1, m2, m3] = self.milliseconds.to_be_bytes();
        let [z0, z1, z2] = self.reserved;
        #[rustfmt::skip]
        let bytes = [
            l0, l1, l2, l3, self.version, self.opcode, f0, f1,
            r0, r1, r2, r3, r4, r5, r6, r7,
            t0, t1, t2, t3, t4, t5, t6, t7, t8, t9, ta, tb, tc, td, te, tf,
            m0, m1, m2, m3, self.status, z0, z1, z2,
        ];
        bytes
    }
}

impl FrameHeader for RequestHeader {
    fn from_fields(fields: &Fields) -> (Self, bool) {
        let header = Self {
            opcode: fields.opcode,
            request_id: fields.request_id,
            trace_id: TraceId(fields.trace_id),
            deadline_ms: fields.milliseconds,
        };
        (header, fields.flags == 0 && fields.status == 0 && fields.reserved == [0; 3])
    }

    fn to_fields(&self, length: u32) -> Fields {
        Fields {
            length,
            version: VERSION,
            opcode: self.opcode,
            request_id: self.request_id,
            trace_id: self.trace_id.0,
            milliseconds: self.deadline_ms,
            ..Fields::default()
        }
    }
}

impl FrameHeader for ReplyHeader {
    fn from_fields(fields: &Fields) -> (Self, bool) {
        let header = Self {
            opcode: fields.opcode,
            request_id: fields.request_id,
            trace_id: TraceId(fields.trace_id),
            retry_ms: fields.milliseconds,
            status: Status::from_code(fields.status),
        };
        (header, fields.flags == FLAG_REPLY && fields.reserved == [0; 3])
    }

    fn to_fields(&self, length: u32) -> Fields {
        Fields {
            length,
            version: VERSION,
            opcode: self.opcode,
            flags: FLAG_REPLY,
            request_id: self.request_id,
            trace_id: self.trace_id.0,
            milliseconds: self.retry_ms,
            status: self.status.code(),
            ..Fields::default()
        }
    }
}

// A frame's length field counts what follows it.
const _: () = assert!(HEADER_SIZE == LENGTH_FIELD_SIZE + 1 + 1 + 2 + 8 + 16 + 4 + 1 + 3);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_has_the_layout_of_section_2() {
        let header = RequestHeader { opcode: 0x10, request_id: 0x0102, trace_id: TraceId([0xEE; 16]), deadline_ms: 7 };
        let bytes = header.to_fields(36).to_bytes();
        let mut expected = vec![0, 0, 0, 36, 1, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2];
        expected.extend([0xEE; 16]);
        expected.extend([0, 0, 0, 7, 0, 0, 0, 0]);
        assert_eq!(bytes.as_slice(), expected);

        let bytes = header.reply(Status::Overloaded, 250).to_fields(36).to_bytes();
        assert_eq!(bytes[6..8], [0x80, 0]);
        assert_eq!(bytes[32..40], [0, 0, 0, 250, 0x30, 0, 0, 0]);
    }

    #[test]
    fn first_operation_of_a_byte_stream_is_hello() {
        let header = |opcode| RequestHeader { opcode, ..RequestHeader::default() };
        assert_eq!(header(0x01).operation(false), Ok(Opcode::Hello));
        assert_eq!(header(0x02).operation(false), Err(Status::HelloRequired));
        assert_eq!(header(0x7F).operation(false), Err(Status::HelloRequired), "checked before the opcode");
        assert_eq!(header(0x02).operation(true), Ok(Opcode::Ping));
        assert_eq!(header(0x7F).operation(true), Err(Status::UnknownOpcode));
    }
}
