//! What the benchmarks share: keys, inputs, and how they are measured.
//!
//! A benchmark measures one stage of the daemon alone, without network and runtime; `claviger-loadtest` measures all of them together.
#![forbid(unsafe_code)]
#![expect(clippy::expect_used, reason = "a benchmark that cannot be set up has nothing to report but why")]

pub mod session;

use std::sync::Arc;
use std::time::Duration;

use claviger_algorithm::Algorithm;
use claviger_daemon::data_port::direct::DirectSession;
use claviger_engine::access::{NewAccess, NewPermit};
use claviger_engine::change::{NewKey, NewKeyStore};
use claviger_engine::clock::SystemClock;
use claviger_engine::crypto::random::SystemRandom;
use claviger_engine::hierarchy::{DevelopmentRootKey, SystemKeyFile};
use claviger_engine::key::id::KeyId;
use claviger_engine::key::material::{KeyMaterial, SecretBytes};
use claviger_engine::key::name::Name;
use claviger_engine::limits::CREATE_KEYS_MAX;
use claviger_engine::shred::{ShredClass, ShredTable};
use claviger_engine::storage::MemoryStorage;
use claviger_engine::{AccessData, AccessMethod, AccessMethods, Engine, EngineParts, Network};
use criterion::Criterion;

/// How long each benchmark is measured: long enough for a median to settle on a quiet machine, short enough to run all of them often.
#[must_use]
pub fn criterion() -> Criterion {
    Criterion::default().warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2))
}

/// `size` bytes that are the same in every run, and others for every `index`.
#[must_use]
pub fn input(index: usize, size: usize) -> Vec<u8> {
    let mut state = (index as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let next = || {
        // xorshift64 (Marsaglia 2003).
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_be_bytes()
    };
    let mut bytes: Vec<u8> = std::iter::repeat_with(next).take(size.div_ceil(8)).flatten().collect();
    bytes.truncate(size);
    bytes
}

/// Fresh material of one key.
///
/// # Panics
/// If the system gives no random bytes.
#[must_use]
pub fn material(algorithm: Algorithm) -> KeyMaterial {
    KeyMaterial::generate(algorithm, &SystemRandom::new()).expect("random bytes")
}

/// An engine on memory that holds `count` keys of XAES-256-GCM, all of them loaded.
///
/// # Panics
/// If the system gives no threads, files or random bytes.
#[must_use]
pub fn engine_with_keys(count: usize) -> (Arc<Engine>, Vec<KeyId>) {
    engine_with((0..count).map(|number| new_key(&format!("key-{number}"), Algorithm::Xaes256Gcm)).collect())
}

/// An engine on memory that holds these keys, all of them loaded.
///
/// # Panics
/// If the system gives no threads, files or random bytes.
#[must_use]
pub fn engine_with(mut keys: Vec<NewKey>) -> (Arc<Engine>, Vec<KeyId>) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let random = SystemRandom::new();
    let root_key = DevelopmentRootKey::create(folder.path().join("root-key"), &random).expect("a root key");
    let file = SystemKeyFile::at(folder.path().join("system-keys"));
    file.create(&root_key, &random, 0).expect("system keys");
    let system_keys = file.unlock(&root_key).expect("system keys");
    let mirrors = [1, 2].map(|number| folder.path().join(format!("shred-table-{number}")));
    ShredTable::create(&mirrors, system_keys.installation()).expect("mirrors");
    let shred_table = ShredTable::open(&mirrors, system_keys.installation(), ShredClass::File).expect("a shred table");
    let engine = Engine::start(EngineParts {
        storage: Arc::new(MemoryStorage::new()),
        system_keys,
        shred_table: Arc::new(shred_table),
        random: Arc::new(random),
        clock: Arc::new(SystemClock),
        cached_keys_max: keys.len() * 2,
        compute_threads: 1,
        audit: None,
    })
    .expect("an engine");
    let store = engine
        .create_store(NewKeyStore {
            name: name("store"),
            methods: AccessMethods::of(AccessMethod::Address),
            authority_certificate: Vec::new(),
            authority_private_key: SecretBytes::from(vec![0; 32]),
        })
        .expect("a key store");
    engine.add_access(store.id, who_is_let_in()).expect("who is let in");
    let mut ids = Vec::with_capacity(keys.len());
    while !keys.is_empty() {
        let some = keys.drain(..keys.len().min(CREATE_KEYS_MAX)).collect();
        ids.extend(engine.create_keys(store.id, some).expect("keys").iter().map(|record| record.id));
    }
    let (done, loaded) = std::sync::mpsc::channel();
    for &id in &ids {
        let done = done.clone();
        // Sent while the other end waits for it.
        engine.load(id, move |result| done.send(result).unwrap_or_default());
        loaded.recv().ok().and_then(Result::ok).expect("a key that was created is loaded");
    }
    (engine, ids)
}

/// A key to create, with material that the engine makes.
///
/// # Panics
/// If `key_name` is no name of a key.
#[must_use]
pub fn new_key(key_name: &str, algorithm: Algorithm) -> NewKey {
    NewKey::new(name(key_name), algorithm)
}

/// The client of a session without transport.
fn who_is_let_in() -> NewAccess {
    let data = AccessData::Network(Network::single(DirectSession::ADDRESS));
    NewAccess { data, description: String::new(), ends_ms: None, permit: NewPermit::default() }
}

fn name(text: &str) -> Name {
    Name::from_bytes(text.as_bytes()).expect("a name")
}

/// Items of one burst and of one frame, where a benchmark does not say otherwise.
pub const BURST: usize = 64;

/// The encryption context of every item: as long as a tenant's id.
pub const CONTEXT: &[u8] = b"benchmark-tenant";
