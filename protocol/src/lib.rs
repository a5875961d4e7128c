//! The data protocol of Claviger as `SPEC.md` lays it down: bytes to messages and messages to bytes.
//!
//! This crate knows no sockets, no clock and no keys. A server reads frames with [`deframer::request`], decodes their
//! bodies with [`Request::decode`] and writes replies into an [`OutputBuffer`]; a client encodes requests with
//! [`OutputBuffer::request`], reads frames with [`deframer::reply`] and decodes them with the types of [`message`].
//!
//! Decoding borrows from the bytes received and allocates nothing; no input makes it panic.
//!
//! ```
//! use claviger_protocol::message::{Encrypt, EncryptItem};
//! use claviger_protocol::{KeyId, OutputBuffer, Request, RequestHeader, deframer};
//!
//! let mut output = OutputBuffer::new();
//! let items = [EncryptItem { context: b"tenant 7", plaintext: b"card number" }];
//! output.request(RequestHeader::new(1), Encrypt { key_id: KeyId([7; 16]), items })?;
//!
//! let deframer::Step::Frame(frame) = deframer::request(output.as_bytes()) else { panic!("one whole frame") };
//! let opcode = frame.header.operation(true).expect("a known operation");
//! let Ok(Request::Encrypt(request)) = Request::decode(opcode, frame.body) else { panic!("what was encoded") };
//! assert_eq!(request.items.len(), 1);
//! # Ok::<(), claviger_protocol::EncodeError>(())
//! ```
#![forbid(unsafe_code)]

pub mod codec;
pub mod deframer;
pub mod error;
pub mod fact;
pub mod fuzzing;
pub mod header;
pub mod id;
pub mod limits;
pub mod message;
pub mod opcode;
pub mod output;
pub mod state;
pub mod status;

pub use claviger_algorithm::{Algorithm, KeyKind, Operation};
pub use error::{DecodeError, EncodeError};
pub use fact::Fact;
pub use header::{ReplyHeader, RequestHeader};
pub use id::{KeyId, StoreId, TraceId};
pub use limits::Limit;
pub use message::{Reply, Request};
pub use opcode::Opcode;
pub use output::{BatchWriter, FrameWriter, OutputBuffer};
pub use state::{KeyState, KeyVersionState};
pub use status::{Retry, Status};
