//! Bodies of the fuzz targets: whatever the bytes are, decoding does not panic, and what was decoded encodes to the
//! same bytes, so that one message has one encoding. An ordinary test runs them over the seeds.

use crate::deframer::{self, Step};
use crate::header::RequestHeader;
use crate::limits::{BODY_SIZE_MAX, FRAME_SIZE_MAX, HEADER_SIZE};
use crate::message::{Reply, ReplyMessage, Request};
use crate::opcode::Opcode;
use crate::output::{FrameWriter, OutputBuffer};

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
    let mut output = OutputBuffer::new();
    let mut writer = FrameWriter::begin(&mut output, &RequestHeader::new(0));
    write(message, &mut writer);
    if writer.finish().is_err() {
        assert!(body.len() > BODY_SIZE_MAX, "{opcode}: only what no frame could have brought does not fit one");
        return;
    }
    assert_eq!(output.as_bytes().get(HEADER_SIZE..), Some(body), "{opcode}: the body's one encoding");
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    /// Runs a target over the seeds in `fuzz/corpus`, if they are there.
    fn replay(target: &str, run: fn(&[u8])) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
        let Ok(entries) = std::fs::read_dir(folder) else { return };
        for entry in entries {
            let path = entry.unwrap().path();
            let seed = std::fs::read(&path).unwrap();
            println!("{}", path.display());
            run(&seed);
        }
    }

    // R-P3
    #[test]
    fn seeds_of_frame_hold() {
        replay("frame", super::frame);
        let ping = [&[0, 0, 0, 37, 1, 2][..], &[0; 34], &[9]].concat();
        super::frame(&ping);
        super::frame(&[&ping[..], &ping, &ping[..20]].concat());
        super::frame(&[0xFF; 50]);
        super::frame(&[0; 50]);
    }

    // R-P3
    #[test]
    fn seeds_of_request_hold() {
        replay("request", super::request);
        super::request(&[0x01, 1, 2, 0, 1, 0, 7, 0, 1, 9]);
        super::request(&[&[0x10][..], &[7; 16], &[0, 1, 0, 0, 0, 1, 8, 0, 0, 0, 1, 9]].concat());
        super::request(&[&[0x22][..], &[7; 16], &[0, 0, 0, 1, 0, 1, 0, 0, 0, 1, 8, 0, 0, 0, 1, 9]].concat());
        super::request(&[&[0x32][..], &[7; 16], &[0, 0, 0, 1, 0, 0, 0x75, 0x30]].concat());
        super::request(&[&[0x18][..], &[7; 16], &[2, 0, 32, 0, 1, 0, 0, 0, 0]].concat());
    }

    // R-P3
    #[test]
    fn seeds_of_response_hold() {
        replay("response", super::response);
        super::response(&[0x01, 1, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0x10, 0, 0]);
        super::response(&[0x20, 0, 2, 0, 0, 0, 0, 5, 0, 0, 0, 1, 9, 0x25, 0, 0, 0, 0]);
        super::response(&[0x22, 0, 2, 0, 0, 0, 0, 5, 0, 0, 0, 1, 9, 0x20, 0, 0, 0, 0]);
        super::response(&[0x32, 0, 0, 0, 5, 0, 0, 0, 1, 9]);
        super::response(&[0x18, 0, 1, 0, 0, 0, 0, 6, 0, 0, 0, 1, 9, 8]);
    }
}
