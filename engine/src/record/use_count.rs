//! How often a key version with a limit was used, and how this installation was stopped.

use super::Record;
use super::codec::{Reader, Writer};

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
}

impl Record for UseCountRecord {
    const RECORD_TYPE: u8 = 6;

    fn encode(&self, out: &mut Writer) {
        out.u64(self.used).u64(self.unclean_stops);
    }

    fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        Some(Self { used: reader.u64()?, unclean_stops: reader.u64()? })
    }
}

impl Record for RunRecord {
    const RECORD_TYPE: u8 = 7;

    fn encode(&self, out: &mut Writer) {
        out.u64(self.unclean_stops).u8(u8::from(self.open));
    }

    fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        let unclean_stops = reader.u64()?;
        let open = match reader.u8()? {
            0 => false,
            1 => true,
            _ => return None,
        };
        Some(Self { unclean_stops, open })
    }
}
