//! The persons in memory. All of them are loaded at start, and brought up to date by each change.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};

use super::{PersonId, PublicKeyHash, Role};
use crate::key::id::{KeyId, StoreId};
use crate::key::name::Name;
use crate::record::{PersonRecord, address};
use crate::storage::{Compare, Revision};

/// A person as he stands at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// What is stored of him.
    pub record: PersonRecord,
    pub(crate) revision: Revision,
    pub(crate) keys: BTreeMap<StoreId, AssignedKeys>,
}

/// The keys of a store that are assigned to a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AssignedKeys {
    pub(crate) keys: BTreeSet<KeyId>,
    pub(crate) revision: Revision,
}

impl Person {
    /// The condition that nobody changes him meanwhile: what he is let do, or whether he is let in. Keys that he creates are no such change.
    #[must_use]
    pub fn unchanged(&self) -> Compare {
        Compare::unchanged(address::person(self.record.id), self.revision)
    }

    /// Whether he has this role in this key store, or in the installation.
    #[must_use]
    pub fn has(&self, role: Role, store: Option<StoreId>) -> bool {
        self.record.grant(role, store).is_some()
    }

    /// The keys of a store that are assigned to him as its key manager, in the order of their ids. Some may be deleted since.
    pub fn keys_in(&self, store: StoreId) -> impl Iterator<Item = KeyId> + '_ {
        self.keys.get(&store).into_iter().flat_map(|assigned| assigned.keys.iter().copied())
    }

    /// Whether a key of a store is assigned to him as its key manager.
    #[must_use]
    pub fn manages(&self, store: StoreId, key: KeyId) -> bool {
        self.keys.get(&store).is_some_and(|assigned| assigned.keys.contains(&key))
    }
}

/// All persons, by id, by name and by the public keys of their certificates.
#[derive(Default)]
pub(crate) struct Persons {
    table: RwLock<Table>,
    /// Held by whoever changes a person, so that there are never more than may be, and what one person does at once is no conflict.
    pub(crate) changing: Mutex<()>,
}

#[derive(Default)]
struct Table {
    by_id: HashMap<PersonId, Arc<Person>>,
    by_name: BTreeMap<Name, PersonId>,
    by_key: HashMap<PublicKeyHash, PersonId>,
}

impl Persons {
    /// Puts in force what is known of a person; `None`: he is not known any more.
    pub(crate) fn publish(&self, id: PersonId, person: Option<Person>) {
        let mut table = self.table.write();
        if let Some(before) = table.by_id.remove(&id) {
            table.by_name.remove(&before.record.name);
            for certificate in &before.record.certificates {
                table.by_key.remove(&certificate.key);
            }
        }
        if let Some(person) = person {
            table.by_name.insert(person.record.name.clone(), id);
            for certificate in &person.record.certificates {
                table.by_key.insert(certificate.key, id);
            }
            table.by_id.insert(id, Arc::new(person));
        }
    }

    pub(crate) fn by_id(&self, id: PersonId) -> Option<Arc<Person>> {
        self.table.read().by_id.get(&id).cloned()
    }

    pub(crate) fn by_name(&self, name: &Name) -> Option<Arc<Person>> {
        let table = self.table.read();
        table.by_name.get(name).and_then(|id| table.by_id.get(id)).cloned()
    }

    pub(crate) fn by_key(&self, key: &PublicKeyHash) -> Option<Arc<Person>> {
        let table = self.table.read();
        table.by_key.get(key).and_then(|id| table.by_id.get(id)).cloned()
    }

    /// All persons, in the order of their names.
    pub(crate) fn all(&self) -> Vec<Arc<Person>> {
        let table = self.table.read();
        table.by_name.values().filter_map(|id| table.by_id.get(id)).cloned().collect()
    }

    pub(crate) fn count(&self) -> usize {
        self.table.read().by_id.len()
    }

    pub(crate) fn ids(&self) -> Vec<PersonId> {
        self.table.read().by_id.keys().copied().collect()
    }
}
