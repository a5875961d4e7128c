//! Persons: who is known, and what he is let do.

use std::sync::Arc;

use claviger_algorithm::Algorithm;
use claviger_engine::change::{NewKey, NewPerson, PersonChange};
use claviger_engine::key::id::{KeyId, StoreId};
use claviger_engine::limits::{
    ASSIGNED_KEYS_MAX, DELETION_WAIT_DEFAULT, GRANTS_MAX, PERSON_CERTIFICATES_MAX, PERSONS_MAX,
};
use claviger_engine::person::{Grant, Person, PersonError, PersonId, PublicKeyHash, Role};
use claviger_engine::storage::{Address, Database, Write};
use claviger_engine::{Engine, Error, PersonCertificate};

use crate::support::installation::{Installation, create_store, new_key};

fn certificate(key: u8) -> PersonCertificate {
    PersonCertificate { key: PublicKeyHash([key; 32]), common_name: format!("certificate {key}"), ends_ms: 1 }
}

fn add(engine: &Engine, name: &str, keys: &[u8]) -> Result<Arc<Person>, Error> {
    let certificates = keys.iter().map(|key| certificate(*key)).collect();
    engine.add_person(NewPerson { name: name.parse().unwrap(), certificates })
}

fn grant(role: Role, store: Option<StoreId>) -> PersonChange {
    PersonChange::Grant { grant: Grant::new(role, store), keys: Vec::new() }
}

fn creating(store: StoreId) -> PersonChange {
    let grant = Grant { may_create: true, ..Grant::new(Role::KeyManager, Some(store)) };
    PersonChange::Grant { grant, keys: Vec::new() }
}

fn assign(store: StoreId, keys: &[KeyId]) -> PersonChange {
    PersonChange::Grant { grant: Grant::new(Role::KeyManager, Some(store)), keys: keys.to_vec() }
}

fn revoke(role: Role, store: Option<StoreId>, keys: &[KeyId]) -> PersonChange {
    PersonChange::Revoke { role, store, keys: keys.to_vec() }
}

fn why(result: Result<impl Sized, Error>) -> PersonError {
    match result {
        Err(Error::Person(error)) => error,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("was done"),
    }
}

on_every_storage! {
    // R-A8
    fn a_person_is_known_by_id_name_and_each_of_his_public_keys(installation) {
        let engine = &installation.engine;
        let ada = add(engine, "ada", &[1, 2]).unwrap();
        let id = ada.record.id;
        assert_eq!(engine.person(id), Some(Arc::clone(&ada)));
        assert_eq!(engine.person_by_name(&"ada".parse().unwrap()), Some(Arc::clone(&ada)));
        for key in [1, 2] {
            assert_eq!(engine.person_by_key(&PublicKeyHash([key; 32])), Some(Arc::clone(&ada)));
        }
        assert_eq!(engine.person_by_key(&PublicKeyHash([3; 32])), None);
        assert!(ada.record.grants.is_empty() && !ada.record.is_disabled);
        let changed = engine.change_person(id, PersonChange::AddCertificate(certificate(3))).unwrap();
        assert_eq!(changed.record.certificates.len(), 3);
        let changed = engine.change_person(id, PersonChange::RemoveCertificate(PublicKeyHash([1; 32]))).unwrap();
        assert_eq!(changed.record.certificates.len(), 2);
        assert_eq!(engine.person_by_key(&PublicKeyHash([1; 32])), None);
        assert_eq!(engine.person_by_key(&PublicKeyHash([3; 32])), Some(changed));
    }

    // R-A8
    fn a_name_or_public_key_that_is_somebody_elses_is_refused_and_free_when_he_is_removed(installation) {
        let engine = &installation.engine;
        let ada = add(engine, "ada", &[1]).unwrap();
        let bob = add(engine, "bob", &[2]).unwrap().record.id;
        assert!(matches!(add(engine, "ada", &[3]), Err(Error::NameTaken(_))));
        for taken in [why(add(engine, "carl", &[3, 1])), why(engine.change_person(bob, PersonChange::AddCertificate(certificate(1))))] {
            assert!(matches!(taken, PersonError::CertificateTaken { .. }), "{taken}");
        }
        assert_eq!(engine.persons().len(), 2);
        assert_eq!(engine.remove_person(ada.record.id).unwrap().record, ada.record);
        assert_eq!(engine.person_by_key(&PublicKeyHash([1; 32])), None);
        assert_eq!(why(engine.change_person(ada.record.id, PersonChange::SetDisabled(true))), PersonError::NotFound(ada.record.id));
        assert_eq!(why(engine.remove_person(ada.record.id)), PersonError::NotFound(ada.record.id));
        assert_ne!(add(engine, "ada", &[1]).unwrap().record.id, ada.record.id);
    }

    // R-A8
    fn roles_are_granted_once_each_and_revoked_with_what_goes_beside_them(installation) {
        let (engine, store) = (&installation.engine, installation.store);
        let id = add(engine, "ada", &[1]).unwrap().record.id;
        engine.change_person(id, grant(Role::Auditor, None)).unwrap();
        engine.change_person(id, grant(Role::KeyManager, Some(store))).unwrap();
        let both = engine.change_person(id, creating(store)).unwrap();
        assert_eq!(both.record.grants.len(), 2);
        assert!(both.has(Role::Auditor, None) && !both.has(Role::Auditor, Some(store)));
        // What is granted once more takes nothing away.
        let again = engine.change_person(id, grant(Role::KeyManager, Some(store))).unwrap();
        assert!(again.record.grant(Role::KeyManager, Some(store)).unwrap().may_create);
        assert_eq!(why(engine.change_person(id, revoke(Role::Approver, Some(store), &[]))), PersonError::GrantNotFound);
        assert_eq!(why(engine.change_person(id, revoke(Role::Auditor, Some(store), &[]))), PersonError::GrantNotFound);
        let left = engine.change_person(id, revoke(Role::KeyManager, Some(store), &[])).unwrap();
        assert_eq!(left.record.grants, [Grant::new(Role::Auditor, None)]);
        let anew = engine.change_person(id, grant(Role::KeyManager, Some(store))).unwrap();
        assert!(!anew.record.grant(Role::KeyManager, Some(store)).unwrap().may_create);
    }

    // R-A8
    fn grants_that_lead_nowhere_are_refused(installation) {
        let (engine, store) = (&installation.engine, installation.store);
        let id = add(engine, "ada", &[1]).unwrap().record.id;
        let nowhere = Some(StoreId([9; 16]));
        assert!(matches!(engine.change_person(id, grant(Role::Auditor, nowhere)), Err(Error::KeyStoreNotFound(_))));
        for bad in [grant(Role::SystemAdministrator, Some(store)), grant(Role::KeyManager, None), revoke(Role::Auditor, None, &[KeyId([1; 16])])] {
            assert!(matches!(why(engine.change_person(id, bad)), PersonError::Grant(_) | PersonError::GrantNotFound));
        }
        let elsewhere = create_store(engine, "elsewhere").unwrap();
        let foreign = engine.create_keys(elsewhere, vec![new_key("key", Algorithm::Ed25519)]).unwrap()[0].id;
        for key in [KeyId([1; 16]), foreign] {
            assert!(matches!(engine.change_person(id, assign(store, &[key])), Err(Error::KeyNotFound(_))));
        }
        let auditing = PersonChange::Grant { grant: Grant::new(Role::Auditor, Some(store)), keys: vec![foreign] };
        assert!(matches!(why(engine.change_person(id, auditing)), PersonError::Grant(_)));
        assert!(engine.person(id).unwrap().record.grants.is_empty());
    }

    // R-A8
    fn keys_are_assigned_to_a_key_manager_one_by_one_and_taken_from_him(installation) {
        let (engine, store) = (&installation.engine, installation.store);
        let [one, other] = ["one", "other"].map(|name| installation.create(name, Algorithm::HmacSha256));
        let id = add(engine, "ada", &[1]).unwrap().record.id;
        let ada = engine.change_person(id, assign(store, &[one])).unwrap();
        assert!(ada.manages(store, one) && !ada.manages(store, other) && ada.has(Role::KeyManager, Some(store)));
        let ada = engine.change_person(id, assign(store, &[other])).unwrap();
        assert!(ada.manages(store, one) && ada.manages(store, other));
        let ada = engine.change_person(id, revoke(Role::KeyManager, Some(store), &[one])).unwrap();
        assert!(!ada.manages(store, one) && ada.manages(store, other) && ada.has(Role::KeyManager, Some(store)));
        assert!(matches!(engine.change_person(id, revoke(Role::KeyManager, Some(store), &[one])), Err(Error::KeyNotFound(_))));
        let ada = engine.change_person(id, revoke(Role::KeyManager, Some(store), &[])).unwrap();
        assert!(!ada.manages(store, other) && ada.record.grants.is_empty());
        let ada = engine.change_person(id, grant(Role::KeyManager, Some(store))).unwrap();
        assert!(!ada.manages(store, other), "granted anew, without the keys of before");
    }

    // R-A8
    fn who_may_create_is_assigned_what_he_created_and_others_create_nothing(installation) {
        let (engine, store) = (&installation.engine, installation.store);
        let id = add(engine, "ada", &[1]).unwrap().record.id;
        let new = |name: &str| vec![new_key(name, Algorithm::HmacSha256)];
        for before in [None, Some(grant(Role::KeyManager, Some(store))), Some(grant(Role::StoreAdministrator, Some(store)))] {
            before.into_iter().for_each(|change| drop(engine.change_person(id, change).unwrap()));
            assert_eq!(why(engine.create_keys_by(store, new("refused"), id)), PersonError::MayNotCreate);
        }
        engine.change_person(id, creating(store)).unwrap();
        let key = engine.create_keys_by(store, new("made"), id).unwrap()[0].id;
        assert!(engine.person(id).unwrap().manages(store, key));
        let key = engine.create_keys_by(store, new("another"), id).unwrap()[0].id;
        assert_eq!(engine.person(id).unwrap().keys_in(store).count(), 2);
        engine.change_person(id, PersonChange::SetDisabled(true)).unwrap();
        assert_eq!(why(engine.create_keys_by(store, new("refused"), id)), PersonError::MayNotCreate);
        engine.remove_person(id).unwrap();
        assert_eq!(why(engine.create_keys_by(store, new("refused"), id)), PersonError::NotFound(id));
        assert!(engine.find_key(store, &"refused".parse().unwrap()).unwrap().is_none());
        assert!(engine.describe_key(key).is_ok());
    }
}

// R-A8
#[test]
fn persons_are_the_same_after_a_restart() {
    for installation in [Installation::in_memory(), Installation::on_lmdb()] {
        let store = installation.store;
        let key = installation.create("key", Algorithm::HmacSha256);
        let id = add(&installation.engine, "ada", &[1, 2]).unwrap().record.id;
        installation.engine.change_person(id, assign(store, &[key])).unwrap();
        let gone = add(&installation.engine, "bob", &[3]).unwrap().record.id;
        installation.engine.remove_person(gone).unwrap();
        let before = installation.engine.persons();
        let installation = installation.restarted(|_| ());
        assert_eq!(installation.engine.persons(), before);
        assert!(installation.engine.person_by_key(&PublicKeyHash([2; 32])).unwrap().manages(store, key));
    }
}

// R-A8
#[test]
fn a_person_whose_records_were_altered_is_nobody() {
    let installation = Installation::in_memory();
    let engine = &installation.engine;
    let id = add(engine, "ada", &[1]).unwrap().record.id;
    engine.change_person(id, creating(installation.store)).unwrap();
    engine.create_keys_by(installation.store, vec![new_key("key", Algorithm::HmacSha256)], id).unwrap();
    let persons = Address::new(Database::Authentication, "P");
    for (address, found) in installation.storage.scan(&persons, None, 10).unwrap() {
        let mut altered = found.value.clone();
        *altered.last_mut().unwrap() ^= 1;
        let put = |value| Write::Put { address: address.clone(), value };
        installation.storage.transact(&[], &[put(altered)]).unwrap();
        // Another change waits until this one was followed.
        installation.create(&format!("key{}", address.key.len()), Algorithm::HmacSha256);
        assert_eq!(engine.person_by_key(&PublicKeyHash([1; 32])), None);
        assert!(matches!(engine.change_person(id, PersonChange::SetDisabled(false)), Err(Error::Damaged(_))));
        installation.storage.transact(&[], &[put(found.value)]).unwrap();
        installation.create(&format!("again{}", address.key.len()), Algorithm::HmacSha256);
        assert!(engine.person_by_key(&PublicKeyHash([1; 32])).is_some());
    }
}

// R-A8
#[test]
fn certificates_grants_and_persons_are_bounded() {
    let installation = Installation::in_memory();
    let engine = &installation.engine;
    let id = add(engine, "ada", &(1..=8).collect::<Vec<_>>()).unwrap().record.id;
    assert_eq!(engine.person(id).unwrap().record.certificates.len(), PERSON_CERTIFICATES_MAX);
    let ninth = engine.change_person(id, PersonChange::AddCertificate(certificate(9)));
    assert_eq!(why(ninth), PersonError::TooManyCertificates);
    // Another certificate for a key that is known takes no room.
    engine.change_person(id, PersonChange::AddCertificate(certificate(8))).unwrap();
    let stores: Vec<_> =
        (0..GRANTS_MAX).map(|number| create_store(engine, &format!("store{number}")).unwrap()).collect();
    for store in &stores {
        engine.change_person(id, grant(Role::Approver, Some(*store))).unwrap();
    }
    assert_eq!(why(engine.change_person(id, grant(Role::Auditor, None))), PersonError::TooManyGrants);
    for number in engine.persons().len()..PERSONS_MAX {
        add(engine, &format!("person{number}"), &[]).unwrap();
    }
    assert_eq!(why(add(engine, "one-too-many", &[])), PersonError::TooMany);
    engine.remove_person(id).unwrap();
    add(engine, "one-too-many", &[1]).unwrap();
}

// R-A8
#[test]
fn deleted_keys_make_room_for_new_ones() {
    let installation = Installation::in_memory();
    let (engine, store) = (&installation.engine, installation.store);
    let id = add(engine, "ada", &[1]).unwrap().record.id;
    engine.change_person(id, creating(store)).unwrap();
    let new = |count: usize, name: &str| -> Vec<NewKey> {
        (0..count).map(|number| new_key(&format!("{name}{number}"), Algorithm::HmacSha256)).collect()
    };
    let keys = engine.create_keys_by(store, new(ASSIGNED_KEYS_MAX, "key"), id).unwrap();
    assert_eq!(why(engine.create_keys_by(store, new(1, "more"), id)), PersonError::TooManyKeys);
    let deleted = keys[7].id;
    engine.request_deletion(deleted, DELETION_WAIT_DEFAULT).unwrap();
    engine.delete_now(deleted, false).unwrap();
    let made = engine.create_keys_by(store, new(1, "more"), id).unwrap()[0].id;
    let ada = engine.person(id).unwrap();
    assert!(ada.manages(store, made) && !ada.manages(store, deleted));
    assert_eq!(ada.keys_in(store).count(), ASSIGNED_KEYS_MAX);
}

// R-A8
#[test]
fn what_one_person_creates_at_once_is_no_conflict() {
    let installation = Installation::in_memory();
    let (engine, store) = (&installation.engine, installation.store);
    let id: PersonId = add(engine, "ada", &[1]).unwrap().record.id;
    engine.change_person(id, creating(store)).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            scope.spawn(move || {
                for number in 0..8 {
                    let new = vec![new_key(&format!("key{thread}.{number}"), Algorithm::HmacSha256)];
                    engine.create_keys_by(store, new, id).unwrap();
                }
            });
        }
    });
    assert_eq!(engine.person(id).unwrap().keys_in(store).count(), 32);
}
