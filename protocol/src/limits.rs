//! Every bound of the protocol, with unit and reason. `SPEC.md` sections 2, 3, 4, 5, 11.3 and 11.4.

use claviger_algorithm::{Algorithm, Operation, RsaSize};

/// A limit that the greeting announces, by its code on the wire. `SPEC.md` section 11.4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum Limit {
    /// Bytes of one frame, both directions, length field included.
    FrameSize = 1,
    /// Items of one frame.
    BatchItems = 2,
    /// Bytes of one plaintext.
    PlaintextSize = 3,
    /// Bytes of one encryption context.
    ContextSize = 4,
    /// Bytes of one message to sign, verify or authenticate.
    MessageSize = 5,
    /// Bytes of a data key to wrap.
    DataKeySize = 6,
    /// Random bytes of one item.
    RandomSize = 7,
    /// Unanswered requests of one byte stream.
    FramesInFlight = 8,
    /// Unanswered bytes of one connection that give the best rate; no fault if exceeded.
    BytesInFlightAdvised = 9,
    /// QUIC streams open at once.
    StreamsPerConnection = 10,
    /// Largest deadline that counts, in milliseconds.
    DeadlineMilliseconds = 11,
    /// Milliseconds after which a connection without frames is closed.
    IdleMilliseconds = 12,
    /// Longest wait for a newer version of a secret, in milliseconds.
    SecretWaitMilliseconds = 13,
}

impl Limit {
    /// All limits of version 1, by ascending code.
    pub const ALL: [Self; 13] = [
        Self::FrameSize,
        Self::BatchItems,
        Self::PlaintextSize,
        Self::ContextSize,
        Self::MessageSize,
        Self::DataKeySize,
        Self::RandomSize,
        Self::FramesInFlight,
        Self::BytesInFlightAdvised,
        Self::StreamsPerConnection,
        Self::DeadlineMilliseconds,
        Self::IdleMilliseconds,
        Self::SecretWaitMilliseconds,
    ];

    /// The limit's code on the wire.
    #[must_use]
    pub const fn code(self) -> u16 {
        self as u16
    }

    /// The limit of this code, or nothing if version 1 has none.
    #[must_use]
    pub fn from_code(code: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|limit| limit.code() == code)
    }

    /// The value that version 1 takes when the greeting does not say otherwise, in the unit of the variant.
    #[must_use]
    pub const fn default_value(self) -> u64 {
        match self {
            Self::FrameSize => FRAME_SIZE_MAX as u64,
            Self::BatchItems => BATCH_ITEMS_MAX as u64,
            Self::PlaintextSize => PLAINTEXT_SIZE_MAX as u64,
            Self::ContextSize => CONTEXT_SIZE_MAX as u64,
            Self::MessageSize => MESSAGE_SIZE_MAX as u64,
            Self::DataKeySize => DATA_KEY_SIZE_MAX as u64,
            Self::RandomSize => RANDOM_SIZE_MAX as u64,
            Self::FramesInFlight => FRAMES_IN_FLIGHT_MAX as u64,
            Self::BytesInFlightAdvised => BYTES_IN_FLIGHT_ADVISED as u64,
            Self::StreamsPerConnection => STREAMS_PER_CONNECTION_MAX as u64,
            Self::DeadlineMilliseconds => DEADLINE_MS_MAX as u64,
            Self::IdleMilliseconds => IDLE_MS_MAX as u64,
            Self::SecretWaitMilliseconds => SECRET_WAIT_MS_MAX as u64,
        }
    }
}

/// Bytes of a whole frame. Bounds what one peer can make the other hold, and the time a copy takes.
pub const FRAME_SIZE_MAX: usize = 1_048_576;

/// Bytes of the length field, which does not count itself.
pub const LENGTH_FIELD_SIZE: usize = 4;

/// Bytes of the frame header. Fixed by the layout of section 2.
pub const HEADER_SIZE: usize = 40;

/// Bytes of the largest body.
pub const BODY_SIZE_MAX: usize = FRAME_SIZE_MAX - HEADER_SIZE;

/// Smallest value of the length field: a header and no body.
pub const LENGTH_MIN: usize = HEADER_SIZE - LENGTH_FIELD_SIZE;

/// Largest value of the length field.
pub const LENGTH_MAX: usize = FRAME_SIZE_MAX - LENGTH_FIELD_SIZE;

/// Items of one frame. Bounds the time one request can hold a worker; the frame bounds the bytes.
pub const BATCH_ITEMS_MAX: usize = 1_024;

/// Bytes before each result of a batch: status `u8` and size `u32`.
pub const RESULT_PREFIX_SIZE: usize = 5;

/// Bytes of one plaintext. Large enough for a record, small enough that one item never holds a worker for long.
pub const PLAINTEXT_SIZE_MAX: usize = 32_768;

/// Bytes of one encryption context: names and values, not documents.
pub const CONTEXT_SIZE_MAX: usize = 4_096;

/// Bytes of one message to sign, verify or authenticate; what is larger is hashed by the client.
pub const MESSAGE_SIZE_MAX: usize = 32_768;

/// Bytes of one key version's secret value.
pub const SECRET_SIZE_MAX: usize = 32_768;

/// Bytes of a data key to wrap: enough for an RSA-8192 private key in PKCS#8.
pub const DATA_KEY_SIZE_MAX: usize = 8_192;

/// Sizes in bytes of data keys that the server generates: 128, 256 and 512 bits.
pub const GENERATED_DATA_KEY_SIZES: [usize; 3] = [16, 32, 64];

/// Random bytes of one item.
pub const RANDOM_SIZE_MAX: usize = 32_768;

/// Bytes that a ciphertext is longer than its plaintext, at most. `SPEC.md` section 9.
pub const CIPHERTEXT_OVERHEAD_MAX: usize = Algorithm::output_size_max(Operation::Encrypt);

/// As [`CIPHERTEXT_OVERHEAD_MAX`], at least: that of AES-256-GCM.
pub const CIPHERTEXT_OVERHEAD_MIN: usize = Algorithm::Aes256Gcm.row().output_size.max(0);

/// Bytes of one ciphertext that can be valid.
pub const CIPHERTEXT_SIZE_MAX: usize = PLAINTEXT_SIZE_MAX + CIPHERTEXT_OVERHEAD_MAX;

/// Bytes of the largest signature of any algorithm. `SPEC.md` section 11.3.
pub const SIGNATURE_SIZE_MAX: usize = Algorithm::output_size_max(Operation::Sign);

/// Bytes of the largest MAC of any algorithm.
pub const MAC_SIZE_MAX: usize = Algorithm::output_size_max(Operation::MakeMac);

/// Bytes of the largest plaintext that any asymmetric key decrypts.
pub const ASYMMETRIC_PLAINTEXT_SIZE_MAX: usize = Algorithm::output_size_max(Operation::AsymmetricDecrypt);

/// Bytes of the largest ciphertext that any asymmetric key decrypts: as long as the largest modulus.
pub const ASYMMETRIC_CIPHERTEXT_SIZE_MAX: usize = RsaSize::Bits4096.bytes();

/// Bytes of a name of a key store or a key.
pub const NAME_SIZE_MAX: usize = 100;

/// Bytes that a ping may carry: room for a time or a number, no channel for data.
pub const PING_SIZE_MAX: usize = 64;

/// Option of Hello: the hardware address (EUI-48) that the client says it has, 6 bytes. `SPEC.md` section 3.
pub const HELLO_OPTION_HARDWARE_ADDRESS: u16 = 2;

/// Options of one Hello. Version 1 defines none; later versions get some room.
pub const HELLO_OPTIONS_MAX: usize = 16;

/// Bytes of one option's value.
pub const HELLO_OPTION_SIZE_MAX: usize = 256;

/// Unanswered requests of one byte stream: bounds what the server remembers of them.
pub const FRAMES_IN_FLIGHT_MAX: usize = 1_024;

/// Unanswered bytes of one connection that give the best rate: more falls out of the processor's caches.
pub const BYTES_IN_FLIGHT_ADVISED: usize = 262_144;

/// QUIC streams of one connection: each costs buffers, and a few long ones are fastest.
pub const STREAMS_PER_CONNECTION_MAX: usize = 16;

/// Largest deadline that counts, in milliseconds: 10 minutes.
pub const DEADLINE_MS_MAX: u32 = 600_000;

/// Milliseconds after which a connection without frames is closed: 5 minutes.
pub const IDLE_MS_MAX: u32 = 300_000;

/// Longest wait for a newer version of a secret, in milliseconds: 5 minutes. Below the largest deadline, so that a request may have a later one.
pub const SECRET_WAIT_MS_MAX: u32 = 300_000;

const _: () = {
    assert!(SECRET_WAIT_MS_MAX < DEADLINE_MS_MAX);
    // A batch of failures always fits a reply, so that each item can be answered.
    assert!(HEADER_SIZE + 2 + BATCH_ITEMS_MAX * RESULT_PREFIX_SIZE <= FRAME_SIZE_MAX);
    // One item of the largest size fits a request and its reply.
    assert!(HEADER_SIZE + 16 + 2 + 4 + CONTEXT_SIZE_MAX + 4 + CIPHERTEXT_SIZE_MAX <= FRAME_SIZE_MAX);
    assert!(HEADER_SIZE + 2 + RESULT_PREFIX_SIZE + CIPHERTEXT_SIZE_MAX <= FRAME_SIZE_MAX);
    assert!(HEADER_SIZE + 2 + RESULT_PREFIX_SIZE + RANDOM_SIZE_MAX <= FRAME_SIZE_MAX);
    // Counts travel as u16, sizes as u32.
    assert!(BATCH_ITEMS_MAX <= u16::MAX as usize);
    assert!(FRAME_SIZE_MAX <= u32::MAX as usize);
};
