//! What authentication data permit: some operations, with some keys. All with all, unless they are narrowed.

use std::collections::BTreeSet;
use std::sync::Arc;

use claviger_algorithm::Operation;

use super::super::codec::{Reader, Writer};
use crate::key::id::KeyId;
use crate::limits::ACCESS_KEYS_MAX;

/// Operations with keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permit {
    /// Which operations; at least one.
    pub operations: PermittedOperations,
    /// With which keys of the store, 1..=100; `None`: with all, those too that are created later.
    pub keys: Option<Arc<BTreeSet<KeyId>>>,
}

/// Operations that are permitted: those of keys, and random bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PermittedOperations(u16);

impl Permit {
    /// Everything.
    pub const ALL: Self = Self { operations: PermittedOperations::ALL, keys: None };

    /// Whether it permits an operation with a key.
    #[must_use]
    pub fn allows(&self, operation: Operation, key: KeyId) -> bool {
        self.operations.contains(operation) && self.has_key(key)
    }

    /// Whether it permits anything with a key: then what the key is may be told.
    #[must_use]
    pub fn has_key(&self, key: KeyId) -> bool {
        self.keys.as_ref().is_none_or(|keys| keys.contains(&key))
    }

    /// Whether it permits everything.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.operations == PermittedOperations::ALL && self.keys.is_none()
    }

    /// Whether it is within bounds. Empty sets would permit nothing: whoever means that disables the row.
    pub(crate) fn is_consistent(&self) -> bool {
        self.operations.0 != 0 && self.keys.as_ref().is_none_or(|keys| (1..=ACCESS_KEYS_MAX).contains(&keys.len()))
    }

    pub(super) fn encode(&self, out: &mut Writer) {
        out.u16(self.operations.0).optional(self.keys.as_ref(), |out, keys| {
            out.count(keys.len());
            for key in keys.iter() {
                out.bytes(&key.0);
            }
        });
    }

    pub(super) fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        let operations = PermittedOperations(reader.u16()?);
        let key = |reader: &mut Reader<'_>| reader.array().map(KeyId);
        let keys = reader.optional(|reader| reader.set(ACCESS_KEYS_MAX, key).map(Arc::new))?;
        let is_known = operations.0 & !PermittedOperations::ALL.0 == 0;
        Some(Self { operations, keys }).filter(|permit| is_known && permit.is_consistent())
    }
}

impl PermittedOperations {
    /// All.
    pub const ALL: Self = Self((1 << (Operation::ALL.len() + 1)) - 1);
    /// Random bytes alone.
    pub const RANDOM_BYTES: Self = Self(1 << Operation::ALL.len());
    /// None: what a set begins with.
    pub const NONE: Self = Self(0);

    /// This set, and an operation with keys.
    #[must_use]
    pub const fn with(self, operation: Operation) -> Self {
        Self(self.0 | 1 << operation as u8)
    }

    /// This set, and another one.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether an operation with keys is in it.
    #[must_use]
    pub const fn contains(self, operation: Operation) -> bool {
        self.0 & 1 << operation as u8 != 0
    }

    /// Whether random bytes are in it.
    #[must_use]
    pub const fn random_bytes(self) -> bool {
        self.0 & Self::RANDOM_BYTES.0 != 0
    }

    /// The set of the operations of these names, each once; `None` if a name is unknown, comes twice, or there is none.
    #[must_use]
    pub fn from_names<'n>(names: impl IntoIterator<Item = &'n str>) -> Option<Self> {
        let mut set = Self::NONE;
        for name in names {
            let bits = Self::names_of(Self::ALL).zip(0_u32..).find(|(known, _)| *known == name)?.1;
            let one = Self(1 << bits);
            if set.0 & one.0 != 0 {
                return None;
            }
            set = set.union(one);
        }
        (set != Self::NONE).then_some(set)
    }

    /// The names of the operations in it, in the order of their numbers.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::names_of(self)
    }

    fn names_of(set: Self) -> impl Iterator<Item = &'static str> {
        let of_keys = Operation::ALL.into_iter().filter(move |operation| set.contains(*operation)).map(name);
        of_keys.chain(set.random_bytes().then_some(RANDOM_BYTES))
    }
}

/// The name of an operation, for people and for programs.
const fn name(operation: Operation) -> &'static str {
    match operation {
        Operation::Encrypt => "encrypt",
        Operation::Decrypt => "decrypt",
        Operation::WrapDataKey => "wrap-data-key",
        Operation::UnwrapDataKey => "unwrap-data-key",
        Operation::Sign => "sign",
        Operation::Verify => "verify",
        Operation::AsymmetricDecrypt => "asymmetric-decrypt",
        Operation::MakeMac => "make-mac",
        Operation::VerifyMac => "verify-mac",
        Operation::ReadSecret => "read-secret",
        Operation::ReadPublicKey => "read-public-key",
    }
}

const RANDOM_BYTES: &str = "random-bytes";

const _: () = assert!(Operation::ALL.len() < 16);

#[cfg(test)]
mod tests {
    use super::*;

    // R-A12
    #[test]
    fn every_operation_has_a_name_of_its_own() {
        assert_eq!(PermittedOperations::from_names(PermittedOperations::ALL.names()), Some(PermittedOperations::ALL));
        assert_eq!(PermittedOperations::ALL.names().count(), Operation::ALL.len() + 1);
        for operation in Operation::ALL {
            let set = PermittedOperations::NONE.with(operation);
            assert_eq!(PermittedOperations::from_names(set.names()), Some(set));
            assert!(set.contains(operation) && !set.random_bytes());
            assert!(Operation::ALL.into_iter().all(|other| other == operation || !set.contains(other)));
        }
        assert!(PermittedOperations::RANDOM_BYTES.random_bytes());
        for bad in [&[][..], &["encrypt", "encrypt"], &["Encrypt"], &["encrypt", ""], &["random"]] {
            assert_eq!(PermittedOperations::from_names(bad.iter().copied()), None, "{bad:?}");
        }
    }

    // R-A12
    #[test]
    fn a_narrowed_permit_allows_what_it_names_and_nothing_else() {
        let (mine, other) = (KeyId([1; 16]), KeyId([2; 16]));
        let keys = Some(Arc::new(BTreeSet::from([mine])));
        let permit = Permit { operations: PermittedOperations::NONE.with(Operation::Encrypt), keys };
        assert!(permit.allows(Operation::Encrypt, mine) && permit.has_key(mine));
        assert!(!permit.allows(Operation::Encrypt, other) && !permit.has_key(other));
        assert!(!permit.allows(Operation::Decrypt, mine) && !permit.is_all());
        assert!(Operation::ALL.into_iter().all(|operation| Permit::ALL.allows(operation, other)));
    }

    // R-A12
    #[test]
    fn a_permit_of_nothing_or_of_what_is_not_known_cannot_be_read() {
        let read = |bytes: &[u8]| Permit::decode(&mut Reader::new(bytes));
        assert!(read(&[0, 1, 0]).is_some());
        for bad in [&[0, 0, 0][..], &[0x80, 1, 0], &[0x10, 0, 0], &[0, 1, 1, 0, 0], &[0, 1, 2], &[0, 1, 1, 0, 101]] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
        let two = |first: u8, second: u8| [&[0, 1, 1, 0, 2][..], &[first; 16], &[second; 16]].concat();
        assert!(read(&two(1, 2)).is_some());
        assert_eq!(read(&two(2, 1)), None);
        assert_eq!(read(&two(1, 1)), None);
    }
}
