//! One request on its way, and its answer.

use claviger_protocol::deframer::Frame;
use claviger_protocol::limits::HEADER_SIZE;
use claviger_protocol::message::{Message, Reply};
use claviger_protocol::{DecodeError, EncodeError, Opcode, OutputBuffer, ReplyHeader, RequestHeader, Status, TraceId};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;
use zeroize::Zeroizing;

/// An encoded request that can be sent more than once. Request id and deadline are filled in when it is sent.
pub(crate) struct Call {
    pub(crate) opcode: Opcode,
    trace_id: TraceId,
    pub(crate) deadline: Instant,
    /// The whole frame.
    frame: OutputBuffer,
    /// Bytes of the body before `item_count`, if this is a batch of one item that may travel in company.
    pub(crate) prefix_size: Option<usize>,
}

/// The answer to a call, or to an item of a batch as if it had travelled alone.
pub(crate) struct CallReply {
    opcode: Opcode,
    pub(crate) status: Status,
    pub(crate) retry_ms: u32,
    body: Zeroizing<Vec<u8>>,
}

/// Why a call has no answer: the byte stream ended first.
pub(crate) struct StreamEnded;

/// Where an answer goes. Its receiver is dropped when the caller has lost interest.
pub(crate) type ReplySender = oneshot::Sender<Result<CallReply, StreamEnded>>;

impl Call {
    pub(crate) fn new<M: Message>(message: M, trace_id: TraceId, deadline: Instant) -> Result<Self, EncodeError> {
        let mut frame = OutputBuffer::new();
        frame.request(RequestHeader::new(0), message)?;
        Ok(Self { opcode: M::OPCODE, trace_id, deadline, frame, prefix_size: None })
    }

    /// Allows a batch of one item to travel in company.
    pub(crate) fn mergeable(self) -> Self {
        Self { prefix_size: prefix_size(self.opcode), ..self }
    }

    pub(crate) fn body(&self) -> &[u8] {
        self.frame.as_bytes().get(HEADER_SIZE..).unwrap_or_default()
    }

    /// Bytes of the whole frame.
    pub(crate) fn size(&self) -> usize {
        self.frame.len()
    }

    /// What stands before `item_count`, and the one item behind it, if this call may travel in company.
    pub(crate) fn prefix_and_item(&self) -> Option<(&[u8], &[u8])> {
        let (prefix, rest) = self.body().split_at_checked(self.prefix_size?)?;
        Some((prefix, rest.get(ITEM_COUNT_SIZE..)?))
    }

    /// Whether `other` can be answered by the same frame.
    pub(crate) fn fits(&self, other: &Self) -> bool {
        self.opcode == other.opcode
            && self.trace_id == other.trace_id
            && self.prefix_and_item().map(|(prefix, _)| prefix) == other.prefix_and_item().map(|(prefix, _)| prefix)
    }

    /// The header under which this call, or a batch of which it is the first, is sent.
    pub(crate) fn header(&self, request_id: u64, deadline: Instant) -> RequestHeader {
        let opcode = self.opcode.code();
        RequestHeader { opcode, request_id, trace_id: self.trace_id, deadline_ms: milliseconds_until(deadline) }
    }
}

impl CallReply {
    pub(crate) fn of_frame(opcode: Opcode, frame: &Frame<'_, ReplyHeader>) -> Self {
        Self::new(opcode, &frame.header, frame.body.to_vec())
    }

    pub(crate) fn new(opcode: Opcode, header: &ReplyHeader, body: Vec<u8>) -> Self {
        Self { opcode, status: header.status, retry_ms: header.retry_ms, body: Zeroizing::new(body) }
    }

    /// What the server says, once the status is Ok.
    pub(crate) fn decode(&self) -> Result<Reply<'_>, DecodeError> {
        Reply::decode(self.opcode, &self.body)
    }
}

/// Bytes of the fields before `item_count`, for operations whose single calls may travel in company. Random bytes do
/// not: their results are far larger than their requests.
const fn prefix_size(opcode: Opcode) -> Option<usize> {
    const ID: usize = 16;
    const VERSION: usize = 4;
    const FORM: usize = 1;
    const SIZE: usize = 2;
    match opcode {
        Opcode::Encrypt | Opcode::Decrypt | Opcode::WrapDataKey | Opcode::UnwrapDataKey | Opcode::MakeMac => Some(ID),
        Opcode::Reencrypt => Some(ID + ID),
        Opcode::GenerateDataKey => Some(ID + FORM + SIZE),
        Opcode::Sign => Some(ID + FORM),
        Opcode::Verify => Some(ID + VERSION + FORM),
        Opcode::AsymmetricDecrypt | Opcode::VerifyMac => Some(ID + VERSION),
        Opcode::Hello
        | Opcode::Ping
        | Opcode::Whoami
        | Opcode::Resolve
        | Opcode::DescribeKey
        | Opcode::ReadSecret
        | Opcode::ReadPublicKey
        | Opcode::WaitForSecret
        | Opcode::RandomBytes => None,
    }
}

/// Milliseconds left, rounded up; at least 1, because 0 means no deadline.
fn milliseconds_until(deadline: Instant) -> u32 {
    let left = deadline.saturating_duration_since(Instant::now()) + Duration::from_micros(999);
    u32::try_from(left.as_millis()).unwrap_or(u32::MAX).max(1)
}

/// Bytes of `item_count`.
const ITEM_COUNT_SIZE: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;
    use claviger_protocol::message::{DataKeyForm, GenerateDataKey, GenerateDataKeyItem, MessageForm};
    use claviger_protocol::message::{Encrypt, EncryptItem, RandomBytes, RandomBytesItem, Sign, SignItem};
    use claviger_protocol::{KeyId, StoreId};

    fn call(message: impl Message) -> Call {
        Call::new(message, TraceId::NONE, Instant::now()).unwrap().mergeable()
    }

    #[test]
    fn prefix_ends_where_the_item_count_begins() {
        let key_id = KeyId([7; 16]);
        let item = EncryptItem { context: b"c", plaintext: b"pp" };
        let (prefix, item) = (call(Encrypt { key_id, items: [item] }), b"\0\0\0\x01c\0\0\0\x02pp");
        assert_eq!(prefix.prefix_and_item(), Some((&[7; 16][..], &item[..])));
        let form = MessageForm::Digest;
        let sign = call(Sign { key_id, form, items: [SignItem { message: b"m" }] });
        assert_eq!(sign.prefix_and_item().unwrap().1, b"\0\0\0\x01m");
        let form = DataKeyForm::Wrapped;
        let items = [GenerateDataKeyItem { context: b"c" }];
        let generate = call(GenerateDataKey { key_id, form, data_key_size: 32, items });
        assert_eq!(generate.prefix_and_item().unwrap().1, b"\0\0\0\x01c");
    }

    #[test]
    fn only_calls_of_one_key_and_form_fit_together() {
        let sign = |key, form| call(Sign { key_id: KeyId([key; 16]), form, items: [SignItem { message: b"m" }] });
        let first = sign(1, MessageForm::Message);
        assert!(first.fits(&sign(1, MessageForm::Message)));
        assert!(!first.fits(&sign(2, MessageForm::Message)));
        assert!(!first.fits(&sign(1, MessageForm::Digest)));
        let items = [EncryptItem { context: b"", plaintext: b"m" }];
        assert!(!first.fits(&call(Encrypt { key_id: KeyId([1; 16]), items })));
    }

    #[test]
    fn calls_for_random_bytes_travel_alone() {
        let random = call(RandomBytes { store_id: StoreId([1; 16]), items: [RandomBytesItem { size: 1 }] });
        assert!(random.prefix_and_item().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn deadline_on_the_wire_is_never_none() {
        assert_eq!(milliseconds_until(Instant::now()), 1);
        assert_eq!(milliseconds_until(Instant::now() + Duration::from_micros(1_500)), 2);
        assert_eq!(milliseconds_until(Instant::now() + Duration::from_secs(3)), 3_000);
    }
}
