//! Persons: added, granted roles, kept out, removed.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::engine::Engine;
use crate::error::Error;
use crate::key::id::{KeyId, StoreId};
use crate::key::name::Name;
use crate::key::state::KeyState;
use crate::ledger::Ledger;
use crate::limits::{ASSIGNED_KEYS_MAX, GRANTS_MAX, PERSON_CERTIFICATES_MAX, PERSONS_MAX};
use crate::person::{AssignedKeys, Grant, Person, PersonError, PersonId, PublicKeyHash, Role};
use crate::record::reference::Reference;
use crate::record::{AssignedKeysRecord, PersonCertificate, PersonRecord, address};
use crate::storage::{Compare, Write};

/// A person to add. He may do nothing until he is granted something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPerson {
    /// His name, unique in the installation.
    pub name: Name,
    /// By what he is known: 0..=8 certificates.
    pub certificates: Vec<PersonCertificate>,
}

/// What is to happen to a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PersonChange {
    /// He is known by one more certificate.
    AddCertificate(PersonCertificate),
    /// He is not known by certificates for this public key any more.
    RemoveCertificate(PublicKeyHash),
    /// He is granted a role, or what goes beside one that he has.
    Grant {
        /// The role, and what is granted beside it. What he has already stays.
        grant: Grant,
        /// Keys of its store that are assigned to him, if he is its key manager.
        keys: Vec<KeyId>,
    },
    /// A role is taken from him with all that goes with it, or only some keys.
    Revoke {
        /// The role.
        role: Role,
        /// Where he has it.
        store: Option<StoreId>,
        /// The keys that he is not to manage any more; without any, the role is taken.
        keys: Vec<KeyId>,
    },
    /// He is kept out, or let in again.
    SetDisabled(bool),
}

/// A person while he is being changed.
struct Altered<'l> {
    ledger: &'l Ledger,
    person: Person,
    compares: Vec<Compare>,
    writes: Vec<Write>,
}

impl Engine {
    /// The person of this id, if there is one. Of persons all is in memory: nothing blocks.
    #[must_use]
    pub fn person(&self, id: PersonId) -> Option<Arc<Person>> {
        self.ledger.source.persons.by_id(id)
    }

    /// The person of this name, if there is one.
    #[must_use]
    pub fn person_by_name(&self, name: &Name) -> Option<Arc<Person>> {
        self.ledger.source.persons.by_name(name)
    }

    /// The person who has a certificate for this public key, if there is one.
    #[must_use]
    pub fn person_by_key(&self, key: &PublicKeyHash) -> Option<Arc<Person>> {
        self.ledger.source.persons.by_key(key)
    }

    /// All persons, in the order of their names.
    #[must_use]
    pub fn persons(&self) -> Vec<Arc<Person>> {
        self.ledger.source.persons.all()
    }

    /// Adds a person.
    ///
    /// # Errors
    /// [`Error::NameTaken`], [`Error::Person`], [`Error::Entropy`], [`Error::Conflict`], [`Error::Storage`]: nobody was added.
    pub fn add_person(&self, new: NewPerson) -> Result<Arc<Person>, Error> {
        let NewPerson { name, certificates } = new;
        let persons = &self.ledger.source.persons;
        let _changing = persons.changing.lock();
        if persons.by_name(&name).is_some() {
            return Err(Error::NameTaken(name));
        }
        if persons.count() >= PERSONS_MAX {
            return Err(PersonError::TooMany.into());
        }
        let id = PersonId::generate(&*self.ledger.random)?;
        let now_ms = self.ledger.clock.now_ms();
        let (certificates_to_add, certificates) = (certificates, Vec::new());
        let grants = Vec::new();
        let record =
            PersonRecord { id, name, created_ms: now_ms, changed_ms: now_ms, is_disabled: false, certificates, grants };
        let name_place = address::person_name(&record.name);
        let person = Person { record, revision: self.ledger.vault().storage().revision(), keys: Default::default() };
        let mut altered = Altered {
            ledger: &self.ledger,
            compares: vec![Compare::absent(address::person(id)), Compare::absent(name_place.clone())],
            writes: vec![self.vault().put(name_place, &Reference(id.0))],
            person,
        };
        for certificate in certificates_to_add {
            altered.add_certificate(certificate)?;
        }
        altered.commit()
    }

    /// Changes a person. When this returns, it is in force for every request that comes after it.
    ///
    /// # Errors
    /// [`Error::Person`], [`Error::Approval`] if nobody could approve changes any more where that is needed, [`Error::KeyStoreNotFound`], [`Error::KeyNotFound`] in the store of a grant, [`Error::Conflict`], [`Error::Storage`]: nothing was changed.
    pub fn change_person(&self, id: PersonId, change: PersonChange) -> Result<Arc<Person>, Error> {
        let _changing = self.ledger.source.persons.changing.lock();
        let mut altered = self.alter_person(id)?;
        let takes_away = matches!(
            change,
            PersonChange::RemoveCertificate(_) | PersonChange::Revoke { .. } | PersonChange::SetDisabled(true)
        );
        match change {
            PersonChange::AddCertificate(certificate) => altered.add_certificate(certificate)?,
            PersonChange::RemoveCertificate(key) => altered.remove_certificate(key)?,
            PersonChange::Grant { grant, keys } => self.grant(&mut altered, grant, &keys)?,
            PersonChange::Revoke { role, store, keys } => altered.revoke(role, store, &keys)?,
            PersonChange::SetDisabled(is_disabled) => altered.person.record.is_disabled = is_disabled,
        }
        if takes_away {
            self.keep_quorums(id, Some(&altered.person))?;
        }
        altered.commit()
    }

    /// Removes a person: nothing is known of him any more, and his name and certificates are free. Gives what he was.
    ///
    /// # Errors
    /// [`PersonError::NotFound`], [`Error::Approval`] if nobody could approve changes any more where that is needed, [`Error::Conflict`], [`Error::Storage`].
    pub fn remove_person(&self, id: PersonId) -> Result<Person, Error> {
        let _changing = self.ledger.source.persons.changing.lock();
        let Altered { person, compares, mut writes, .. } = self.alter_person(id)?;
        self.keep_quorums(id, None)?;
        let places = [address::person(id), address::person_name(&person.record.name)];
        let keys = person.record.certificates.iter().map(|certificate| address::person_key(&certificate.key));
        let assigned = person.keys.keys().map(|store| address::assigned_keys(id, *store));
        writes.extend(places.into_iter().chain(keys).chain(assigned).map(|address| Write::Delete { address }));
        self.ledger.commit(&compares, &writes)?;
        Ok(person)
    }

    /// Adds to a creation of keys that they are assigned to the key manager who creates them, who must still be one.
    pub(super) fn assign_created(
        &self,
        manager: PersonId,
        store: StoreId,
        keys: &[KeyId],
        compares: &mut Vec<Compare>,
        writes: &mut Vec<Write>,
    ) -> Result<(), Error> {
        let mut altered = self.alter_person(manager)?;
        altered.must_create_in(store)?;
        altered.assign(store, keys)?;
        compares.append(&mut altered.compares);
        writes.append(&mut altered.writes);
        Ok(())
    }

    /// Refuses a person to whom a key that is created now could not be assigned.
    ///
    /// # Errors
    /// [`Error::Person`], [`Error::Damaged`], [`Error::Storage`].
    pub(crate) fn must_take_key(&self, manager: PersonId, store: StoreId) -> Result<(), Error> {
        let mut altered = self.alter_person(manager)?;
        altered.must_create_in(store)?;
        // An id that no key has stands for the one to come.
        altered.assign(store, &[KeyId::generate(&*self.ledger.random)?])
    }

    fn alter_person(&self, id: PersonId) -> Result<Altered<'_>, Error> {
        let person = self.ledger.source.read_person(id)?.ok_or(PersonError::NotFound(id))?;
        self.ledger.check_expected(&person.record)?;
        let mut compares = vec![Compare::unchanged(address::person(id), person.revision)];
        let assigned = |(store, keys): (&StoreId, &AssignedKeys)| {
            Compare::unchanged(address::assigned_keys(id, *store), keys.revision)
        };
        compares.extend(person.keys.iter().map(assigned));
        Ok(Altered { ledger: &self.ledger, person, compares, writes: Vec::new() })
    }

    fn grant(&self, altered: &mut Altered<'_>, grant: Grant, keys: &[KeyId]) -> Result<(), Error> {
        grant.check()?;
        if !keys.is_empty() && grant.role != Role::KeyManager {
            return Err(PersonError::Grant("keys are assigned to key managers").into());
        }
        if let Some(store) = grant.store {
            self.describe_store(store)?;
            for key in keys {
                let record = self.describe_key(*key)?;
                if record.store != store || record.state == KeyState::Deleted {
                    return Err(Error::KeyNotFound(*key));
                }
            }
            if !keys.is_empty() {
                altered.assign(store, keys)?;
            }
        }
        altered.add_grant(grant)
    }
}

impl Altered<'_> {
    fn add_certificate(&mut self, certificate: PersonCertificate) -> Result<(), Error> {
        let key = certificate.key;
        let certificates = &mut self.person.record.certificates;
        let place = match certificates.binary_search_by_key(&key, |certificate| certificate.key) {
            // Another certificate for a key by which he is known already.
            Ok(known) => {
                certificates.splice(known..=known, [certificate]);
                return Ok(());
            }
            Err(place) => place,
        };
        if certificates.len() >= PERSON_CERTIFICATES_MAX {
            return Err(PersonError::TooManyCertificates.into());
        }
        if let Some(other) = self.ledger.source.persons.by_key(&key) {
            return Err(PersonError::CertificateTaken { key, by: other.record.name.clone() }.into());
        }
        certificates.insert(place, certificate);
        let index = address::person_key(&key);
        self.compares.push(Compare::absent(index.clone()));
        self.writes.push(self.ledger.vault().put(index, &Reference(self.person.record.id.0)));
        Ok(())
    }

    fn remove_certificate(&mut self, key: PublicKeyHash) -> Result<(), Error> {
        let certificates = &mut self.person.record.certificates;
        let known = certificates.iter().position(|certificate| certificate.key == key);
        certificates.remove(known.ok_or(PersonError::CertificateNotFound(key))?);
        self.writes.push(Write::Delete { address: address::person_key(&key) });
        Ok(())
    }

    fn add_grant(&mut self, grant: Grant) -> Result<(), Error> {
        let grants = &mut self.person.record.grants;
        match grants.binary_search_by_key(&(grant.role, grant.store), |grant| (grant.role, grant.store)) {
            Ok(known) => {
                for had in grants.iter_mut().skip(known).take(1) {
                    had.may_create |= grant.may_create;
                    had.may_export |= grant.may_export;
                }
            }
            Err(_) if grants.len() >= GRANTS_MAX => return Err(PersonError::TooManyGrants.into()),
            Err(place) => grants.insert(place, grant),
        }
        Ok(())
    }

    fn revoke(&mut self, role: Role, store: Option<StoreId>, keys: &[KeyId]) -> Result<(), Error> {
        let grants = &mut self.person.record.grants;
        let known = grants.iter().position(|grant| (grant.role, grant.store) == (role, store));
        let known = known.ok_or(PersonError::GrantNotFound)?;
        let assigned = store.filter(|_| role == Role::KeyManager);
        if keys.is_empty() {
            grants.remove(known);
            if let Some(store) = assigned {
                self.set_assigned(store, BTreeSet::new());
            }
            return Ok(());
        }
        let store = assigned.ok_or(PersonError::Grant("keys are taken from key managers"))?;
        let mut left: BTreeSet<_> = self.person.keys_in(store).collect();
        for key in keys {
            if !left.remove(key) {
                return Err(Error::KeyNotFound(*key));
            }
        }
        self.set_assigned(store, left);
        Ok(())
    }

    /// Refuses who is no key manager of the store, or may not create keys.
    fn must_create_in(&self, store: StoreId) -> Result<(), PersonError> {
        let grant = self.person.record.grant(Role::KeyManager, Some(store));
        let may_create = !self.person.record.is_disabled && grant.is_some_and(|grant| grant.may_create);
        if may_create { Ok(()) } else { Err(PersonError::MayNotCreate) }
    }

    /// Assigns keys of a store. If there is no room, those that are deleted make it.
    fn assign(&mut self, store: StoreId, keys: &[KeyId]) -> Result<(), Error> {
        let mut assigned: BTreeSet<_> = self.person.keys_in(store).collect();
        assigned.extend(keys);
        if assigned.len() > ASSIGNED_KEYS_MAX {
            let is_deleted = |key: &KeyId| match self.ledger.read_key(*key) {
                Ok((record, _)) => Ok(record.state == KeyState::Deleted),
                Err(Error::KeyNotFound(_)) => Ok(true),
                Err(error) => Err(error),
            };
            for key in assigned.clone() {
                if !keys.contains(&key) && is_deleted(&key)? {
                    assigned.remove(&key);
                }
            }
        }
        if assigned.len() > ASSIGNED_KEYS_MAX {
            return Err(PersonError::TooManyKeys.into());
        }
        self.set_assigned(store, assigned);
        Ok(())
    }

    fn set_assigned(&mut self, store: StoreId, keys: BTreeSet<KeyId>) {
        let address = address::assigned_keys(self.person.record.id, store);
        let before = self.person.keys.remove(&store);
        if before.is_none() {
            self.compares.push(Compare::absent(address.clone()));
        }
        if keys.is_empty() {
            self.writes.push(Write::Delete { address });
            return;
        }
        let revision = before.map_or(self.person.revision, |before| before.revision);
        self.writes.push(self.ledger.vault().put(address, &AssignedKeysRecord { keys: keys.clone() }));
        self.person.keys.insert(store, AssignedKeys { keys, revision });
    }

    /// Makes the change; gives the person as he is then, or, if it is only tried or made later, as he would be.
    fn commit(mut self) -> Result<Arc<Person>, Error> {
        let Self { ledger, person, compares, writes } = &mut self;
        let id = person.record.id;
        person.record.changed_ms = ledger.clock.now_ms();
        // Written even where nothing is new: whoever made it so may still be waiting, and what is said here must be in force.
        writes.push(ledger.vault().put(address::person(id), &person.record));
        ledger.commit(compares, writes)?;
        let in_force = ledger.source.persons.by_id(id).filter(|_| ledger.makes_at_once());
        Ok(in_force.unwrap_or_else(|| Arc::new(self.person)))
    }
}
