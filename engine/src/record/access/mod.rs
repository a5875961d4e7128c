//! The record of a row of authentication data, and that of its last use.

mod data;
mod hardware_address;
mod network;
mod permit;

pub use data::{AccessData, AccessMethod, InvalidAccessData, IssuedCertificate};
pub use hardware_address::HardwareAddress;
pub use network::Network;
pub use permit::{Permit, PermittedOperations};

use super::codec::{Reader, Writer};
use super::key::Deletion;
use super::{Record, WrapField};
use crate::key::id::{AccessRowId, StoreId};
use crate::key::state::KeyState;
use crate::key::text::is_shown;
use crate::limits::{ACCESS_CREATOR_SIZE_MAX, ACCESS_DESCRIPTION_SIZE_MAX};

/// One row of the authentication data of a key store: who shows this passes the method that it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessRow {
    /// Its id, which never changes.
    pub id: AccessRowId,
    /// The key store.
    pub store: StoreId,
    /// What a client must show.
    pub data: AccessData,
    /// What people say of it: 0..=256 bytes of UTF-8 on one line.
    pub description: String,
    /// Available, disabled, or deletion requested. Of a deleted row nothing is left.
    pub state: KeyState,
    /// When it was added, in milliseconds since 1970.
    pub created_ms: u64,
    /// Who has added it, in words: 0..=256 bytes of UTF-8 on one line.
    pub creator: String,
    /// From when on it does not pass any more by itself, in milliseconds since 1970: the end of a certificate, or what was said.
    pub ends_ms: Option<u64>,
    /// What it permits.
    pub permit: Permit,
    /// The deletion, if it is requested.
    pub deletion: Option<Deletion>,
}

/// When a row was last used: statistics, written each minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AccessUse {
    /// In milliseconds since 1970; up to a minute before the truth.
    pub(crate) last_ms: u64,
}

impl AccessRow {
    /// Whether it passes at this time, if what it asks for is shown.
    #[must_use]
    pub fn passes(&self, now_ms: u64) -> bool {
        self.state == KeyState::Available && self.ends_ms.is_none_or(|ends_ms| now_ms < ends_ms)
    }

    /// Whether everything is within bounds, and state and deletion go together.
    pub(crate) fn is_consistent(&self) -> bool {
        let is_requested = self.state == KeyState::DeletionRequested;
        was_line(&self.description, ACCESS_DESCRIPTION_SIZE_MAX)
            && was_line(&self.creator, ACCESS_CREATOR_SIZE_MAX)
            && self.state != KeyState::Deleted
            && self.deletion.is_some() == is_requested
            && self.deletion.as_ref().is_none_or(Deletion::is_consistent)
            && self.permit.is_consistent()
    }
}

/// Whether a text has at most so many bytes, and no control and format characters.
pub(crate) fn is_line(text: &str, size_max: usize) -> bool {
    text.len() <= size_max && text.chars().all(is_shown)
}

/// As [`is_line`], of a text that was stored: which characters are seen may be answered otherwise since, which is no damage.
fn was_line(text: &str, size_max: usize) -> bool {
    text.len() <= size_max && !text.chars().any(char::is_control)
}

impl Record for AccessRow {
    const RECORD_TYPE: u8 = 35;
    const WRAPS: &[WrapField<Self>] = &[];

    fn encode(&self, out: &mut Writer) {
        out.bytes(&self.id.0).bytes(&self.store.0);
        self.data.encode(out);
        out.sized(self.description.as_bytes()).u8(self.state.id()).u64(self.created_ms).sized(self.creator.as_bytes());
        out.optional(self.ends_ms.as_ref(), |out, ends_ms| {
            out.u64(*ends_ms);
        });
        self.permit.encode(out);
        out.optional(self.deletion.as_ref(), |out, deletion| deletion.encode(out));
    }

    fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        let row = Self {
            id: AccessRowId(reader.array()?),
            store: StoreId(reader.array()?),
            data: AccessData::decode(reader)?,
            description: reader.text()?,
            state: KeyState::from_id(reader.u8()?)?,
            created_ms: reader.u64()?,
            creator: reader.text()?,
            ends_ms: reader.optional(Reader::u64)?,
            permit: Permit::decode(reader)?,
            deletion: reader.optional(Deletion::decode)?,
        };
        row.is_consistent().then_some(row)
    }
}

impl Record for AccessUse {
    const RECORD_TYPE: u8 = 36;
    const WRAPS: &[WrapField<Self>] = &[];

    fn encode(&self, out: &mut Writer) {
        out.u64(self.last_ms);
    }

    fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        Some(Self { last_ms: reader.u64()? })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use claviger_algorithm::Operation;

    use super::*;
    use crate::key::id::KeyId;

    /// One row of each kind.
    pub(crate) fn samples() -> Vec<AccessRow> {
        let row = |data, permit| AccessRow {
            id: AccessRowId([1; 16]),
            store: StoreId([2; 16]),
            data,
            description: "the till".to_owned(),
            state: KeyState::Available,
            created_ms: 3,
            creator: "Ada".to_owned(),
            ends_ms: None,
            permit,
            deletion: None,
        };
        let keys = Some(Arc::new(BTreeSet::from([KeyId([4; 16]), KeyId([5; 16])])));
        let narrowed = Permit { operations: PermittedOperations::NONE.with(Operation::Encrypt), keys };
        let issued = AccessData::IssuedCertificate(IssuedCertificate {
            serial: vec![7; 16],
            public_key_sha256: [8; 32],
            common_name: "billing".to_owned(),
        });
        let hour = 3_600_000;
        let deletion = Deletion { requested_ms: 9, deadline_ms: 9 + 72 * hour, running_ms: 5 };
        vec![
            row(AccessData::Network("192.0.2.0/24".parse().unwrap()), Permit::ALL),
            row(AccessData::Network("2001:db8::/32".parse().unwrap()), narrowed.clone()),
            row(AccessData::HardwareAddress("02:00:5e:10:00:01".parse().unwrap()), Permit::ALL),
            AccessRow { ends_ms: Some(6), ..row(issued, narrowed) },
            AccessRow {
                state: KeyState::DeletionRequested,
                deletion: Some(deletion),
                ..row(AccessData::PinnedKey([9; 32]), Permit::ALL)
            },
        ]
    }

    fn encoded(row: &AccessRow) -> Vec<u8> {
        let mut writer = Writer::default();
        row.encode(&mut writer);
        writer.finish()
    }

    fn decoded(bytes: &[u8]) -> Option<AccessRow> {
        let mut reader = Reader::new(bytes);
        let row = AccessRow::decode(&mut reader)?;
        reader.finish().map(|()| row)
    }

    // R-A6
    #[test]
    fn decodes_what_was_encoded_and_refuses_every_truncation() {
        for row in samples() {
            let bytes = encoded(&row);
            assert_eq!(decoded(&bytes).as_ref(), Some(&row));
            for size in 0..bytes.len() {
                assert_eq!(decoded(&bytes[..size]), None, "{size} bytes");
            }
        }
    }

    // R-A6
    #[test]
    fn a_row_out_of_bounds_cannot_be_read() {
        let [row, .., requested] = &samples()[..] else { panic!() };
        let keys = |count: u8| Some(Arc::new((0..count).map(|byte| KeyId([byte; 16])).collect()));
        let permitting = |keys| AccessRow { permit: Permit { keys, ..Permit::ALL }, ..row.clone() };
        for good in [
            AccessRow { description: "x".repeat(ACCESS_DESCRIPTION_SIZE_MAX), ..row.clone() },
            AccessRow { state: KeyState::Disabled, ..row.clone() },
            permitting(keys(100)),
        ] {
            assert!(decoded(&encoded(&good)).is_some());
        }
        for bad in [
            AccessRow { description: "x".repeat(ACCESS_DESCRIPTION_SIZE_MAX + 1), ..row.clone() },
            AccessRow { description: "a\nb".to_owned(), ..row.clone() },
            AccessRow { creator: "x".repeat(ACCESS_CREATOR_SIZE_MAX + 1), ..row.clone() },
            AccessRow { state: KeyState::Deleted, ..row.clone() },
            AccessRow { state: KeyState::DeletionRequested, ..row.clone() },
            AccessRow { state: KeyState::Available, ..requested.clone() },
            AccessRow { permit: Permit { operations: PermittedOperations::NONE, keys: None }, ..row.clone() },
            permitting(keys(0)),
            permitting(keys(101)),
        ] {
            assert_eq!(decoded(&encoded(&bad)), None, "{bad:?}");
        }
    }

    // R-A5, R-A6
    #[test]
    fn a_row_passes_until_its_end_and_only_when_it_is_available() {
        let [row, ..] = &samples()[..] else { panic!() };
        assert!(row.passes(u64::MAX));
        let ending = AccessRow { ends_ms: Some(10), ..row.clone() };
        assert!(ending.passes(9) && !ending.passes(10));
        for state in [KeyState::Disabled, KeyState::DeletionRequested, KeyState::Deleted] {
            assert!(!AccessRow { state, ..row.clone() }.passes(0));
        }
    }
}
