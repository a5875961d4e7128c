//! What can be wrong with an encrypted file, in words for the person who has it.

use claviger_client::KeyId;

/// Why a file cannot be decrypted, or not be made.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum FileFault {
    #[error("it is no file that `claviger encrypt` made")]
    NotEncrypted,
    #[error("its line ends were changed, as a transfer in text mode does: transfer it again, as binary")]
    TransferredAsText,
    #[error("it has format version {0}, which this program does not know: update claviger")]
    NewerFormat(u8),
    #[error("its header was altered ({0}): get an unaltered copy")]
    Header(&'static str),
    #[error("it is cut: it ends within its header; get a complete copy")]
    CutInHeader,
    #[error("it was encrypted with the key of id {of_file}, not with {named} of id {of_key}: name the right key")]
    OtherKey { of_file: KeyId, of_key: KeyId, named: String },
    #[error("it is cut: it ends within record {number} (byte {offset}); get a complete copy")]
    CutInRecord { number: u64, offset: u64 },
    #[error("it is cut: it ends after {records} records (byte {offset}) without the last one; get a complete copy")]
    CutBeforeLast { records: u64, offset: u64 },
    #[error("it was altered at the beginning of record {number} (byte {offset}); get an unaltered copy")]
    RecordPrefix { number: u64, offset: u64 },
    #[error(
        "it cannot be decrypted: give the same --context as when it was encrypted; if it is the same, the file was altered"
    )]
    FirstRecord,
    #[error(
        "record {number} (byte {offset}) cannot be decrypted: it was altered, or moved from another place or file; get an unaltered copy"
    )]
    Record { number: u64, offset: u64 },
    #[error(
        "record {number} has {size} bytes, which no claviger writes there: the program that made the file is faulty"
    )]
    RecordSize { number: u64, size: usize },
    #[error("it was extended: bytes follow its last record (byte {offset}); get an unaltered copy")]
    Extended { offset: u64 },
    #[error("its encryption context takes {size} bytes, at most {size_max} are allowed in a file: use shorter values")]
    ContextTooLarge { size: usize, size_max: usize },
}
