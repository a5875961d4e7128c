//! What tells one content of a record from another.

use data_encoding::HEXLOWER;

use super::codec::Writer;
use super::key_name::KeyNameRecord;
use super::{AccessRow, KeyRecord, KeyStoreRecord, PersonRecord, Record};
use crate::approval::ApprovalPolicy;
use crate::crypto::checksum::sha256;
use crate::key::id::KeyId;

/// Sixteen hexadecimal digits that change with what a record says, and with nothing else: not when it is protected by another system key, nor by a restore. They tell contents
/// apart that come about, not those that somebody has searched for.
pub(crate) fn revision<R: Record>(record: &R) -> String {
    let mut writer = Writer::default();
    record.encode(&mut writer);
    let hash = sha256(&[&writer.finish()]);
    HEXLOWER.encode(hash.first_chunk::<REVISION_SIZE>().map_or(&[][..], |begin| begin))
}

impl KeyRecord {
    /// The content of the record, to be named by whoever changes it: so that nobody undoes what another has done meanwhile. 16 hexadecimal digits.
    #[must_use]
    pub fn revision(&self) -> String {
        revision(self)
    }
}

impl KeyStoreRecord {
    /// As [`KeyRecord::revision`].
    #[must_use]
    pub fn revision(&self) -> String {
        revision(self)
    }
}

impl ApprovalPolicy {
    /// As [`KeyRecord::revision`].
    #[must_use]
    pub fn revision(&self) -> String {
        revision(self)
    }
}

impl AccessRow {
    /// As [`KeyRecord::revision`].
    #[must_use]
    pub fn revision(&self) -> String {
        revision(self)
    }
}

impl PersonRecord {
    /// As [`KeyRecord::revision`]. The keys that are assigned to him by his creating them are no part of it.
    #[must_use]
    pub fn revision(&self) -> String {
        revision(self)
    }
}

/// As [`KeyRecord::revision`], of an alias that stands for this key.
#[must_use]
pub fn alias_revision(key: KeyId) -> String {
    revision(&KeyNameRecord::alias_of(key))
}

const REVISION_SIZE: usize = 8;
