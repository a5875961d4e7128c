//! The records of a person: who he is and what he is let do, and the keys that are assigned to him.

use std::collections::BTreeSet;

use super::codec::{Reader, Writer};
use super::{Record, WrapField};
use crate::key::id::{KeyId, StoreId};
use crate::key::name::Name;
use crate::limits::{ASSIGNED_KEYS_MAX, CLIENT_NAME_SIZE_MAX, GRANTS_MAX, PERSON_CERTIFICATES_MAX};
use crate::person::{Grant, PersonId, PublicKeyHash, Role};

/// What is stored of a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonRecord {
    /// His id, which never changes.
    pub id: PersonId,
    /// His name, unique in the installation.
    pub name: Name,
    /// When he was added, in milliseconds since 1970.
    pub created_ms: u64,
    /// When this was last changed, in milliseconds since 1970.
    pub changed_ms: u64,
    /// Whether he is kept out, with all of his certificates.
    pub is_disabled: bool,
    /// By what he is known, in the order of the public keys: 0..=8. Without one he cannot come in.
    pub certificates: Vec<PersonCertificate>,
    /// What he is let do, in the order of role and place, each once: 0..=100.
    pub grants: Vec<Grant>,
}

/// By what a person is known: a public key. The rest is what the certificate said that was shown when it was added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonCertificate {
    /// The public key; another certificate for it is as good.
    pub key: PublicKeyHash,
    /// Common name of the subject, up to 64 bytes, without control and format characters.
    pub common_name: String,
    /// The end of the certificate, in milliseconds since 1970. Each certificate is checked for its own when it is shown.
    pub ends_ms: u64,
}

impl PersonRecord {
    /// The grant of this role at this place, if he has it.
    #[must_use]
    pub fn grant(&self, role: Role, store: Option<StoreId>) -> Option<&Grant> {
        self.grants.iter().find(|grant| (grant.role, grant.store) == (role, store))
    }

    fn is_consistent(&self) -> bool {
        self.certificates.len() <= PERSON_CERTIFICATES_MAX
            && self.certificates.is_sorted_by(|a, b| a.key < b.key)
            && self.certificates.iter().all(PersonCertificate::is_consistent)
            && self.grants.len() <= GRANTS_MAX
            && self.grants.is_sorted_by(|a, b| (a.role, a.store) < (b.role, b.store))
            && self.grants.iter().all(|grant| grant.check().is_ok())
    }
}

impl PersonCertificate {
    /// Whether it is within bounds. Which characters are seen is asked where a name comes in, and may be answered otherwise since.
    fn is_consistent(&self) -> bool {
        self.common_name.len() <= CLIENT_NAME_SIZE_MAX && !self.common_name.chars().any(char::is_control)
    }
}

impl Record for PersonRecord {
    const RECORD_TYPE: u8 = 45;
    const WRAPS: &[WrapField<Self>] = &[];

    fn encode(&self, out: &mut Writer) {
        out.bytes(&self.id.0).sized(self.name.as_str().as_bytes()).u64(self.created_ms).u64(self.changed_ms);
        out.u8(u8::from(self.is_disabled));
        out.count(self.certificates.len());
        for PersonCertificate { key, common_name, ends_ms } in &self.certificates {
            out.bytes(&key.0).sized(common_name.as_bytes()).u64(*ends_ms);
        }
        out.count(self.grants.len());
        for Grant { role, store, may_create, may_export } in &self.grants {
            out.u8(*role as u8).optional(store.as_ref(), |out, store| {
                out.bytes(&store.0);
            });
            out.u8(u8::from(*may_create)).u8(u8::from(*may_export));
        }
    }

    fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        let id = PersonId(reader.array()?);
        let name = Name::from_bytes(reader.sized()?).ok()?;
        let (created_ms, changed_ms, is_disabled) = (reader.u64()?, reader.u64()?, reader.flag()?);
        let certificates = reader.list(PERSON_CERTIFICATES_MAX, |reader| {
            let (key, common_name) = (PublicKeyHash(reader.array()?), reader.text()?);
            Some(PersonCertificate { key, common_name, ends_ms: reader.u64()? })
        })?;
        let grants = reader.list(GRANTS_MAX, |reader| {
            let role = Role::from_id(reader.u8()?)?;
            let store = reader.optional(|reader| Some(StoreId(reader.array()?)))?;
            Some(Grant { role, store, may_create: reader.flag()?, may_export: reader.flag()? })
        })?;
        let record = Self { id, name, created_ms, changed_ms, is_disabled, certificates, grants };
        record.is_consistent().then_some(record)
    }
}

/// The keys of a store that are assigned to a person. Whose and where, the address says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct AssignedKeysRecord {
    /// 1..=1,000 of them.
    pub(crate) keys: BTreeSet<KeyId>,
}

impl Record for AssignedKeysRecord {
    const RECORD_TYPE: u8 = 46;
    const WRAPS: &[WrapField<Self>] = &[];

    fn encode(&self, out: &mut Writer) {
        out.count(self.keys.len());
        for key in &self.keys {
            out.bytes(&key.0);
        }
    }

    fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        let keys = reader.set(ASSIGNED_KEYS_MAX, |reader| reader.array().map(KeyId))?;
        (!keys.is_empty()).then_some(Self { keys })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<R: Record>(record: &R) -> Option<R> {
        let mut writer = Writer::default();
        record.encode(&mut writer);
        let bytes = writer.finish();
        let mut reader = Reader::new(&bytes);
        let read = R::decode(&mut reader)?;
        reader.finish().map(|()| read)
    }

    fn person() -> PersonRecord {
        let certificate =
            |key| PersonCertificate { key: PublicKeyHash([key; 32]), common_name: format!("Ada {key}"), ends_ms: 7 };
        let store = Some(StoreId([2; 16]));
        PersonRecord {
            id: PersonId([1; 16]),
            name: "ada".parse().unwrap(),
            created_ms: 1,
            changed_ms: 2,
            is_disabled: true,
            certificates: vec![certificate(1), certificate(2)],
            grants: vec![
                Grant::new(Role::SystemAdministrator, None),
                Grant { may_create: true, may_export: true, ..Grant::new(Role::KeyManager, store) },
            ],
        }
    }

    // R-A8
    #[test]
    fn decodes_what_was_encoded() {
        assert_eq!(read(&person()), Some(person()));
        let mut hidden = person();
        hidden.certificates[0].common_name = "\u{202e}adA".into();
        assert_eq!(read(&hidden), Some(hidden.clone()), "what was allowed when it came in is no damage");
        let nobody = PersonRecord { certificates: Vec::new(), grants: Vec::new(), is_disabled: false, ..person() };
        assert_eq!(read(&nobody), Some(nobody.clone()));
        let keys = AssignedKeysRecord { keys: [KeyId([1; 16]), KeyId([2; 16])].into() };
        assert_eq!(read(&keys), Some(keys));
    }

    // R-A8
    #[test]
    fn a_person_out_of_bounds_or_out_of_order_cannot_be_read() {
        let alter = |alter: fn(&mut PersonRecord)| {
            let mut record = person();
            alter(&mut record);
            read(&record)
        };
        for altered in [
            alter(|record| record.certificates.reverse()),
            alter(|record| record.certificates[1] = record.certificates[0].clone()),
            alter(|record| record.certificates[0].common_name = "x".repeat(65)),
            alter(|record| record.certificates[0].common_name = "a\nb".into()),
            alter(|record| record.certificates = vec![record.certificates[0].clone(); 9]),
            alter(|record| record.grants.reverse()),
            alter(|record| record.grants[1] = record.grants[0]),
            alter(|record| record.grants[0].store = Some(StoreId([2; 16]))),
            alter(|record| record.grants[1].store = None),
            alter(|record| record.grants[0].may_create = true),
            alter(|record| record.grants = vec![record.grants[1]; 101]),
        ] {
            assert_eq!(altered, None);
        }
    }

    // R-A8
    #[test]
    fn assigned_keys_that_are_none_or_out_of_order_cannot_be_read() {
        let decode = |bytes: &[u8]| AssignedKeysRecord::decode(&mut Reader::new(bytes));
        assert_eq!(decode(&[0, 0]), None);
        let twice = [&[0, 2][..], &[1; 32]].concat();
        let reversed = [&[0, 2][..], &[2; 16], &[1; 16]].concat();
        let short = [&[0, 2][..], &[1; 16]].concat();
        for bad in [twice, reversed, short] {
            assert_eq!(decode(&bad), None);
        }
    }
}
