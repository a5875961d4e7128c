//! The record of a shred secret that is to be destroyed. Whose and where, its address says.

use super::codec::{Reader, Writer};
use super::{Record, WrapField};

/// Written with the change that makes a secret useless, or before a secret is written, in case that the change that needs it is not made; removed with that change, or when no mirror of the shred table has the secret any more.
pub(crate) struct PendingDestruction {
    /// Since when, in milliseconds since 1970.
    pub(crate) since_ms: u64,
    /// Whether the secret was that of a key. If not, it may never have been written.
    pub(crate) was_used: bool,
}

impl Record for PendingDestruction {
    const RECORD_TYPE: u8 = 14;
    const WRAPS: &[WrapField<Self>] = &[];

    fn encode(&self, out: &mut Writer) {
        out.u64(self.since_ms);
        out.u8(self.was_used.into());
    }

    fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        let since_ms = reader.u64()?;
        let was_used = match reader.u8()? {
            0 => false,
            1 => true,
            _ => return None,
        };
        Some(Self { since_ms, was_used })
    }
}
