//! The bytes of an encrypted file. `docs/FILE_FORMAT.md` is the law; no IO here.
//!
//! ```text
//! file    header [48] | record ...
//! header  magic [8] | format version u8 | reserved [3] | record size u32 | file id [16] | key id [16]
//! record  last mark u8 | size u32 | ciphertext [size]                                            big-endian
//! ```

use super::fault::FileFault;
use crate::data::limits::{CONTEXT_SIZE_MAX, RECORD_OVERHEAD_MAX, RECORD_SIZE_MAX};
use claviger_client::{Context, KeyId};

/// What stands at the beginning of a file. All of it is bound to every record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// Plaintext bytes of every record but the last, 1..=[`RECORD_SIZE_MAX`].
    record_size: u32,
    /// Drawn anew for each file.
    pub(super) file_id: [u8; 16],
    /// The key that encrypted every record.
    pub(super) key_id: KeyId,
}

/// What stands before the ciphertext of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RecordPrefix {
    /// No record follows.
    pub(super) last: bool,
    /// Bytes of the ciphertext.
    pub(super) size: usize,
}

/// Makes the contexts of the records of one file.
#[derive(Clone)]
pub(super) struct RecordContexts {
    /// The context of record 0, number and mark of which are replaced.
    template: Vec<u8>,
}

impl Header {
    /// The header of a new file with the default record size.
    pub(super) const fn new(file_id: [u8; 16], key_id: KeyId) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "a constant of 16 bits")]
        let record_size = RECORD_SIZE_MAX as u32;
        Self { record_size, file_id, key_id }
    }

    /// Plaintext bytes of every record but the last.
    pub(super) fn record_size(&self) -> usize {
        // At most RECORD_SIZE_MAX.
        usize::try_from(self.record_size).unwrap_or(RECORD_SIZE_MAX)
    }

    pub(super) fn encode(&self) -> [u8; HEADER_SIZE] {
        let mut bytes = [0; HEADER_SIZE];
        let fields: [&[u8]; 6] = [
            &MAGIC,
            &[FORMAT_VERSION],
            &[0; RESERVED_SIZE],
            &self.record_size.to_be_bytes(),
            &self.file_id,
            &self.key_id.0,
        ];
        for (slot, byte) in bytes.iter_mut().zip(fields.into_iter().flatten()) {
            *slot = *byte;
        }
        bytes
    }

    /// # Errors
    /// What is wrong with the bytes.
    pub(super) fn decode(bytes: &[u8; HEADER_SIZE]) -> Result<Self, FileFault> {
        let mut rest = bytes.as_slice();
        let magic: [u8; 8] = take(&mut rest)?;
        if magic != MAGIC {
            let as_text = magic.starts_with(MAGIC_BEFORE_LINE_END);
            return Err(if as_text { FileFault::TransferredAsText } else { FileFault::NotEncrypted });
        }
        let [version] = take(&mut rest)?;
        match version {
            FORMAT_VERSION => {}
            0 => return Err(FileFault::Header("it has format version 0")),
            newer => return Err(FileFault::NewerFormat(newer)),
        }
        if take(&mut rest)? != [0; RESERVED_SIZE] {
            return Err(FileFault::Header("reserved bytes are not 0"));
        }
        let record_size = u32::from_be_bytes(take(&mut rest)?);
        if !usize::try_from(record_size).is_ok_and(|size| (1..=RECORD_SIZE_MAX).contains(&size)) {
            return Err(FileFault::Header("its record size is out of bounds"));
        }
        Ok(Self { record_size, file_id: take(&mut rest)?, key_id: KeyId(take(&mut rest)?) })
    }

    /// Checks the plaintext size of a record: each plaintext has one division only.
    pub(super) fn fits(&self, number: u64, last: bool, plaintext_size: usize) -> bool {
        match last {
            false => plaintext_size == self.record_size(),
            true => plaintext_size <= self.record_size() && (plaintext_size > 0 || number == 0),
        }
    }
}

impl RecordPrefix {
    pub(super) fn encode(self) -> [u8; RECORD_PREFIX_SIZE] {
        #[expect(clippy::cast_possible_truncation, reason = "at most the plaintext of a record and its overhead")]
        let [a, b, c, d] = (self.size as u32).to_be_bytes();
        [u8::from(self.last), a, b, c, d]
    }

    /// Nothing if a field is out of its bounds, so that what is reserved for the ciphertext is bounded.
    pub(super) fn decode([mark, a, b, c, d]: [u8; RECORD_PREFIX_SIZE], header: &Header) -> Option<Self> {
        let last = match mark {
            0 => false,
            1 => true,
            _ => return None,
        };
        let size = usize::try_from(u32::from_be_bytes([a, b, c, d])).ok()?;
        let size_max = header.record_size() + RECORD_OVERHEAD_MAX;
        (1..=size_max).contains(&size).then_some(Self { last, size })
    }
}

impl RecordContexts {
    /// # Errors
    /// The context has no room beside what a file binds itself.
    pub(super) fn new(header: &Header, caller: &Context) -> Result<Self, FileFault> {
        let caller = caller.as_bytes();
        if caller.len() > CALLER_CONTEXT_SIZE_MAX {
            return Err(FileFault::ContextTooLarge { size: caller.len(), size_max: CALLER_CONTEXT_SIZE_MAX });
        }
        let template = [LABEL.as_slice(), &header.encode(), &[0; NUMBER_SIZE], &[0], caller].concat();
        Ok(Self { template })
    }

    /// The context of one record.
    pub(super) fn of(&self, number: u64, last: bool) -> Vec<u8> {
        let mut context = self.template.clone();
        let place = number.to_be_bytes().into_iter().chain([u8::from(last)]);
        for (slot, byte) in context.iter_mut().skip(LABEL.len() + HEADER_SIZE).zip(place) {
            *slot = byte;
        }
        context
    }
}

/// Takes the next field of a header. The sizes of all fields are that of the header, so that none is missing.
fn take<const SIZE: usize>(rest: &mut &[u8]) -> Result<[u8; SIZE], FileFault> {
    let (field, after) = rest.split_first_chunk().ok_or(FileFault::CutInHeader)?;
    *rest = after;
    Ok(*field)
}

/// Bytes of the header.
pub(super) const HEADER_SIZE: usize = MAGIC.len() + 1 + RESERVED_SIZE + 4 + 16 + 16;

/// Bytes before the ciphertext of a record.
pub(super) const RECORD_PREFIX_SIZE: usize = 1 + 4;

const MAGIC: [u8; 8] = *b"\x89CLAV\r\n\x1A";
const MAGIC_BEFORE_LINE_END: &[u8] = b"\x89CLAV";
const FORMAT_VERSION: u8 = 1;
const RESERVED_SIZE: usize = 3;
const NUMBER_SIZE: usize = size_of::<u64>();

/// Tells the contexts of records from those of everything else. The size `"clav"`, with which a context of pairs would
/// begin, is above every limit.
const LABEL: &[u8; 15] = b"claviger/file/1";

/// What is left for the caller's context.
const CALLER_CONTEXT_SIZE_MAX: usize = CONTEXT_SIZE_MAX - LABEL.len() - HEADER_SIZE - NUMBER_SIZE - 1;

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = include_str!("../../../../docs/FILE_FORMAT.md");

    fn example() -> Header {
        let counted = |first: u8| std::array::from_fn(|index| first + u8::try_from(index).unwrap());
        Header::new(counted(0), KeyId(counted(16)))
    }

    /// The bytes of the n-th block of the document that begins with these digits.
    fn documented(beginning: &str) -> Vec<u8> {
        let start = DOCUMENT.find(&format!("```text\n{beginning}")).unwrap() + "```text\n".len();
        let block = DOCUMENT[start..].split("```").next().unwrap();
        let digits: Vec<_> = block.bytes().filter(u8::is_ascii_hexdigit).collect();
        digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
    }

    fn altered(index: usize, value: u8) -> Result<Header, FileFault> {
        let mut bytes = example().encode();
        bytes[index] = value;
        Header::decode(&bytes)
    }

    #[test]
    fn header_is_that_of_the_document_and_comes_back() {
        assert_eq!(documented("89434c41"), example().encode());
        assert_eq!(Header::decode(&example().encode()), Ok(example()));
    }

    // R-K19
    #[test]
    fn context_is_that_of_the_document() {
        let caller = Context::from_pairs([("tenant", "7")]).unwrap();
        let contexts = RecordContexts::new(&example(), &caller).unwrap();
        assert_eq!(documented("636c6176"), contexts.of(2, true));
    }

    // R-K19
    #[test]
    fn number_mark_and_every_byte_of_the_header_change_the_context() {
        let of = |header: &Header, number, last| RecordContexts::new(header, &Context::EMPTY).unwrap().of(number, last);
        let context = of(&example(), 1, false);
        assert_ne!(context, of(&example(), 2, false));
        assert_ne!(context, of(&example(), 1 << 56, false));
        assert_ne!(context, of(&example(), 1, true));
        assert_ne!(context, of(&Header { record_size: 1, ..example() }, 1, false));
        assert_ne!(context, of(&Header { file_id: [0; 16], ..example() }, 1, false));
        assert_ne!(context, of(&Header { key_id: KeyId([0; 16]), ..example() }, 1, false));
    }

    #[test]
    fn refuses_a_context_without_room_beside_the_files_own() {
        let context = |size| Context::from_bytes(vec![0; size]);
        assert_eq!(
            RecordContexts::new(&example(), &context(4_024)).map(|made| made.of(0, true).len()).ok(),
            Some(4_096)
        );
        let refused = RecordContexts::new(&example(), &context(4_025)).err();
        assert_eq!(refused, Some(FileFault::ContextTooLarge { size: 4_025, size_max: 4_024 }));
    }

    #[test]
    fn refuses_headers_that_are_none() {
        assert_eq!(altered(0, 0), Err(FileFault::NotEncrypted));
        assert_eq!(altered(4, b'v'), Err(FileFault::NotEncrypted));
        assert_eq!(altered(5, b'\n'), Err(FileFault::TransferredAsText));
        assert_eq!(altered(8, 2), Err(FileFault::NewerFormat(2)));
        assert!(matches!(altered(8, 0), Err(FileFault::Header(_))));
        for index in 9..12 {
            assert_eq!(altered(index, 1), Err(FileFault::Header("reserved bytes are not 0")));
        }
        // 32,768 becomes 16,809,984; 0; 32,769.
        for (index, value) in [(12, 1), (14, 0), (15, 1)] {
            assert_eq!(altered(index, value), Err(FileFault::Header("its record size is out of bounds")));
        }
    }

    #[test]
    fn refuses_prefixes_out_of_their_bounds() {
        let decoded = |bytes| RecordPrefix::decode(bytes, &example());
        for (last, size) in [(false, 1), (true, 32_768 + 94), (false, 32_768 + 256)] {
            let prefix = RecordPrefix { last, size };
            assert_eq!(decoded(prefix.encode()), Some(prefix));
        }
        assert_eq!(decoded([2, 0, 0, 0, 1]), None);
        assert_eq!(decoded([0, 0, 0, 0, 0]), None);
        assert_eq!(decoded([0, 0, 0, 0x81, 1]), None, "one more than the bound");
        assert_eq!(decoded([0, 0xFF, 0xFF, 0xFF, 0xFF]), None);
    }

    #[test]
    fn a_plaintext_has_one_division_only() {
        let fits = |number, last, size| example().fits(number, last, size);
        assert!(fits(0, true, 0) && fits(0, true, 32_768) && fits(5, true, 1) && fits(5, false, 32_768));
        assert!(!fits(1, true, 0) && !fits(0, true, 32_769) && !fits(0, false, 32_767) && !fits(0, false, 0));
    }
}
