//! Bodies of the fuzz targets: whatever the bytes are, decoding does not panic, and what was decoded encodes to the
//! same bytes, so that one message has one encoding. An ordinary test runs them over the seeds.

use crate::deframer::{self, Step};
use crate::header::{ReplyHeader, RequestHeader};
use crate::limits::FRAME_SIZE_MAX;
use crate::message::{Reply, Request};
use crate::opcode::Opcode;
use crate::output::{FrameWriter, OutputBuffer};
use crate::status::Status;

/// A byte stream from a client: frames until something is missing or ends the stream.
pub fn frame(mut data: &[u8]) {
    loop {
        let before = data.len();
        let size = match deframer::request(data) {
            Step::Need(need) => {
                assert!((1..=FRAME_SIZE_MAX).contains(&need), "a need of {need} bytes");
                return;
            }
            Step::Fault(fault) if fault.ends => {
                assert_eq!(fault.size, 0);
                return;
            }
            Step::Fault(fault) => fault.size,
            Step::Frame(frame) => {
                let mut output = OutputBuffer::new();
                let mut writer = FrameWriter::begin(&mut output, &frame.header);
                writer.bytes(frame.body);
                writer.finish().unwrap_or_else(|error| unreachable!("a frame that was read fits: {error}"));
                assert_eq!(Some(output.as_bytes()), data.get(..frame.size), "the frame's one encoding");
                frame.size
            }
        };
        data = data.get(size..).unwrap_or_default();
        assert!(data.len() < before, "each step goes on");
    }
}

/// The first byte chooses the operation, the rest is the body of a request.
pub fn request(data: &[u8]) {
    round_trip(data, Request::decode, Request::write);
}

/// The first byte chooses the operation, the rest is the body of a reply.
pub fn response(data: &[u8]) {
    use crate::message::ReplyMessage as _;
    round_trip(data, Reply::decode, Reply::write);
}

fn round_trip<'a, M, E>(
    data: &'a [u8],
    decode: impl FnOnce(Opcode, &'a [u8]) -> Result<M, E>,
    write: impl FnOnce(M, &mut FrameWriter<'_>),
) {
    let Some((&code, body)) = data.split_first() else { return };
    let Some(opcode) = Opcode::from_code(code) else { return };
    let Ok(message) = decode(opcode, body) else { return };
    let header = ReplyHeader { retry_ms: 0, ..RequestHeader::new(0).reply(Status::Ok, 0) };
    let mut output = OutputBuffer::new();
    let mut writer = FrameWriter::begin(&mut output, &header);
    write(message, &mut writer);
    if writer.finish().is_err() {
        // Only a body that no frame could have brought.
        assert!(body.len() > crate::limits::BODY_SIZE_MAX, "what was decoded fits a frame");
        return;
    }
    assert_eq!(output.as_bytes().get(crate::limits::HEADER_SIZE..), Some(body), "{opcode}: the body's one encoding");
}
