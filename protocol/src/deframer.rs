//! A byte stream to whole frames, without IO. `SPEC.md` sections 2 and 8.
//!
//! The caller keeps the buffer: it appends what it has read, takes frames from the front, and drops the bytes of each
//! frame it is done with. An incomplete frame is not an error.

use crate::codec::Reader;
use crate::header::{Fields, FrameHeader, ReplyHeader, RequestHeader, VERSION};
use crate::limits::{HEADER_SIZE, LENGTH_FIELD_SIZE, LENGTH_MAX, LENGTH_MIN};
use crate::status::Status;
use std::fmt;

/// What the front of a buffer holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step<'a, H> {
    /// No whole frame yet: at least this many more bytes are needed, at least 1.
    Need(usize),
    /// One whole frame.
    Frame(Frame<'a, H>),
    /// A frame whose header is at fault; its body is not looked at.
    Fault(Fault<H>),
}

/// One whole frame whose header is as version 1 has it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a, H> {
    /// The header.
    pub header: H,
    /// The body: 0..=[`crate::limits::BODY_SIZE_MAX`] bytes.
    pub body: &'a [u8],
    /// Bytes of the whole frame: drop that many from the front of the buffer.
    pub size: usize,
}

/// A frame that gets a status and nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault<H> {
    /// What to answer, or for a client: what is wrong with the server.
    pub status: Status,
    /// The header as far as it can be told; opcode, request id and trace id are 0 if the length is at fault.
    pub header: H,
    /// Bytes to drop from the front of the buffer before the next frame; 0 if the fault ends the byte stream.
    pub size: usize,
    /// Whether nothing after this frame can be understood: answer, then end the byte stream.
    pub ends: bool,
}

/// The header, and how many bytes, not which: they may be plaintext.
impl<H: fmt::Debug> fmt::Debug for Frame<'_, H> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Frame").field("header", &self.header).field("size", &self.size).finish_non_exhaustive()
    }
}

/// What is at the front of bytes that a client sent.
#[must_use]
pub fn request(buffer: &[u8]) -> Step<'_, RequestHeader> {
    next(buffer)
}

/// What is at the front of bytes that a server sent. A client gives up the byte stream on any fault.
#[must_use]
pub fn reply(buffer: &[u8]) -> Step<'_, ReplyHeader> {
    next(buffer)
}

/// The checks of section 8, in its order.
#[inline]
fn next<H: FrameHeader>(buffer: &[u8]) -> Step<'_, H> {
    let Ok(length) = Reader::new(buffer).u32() else {
        return Step::Need(LENGTH_FIELD_SIZE.saturating_sub(buffer.len()));
    };
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    if length > LENGTH_MAX {
        return length_fault(Status::FrameTooLarge);
    }
    if length < LENGTH_MIN {
        return length_fault(Status::Malformed);
    }
    let Ok(fields) = Fields::read(&mut Reader::new(buffer)) else {
        return Step::Need(HEADER_SIZE.saturating_sub(buffer.len()));
    };
    let (header, reserved_as_expected) = H::from_fields(&fields);
    if fields.version != VERSION {
        return Step::Fault(Fault { status: Status::UnsupportedVersion, header, size: 0, ends: true });
    }
    // At most 1 MiB, so a body that is to be skipped is simply waited for.
    let size = LENGTH_FIELD_SIZE + length;
    let Some(body) = buffer.get(HEADER_SIZE..size) else {
        return Step::Need(size.saturating_sub(buffer.len()));
    };
    if !reserved_as_expected {
        return Step::Fault(Fault { status: Status::ReservedNotZero, header, size, ends: false });
    }
    Step::Frame(Frame { header, body, size })
}

/// A length outside its bounds: nothing else of the header is believed.
fn length_fault<H: FrameHeader>(status: Status) -> Step<'static, H> {
    let (header, _) = H::from_fields(&Fields::default());
    Step::Fault(Fault { status, header, size: 0, ends: true })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::TraceId;

    fn ping(body: &[u8]) -> Vec<u8> {
        let header = RequestHeader { opcode: 2, request_id: 9, trace_id: TraceId([3; 16]), deadline_ms: 5 };
        let length = u32::try_from(LENGTH_MIN + body.len()).unwrap();
        [&header.to_fields(length).to_bytes(), body].concat()
    }

    fn fault(bytes: &[u8]) -> Fault<RequestHeader> {
        match request(bytes) {
            Step::Fault(fault) => fault,
            step => panic!("no fault but {step:?}"),
        }
    }

    // R-P3
    #[test]
    fn asks_for_more_at_every_truncation_point_and_never_too_much() {
        let bytes = ping(b"abc");
        for end in 0..bytes.len() {
            let Step::Need(need) = request(&bytes[..end]) else { panic!("a frame of {end} bytes") };
            assert!(need >= 1 && end + need <= bytes.len(), "{need} more at {end}");
        }
    }

    #[test]
    fn debug_output_does_not_show_the_body() {
        let text = format!("{:?}", request(&ping(&[0xAB; 3])));
        assert!(text.contains("request_id: 9") && text.contains("size: 43"), "{text}");
        assert!(!text.contains("171"), "{text}");
    }

    #[test]
    fn takes_one_frame_and_leaves_the_next() {
        let mut bytes = ping(b"abc");
        let size = bytes.len();
        bytes.extend(ping(b""));
        let Step::Frame(frame) = request(&bytes) else { panic!("no frame") };
        assert_eq!((frame.body, frame.size, frame.header.request_id), (&b"abc"[..], size, 9));
        let Step::Frame(frame) = request(&bytes[size..]) else { panic!("no frame") };
        assert_eq!((frame.body, frame.size), (&b""[..], HEADER_SIZE));
    }

    // R-P3
    #[test]
    fn refuses_a_length_over_the_limit_as_soon_as_its_four_bytes_are_there() {
        for length in [1_048_573_u32, u32::MAX] {
            let fault = fault(&length.to_be_bytes());
            assert_eq!((fault.status, fault.ends), (Status::FrameTooLarge, true));
            assert_eq!(fault.header, RequestHeader::default());
        }
        assert_eq!(request(&1_048_572_u32.to_be_bytes()), Step::Need(36));
    }

    // R-P3
    #[test]
    fn refuses_a_length_below_a_header_without_believing_the_rest() {
        let mut bytes = ping(b"");
        bytes[..4].copy_from_slice(&35_u32.to_be_bytes());
        let fault = fault(&bytes);
        assert_eq!((fault.status, fault.ends), (Status::Malformed, true));
        assert_eq!(fault.header, RequestHeader::default());
    }

    // R-P3
    #[test]
    fn another_version_ends_the_byte_stream_and_keeps_the_request_id() {
        let mut bytes = ping(b"abc");
        bytes[4] = 2;
        bytes[6] = 1;
        let fault = fault(&bytes[..HEADER_SIZE]);
        assert_eq!((fault.status, fault.ends, fault.header.request_id), (Status::UnsupportedVersion, true, 9));
    }

    // R-P3
    #[test]
    fn reserved_bits_fail_the_frame_and_skip_its_body() {
        for offset in [6, 7, 36, 37, 38, 39] {
            let mut bytes = ping(b"abc");
            bytes[offset] = 1;
            assert_eq!(request(&bytes[..bytes.len() - 1]), Step::Need(1), "offset {offset}");
            let fault = fault(&bytes);
            assert_eq!((fault.status, fault.ends), (Status::ReservedNotZero, false), "offset {offset}");
            assert_eq!((fault.size, fault.header.request_id), (bytes.len(), 9), "offset {offset}");
        }
    }

    // R-P3
    #[test]
    fn a_client_refuses_what_is_not_a_reply() {
        assert!(matches!(reply(&ping(b"")), Step::Fault(Fault { status: Status::ReservedNotZero, .. })));
        let mut bytes = ping(b"");
        bytes[6] = 0x80;
        assert!(matches!(reply(&bytes), Step::Frame(_)));
        bytes[6] = 0xC0;
        assert!(matches!(reply(&bytes), Step::Fault(Fault { status: Status::ReservedNotZero, .. })));
    }
}
