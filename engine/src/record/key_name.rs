//! The record of a name in a key store: the key that it stands for, as that key's own name or as an alias of it.

use super::codec::{Reader, Writer};
use super::{Record, WrapField};
use crate::key::id::KeyId;

/// What the name in the address stands for. Names and aliases of a store are one space: each is given once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeyNameRecord {
    /// The key.
    pub(crate) key: KeyId,
    /// Whether it is an alias of the key, not the key's own name.
    pub(crate) is_alias: bool,
}

impl KeyNameRecord {
    /// The key's own name.
    pub(crate) const fn name_of(key: KeyId) -> Self {
        Self { key, is_alias: false }
    }

    /// An alias of the key.
    pub(crate) const fn alias_of(key: KeyId) -> Self {
        Self { key, is_alias: true }
    }
}

impl Record for KeyNameRecord {
    // 4 was also a name of a key, before there were aliases; never released.
    const RECORD_TYPE: u8 = 26;
    const WRAPS: &[WrapField<Self>] = &[];

    fn encode(&self, out: &mut Writer) {
        out.bytes(&self.key.0).u8(u8::from(self.is_alias));
    }

    fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        Some(Self { key: KeyId(reader.array()?), is_alias: reader.flag()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // R-K21
    #[test]
    fn decodes_what_was_encoded_and_refuses_other_flags() {
        for record in [KeyNameRecord::name_of(KeyId([1; 16])), KeyNameRecord::alias_of(KeyId([2; 16]))] {
            let mut writer = Writer::default();
            record.encode(&mut writer);
            let mut bytes = writer.finish();
            assert_eq!(KeyNameRecord::decode(&mut Reader::new(&bytes)), Some(record));
            bytes[16] = 2;
            assert_eq!(KeyNameRecord::decode(&mut Reader::new(&bytes)), None);
            assert_eq!(KeyNameRecord::decode(&mut Reader::new(&bytes[..16])), None);
        }
    }
}
