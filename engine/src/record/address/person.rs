//! Persons, what is assigned to them, and the requests of callers that are made once.

use super::{ONCE, PERSON, PERSON_INDEX, authentication, keys};
use crate::key::id::StoreId;
use crate::key::name::Name;
use crate::person::{PersonId, PublicKeyHash};
use crate::storage::{Address, Database};

/// A request of a caller that is made once: the one that he names by a key with this hash.
pub(crate) fn once(caller: &[u8; 32], key: &[u8; 32]) -> Address {
    keys(ONCE, &[caller, key])
}

/// All requests of a caller that are made once, for scans.
pub(crate) fn onces_of(caller: &[u8; 32]) -> Address {
    keys(ONCE, &[caller])
}

/// All requests that are made once, for scans.
pub(crate) fn onces() -> Address {
    keys(ONCE, &[])
}

/// A person: who he is, and what he is let do.
pub(crate) fn person(id: PersonId) -> Address {
    authentication(PERSON, &[&id.0])
}

/// The keys of a store that are assigned to a person: behind [`person`], so that they come with him.
pub(crate) fn assigned_keys(id: PersonId, store: StoreId) -> Address {
    authentication(PERSON, &[&id.0, &store.0])
}

/// All persons and what is assigned to them, for scans.
pub(crate) fn persons() -> Address {
    authentication(PERSON, &[])
}

/// The person whose record stands at an address.
pub(crate) fn parse_person(address: &Address) -> Option<PersonId> {
    Some(address).filter(|address| address.database == Database::Authentication)?;
    address.key.strip_prefix(&[PERSON])?.try_into().ok().map(PersonId)
}

/// Person and store in the address of assigned keys.
pub(crate) fn parse_assigned_keys(address: &Address) -> Option<(PersonId, StoreId)> {
    Some(address).filter(|address| address.database == Database::Authentication)?;
    let (id, store) = address.key.strip_prefix(&[PERSON])?.split_first_chunk()?;
    Some((PersonId(*id), StoreId(store.try_into().ok()?)))
}

/// From the name of a person to his id.
pub(crate) fn person_name(name: &Name) -> Address {
    authentication(PERSON_INDEX, &[b"n", name.as_str().as_bytes()])
}

/// From the public key of a certificate to the id of the person.
pub(crate) fn person_key(key: &PublicKeyHash) -> Address {
    authentication(PERSON_INDEX, &[b"k", &key.0])
}

#[cfg(test)]
mod tests {
    use super::super::*;
    use super::*;

    #[test]
    fn places_of_persons_tell_whose_they_are() {
        let (id, store) = (PersonId([1; 16]), StoreId([2; 16]));
        let (record, assigned) = (person(id), assigned_keys(id, store));
        assert_eq!((parse_person(&record), parse_assigned_keys(&record)), (Some(id), None));
        assert_eq!((parse_person(&assigned), parse_assigned_keys(&assigned)), (None, Some((id, store))));
        assert!(assigned.starts_with(&record) && record.starts_with(&persons()));
        for place in [&record, &assigned] {
            assert_eq!(changed(place), Changed::Person(id));
            let elsewhere = Address { database: Database::Keys, ..place.clone() };
            assert_eq!((parse_person(&elsewhere), parse_assigned_keys(&elsewhere)), (None, None));
        }
        for index in [person_name(&"n".parse().unwrap()), person_key(&PublicKeyHash([3; 32]))] {
            assert_eq!((changed(&index), parse_person(&index)), (Changed::Nothing, None));
        }
    }
}
