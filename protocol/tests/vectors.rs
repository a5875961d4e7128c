//! The codec against the vectors of `tests/vectors`, which were written from `SPEC.md` and not from this code.

#![expect(clippy::panic, reason = "a panic is the report of a test")]

#[path = "vector/fields.rs"]
mod fields;
mod vector;

use claviger_protocol::deframer::{self, Frame, Step};
use claviger_protocol::limits::{HEADER_SIZE, LENGTH_MIN};
use claviger_protocol::{EncodeError, Opcode, OutputBuffer, Reply, ReplyHeader, Request, RequestHeader, Status};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use vector::Vector;

// R-P1, R-P3
#[test]
fn every_request_vector_is_read_as_it_says() {
    for vector in vectors("request") {
        let state = vector.line("state");
        assert!(state.is_none_or(|state| state == "first frame of the byte stream"), "{vector}");
        let found = judge_request(&vector.bytes, state.is_none());
        match (&vector.expected_error, found) {
            (expected, Judgement::WellFormed(header, request)) => {
                match expected {
                    None => assert_fields(&vector, fields::of_request(&header, request.clone())),
                    // Who does the work refuses it: the daemon is tested with the same vectors.
                    Some(error) => assert!(is_refused_by_work(&vector, error), "{vector}: expected {error}"),
                }
                let mut output = OutputBuffer::new();
                encode_request(&mut output, header, request).unwrap_or_else(|error| panic!("{vector}: {error}"));
                assert!(output.as_bytes() == vector.bytes, "{vector}: encoded to other bytes");
            }
            (Some(error), Judgement::Incomplete) => assert_eq!(error, "Incomplete", "{vector}"),
            (Some(error), Judgement::Refused { status, ends, header }) => {
                assert_eq!((error.as_str(), vector.line("where")), (status.name(), Some("frame")), "{vector}");
                assert_eq!(vector.line("ends"), Some(if ends { "yes" } else { "no" }), "{vector}");
                let mut output = OutputBuffer::new();
                output.status_reply(&header, status, 0);
                let sent = output.as_bytes();
                match vector.line("answer") {
                    Some("zero") => assert_eq!((sent[5], &sent[8..32]), (0, &[0; 24][..]), "{vector}"),
                    Some("echo") => {
                        assert_eq!((sent[5], &sent[8..32]), (vector.bytes[5], &vector.bytes[8..32]), "{vector}");
                    }
                    other => panic!("{vector}: answer {other:?}"),
                }
            }
            (None, found) => panic!("{vector}: found {}", found.name()),
        }
    }
}

// R-P1, R-P3
#[test]
fn every_reply_vector_is_read_as_it_says() {
    for vector in vectors("reply") {
        let found = deframer::reply(&vector.bytes);
        let decoded = match &found {
            Step::Frame(frame) => frame.decode().ok().map(|body| (frame.header, body)),
            Step::Need(_) | Step::Fault(_) => None,
        };
        match (vector.expected_error.as_deref(), found, decoded) {
            (None, Step::Frame(frame), Some((header, body))) => {
                assert_eq!(frame.size, vector.bytes.len(), "{vector}");
                assert_fields(&vector, fields::of_reply(&header, body.clone().ok()));
                let mut output = OutputBuffer::new();
                encode_reply(&mut output, header, body).unwrap_or_else(|error| panic!("{vector}: {error}"));
                assert!(output.as_bytes() == vector.bytes, "{vector}: encoded to other bytes");
            }
            (Some("Incomplete"), Step::Need(need), _) => assert!(need > 0, "{vector}"),
            (Some("Refused"), Step::Fault(_) | Step::Frame(_), None) => {}
            (expected, ..) => panic!("{vector}: expected {expected:?}"),
        }
    }
}

// R-P3
#[test]
fn good_frames_cut_anywhere_are_incomplete_or_malformed() {
    for vector in vectors("request").into_iter().chain(vectors("reply")) {
        let whole = &vector.bytes;
        if vector.expected_error.is_some() || whole.len() > 1_024 || whole[5] == Opcode::Ping.code() {
            continue; // The body of a Ping is whole wherever it is cut.
        }
        let is_request = vector.line("direction") == Some("request");
        for end in 0..whole.len() {
            let incomplete = match is_request {
                true => matches!(deframer::request(&whole[..end]), Step::Need(_)),
                false => matches!(deframer::reply(&whole[..end]), Step::Need(_)),
            };
            assert!(incomplete, "{vector}: cut to {end} bytes");
        }
        for end in HEADER_SIZE..whole.len() {
            let length = u32::try_from(end - HEADER_SIZE + LENGTH_MIN).expect("below 1 MiB");
            let shorter = [&length.to_be_bytes()[..], &whole[4..end]].concat();
            let malformed = match is_request {
                true => matches!(judge_request(&shorter, true), Judgement::Refused { status: Status::Malformed, .. }),
                false => matches!(deframer::reply(&shorter), Step::Frame(frame) if frame.decode().is_err()),
            };
            assert!(malformed, "{vector}: a body of {} bytes", end - HEADER_SIZE);
        }
    }
}

// R-P1
#[test]
fn python_client_reads_and_writes_every_vector_too() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python");
    let output = Command::new("python3").args(["-B", "-m", "unittest", "test_vectors"]).current_dir(folder).output();
    let output = output.expect("python3 must be installed: its standard library is all that the client needs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn bytes_of_a_vector_are_digits_and_repeats_without_comments() {
    let read = |text: &str| Vector::parse(Path::new("ping/good.txt"), text).map(|vector| vector.bytes);
    let body = "0102ff # length: 3\n# nothing\n\nrepeat 3 0a0b\n";
    assert_eq!(read(&format!("expect: ok\n\n{body}")).unwrap(), b"\x01\x02\xff\x0a\x0b\x0a\x0b\x0a\x0b");
    assert_eq!(read("expect: ok\n\n").unwrap(), b"");
}

#[test]
fn files_that_are_no_vectors_are_refused() {
    let read = |text: &str| Vector::parse(Path::new("ping/bad.txt"), text).map(drop);
    for body in ["0", "0g", "+1", "\u{e9}", "repeat x 00", "repeat 2", "repeat 2 0", "repeat 99999999999 00"] {
        assert!(read(&format!("expect: ok\n\n{body}")).is_err(), "{body}");
    }
    for head in
        ["", "expect: nothing", "message: Ping", "expect: ok\nunknown: line", "expect: ok\nfield: without value"]
    {
        assert!(read(&format!("{head}\n\n00")).is_err(), "{head}");
    }
    assert!(read("expect: ok\n00").is_err());
}

#[test]
fn no_vector_is_missing_and_most_must_fail() {
    let all = all();
    assert_eq!(all.len(), VECTORS, "vectors were added or lost: change the number with them");
    let read = vectors("request").len() + vectors("reply").len();
    assert_eq!(
        read + all.iter().filter(|vector| is_ciphertext(vector)).count(),
        all.len(),
        "a vector that no test reads"
    );
    let failing = all.iter().filter(|vector| vector.expected_error.is_some()).count();
    assert!(failing * 3 > all.len() * 2, "{failing} of {} fail", all.len());

    // Each operation has requests and replies of its own, good and bad, in its folder; a batch has them for its count.
    let mut cases: BTreeMap<(&str, &str, bool), usize> = BTreeMap::new();
    let mut too_many = BTreeSet::new();
    for vector in all.iter().filter(|vector| !is_ciphertext(vector)) {
        let message = vector.line("message").expect("a message");
        assert_eq!(vector.area().replace('_', ""), message.to_lowercase(), "{vector} stands in another folder");
        let direction = vector.line("direction").expect("a direction");
        *cases.entry((message, direction, vector.expected_error.is_none())).or_default() += 1;
        if vector.expected_error.as_deref() == Some("TooManyItems") {
            too_many.insert(message);
        }
    }
    for message in Opcode::ALL.map(Opcode::name).into_iter().chain(["Frame"]) {
        for case in [
            (message, "request", true),
            (message, "request", false),
            (message, "reply", true),
            (message, "reply", false),
        ] {
            assert!(cases.contains_key(&case), "no vector of {case:?}");
        }
    }
    assert_eq!(too_many.len(), 13, "operations that take batches");
}

/// What the bytes of a request are.
enum Judgement<'a> {
    WellFormed(RequestHeader, Request<'a>),
    Incomplete,
    Refused { status: Status, ends: bool, header: RequestHeader },
}

impl Judgement<'_> {
    fn name(&self) -> String {
        match self {
            Self::WellFormed(..) => "a good request".to_owned(),
            Self::Incomplete => "an incomplete frame".to_owned(),
            Self::Refused { status, ends, .. } => format!("{status}, ends: {ends}"),
        }
    }
}

/// Reads a request as a server does, as far as bytes alone tell.
fn judge_request(bytes: &[u8], greeted: bool) -> Judgement<'_> {
    let Frame { header, body, size } = match deframer::request(bytes) {
        Step::Need(_) => return Judgement::Incomplete,
        Step::Fault(fault) => {
            return Judgement::Refused { status: fault.status, ends: fault.ends, header: fault.header };
        }
        Step::Frame(frame) => frame,
    };
    assert_eq!(size, bytes.len(), "a vector is one frame");
    let opcode = match header.operation(greeted) {
        Ok(opcode) => opcode,
        Err(status) => return Judgement::Refused { status, ends: status == Status::HelloRequired, header },
    };
    let refused = |status: Status| Judgement::Refused { status, ends: status.ends(opcode), header };
    let request = match Request::decode(opcode, body) {
        Ok(request) => request,
        Err(error) => return refused(error.status()),
    };
    match request {
        Request::Hello(ref hello) if let Err(status) = hello.version() => refused(status),
        request => Judgement::WellFormed(header, request),
    }
}

/// Whether the codec takes the request and its work fails: an item exceeds a limit, or a field of the whole has a value
/// that no server takes.
fn is_refused_by_work(vector: &Vector, error: &str) -> bool {
    let item = vector.line("where").is_some_and(|place| place.starts_with("item "));
    item || [Status::NotPermitted, Status::SizeNotAllowed].iter().any(|status| status.name() == error)
}

/// Encodes a request as a client does.
fn encode_request(output: &mut OutputBuffer, header: RequestHeader, request: Request<'_>) -> Result<(), EncodeError> {
    let header = RequestHeader { opcode: 0, ..header };
    match request {
        Request::Hello(message) => output.request(header, message),
        Request::Ping(message) => output.request(header, message),
        Request::Whoami => output.request(header, claviger_protocol::message::Whoami),
        Request::Resolve(message) => output.request(header, message),
        Request::DescribeKey(message) => output.request(header, message),
        Request::Encrypt(message) => output.request(header, message),
        Request::Decrypt(message) => output.request(header, message),
        Request::Reencrypt(message) => output.request(header, message),
        Request::GenerateDataKey(message) => output.request(header, message),
        Request::WrapDataKey(message) => output.request(header, message),
        Request::UnwrapDataKey(message) => output.request(header, message),
        Request::Sign(message) => output.request(header, message),
        Request::Verify(message) => output.request(header, message),
        Request::AsymmetricDecrypt(message) => output.request(header, message),
        Request::MakeMac(message) => output.request(header, message),
        Request::VerifyMac(message) => output.request(header, message),
        Request::ReadSecret(message) => output.request(header, message),
        Request::ReadPublicKey(message) => output.request(header, message),
        Request::WaitForSecret(message) => output.request(header, message),
        Request::RandomBytes(message) => output.request(header, message),
    }
}

/// Encodes a reply as a server does.
fn encode_reply(
    output: &mut OutputBuffer,
    header: ReplyHeader,
    body: Result<Reply<'_>, Status>,
) -> Result<(), EncodeError> {
    let ReplyHeader { opcode, request_id, trace_id, retry_ms, status } = header;
    let request = RequestHeader { opcode, request_id, trace_id, deadline_ms: 0 };
    match body {
        Err(_) => {
            output.status_reply(&request, status, retry_ms);
            Ok(())
        }
        Ok(Reply::Bytes(results)) => {
            let mut batch = output.reply(&request).batch(results.len());
            for result in results {
                match result {
                    Ok(bytes) => batch.result(bytes),
                    Err(status) => batch.status(status),
                };
            }
            batch.finish()
        }
        Ok(reply) => output.reply_with(&request, reply),
    }
}

/// All fields are there, and no others. Says the first that differs: some values have 32 KiB.
fn assert_fields(vector: &Vector, found: Vec<(String, String)>) {
    let count = found.len();
    let found: BTreeMap<_, _> = found.into_iter().collect();
    assert_eq!(found.len(), count, "{vector}: a field was read twice");
    for (name, value) in &vector.fields {
        assert!(found.get(name) == Some(value), "{vector}: {name} is not {value:.80}");
    }
    assert_eq!(vector.fields.len(), count, "{vector}: a field was read that the vector does not have");
}

fn vectors(direction: &str) -> Vec<Vector> {
    all().into_iter().filter(|vector| vector.line("direction") == Some(direction)).collect()
}

fn all() -> Vec<Vector> {
    vector::all(Path::new(ROOT)).unwrap_or_else(|fault| panic!("{fault}"))
}

/// Ciphertexts are read by the tests of the engine, which has the keys.
fn is_ciphertext(vector: &Vector) -> bool {
    vector.line("message") == Some("Ciphertext")
}

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors");

/// How many vectors there are, so that none goes missing unnoticed.
const VECTORS: usize = 753;
