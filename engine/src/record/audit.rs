//! Records of the audit log on their way to its files, and the installation key that signs there.

use super::codec::{Reader, Writer};
use super::{Record, WrapField};

/// What a change has to tell, put by its own transaction and removed when it is in a file. Its number, its address says.
pub(crate) struct OutboxRecord {
    /// The event, as JSON in one line.
    pub(crate) event: Vec<u8>,
}

/// The installation key.
pub(crate) struct InstallationKeyRecord {
    /// The private half (PKCS#8), wrapped.
    pub(crate) wrapped_private_key: Vec<u8>,
    /// Whether a log was begun with it. Until then there may be none.
    pub(crate) is_used: bool,
}

impl Record for OutboxRecord {
    const RECORD_TYPE: u8 = 40;
    const WRAPS: &[WrapField<Self>] = &[];

    fn encode(&self, out: &mut Writer) {
        out.sized(&self.event);
    }

    fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        Some(Self { event: reader.sized()?.to_vec() })
    }
}

impl Record for InstallationKeyRecord {
    const RECORD_TYPE: u8 = 41;
    const WRAPS: &[WrapField<Self>] = &[|record| &mut record.wrapped_private_key];

    fn encode(&self, out: &mut Writer) {
        out.sized(&self.wrapped_private_key).u8(u8::from(self.is_used));
    }

    fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        Some(Self { wrapped_private_key: reader.sized()?.to_vec(), is_used: reader.flag()? })
    }
}
