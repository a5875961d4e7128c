//! What is stored, and how: records of one type each, canonical, authenticated with their own address.
//!
//! `codec` bytes and fields · `address` where each record stands · `vault` authenticates, wraps and reads them · `types` the list of all types, by which records
//! are protected anew when the system key is rotated · one file for each record type.
//!
//! Every value in storage that is not empty is a record of the vault.

pub(crate) mod access;
pub(crate) mod address;
pub(crate) mod approval;
pub(crate) mod audit;
pub(crate) mod codec;
pub(crate) mod content;
pub(crate) mod destruction;
pub(crate) mod key;
pub(crate) mod key_name;
pub(crate) mod key_store;
pub(crate) mod key_version;
mod lock;
pub(crate) mod once;
pub(crate) mod person;
pub(crate) mod quota;
pub(crate) mod reference;
pub(crate) mod shred_table;
#[cfg(test)]
mod tests;
pub(crate) mod transport_key;
pub(crate) mod types;
pub(crate) mod usage;
pub(crate) mod use_count;
pub(crate) mod vault;

pub use access::{
    AccessData, AccessMethod, AccessRow, HardwareAddress, InvalidAccessData, IssuedCertificate, Network, Permit,
    PermittedOperations,
};
pub(crate) use audit::{InstallationKeyRecord, OutboxRecord};
pub(crate) use destruction::PendingDestruction;
pub use key::{
    About, Deleted, Deletion, Destroyed, InvalidAbout, KeyRecord, Origin, Rotation, RotationByUse, VersionSummary,
};
pub(crate) use key_store::AuthorityRecord;
pub use key_store::{AccessMethods, KeyStoreRecord, StoreState};
pub(crate) use person::AssignedKeysRecord;
pub use person::{PersonCertificate, PersonRecord};
pub use quota::{Quota, Quotas};

use codec::{Reader, Writer};

/// A type of record. One encoding for each value: decoding what was encoded, and encoding what was decoded, gives the same again.
pub(crate) trait Record: types::Listed + Sized + 'static {
    /// Number of this type, authenticated with each record. Never used for another type.
    const RECORD_TYPE: u8;

    /// The fields that the vault has wrapped for this type, by which they are wrapped anew. Only a type that has some can be wrapped for.
    const WRAPS: &[WrapField<Self>];

    /// Appends the fields.
    fn encode(&self, out: &mut Writer);

    /// Reads the fields; the caller checks that nothing is left over.
    fn decode(reader: &mut Reader<'_>) -> Option<Self>;
}

/// Where a record keeps something that the vault has wrapped.
pub(crate) type WrapField<R> = fn(&mut R) -> &mut Vec<u8>;
