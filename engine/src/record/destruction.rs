//! The record of a shred secret that is to be destroyed. Whose and where, its address says.

use super::codec::{Reader, Writer};
use super::{Record, WrapField};

/// Written with the change that makes a secret useless; removed when no mirror of the shred table has the secret any more.
pub(crate) struct PendingDestruction {
    /// Since when, in milliseconds since 1970.
    pub(crate) since_ms: u64,
}

impl Record for PendingDestruction {
    const RECORD_TYPE: u8 = 13;
    const WRAPS: &[WrapField<Self>] = &[];

    fn encode(&self, out: &mut Writer) {
        out.u64(self.since_ms);
    }

    fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        Some(Self { since_ms: reader.u64()? })
    }
}
