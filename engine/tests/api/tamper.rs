//! Storage is not trusted: what was altered or moved is found, and is never used.

use std::collections::BTreeSet;
use std::sync::Arc;

use claviger_algorithm::Algorithm;
use claviger_engine::crypto::random::SystemRandom;
use claviger_engine::key::id::KeyId;
use claviger_engine::key::state::KeyState;
use claviger_engine::list::KeyFilter;
use claviger_engine::storage::Address;
use claviger_engine::{Error, LoadError};

use crate::support::client::load;
use crate::support::installation::{create_store, new_key};
use crate::support::tamper::{all_records, delete, key_address, put, version_address};
use crate::support::{Client, Installation, Places, name, start};

on_every_storage! {
    // R-H1
    fn record_cut_short_or_made_longer_is_found(installation) {
        let id = installation.create("key", Algorithm::Xaes256Gcm);
        let scene = Scene::new(installation, id);
        for (address, good) in scene.records() {
            let sizes = [0, 1, 5, 6, 31, 32, 38, good.len() - 33, good.len() - 1];
            let mut wrong: Vec<_> = sizes.iter().map(|size| good[..*size].to_vec()).collect();
            wrong.push([&good[..], &[0]].concat());
            wrong.push([&[0], &good[..]].concat());
            wrong.push(vec![0xff; 100_000]);
            for bad in wrong {
                let what = format!("{address} of {} bytes", bad.len());
                scene.assert_found(&address, bad, &what);
            }
            put(&*installation.storage, &address, good);
        }
        scene.assert_intact();
    }

    // R-H1
    fn record_moved_to_the_place_of_another_is_found(installation) {
        let id = installation.create("key", Algorithm::Ed25519);
        let other = installation.create("other", Algorithm::Ed25519);
        for key in [id, other] {
            installation.engine.rotate(key).unwrap();
        }
        let other_store = create_store(&installation.engine, "another").unwrap();
        installation.engine.create_keys(other_store, vec![new_key("key", Algorithm::Ed25519)]).unwrap();
        let scene = Scene::new(installation, id);
        let everything = all_records(&*installation.storage);
        for (address, good) in scene.records() {
            // Every other record, those of the same type above all, in the place of this one.
            for (from, moved) in everything.iter().filter(|(from, _)| *from != address) {
                scene.assert_found(&address, moved.value.clone(), &format!("{from} moved to {address}"));
            }
            put(&*installation.storage, &address, good);
        }
        scene.assert_intact();
    }

    fn deleted_record_of_a_version_is_missed(installation) {
        let id = installation.create("key", Algorithm::Xaes256Gcm);
        installation.engine.rotate(id).unwrap();
        delete(&*installation.storage, &version_address(id, 1));
        assert_eq!(load(&installation.engine, id), Err(LoadError::Unavailable));
    }

    fn deleted_record_of_a_key_in_use_takes_it_out_of_use(installation) {
        let id = installation.create("key", Algorithm::Xaes256Gcm);
        let scene = Scene::new(installation, id);
        let mut client = Client::new(&installation.engine);
        client.with(id, |_| ());
        delete(&*installation.storage, &key_address(id));
        scene.wait_for_cache();
        assert_eq!(client.cached_state(id), None);
        assert_eq!(load(&installation.engine, id), Err(LoadError::NotFound));
        assert!(matches!(installation.engine.describe_key(id), Err(Error::KeyNotFound(_))));
    }

    // R-H1, R-H2
    fn storage_of_another_installation_is_refused(installation) {
        let others = Places::new();
        let started = start(Arc::clone(&installation.storage), &others, 10, Arc::new(SystemRandom::new()));
        let Err(error) = started else {
            panic!("started with the system keys of another installation");
        };
        assert!(matches!(error, Error::Damaged(_)), "{error}");
    }
}

// R-H1
#[test]
fn altered_record_is_found_whatever_byte_it_is() {
    let installation = Installation::in_memory();
    let id = installation.create("key", Algorithm::Ed25519);
    let scene = Scene::new(&installation, id);
    for (address, good) in scene.records() {
        // Each record is altered while the key is in use.
        scene.assert_intact();
        for at in 0..good.len() {
            // One bit of each byte: all of them would be eight times the work.
            let mut bad = good.clone();
            bad[at] ^= 1 << (at % 8);
            scene.assert_found(&address, bad, &format!("{address} with byte {at} altered"));
        }
        put(&*installation.storage, &address, good);
    }
    scene.assert_intact();
}

/// A key in use, and another one by which to tell that the cache has followed.
struct Scene<'a> {
    installation: &'a Installation,
    id: KeyId,
    beacon: KeyId,
}

impl<'a> Scene<'a> {
    fn new(installation: &'a Installation, id: KeyId) -> Self {
        Self { installation, id, beacon: installation.create("beacon", Algorithm::HmacSha256) }
    }

    /// The records of the key, of its name and of its store, each with its bytes. That of the store's name is left out: it is never read, it only keeps its place.
    fn records(&self) -> Vec<(Address, Vec<u8>)> {
        let (id, store) = (self.id.0, self.installation.store.0);
        let name_key = [b"n", &store[..], b"key"].concat();
        let records = all_records(&*self.installation.storage).into_iter().filter(|(address, _)| {
            let tag = address.key[0];
            let of_key = matches!(tag, b'k' | b'v') && address.key[1..17] == id;
            let of_store = matches!(tag, b's' | b'a') && address.key[1..17] == store;
            of_key || of_store || address.key == name_key
        });
        let records: Vec<_> = records.map(|(address, versioned)| (address, versioned.value)).collect();
        let tags: BTreeSet<_> = records.iter().map(|(address, _)| address.key[0]).collect();
        assert_eq!(tags.into_iter().collect::<Vec<_>>(), b"aknsv");
        records
    }

    /// Waits until every change so far has reached the cache.
    fn wait_for_cache(&self) {
        let state = match self.installation.engine.describe_key(self.beacon).unwrap().state {
            KeyState::Available => KeyState::Disabled,
            _ => KeyState::Available,
        };
        self.installation.engine.set_state(self.beacon, state).unwrap();
    }

    fn assert_intact(&self) {
        let Installation { engine, store, .. } = self.installation;
        assert_eq!(load(engine, self.id), Ok(()));
        assert_eq!(engine.find_key(*store, &name("key")).unwrap(), Some(self.id));
        assert_eq!(engine.describe_key(self.id).unwrap().id, self.id);
        assert_eq!(engine.describe_store(*store).unwrap().id, *store);
        assert!(engine.authority(*store).is_ok());
        self.wait_for_cache();
        assert!(engine.store_by_id(*store).unwrap().policy().methods.is_some());
    }

    /// Puts `bad` where the key, loaded before, has one of its records; everything that would read it says so.
    fn assert_found(&self, address: &Address, bad: Vec<u8>, what: &str) {
        let Installation { engine, store, storage, .. } = self.installation;
        put(&**storage, address, bad);
        self.wait_for_cache();
        let is_damaged = |result: Result<(), Error>| match result {
            Err(Error::Damaged(named)) => assert_eq!(named, address.to_string(), "{what}"),
            // The version of the system key is one of the bytes.
            Err(Error::SystemKeyMissing(_)) => {}
            Err(other) => panic!("{what}: {other}"),
            Ok(()) => panic!("{what}: used"),
        };
        match address.key[0] {
            b'k' => {
                self.assert_not_served(what);
                is_damaged(engine.describe_key(self.id).map(drop));
                self.assert_not_listed(what);
                is_damaged(engine.rotate(self.id).map(drop));
                is_damaged(engine.set_state(self.id, KeyState::Disabled).map(drop));
            }
            b'v' => self.assert_not_served(what),
            b'n' => {
                is_damaged(engine.find_key(*store, &name("key")).map(drop));
                self.assert_not_listed(what);
                is_damaged(self.installation.try_create("key", Algorithm::Ed25519).map(drop));
            }
            b's' => {
                is_damaged(engine.describe_store(*store).map(drop));
                is_damaged(self.installation.try_create("new", Algorithm::Ed25519).map(drop));
                self.assert_nobody_comes_in(what);
            }
            b'a' => {
                is_damaged(engine.authority(*store).map(drop));
                self.assert_nobody_comes_in(what);
            }
            tag => panic!("no record has the tag {tag}"),
        }
    }

    fn assert_not_served(&self, what: &str) {
        let mut client = Client::new(&self.installation.engine);
        assert_eq!(client.cached_state(self.id), None, "{what}");
        assert_eq!(load(&self.installation.engine, self.id), Err(LoadError::Unavailable), "{what}");
    }

    /// It hides no other key.
    fn assert_not_listed(&self, what: &str) {
        let Installation { engine, store, .. } = self.installation;
        let page = engine.list_keys(*store, &KeyFilter::default(), None, 10).unwrap();
        assert_eq!(page.unreadable, 1, "{what}");
        assert!(page.keys.iter().any(|key| key.id == self.beacon), "{what}");
        assert!(page.keys.iter().all(|key| key.id != self.id), "{what}");
    }

    fn assert_nobody_comes_in(&self, what: &str) {
        let slot = self.installation.engine.store_by_id(self.installation.store).unwrap();
        assert_eq!(slot.policy().methods, None, "{what}");
    }
}
