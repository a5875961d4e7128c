//! The record of one version of a key: its wrapped material.

use super::codec::{Reader, Writer};
use super::{Record, WrapField};

/// Wrapped material of one key version. Which key and version it is, its address says; the wrap is bound to that.
pub(crate) struct KeyVersionRecord {
    /// The wrap.
    pub(crate) wrapped: Vec<u8>,
}

impl Record for KeyVersionRecord {
    // 3 told the origin too, which stands with the key now; never released.
    const RECORD_TYPE: u8 = 10;
    const WRAPS: &[WrapField<Self>] = &[|record| &mut record.wrapped];

    fn encode(&self, out: &mut Writer) {
        out.sized(&self.wrapped);
    }

    fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        Some(Self { wrapped: reader.sized()?.to_vec() })
    }
}
