//! Creating key stores and keys, and reading what they are.

use claviger_algorithm::Algorithm;
use claviger_engine::key::id::{KeyId, StoreId};
use claviger_engine::key::state::{KeyState, VersionState};
use claviger_engine::key::version::KeyVersion;
use claviger_engine::limits::{CREATE_KEYS_MAX, SECRET_SIZE_MAX};
use claviger_engine::list::KeyFilter;
use claviger_engine::{AccessMethods, Error};

use crate::support::installation::{create_store, new_key, new_secret};
use crate::support::{Client, name};

on_every_storage! {
    // R-A1
    fn created_store_is_found_by_id_and_by_name(installation) {
        let engine = &installation.engine;
        let record = engine.describe_store(installation.store).unwrap();
        assert_eq!((record.name, record.methods), (name("store"), AccessMethods::CLIENT_CERTIFICATE));
        assert_eq!(engine.store_by_name(&name("store")).unwrap().id(), installation.store);
        let slot = engine.store_by_id(installation.store).unwrap();
        assert_eq!(slot.policy().methods, Some(AccessMethods::CLIENT_CERTIFICATE));
        assert_eq!(*slot.policy().authority, *b"certificate");
        let authority = engine.authority(installation.store).unwrap();
        assert_eq!((&authority.certificate[..], authority.private_key.len()), (&b"certificate"[..], 11));
        let other = create_store(engine, "another").unwrap();
        assert_eq!(engine.stores().iter().map(|slot| slot.id()).collect::<Vec<_>>(), [other, installation.store]);
    }

    fn store_that_is_not_there_is_not_found(installation) {
        let (engine, missing) = (&installation.engine, StoreId([7; 16]));
        assert!(matches!(engine.describe_store(missing), Err(Error::KeyStoreNotFound(id)) if id == missing));
        assert!(matches!(engine.authority(missing), Err(Error::KeyStoreNotFound(id)) if id == missing));
        let refused = engine.create_keys(missing, vec![new_key("k", Algorithm::Ed25519)]);
        assert!(matches!(refused, Err(Error::KeyStoreNotFound(id)) if id == missing));
        assert!(engine.store_by_id(missing).is_none());
        assert!(engine.store_by_name(&name("stor")).is_none());
    }

    fn refuses_a_store_name_that_is_taken(installation) {
        let refused = create_store(&installation.engine, "store");
        assert!(matches!(refused, Err(Error::NameTaken(taken)) if taken == name("store")));
        assert_eq!(installation.engine.stores().len(), 1);
    }

    // R-K1, R-K7
    fn created_keys_of_each_kind_are_available_at_once(installation) {
        let algorithms =
            [Algorithm::Opaque, Algorithm::Xaes256Gcm, Algorithm::HmacSha256, Algorithm::EcdsaP256Sha256];
        let new = algorithms.map(|algorithm| new_key(algorithm.row().name, algorithm));
        let records = installation.engine.create_keys(installation.store, new.into()).unwrap();
        let mut client = Client::new(&installation.engine);
        for (record, algorithm) in records.iter().zip(algorithms) {
            assert_eq!((record.algorithm, record.state), (algorithm, KeyState::Available));
            assert_eq!((record.store, record.name.as_str()), (installation.store, algorithm.row().name));
            let [version] = <[_; 1]>::try_from(record.versions.clone()).unwrap();
            assert_eq!((version.version, version.state), (KeyVersion::FIRST, VersionState::Current));
            assert_eq!(&installation.engine.describe_key(record.id).unwrap(), record);
            let found = installation.engine.find_key(installation.store, &record.name).unwrap();
            assert_eq!(found, Some(record.id));
            let cached = client.with(record.id, |key| (key.id(), key.algorithm(), key.state(), key.store().id()));
            assert_eq!(cached, (record.id, algorithm, KeyState::Available, installation.store));
        }
    }

    fn key_that_is_not_there_is_not_found(installation) {
        let (engine, missing) = (&installation.engine, KeyId([7; 16]));
        assert!(matches!(engine.describe_key(missing), Err(Error::KeyNotFound(id)) if id == missing));
        assert!(matches!(engine.rotate(missing), Err(Error::KeyNotFound(id)) if id == missing));
        for state in [KeyState::Available, KeyState::Disabled] {
            assert!(matches!(engine.set_state(missing, state), Err(Error::KeyNotFound(id)) if id == missing));
        }
        assert_eq!(engine.find_key(installation.store, &name("missing")).unwrap(), None);
    }

    fn key_names_are_unique_in_their_store_only(installation) {
        let first = installation.create("name", Algorithm::Ed25519);
        let refused = installation.try_create("name", Algorithm::HmacSha256);
        assert!(matches!(refused, Err(Error::NameTaken(taken)) if taken == name("name")));
        let other_store = create_store(&installation.engine, "another").unwrap();
        let created = installation.engine.create_keys(other_store, vec![new_key("name", Algorithm::Ed25519)]);
        let second = created.unwrap()[0].id;
        assert_ne!(first, second);
        assert_eq!(installation.engine.find_key(installation.store, &name("name")).unwrap(), Some(first));
        assert_eq!(installation.engine.find_key(other_store, &name("name")).unwrap(), Some(second));
    }

    fn many_keys_are_created_at_once_or_none_of_them(installation) {
        let engine = &installation.engine;
        let many = |prefix: &str| -> Vec<_> {
            (0..CREATE_KEYS_MAX).map(|n| new_key(&format!("{prefix}{n:04}"), Algorithm::Xaes256Gcm)).collect()
        };
        assert_eq!(engine.create_keys(installation.store, many("a")).unwrap().len(), CREATE_KEYS_MAX);

        let mut one_taken = many("b");
        one_taken[CREATE_KEYS_MAX - 1].name = name("a0500");
        let refused = engine.create_keys(installation.store, one_taken);
        assert!(matches!(refused, Err(Error::NameTaken(taken)) if taken == name("a0500")));

        let mut one_twice = many("b");
        one_twice[7].name = name("b0005");
        let refused = engine.create_keys(installation.store, one_twice);
        assert!(matches!(refused, Err(Error::NameTaken(taken)) if taken == name("b0005")));

        let mut one_without_value = many("b");
        one_without_value[CREATE_KEYS_MAX - 1].algorithm = Algorithm::Opaque;
        assert!(matches!(engine.create_keys(installation.store, one_without_value), Err(Error::ValueMismatch)));

        assert_eq!(engine.find_key(installation.store, &name("b0000")).unwrap(), None);
        let keys = engine.list_keys(installation.store, &KeyFilter::default(), None, usize::MAX).unwrap().keys;
        assert!(keys.len() == CREATE_KEYS_MAX && keys.iter().all(|key| key.name.as_str().starts_with('a')));
    }

    fn refuses_no_keys_and_too_many(installation) {
        for count in [0, CREATE_KEYS_MAX + 1] {
            let new = (0..count).map(|n| new_key(&format!("k{n}"), Algorithm::HmacSha256)).collect();
            assert!(matches!(installation.engine.create_keys(installation.store, new), Err(Error::KeyCount)));
        }
        assert_eq!(installation.engine.list_keys(installation.store, &KeyFilter::default(), None, 10).unwrap().keys, []);
    }

    // R-K2
    fn refuses_values_where_none_belongs_and_none_where_one_does(installation) {
        let (engine, store) = (&installation.engine, installation.store);
        for algorithm in Algorithm::ALL.iter().copied() {
            let mut new = new_secret("k", b"value".to_vec());
            new.algorithm = algorithm;
            if algorithm == Algorithm::Opaque {
                new.value = None;
            }
            assert!(matches!(engine.create_keys(store, vec![new]), Err(Error::ValueMismatch)), "{algorithm}");
        }
        let too_large = new_secret("k", vec![1; SECRET_SIZE_MAX + 1]);
        assert!(matches!(engine.create_keys(store, vec![too_large]), Err(Error::SecretTooLarge)));
        assert_eq!(engine.find_key(store, &name("k")).unwrap(), None);
    }

    fn keys_are_listed_by_name_page_by_page(installation) {
        let mut names: Vec<_> = (0..25).map(|n| format!("key-{}", (n * 7) % 25)).collect();
        let new = names.iter().map(|text| new_key(text, Algorithm::HmacSha256)).collect();
        installation.engine.create_keys(installation.store, new).unwrap();
        let other_store = create_store(&installation.engine, "another").unwrap();
        installation.engine.create_keys(other_store, vec![new_key("key-1", Algorithm::HmacSha256)]).unwrap();
        names.sort();

        let mut listed = Vec::new();
        loop {
            let after = listed.last().map(|text: &String| name(text));
            let page = installation.engine.list_keys(installation.store, &KeyFilter::default(), after.as_ref(), 10).unwrap().keys;
            if page.is_empty() {
                break;
            }
            assert!(page.len() <= 10);
            listed.extend(page.iter().map(|record| record.name.to_string()));
        }
        assert_eq!(listed, names);
        assert_eq!(installation.engine.list_keys(installation.store, &KeyFilter::default(), None, 0).unwrap().keys, []);
    }
}
