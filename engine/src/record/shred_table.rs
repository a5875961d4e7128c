//! The record of how far the shred table has been written, by which it is seen that all its mirrors are older than the storage.

use super::codec::{Reader, Writer};
use super::{Record, WrapField};

/// Written before each writing of secrets, and by a start that finds out whether some are missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ShredTableRecord {
    /// The number of that writing. A table that knows of no later one may lack secrets that keys need.
    pub(crate) sequence: u64,
    /// It lacked some at that time, and may since.
    pub(crate) is_behind: bool,
}

impl Record for ShredTableRecord {
    const RECORD_TYPE: u8 = 15;
    const WRAPS: &[WrapField<Self>] = &[];

    fn encode(&self, out: &mut Writer) {
        out.u64(self.sequence).u8(self.is_behind.into());
    }

    fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        Some(Self { sequence: reader.u64()?, is_behind: reader.flag()? })
    }
}
