//! Bounds of the client, with unit and reason, and the limits that a server announces.

use claviger_protocol::limits::{
    BATCH_ITEMS_MAX, BYTES_IN_FLIGHT_ADVISED, CONTEXT_SIZE_MAX, DATA_KEY_SIZE_MAX, FRAME_SIZE_MAX,
    FRAMES_IN_FLIGHT_MAX, HEADER_SIZE, MESSAGE_SIZE_MAX, PLAINTEXT_SIZE_MAX, RANDOM_SIZE_MAX, SECRET_WAIT_MS_MAX,
    STREAMS_PER_CONNECTION_MAX,
};
use claviger_protocol::{Limit, message::LimitValue};
use std::time::Duration;

/// What a server announced in its greeting, as far as a client has to keep to it.
///
/// Values that this library cannot use are cut down to what it can: a server may allow more than version 1 defaults to,
/// but this library does not send larger frames or longer batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of one frame.
    pub frame_size: usize,
    /// Items of one frame.
    pub batch_items: usize,
    /// Bytes of one plaintext.
    pub plaintext_size: usize,
    /// Bytes of one encryption context.
    pub context_size: usize,
    /// Bytes of one message to sign, verify or authenticate.
    pub message_size: usize,
    /// Bytes of a data key to wrap.
    pub data_key_size: usize,
    /// Random bytes of one item.
    pub random_size: usize,
    /// Unanswered requests of one byte stream.
    pub frames_in_flight: usize,
    /// Unanswered bytes of one connection that give the best rate.
    pub bytes_in_flight: usize,
    /// QUIC streams of one connection.
    pub streams: usize,
    /// Longest wait for a newer version of a secret.
    pub secret_wait: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self::VERSION_1
    }
}

impl Limits {
    /// Those of version 1, unless a server announces others.
    pub const VERSION_1: Self = Self {
        frame_size: FRAME_SIZE_MAX,
        batch_items: BATCH_ITEMS_MAX,
        plaintext_size: PLAINTEXT_SIZE_MAX,
        context_size: CONTEXT_SIZE_MAX,
        message_size: MESSAGE_SIZE_MAX,
        data_key_size: DATA_KEY_SIZE_MAX,
        random_size: RANDOM_SIZE_MAX,
        frames_in_flight: FRAMES_IN_FLIGHT_MAX,
        bytes_in_flight: BYTES_IN_FLIGHT_ADVISED,
        streams: STREAMS_PER_CONNECTION_MAX,
        secret_wait: Duration::from_millis(SECRET_WAIT_MS_MAX as u64),
    };

    /// The limits of a greeting; those it leaves out are those of version 1, those not known are ignored.
    pub(crate) fn announced(values: impl IntoIterator<Item = LimitValue>) -> Self {
        let mut limits = Self::default();
        for LimitValue { limit, value } in values {
            let milliseconds = Duration::from_millis(value);
            let value = usize::try_from(value).unwrap_or(usize::MAX);
            match Limit::from_code(limit) {
                Some(Limit::FrameSize) => limits.frame_size = value.clamp(HEADER_SIZE, FRAME_SIZE_MAX),
                Some(Limit::BatchItems) => limits.batch_items = value.clamp(1, BATCH_ITEMS_MAX),
                Some(Limit::PlaintextSize) => limits.plaintext_size = value,
                Some(Limit::ContextSize) => limits.context_size = value,
                Some(Limit::MessageSize) => limits.message_size = value,
                Some(Limit::DataKeySize) => limits.data_key_size = value,
                Some(Limit::RandomSize) => limits.random_size = value,
                Some(Limit::FramesInFlight) => limits.frames_in_flight = value.clamp(1, FRAMES_IN_FLIGHT_MAX),
                Some(Limit::BytesInFlightAdvised) => limits.bytes_in_flight = value.clamp(1, BYTES_IN_FLIGHT_MAX),
                Some(Limit::StreamsPerConnection) => limits.streams = value.clamp(1, STREAMS_PER_CONNECTION_MAX),
                Some(Limit::SecretWaitMilliseconds) => {
                    limits.secret_wait = milliseconds.clamp(SECRET_WAIT_MIN, Self::VERSION_1.secret_wait);
                }
                Some(Limit::DeadlineMilliseconds | Limit::IdleMilliseconds) | None => {}
            }
        }
        limits
    }
}

/// Most bytes in flight whatever a server advises: 16 of the largest frames.
const BYTES_IN_FLIGHT_MAX: usize = 16 * FRAME_SIZE_MAX;

/// Calls that wait to be written to one byte stream. More wait in their own tasks.
pub(crate) const CALLS_QUEUED_MAX: usize = 1_024;

/// Bytes written at once: a fraction of what is advised to be in flight, so that the server begins early.
pub(crate) const WRITE_SIZE: usize = 65_536;

/// Bytes of the receive buffer. Reads of 128 KiB were measured 1.25 times as fast as small ones.
pub(crate) const RECEIVE_BUFFER_SIZE: usize = 131_072;

/// Frames of one large batch that are under way at once, so that a batch of any length needs bounded memory.
pub(crate) const FRAMES_OF_BATCH_IN_FLIGHT: usize = 16;

/// Names whose ids are remembered. A thousand services would not use more; beyond it the memory is cleared.
pub(crate) const NAMES_REMEMBERED_MAX: usize = 65_536;

/// How long a byte stream with unanswered requests may be silent before a call that is given up ends it.
pub(crate) const SILENCE_MAX: Duration = Duration::from_secs(5);

/// Time between two questions to a server that is silent by right, whether it is there, and time for the answer; above [`SILENCE_MAX`], so that silence is seen at the first. A
/// machine that has gone without a word is noticed twice as late; a process that was killed, too, where QUIC carries the bytes.
pub(crate) const PROBE_INTERVAL: Duration = Duration::from_secs(10);

/// Time that an attempt to connect has for itself before the server's next address is tried beside it: the delay that
/// RFC 8305 section 5 recommends.
pub(crate) const ADDRESS_HEAD_START: Duration = Duration::from_millis(250);

/// How often one call is sent again after Overloaded, ShuttingDown or ReplyFull. The deadline usually comes first.
pub(crate) const ATTEMPTS_MAX: u32 = 64;

/// Wait after Overloaded when the server gives no advice.
pub(crate) const OVERLOADED_WAIT: Duration = Duration::from_millis(10);

/// QUIC: bytes of one stream that may be under way unread, two of the largest frames.
pub(crate) const QUIC_STREAM_WINDOW: u32 = 2 * 1_048_576;

/// QUIC: bytes of one connection that may be under way unread. The library's default of 125 MB is no bound.
pub(crate) const QUIC_CONNECTION_WINDOW: u32 = 8 * 1_048_576;

/// QUIC: bytes of the largest datagram that path discovery tries. Where the path allows them, 4,000 were measured 1.5 to
/// 1.9 times as fast as 1,452, and these 1.15 times as fast as 4,000. quinn hands ten at once to the kernel, which takes
/// 65,507 bytes: larger ones would not be sent.
pub(crate) const QUIC_DATAGRAM_SIZE_MAX: u16 = 6_500;

/// Longest wait for a newer version of a secret that one request asks for. A wait that is given up is not told the server, and keeps its place there until it is over.
pub(crate) const SECRET_WAIT_ROUND: Duration = Duration::from_secs(60);

/// Shortest wait that is believed to be a server's limit: with none at all, a client that waits would ask without a pause.
const SECRET_WAIT_MIN: Duration = Duration::from_secs(1);

/// Names are asked for again that were resolved longer ago, unless the settings say otherwise: how long a moved alias leads to the key before.
pub(crate) const NAMES_REMEMBERED_FOR: Duration = Duration::from_secs(60);

/// Connections of one client: each costs the server buffers and a handshake.
pub(crate) const CONNECTIONS_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    const fn value(limit: Limit, value: u64) -> LimitValue {
        LimitValue { limit: limit.code(), value }
    }

    // R-P2
    #[test]
    fn announced_limits_replace_the_defaults_and_unknown_ones_are_ignored() {
        let unknown = LimitValue { limit: 999, value: 1 };
        let limits = Limits::announced([value(Limit::BatchItems, 10), unknown, value(Limit::PlaintextSize, 65_536)]);
        assert_eq!(limits, Limits { batch_items: 10, plaintext_size: 65_536, ..Limits::default() });
    }

    // R-P3
    #[test]
    fn nonsense_limits_are_cut_down_to_what_works() {
        let limits = Limits::announced([
            value(Limit::FrameSize, u64::MAX),
            value(Limit::BatchItems, 0),
            value(Limit::FramesInFlight, 0),
            value(Limit::BytesInFlightAdvised, u64::MAX),
        ]);
        assert_eq!((limits.frame_size, limits.batch_items, limits.frames_in_flight), (FRAME_SIZE_MAX, 1, 1));
        assert_eq!(limits.bytes_in_flight, BYTES_IN_FLIGHT_MAX);
    }
}
