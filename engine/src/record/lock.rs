//! The record that says whether the installation is locked.

use super::codec::{Reader, Writer};
use super::{Record, WrapField};
use crate::emergency::{LockRecord, Locked};
use crate::limits::LOCK_TEXT_SIZE_MAX;

impl Record for LockRecord {
    const RECORD_TYPE: u8 = 65;
    const WRAPS: &[WrapField<Self>] = &[];

    fn encode(&self, out: &mut Writer) {
        out.optional(self.locked.as_ref(), |out, Locked { since_ms, by, reason }| {
            out.u64(*since_ms).sized(by.as_bytes()).sized(reason.as_bytes());
        });
    }

    fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        let locked = reader
            .optional(|reader| Some(Locked { since_ms: reader.u64()?, by: text(reader)?, reason: text(reader)? }))?;
        Some(Self { locked })
    }
}

fn text(reader: &mut Reader<'_>) -> Option<String> {
    String::from_utf8(reader.sized()?.to_vec()).ok().filter(|text| text.len() <= LOCK_TEXT_SIZE_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(record: &LockRecord) -> Vec<u8> {
        let mut writer = Writer::default();
        record.encode(&mut writer);
        writer.finish()
    }

    fn read(bytes: &[u8]) -> Option<LockRecord> {
        let mut reader = Reader::new(bytes);
        let record = LockRecord::decode(&mut reader)?;
        reader.finish().map(|()| record)
    }

    // R-A13
    #[test]
    fn decodes_what_was_encoded_and_refuses_every_truncation() {
        let locked = Locked { since_ms: 1, by: "somebody".into(), reason: "theft".into() };
        for record in [LockRecord { locked: None }, LockRecord { locked: Some(locked) }] {
            let all = bytes(&record);
            for size in 0..all.len() {
                assert_eq!(read(&all[..size]), None, "{size} bytes");
            }
            assert_eq!(read(&all), Some(record));
        }
    }

    // R-A13
    #[test]
    fn a_text_that_is_too_long_cannot_be_read() {
        let by = "x".repeat(LOCK_TEXT_SIZE_MAX + 1);
        let record = LockRecord { locked: Some(Locked { since_ms: 1, by, reason: String::new() }) };
        assert_eq!(read(&bytes(&record)), None);
    }
}
