//! Bounds of the data operations, with unit and reason.

use claviger_algorithm::{Algorithm, Operation, RsaSize};
use claviger_client::Limits;
use std::time::Duration;

/// Plaintext bytes of one record of an encrypted file, as its format says: what the service takes at once.
pub(super) const RECORD_SIZE_MAX: usize = 32_768;
const _: () = assert!(RECORD_SIZE_MAX == Limits::VERSION_1.plaintext_size);

/// Bytes by which a record's ciphertext may be longer than its plaintext. It is 94 for XAES-256-GCM; the rest is room
/// for other algorithms.
pub(super) const RECORD_OVERHEAD_MAX: usize = 256;

/// Records that are read, sent and written together: as much as a connection is advised to have in flight.
pub(super) const RECORDS_OF_BATCH: usize = Limits::VERSION_1.bytes_in_flight / RECORD_SIZE_MAX;

/// Batches that the service works on at the same time. With those being read and written, a file of any size takes
/// about 5 MiB of memory.
pub(super) const BATCHES_IN_FLIGHT: usize = 4;

/// Batches that wait between the thread that reads and those that ask the service, and between them and the one that
/// writes.
pub(super) const BATCHES_WAITING: usize = 2;

/// Bytes read from an encrypted file at once.
pub(super) const READ_SIZE: usize = 131_072;

/// Time for one batch of a file. Longer than a single call has: on a slow line, 1 MiB goes with it.
pub(super) const BATCH_DEADLINE: Duration = Duration::from_secs(60);

/// Bytes that the service binds to a ciphertext.
pub(super) const CONTEXT_SIZE_MAX: usize = Limits::VERSION_1.context_size;

/// Bytes of a message that the service hashes itself.
pub(super) const MESSAGE_SIZE_MAX: usize = Limits::VERSION_1.message_size;

/// Bytes of a file that holds a signature or a MAC, written in any form, with room for line ends: the largest signature
/// in hexadecimal digits takes two thirds of it.
pub(super) const SIGNATURE_FILE_SIZE_MAX: usize = 3 * Algorithm::output_size_max(Operation::Sign);

/// Bytes of a file that holds what was encrypted to a public key, written in any form, with room for line ends.
pub(super) const CIPHERTEXT_FILE_SIZE_MAX: usize = 3 * RsaSize::Bits4096.bytes();

/// Random bytes of one command. Who needs more seeds a generator of his own.
pub(super) const RANDOM_SIZE_MAX: usize = 1_048_576;

/// Random bytes that the service makes at once.
pub(super) const RANDOM_ITEM_SIZE_MAX: usize = Limits::VERSION_1.random_size;

/// Pings of one command, so that a forgotten one ends.
pub(super) const PINGS_MAX: u32 = 10_000;
