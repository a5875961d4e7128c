//! The record of the name of a key store: the id that it stands for.

use super::codec::{Reader, Writer};
use super::{Record, WrapField};

/// The id of the key store that has the name in the address.
pub(crate) struct Reference(pub(crate) [u8; 16]);

impl Record for Reference {
    const RECORD_TYPE: u8 = 4;
    const WRAPS: &[WrapField<Self>] = &[];

    fn encode(&self, out: &mut Writer) {
        out.bytes(&self.0);
    }

    fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        reader.array().map(Self)
    }
}
