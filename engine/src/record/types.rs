//! All types of records: one list, by which whatever stands in storage is protected anew when the system key is rotated.

use super::access::{AccessRow, AccessUse};
use super::approval::ApprovalSecretRecord;
use super::codec::Reader;
use super::key_name::KeyNameRecord;
use super::key_version::KeyVersionRecord;
use super::once::OnceRecord;
use super::reference::Reference;
use super::shred_table::ShredTableRecord;
use super::transport_key::TransportKeyRecord;
use super::usage::KeyUsage;
use super::use_count::{RunRecord, UseCountRecord};
use super::vault::Vault;
use super::{
    AssignedKeysRecord, AuthorityRecord, InstallationKeyRecord, KeyRecord, KeyStoreRecord, OutboxRecord,
    PendingDestruction, PersonRecord, Record,
};
use crate::approval::{ApprovalPolicy, ApprovalRecord};
use crate::emergency::LockRecord;
use crate::error::Error;
use crate::shred::ShredSecret;
use crate::storage::{Address, Write};

/// In the list. Every type of record must be, so that none is forgotten: [`Record`] asks for it, and only the list gives it.
pub(crate) trait Listed {}

/// What is done with any type of record when the system key is rotated.
pub(crate) struct RecordType {
    /// [`Record::RECORD_TYPE`].
    pub(crate) number: u8,
    /// The versions of the system key that these fields of a record of this type need for their wraps; `None` if they are no such fields.
    pub(super) versions_of_wraps: fn(fields: &[u8]) -> Option<Vec<u32>>,
    /// The write that protects this value at this address by the current system key.
    pub(super) renew: Renew,
}

/// Given the vault, the address of a record, the shred secret that its wraps need if they need one, and its bytes.
type Renew = fn(&Vault, Address, Option<&ShredSecret>, &[u8]) -> Result<Write, Error>;

macro_rules! record_types {
    ($($record:ty),* $(,)?) => {
        $(impl Listed for $record {})*

        /// The list.
        pub(crate) const RECORD_TYPES: &[RecordType] = &[$(RecordType {
            number: <$record>::RECORD_TYPE,
            versions_of_wraps: versions_of_wraps::<$record>,
            renew: Vault::renew_as::<$record>,
        }),*];
    };
}

record_types! {
    AccessRow,
    AccessUse,
    ApprovalPolicy,
    ApprovalRecord,
    ApprovalSecretRecord,
    AssignedKeysRecord,
    AuthorityRecord,
    InstallationKeyRecord,
    KeyNameRecord,
    KeyRecord,
    KeyStoreRecord,
    KeyUsage,
    KeyVersionRecord,
    LockRecord,
    OutboxRecord,
    PendingDestruction,
    OnceRecord,
    PersonRecord,
    Reference,
    RunRecord,
    ShredTableRecord,
    TransportKeyRecord,
    UseCountRecord,
}

/// The type of this number.
pub(super) fn find(number: u8) -> Option<&'static RecordType> {
    RECORD_TYPES.iter().find(|record_type| record_type.number == number)
}

fn versions_of_wraps<R: Record>(fields: &[u8]) -> Option<Vec<u32>> {
    if R::WRAPS.is_empty() {
        return Some(Vec::new());
    }
    let mut record = R::decode(&mut Reader::new(fields))?;
    R::WRAPS.iter().map(|wrap| Vault::version_of_wrap(wrap(&mut record))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_types_have_the_same_number() {
        let numbers: std::collections::BTreeSet<_> =
            RECORD_TYPES.iter().map(|record_type| record_type.number).collect();
        assert_eq!(numbers.len(), RECORD_TYPES.len());
    }
}
