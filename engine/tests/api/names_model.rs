//! Random names, aliases and values of secrets, compared with a plain model of the rules.

use std::collections::BTreeMap;

use claviger_algorithm::Algorithm;
use claviger_engine::key::id::KeyId;
use claviger_engine::key::material::SecretBytes;
use claviger_engine::key::version::KeyVersion;
use claviger_engine::limits::DELETION_WAIT_DEFAULT;
use claviger_engine::{Error, KeyRecord};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::support::installation::{VALUE, name};
use crate::support::{Client, Installation};

/// One step. Names are a few, so that they meet; keys are chosen by a number, modulo how many there were ever.
#[derive(Clone, Copy, Debug)]
enum Step {
    Create(u8),
    CreateAlias(u8, usize),
    MoveAlias(u8, usize),
    DeleteAlias(u8),
    /// Updates a secret, if given on the condition that it is at a version.
    Update(usize, Option<u32>),
    Destroy(usize, u32),
    Delete(usize),
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let (name, key) = (0..NAMES, any::<usize>());
    prop_oneof![
        4 => name.clone().prop_map(Step::Create),
        5 => (name.clone(), key).prop_map(|(name, key)| Step::CreateAlias(name, key)),
        7 => (name.clone(), key).prop_map(|(name, key)| Step::MoveAlias(name, key)),
        2 => name.prop_map(Step::DeleteAlias),
        8 => (key, prop::option::weighted(0.3, 1..6_u32)).prop_map(|(key, expected)| Step::Update(key, expected)),
        2 => (key, 1..6_u32).prop_map(|(key, version)| Step::Destroy(key, version)),
        1 => key.prop_map(Step::Delete),
        1 => Just(Step::Restart),
    ]
}

/// What the rules say of a key, which is a secret.
struct ModelKey {
    id: KeyId,
    name: String,
    is_deleted: bool,
    /// The versions that are kept, by number; those that are destroyed have no value.
    versions: BTreeMap<u32, Option<Vec<u8>>>,
}

/// How often each outcome came, to show that the test is one.
#[derive(Clone, Copy, Debug, Default)]
struct Done {
    moved: u32,
    updated: u32,
    deleted: u32,
    refused: u32,
}

struct Scene {
    installation: Option<Installation>,
    keys: Vec<ModelKey>,
    /// The key that a name or alias stands for.
    names: BTreeMap<String, usize>,
}

// R-K2, R-K11, R-K14, R-K20, R-K21
#[test]
fn names_and_secrets_are_those_of_the_model_in_memory() {
    let done = run(60, Installation::in_memory);
    let all = [done.moved, done.updated, done.deleted, done.refused];
    assert!(all.iter().all(|count| *count > 20), "the steps proved too little: {done:?}");
}

// R-K2, R-K11, R-K14, R-K20, R-K21
#[test]
fn names_and_secrets_are_those_of_the_model_on_lmdb() {
    let done = run(6, Installation::on_lmdb);
    assert!(done.updated > 20 && done.moved > 5, "the steps proved too little: {done:?}");
}

fn run(cases: u32, installation: fn() -> Installation) -> Done {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &SEED));
    let done = std::cell::Cell::new(Done::default());
    let result = runner.run(&prop::collection::vec(step(), 1..120), |steps| {
        let mut scene = Scene { installation: Some(installation()), keys: Vec::new(), names: BTreeMap::new() };
        let mut so_far = done.get();
        for step in steps {
            scene.take(step, &mut so_far);
            scene.compare();
        }
        done.set(so_far);
        Ok(())
    });
    if let Err(failure) = result {
        panic!("seed {SEED:?}: {failure}");
    }
    done.get()
}

fn text(name: u8) -> String {
    format!("name-{name}")
}

impl Scene {
    fn installation(&self) -> &Installation {
        self.installation.as_ref().unwrap()
    }

    fn take(&mut self, step: Step, done: &mut Done) {
        let (is_done, is_allowed) = match step {
            Step::Create(at) => self.create(&text(at)),
            Step::CreateAlias(at, key) => self.create_alias(&text(at), key),
            Step::MoveAlias(at, key) => self.move_alias(&text(at), key, done),
            Step::DeleteAlias(at) => self.delete_alias(&text(at)),
            Step::Update(key, expected) => self.update(key, expected, done),
            Step::Destroy(key, version) => self.destroy(key, version),
            Step::Delete(key) => self.delete(key, done),
            Step::Restart => {
                let restarted = self.installation.take().unwrap().restarted(|_| ());
                self.installation = Some(restarted);
                (true, true)
            }
        };
        assert_eq!(is_done, is_allowed, "{step:?}");
        done.refused += u32::from(!is_allowed);
    }

    /// A key of those that there were ever, if there were any.
    fn at(&self, key: usize) -> Option<(usize, KeyId)> {
        let at = key.checked_rem(self.keys.len())?;
        Some((at, self.keys[at].id))
    }

    fn is_alias(&self, alias: &str) -> bool {
        self.names.get(alias).is_some_and(|at| self.keys[*at].name != alias)
    }

    fn create(&mut self, text: &str) -> (bool, bool) {
        let created = self.installation().try_create(text, Algorithm::Opaque);
        let is_free = !self.names.contains_key(text);
        let is_done = created.is_ok();
        if let Ok(record) = created {
            self.names.insert(text.to_owned(), self.keys.len());
            let versions = BTreeMap::from([(1, Some(VALUE.to_vec()))]);
            self.keys.push(ModelKey { id: record.id, name: text.to_owned(), is_deleted: false, versions });
        }
        (is_done, is_free)
    }

    fn create_alias(&mut self, text: &str, key: usize) -> (bool, bool) {
        let Some((at, id)) = self.at(key) else { return (true, true) };
        let Installation { engine, store, .. } = self.installation();
        let is_done = engine.create_alias(*store, &name(text), id).is_ok();
        let is_allowed = !self.names.contains_key(text) && !self.keys[at].is_deleted;
        if is_allowed {
            self.names.insert(text.to_owned(), at);
        }
        (is_done, is_allowed)
    }

    fn move_alias(&mut self, text: &str, key: usize, done: &mut Done) -> (bool, bool) {
        let Some((at, id)) = self.at(key) else { return (true, true) };
        let Installation { engine, store, .. } = self.installation();
        let is_done = engine.move_alias(None, *store, &name(text), id).is_ok();
        let is_allowed = self.is_alias(text) && !self.keys[at].is_deleted;
        if is_allowed {
            self.names.insert(text.to_owned(), at);
            done.moved += 1;
        }
        (is_done, is_allowed)
    }

    fn delete_alias(&mut self, text: &str) -> (bool, bool) {
        let Installation { engine, store, .. } = self.installation();
        let is_done = engine.delete_alias(None, *store, &name(text)).is_ok();
        let is_allowed = self.is_alias(text);
        if is_allowed {
            self.names.remove(text);
        }
        (is_done, is_allowed)
    }

    fn update(&mut self, key: usize, expected: Option<u32>, done: &mut Done) -> (bool, bool) {
        let Some((at, id)) = self.at(key) else { return (true, true) };
        let value = vec![0xa5; done.updated as usize % 50];
        let given = SecretBytes::from(value.clone());
        let updated = self.installation().engine.update_secret(id, given, expected.and_then(KeyVersion::new));
        let key = &mut self.keys[at];
        let current = *key.versions.last_key_value().unwrap().0;
        let is_allowed = !key.is_deleted && expected.is_none_or(|expected| expected == current);
        if is_allowed {
            key.versions.insert(current + 1, Some(value));
            if key.versions.len() > 10 {
                key.versions.pop_first();
            }
            done.updated += 1;
        }
        (updated.is_ok(), is_allowed)
    }

    fn destroy(&mut self, key: usize, version: u32) -> (bool, bool) {
        let Some((at, id)) = self.at(key) else { return (true, true) };
        let is_done = self.installation().engine.destroy_version(id, KeyVersion::new(version).unwrap()).is_ok();
        let key = &mut self.keys[at];
        let is_current = key.versions.last_key_value().is_some_and(|(current, _)| *current == version);
        let is_allowed = !key.is_deleted && !is_current && key.versions.contains_key(&version);
        if is_allowed {
            key.versions.insert(version, None);
        }
        (is_done, is_allowed)
    }

    fn delete(&mut self, key: usize, done: &mut Done) -> (bool, bool) {
        let Some((at, id)) = self.at(key) else { return (true, true) };
        let engine = &self.installation().engine;
        let is_done =
            engine.request_deletion(id, DELETION_WAIT_DEFAULT).and_then(|_| engine.delete_now(id, true)).is_ok();
        let is_allowed = !self.keys[at].is_deleted;
        if is_allowed {
            self.keys[at].is_deleted = true;
            self.names.retain(|_, named| *named != at);
            done.deleted += 1;
        }
        (is_done, is_allowed)
    }

    fn compare(&self) {
        let Installation { engine, store, .. } = self.installation();
        for number in 0..NAMES {
            let found = engine.key_by_name(*store, &name(&text(number))).unwrap().map(|record| record.id);
            assert_eq!(found, self.names.get(&text(number)).map(|at| self.keys[*at].id), "{number}");
        }
        let aliases = engine.list_aliases(*store, None, 100).unwrap().aliases;
        let listed: Vec<_> = aliases.iter().map(|(alias, key)| (alias.to_string(), key.id)).collect();
        let expected = self.names.iter().filter(|(text, _)| self.is_alias(text));
        assert_eq!(listed, expected.map(|(text, at)| (text.clone(), self.keys[*at].id)).collect::<Vec<_>>());
        let mut client = Client::new(engine);
        for (at, key) in self.keys.iter().enumerate() {
            let record = engine.describe_key(key.id).unwrap();
            let aliases = self.names.iter().filter(|(text, named)| **named == at && **text != key.name);
            assert_eq!(texts(&record), aliases.map(|(text, _)| text.clone()).collect::<Vec<_>>());
            let numbers: Vec<_> = record.versions.iter().map(|summary| summary.version.get()).collect();
            assert_eq!(numbers, key.versions.keys().copied().collect::<Vec<_>>());
            for (version, value) in &key.versions {
                let read = client.secret(key.id, *version);
                match value.as_ref().filter(|_| !key.is_deleted) {
                    Some(value) => assert_eq!(&read.unwrap(), value),
                    None => assert!(read.is_err()),
                }
            }
        }
    }
}

fn texts(record: &KeyRecord) -> Vec<String> {
    record.aliases.iter().map(ToString::to_string).collect()
}

impl Client {
    fn secret(&mut self, id: KeyId, version: u32) -> Result<Vec<u8>, Error> {
        let random = claviger_engine::crypto::random::SystemRandom::new();
        let mut scope = claviger_engine::ReadScope::new(&random);
        self.with(id, |key| key.secret(&mut scope, KeyVersion::new(version)).map(|read| read.value.to_vec()))
    }
}

const NAMES: u8 = 8;
const SEED: [u8; 32] = [0x6e; 32];
