//! The records of approval: what needs one, what was asked for, and what came of it.

use std::num::NonZeroU8;

use super::codec::{Reader, Writer};
use super::{Record, WrapField};
use crate::approval::{
    ApprovalId, ApprovalPolicy, ApprovalRecord, ApprovalState, ChangeClasses, GivenApproval, Ground, ShownChange,
};
use crate::key::id::StoreId;
use crate::limits::{APPROVAL_QUORUM_MAX, BUNDLE_CHANGES_MAX};
use crate::person::PersonId;
use crate::storage::{Address, Database};

impl Record for ApprovalPolicy {
    const RECORD_TYPE: u8 = 50;
    const WRAPS: &[WrapField<Self>] = &[];

    fn encode(&self, out: &mut Writer) {
        out.u8(self.classes.bits()).u8(self.quorum.get());
    }

    fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        let classes = ChangeClasses::from_bits(reader.u8()?)?;
        let quorum = quorum(reader)?;
        Some(Self { classes, quorum })
    }
}

/// What of a request may hold secrets: what exactly is to be done, or what it has answered. Which of them, the address says.
pub(crate) struct ApprovalSecretRecord {
    /// Wrapped with a shred secret of its own.
    pub(crate) wrapped: Vec<u8>,
}

impl Record for ApprovalSecretRecord {
    // 52 were answers without such a secret, never released.
    const RECORD_TYPE: u8 = 62;
    const WRAPS: &[WrapField<Self>] = &[|record| &mut record.wrapped];

    fn encode(&self, out: &mut Writer) {
        out.sized(&self.wrapped);
    }

    fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        Some(Self { wrapped: reader.sized()?.to_vec() })
    }
}

impl Record for ApprovalRecord {
    // 51 were requests that held what is to be done themselves, never released.
    const RECORD_TYPE: u8 = 63;
    const WRAPS: &[WrapField<Self>] = &[];

    fn encode(&self, out: &mut Writer) {
        out.bytes(&self.id.0).optional(self.store.as_ref(), |out, store| {
            out.bytes(&store.0);
        });
        out.u8(self.classes.bits()).bytes(&self.requester.0).u64(self.created_ms).u64(self.ends_ms);
        out.u8(self.quorum.get()).sized(self.reason.as_bytes()).u8(u8::from(self.is_bundle));
        out.count(self.changes.len());
        for ShownChange { operation, shown, request, before, after } in &self.changes {
            out.sized(operation.as_bytes()).sized(shown.as_bytes());
            for text in [request, before, after] {
                out.optional(text.as_ref(), |out, text| {
                    out.sized(text.as_bytes());
                });
            }
        }
        out.count(self.grounds.len());
        for Ground { address, hash } in &self.grounds {
            out.u8(address.database as u8).sized(&address.key).optional(hash.as_ref(), |out, hash| {
                out.bytes(hash);
            });
        }
        out.count(self.given.len());
        for GivenApproval { by, at_ms } in &self.given {
            out.bytes(&by.0).u64(*at_ms);
        }
        encode_state(&self.state, out);
    }

    fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        let id = ApprovalId(reader.array()?);
        let store = reader.optional(|reader| Some(StoreId(reader.array()?)))?;
        let classes = ChangeClasses::from_bits(reader.u8()?)?;
        let (requester, created_ms, ends_ms) = (PersonId(reader.array()?), reader.u64()?, reader.u64()?);
        let (quorum, reason, is_bundle) = (quorum(reader)?, reader.text()?, reader.flag()?);
        let changes = reader.list(BUNDLE_CHANGES_MAX, |reader| {
            let (operation, shown) = (reader.text()?, reader.text()?);
            let (request, before) = (reader.optional(Reader::text)?, reader.optional(Reader::text)?);
            Some(ShownChange { operation, shown, request, before, after: reader.optional(Reader::text)? })
        })?;
        let grounds = reader.list(ENTRIES_MAX, |reader| {
            let database = Database::from_id(reader.u8()?)?;
            let address = Address::new(database, reader.sized()?);
            Some(Ground { address, hash: reader.optional(Reader::array)? })
        })?;
        let given = reader
            .list(ENTRIES_MAX, |reader| Some(GivenApproval { by: PersonId(reader.array()?), at_ms: reader.u64()? }))?;
        let state = decode_state(reader)?;
        let record = Self {
            id,
            store,
            classes,
            requester,
            created_ms,
            ends_ms,
            quorum,
            reason,
            is_bundle,
            changes,
            grounds,
            given,
            state,
        };
        let is_consistent = !record.changes.is_empty() && record.given.iter().all(|given| given.by != record.requester);
        is_consistent.then_some(record)
    }
}

fn encode_state(state: &ApprovalState, out: &mut Writer) {
    match state {
        ApprovalState::Open => out.u8(OPEN),
        ApprovalState::Applied { at_ms } => out.u8(APPLIED).u64(*at_ms),
        ApprovalState::Rejected { by, at_ms, reason } => {
            out.u8(REJECTED).bytes(&by.0).u64(*at_ms).sized(reason.as_bytes())
        }
        ApprovalState::Withdrawn { at_ms } => out.u8(WITHDRAWN).u64(*at_ms),
        ApprovalState::Expired { at_ms } => out.u8(EXPIRED).u64(*at_ms),
        ApprovalState::Moved { at_ms, what } => out.u8(MOVED).u64(*at_ms).sized(what.as_bytes()),
        ApprovalState::Failed { at_ms, why } => out.u8(FAILED).u64(*at_ms).sized(why.as_bytes()),
    };
}

fn decode_state(reader: &mut Reader<'_>) -> Option<ApprovalState> {
    Some(match reader.u8()? {
        OPEN => ApprovalState::Open,
        APPLIED => ApprovalState::Applied { at_ms: reader.u64()? },
        REJECTED => {
            ApprovalState::Rejected { by: PersonId(reader.array()?), at_ms: reader.u64()?, reason: reader.text()? }
        }
        WITHDRAWN => ApprovalState::Withdrawn { at_ms: reader.u64()? },
        EXPIRED => ApprovalState::Expired { at_ms: reader.u64()? },
        MOVED => ApprovalState::Moved { at_ms: reader.u64()?, what: reader.text()? },
        FAILED => ApprovalState::Failed { at_ms: reader.u64()?, why: reader.text()? },
        _ => return None,
    })
}

/// A quorum; nobody at all is damage, and opens nothing.
fn quorum(reader: &mut Reader<'_>) -> Option<NonZeroU8> {
    NonZeroU8::new(reader.u8()?).filter(|quorum| quorum.get() <= APPROVAL_QUORUM_MAX)
}

/// Of lists that nothing bounds but the size of a record.
const ENTRIES_MAX: usize = u16::MAX as usize;

const OPEN: u8 = 1;
const APPLIED: u8 = 2;
const REJECTED: u8 = 3;
const WITHDRAWN: u8 = 4;
const EXPIRED: u8 = 5;
const MOVED: u8 = 6;
const FAILED: u8 = 7;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::approval::ChangeClass;

    fn bytes<R: Record>(record: &R) -> Vec<u8> {
        let mut writer = Writer::default();
        record.encode(&mut writer);
        writer.finish()
    }

    fn read<R: Record>(bytes: &[u8]) -> Option<R> {
        let mut reader = Reader::new(bytes);
        let record = R::decode(&mut reader)?;
        reader.finish().map(|()| record)
    }

    fn record(state: ApprovalState) -> ApprovalRecord {
        let change = ShownChange {
            operation: "rotate_key".into(),
            shown: "key rotated".into(),
            request: Some("{}".into()),
            before: Some("{}".into()),
            after: None,
        };
        ApprovalRecord {
            id: ApprovalId([1; 16]),
            store: Some(StoreId([2; 16])),
            classes: [ChangeClass::Modify, ChangeClass::Delete].into_iter().collect(),
            requester: PersonId([3; 16]),
            created_ms: 4,
            ends_ms: 5,
            quorum: NonZeroU8::new(2).unwrap(),
            reason: "because".into(),
            is_bundle: true,
            changes: vec![change.clone(), ShownChange { before: None, after: Some("{}".into()), ..change }],
            grounds: vec![
                Ground { address: Address::new(Database::Keys, *b"k1"), hash: Some([6; 32]) },
                Ground { address: Address::new(Database::Authentication, *b"a"), hash: None },
            ],
            given: vec![GivenApproval { by: PersonId([7; 16]), at_ms: 8 }],
            state,
        }
    }

    fn states() -> Vec<ApprovalState> {
        vec![
            ApprovalState::Open,
            ApprovalState::Applied { at_ms: 1 },
            ApprovalState::Rejected { by: PersonId([2; 16]), at_ms: 3, reason: "no".into() },
            ApprovalState::Withdrawn { at_ms: 4 },
            ApprovalState::Expired { at_ms: 5 },
            ApprovalState::Moved { at_ms: 6, what: "key".into() },
            ApprovalState::Failed { at_ms: 7, why: "disk".into() },
        ]
    }

    // R-A9
    #[test]
    fn decodes_what_was_encoded_and_refuses_every_truncation() {
        for state in states() {
            let record = record(state);
            let all = bytes(&record);
            assert_eq!(read::<ApprovalRecord>(&all), Some(record));
            for size in 0..all.len() {
                assert_eq!(read::<ApprovalRecord>(&all[..size]), None, "{size} bytes");
            }
        }
    }

    // R-A9
    #[test]
    fn a_quorum_of_nobody_or_of_too_many_cannot_be_read() {
        let policy = ApprovalPolicy { classes: [ChangeClass::Delete].into_iter().collect(), quorum: NonZeroU8::MIN };
        assert_eq!(read(&bytes(&policy)), Some(policy));
        for bad in [&[4, 0][..], &[4, APPROVAL_QUORUM_MAX + 1], &[64, 1], &[4], &[], &[4, 1, 0]] {
            assert_eq!(read::<ApprovalPolicy>(bad), None, "{bad:?}");
        }
    }

    // R-A9
    #[test]
    fn a_request_of_nothing_or_approved_by_who_asked_cannot_be_read() {
        let empty = ApprovalRecord { changes: Vec::new(), ..record(ApprovalState::Open) };
        assert_eq!(read::<ApprovalRecord>(&bytes(&empty)), None);
        let mut own = record(ApprovalState::Open);
        own.given = vec![GivenApproval { by: own.requester, at_ms: 1 }];
        assert_eq!(read::<ApprovalRecord>(&bytes(&own)), None);
    }
}
