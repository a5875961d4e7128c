//! The record of one version of a key: its wrapped material.

use super::Record;
use super::codec::{Reader, Writer};

/// Wrapped material of one key version. Which key and version it is, its address says; the wrap is bound to that.
pub(crate) struct KeyVersionRecord {
    /// Where the material came from.
    pub(crate) origin: Origin,
    /// The wrap.
    pub(crate) wrapped: Vec<u8>,
}

/// Where key material came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Origin {
    /// Made here, from the crypto library's generator.
    Generated = 1,
    /// Given by the requester on the control port: a secret's value.
    Registered = 2,
}

impl Record for KeyVersionRecord {
    const RECORD_TYPE: u8 = 3;

    fn encode(&self, out: &mut Writer) {
        out.u8(self.origin as u8).sized(&self.wrapped);
    }

    fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        let origin = match reader.u8()? {
            1 => Origin::Generated,
            2 => Origin::Registered,
            _ => return None,
        };
        Some(Self { origin, wrapped: reader.sized()?.to_vec() })
    }
}
