//! Random sequences of changes and uses, compared with a plain model of what must come out.

use std::cell::RefCell;

use claviger_algorithm::{Algorithm, KeyKind};
use claviger_engine::key::id::KeyId;
use claviger_engine::key::state::KeyState;
use claviger_engine::key::version::KeyVersion;
use claviger_engine::operation::SignForm;
use claviger_engine::{Error, ItemError};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::support::{Client, Installation, calls, only};

/// One step. Keys and products are chosen by a number, modulo how many there are.
#[derive(Clone, Debug)]
enum Step {
    Create(Algorithm),
    Rotate(usize),
    SetState(usize, KeyState),
    /// Encrypts, signs or makes a MAC.
    Make {
        key: usize,
        input: u8,
    },
    /// Decrypts or verifies an earlier product, under the key that made it or another one, as it was or with a byte altered.
    Check {
        product: usize,
        key: Option<usize>,
        altered: Option<usize>,
        named: Option<u32>,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let algorithm = prop::sample::select(vec![
        Algorithm::Xaes256Gcm,
        Algorithm::HmacSha256,
        Algorithm::HmacSha512,
        Algorithm::Ed25519,
        Algorithm::MlDsa44,
    ]);
    let state = prop::sample::select(vec![KeyState::Available, KeyState::Available, KeyState::Disabled]);
    prop_oneof![
        1 => algorithm.prop_map(Step::Create),
        2 => any::<usize>().prop_map(Step::Rotate),
        2 => (any::<usize>(), state).prop_map(|(key, state)| Step::SetState(key, state)),
        4 => (any::<usize>(), any::<u8>()).prop_map(|(key, input)| Step::Make { key, input }),
        6 => (any::<usize>(), prop::option::weighted(0.3, any::<usize>()), prop::option::weighted(0.3, any::<usize>()), prop::option::weighted(0.3, 1..5_u32))
            .prop_map(|(product, key, altered, named)| Step::Check { product, key, altered, named }),
    ]
}

struct ModelKey {
    id: KeyId,
    algorithm: Algorithm,
    state: KeyState,
    versions: u32,
}

struct Product {
    key: usize,
    version: u32,
    input: u8,
    bytes: Vec<u8>,
}

/// A cache of two keys, so that keys come and go all the time.
struct Scene {
    installation: Installation,
    client: Client,
    keys: Vec<ModelKey>,
    products: Vec<Product>,
}

// R-K7, R-K9, R-K15
#[test]
fn engine_behaves_like_the_model() {
    let config = Config { cases: 32, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &SEED));
    let done = RefCell::new(Done::default());
    let result = runner.run(&prop::collection::vec(step(), 1..120), |steps| {
        let installation = Installation::with_capacity(2);
        let client = Client::new(&installation.engine);
        let mut scene = Scene { installation, client, keys: Vec::new(), products: Vec::new() };
        for step in steps {
            scene.take(&step, &mut done.borrow_mut());
        }
        Ok(())
    });
    if let Err(failure) = result {
        panic!("seed {SEED:?}: {failure}");
    }
    let done = done.into_inner();
    assert!(done.good > 100 && done.bad > 100 && done.refused > 50, "the steps proved too little: {done:?}");
}

/// How often each outcome came, to show that the test is one.
#[derive(Debug, Default)]
struct Done {
    good: u32,
    bad: u32,
    refused: u32,
}

impl Scene {
    fn take(&mut self, step: &Step, done: &mut Done) {
        match *step {
            Step::Create(algorithm) => {
                let record = self.installation.try_create(&format!("key-{}", self.keys.len()), algorithm).unwrap();
                self.keys.push(ModelKey { id: record.id, algorithm, state: KeyState::Available, versions: 1 });
            }
            Step::Rotate(key) => {
                let Some(key) = pick_mut(&mut self.keys, key) else { return };
                key.versions += 1;
                let record = self.installation.engine.rotate(key.id).unwrap();
                assert_eq!((record.current().unwrap().get(), record.state), (key.versions, key.state));
            }
            Step::SetState(key, state) => {
                let Some(key) = pick_mut(&mut self.keys, key) else { return };
                key.state = state;
                assert_eq!(self.installation.engine.set_state(key.id, state).unwrap().state, state);
            }
            Step::Make { key, input } => self.make(key, input, done),
            Step::Check { product, key, altered, named } => self.check(product, key, altered, named, done),
        }
    }

    fn make(&mut self, at: usize, input: u8, done: &mut Done) {
        let Some(at) = at.checked_rem(self.keys.len()) else { return };
        let key = &self.keys[at];
        let made = self.client.with(key.id, |entry| match key.algorithm.row().kind {
            KeyKind::Symmetric => calls::encrypt(entry, &[(b"context", &[input])]),
            KeyKind::Mac => calls::make_mac(entry, &[&[input]]),
            _ => calls::sign(entry, SignForm::Message, &[&[input]]),
        });
        if key.state == KeyState::Disabled {
            assert!(matches!(made, Err(Error::KeyNotUsable { id, .. }) if id == key.id));
            done.refused += 1;
            return;
        }
        let made = only(made.unwrap()).unwrap();
        let (version, bytes) = match key.algorithm.row().kind {
            KeyKind::Symmetric => (calls::version_of(&made), made),
            _ => (calls::split_version(&made).0, calls::split_version(&made).1.to_vec()),
        };
        assert_eq!(version, key.versions);
        self.products.push(Product { key: at, version, input, bytes });
    }

    fn check(
        &mut self,
        product: usize,
        key: Option<usize>,
        altered: Option<usize>,
        named: Option<u32>,
        done: &mut Done,
    ) {
        let Some(product) = product.checked_rem(self.products.len()).map(|at| &self.products[at]) else { return };
        let of = self.keys[product.key].algorithm;
        // Another key of the same algorithm; which may be the same one again.
        let others: Vec<_> = (0..self.keys.len()).filter(|at| self.keys[*at].algorithm == of).collect();
        let at = key.map_or(product.key, |key| others[key % others.len()]);
        let key = &self.keys[at];
        let mut bytes = product.bytes.clone();
        if let Some(altered) = altered {
            let at = altered % bytes.len();
            bytes[at] ^= 1;
        }
        let version = named.and_then(KeyVersion::new);
        let checked = self.client.with(key.id, |entry| match of.row().kind {
            KeyKind::Symmetric => calls::decrypt(entry, &[(b"context", &bytes)]),
            KeyKind::Mac => calls::verify_mac(entry, version, &[(&[product.input], &bytes)]),
            _ => calls::verify(entry, version, SignForm::Message, &[(&[product.input], &bytes)]),
        });
        let is_symmetric = of.row().kind == KeyKind::Symmetric;
        let named = if is_symmetric { None } else { named };
        let is_genuine = at == product.key && altered.is_none() && named.is_none_or(|named| named == product.version);
        if key.state == KeyState::Disabled {
            assert!(matches!(checked, Err(Error::KeyNotUsable { id, .. }) if id == key.id));
            done.refused += 1;
            return;
        }
        if named.is_some_and(|named| named > key.versions) {
            assert!(matches!(checked, Err(Error::KeyVersionNotFound { .. })));
            return;
        }
        let expected = match (is_symmetric, is_genuine) {
            (true, true) => Ok(vec![product.input]),
            (true, false) => Err(ItemError::DecryptionFailed),
            (false, true) => Ok(product.version.to_be_bytes().to_vec()),
            (false, false) => Err(ItemError::VerificationFailed),
        };
        if expected.is_ok() {
            done.good += 1
        } else {
            done.bad += 1
        }
        assert_eq!(only(checked.unwrap()), expected);
    }
}

fn pick_mut(keys: &mut [ModelKey], number: usize) -> Option<&mut ModelKey> {
    let at = number.checked_rem(keys.len())?;
    keys.get_mut(at)
}

const SEED: [u8; 32] = [0x4b; 32];
