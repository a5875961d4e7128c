//! How often a key version with a limit was used; how long this installation was running, and how it was stopped.

use super::codec::{Reader, Writer};
use super::{Record, WrapField};

/// Uses of one key version. Which one, its address says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UseCountRecord {
    /// Items that were sealed, at least.
    pub(crate) used: u64,
    /// [`RunRecord::unclean_stops`] when this was written. Each one since then may hide as many uses as may be unwritten.
    pub(crate) unclean_stops: u64,
}

/// The one record of the process that has the installation open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RunRecord {
    /// How often a process ended without having written all uses.
    pub(crate) unclean_stops: u64,
    /// A process has the installation open, or ended without having written all uses.
    pub(crate) open: bool,
    /// How long the installation has been running in all, in milliseconds, at least: what a kill cut off is missing.
    pub(crate) running_ms: u64,
}

impl Record for UseCountRecord {
    const RECORD_TYPE: u8 = 6;
    const WRAPS: &[WrapField<Self>] = &[];

    fn encode(&self, out: &mut Writer) {
        out.u64(self.used).u64(self.unclean_stops);
    }

    fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        Some(Self { used: reader.u64()?, unclean_stops: reader.u64()? })
    }
}

impl Record for RunRecord {
    const RECORD_TYPE: u8 = 7;
    const WRAPS: &[WrapField<Self>] = &[];

    fn encode(&self, out: &mut Writer) {
        out.u64(self.unclean_stops).u8(u8::from(self.open)).u64(self.running_ms);
    }

    fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        Some(Self { unclean_stops: reader.u64()?, open: reader.flag()?, running_ms: reader.u64()? })
    }
}
