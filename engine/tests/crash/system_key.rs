//! Rotation of the system key and of the root key, in processes that are killed: before and after each transaction of storage, and before and after each call of the
//! custodian of the root key.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};

use claviger_algorithm::Algorithm;
use claviger_engine::change::{NewKey, NewKeyStore};
use claviger_engine::clock::SystemClock;
use claviger_engine::crypto::random::{Random, SystemRandom};
use claviger_engine::crypto::wrap::WrapContext;
use claviger_engine::hierarchy::{
    CustodyClass, DevelopmentRootKey, HierarchyError, KeyTree, RootKeyCustody, SystemKeyFile,
};
use claviger_engine::key::client::ClientName;
use claviger_engine::key::id::KeyId;
use claviger_engine::key::material::SecretBytes;
use claviger_engine::operation::{DecryptItem, EncryptItem};
use claviger_engine::storage::{
    Address, Compare, Revision, SnapshotVisitor, Storage, StorageError, TransactError, Versioned, Watch, WatchError,
    Write,
};
use claviger_engine::{AccessMethods, Engine, EngineParts, ItemError, ItemSink, KeyEntry, ReadScope, SystemKeyState};
use rustix::process::{Signal, getpid, kill_process};

use crate::child::{Line, Writer};
use crate::failed_write::Fault;
use crate::place::{mirrors, shred_table};
use crate::work::open;

/// Keys of the installation: some thousand records, so that there are several transactions.
const KEYS: usize = 600;

/// Keys of these that have encrypted something.
const USED: usize = 20;

/// Moments at which processes are killed, spread over everything that they do.
const KILLS: u64 = 40;

// R-H6, R-H1
#[test]
fn a_kill_at_any_step_of_a_rotation_loses_nothing_and_the_next_start_goes_on() {
    let parent = tempfile::tempdir().unwrap();
    let origin = parent.path().join("origin");
    let sealed = make(&origin);
    let steps = {
        let mut whole = rotate_on_a_copy(&origin, &parent.path().join("whole"), u64::MAX);
        let Some(Line::Said(steps)) = whole.next() else { panic!("the child did not say how many steps it took") };
        assert!(whole.succeeded());
        steps.parse::<u64>().unwrap()
    };
    assert!(steps >= KILLS, "{steps} steps");
    let mut killed = 0;
    for n in 0..KILLS {
        let at = 1 + n * (steps - 1) / (KILLS - 1);
        let folder = parent.path().join(format!("killed-{at}"));
        let mut rotating = rotate_on_a_copy(&origin, &folder, at);
        // A run may take a step less than another: counts of uses are written by the clock.
        let was_killed = rotating.next().is_none();
        assert_eq!(rotating.succeeded(), !was_killed, "step {at}");
        killed += u64::from(was_killed);
        check(&folder, &sealed, &format!("killed at step {at} of {steps}"));
        fs::remove_dir_all(folder).unwrap();
    }
    assert!(killed >= KILLS - 2, "{killed} were killed");
}

/// What the child does; tells how many steps there were.
pub(crate) fn rotate_until_killed(folder: &Path, tell: impl FnOnce(&str)) {
    let at = fs::read_to_string(folder.join(KILL_AT)).unwrap().parse().unwrap();
    let steps = Arc::new(Steps { taken: AtomicU64::new(0), at });
    let storage = Arc::new(Stepping { inner: open(&folder.join("data")), steps: Arc::clone(&steps) });
    let root_key = Stepping { inner: DevelopmentRootKey::at(folder.join("root-key")), steps: Arc::clone(&steps) };
    let tree = KeyTree::new(root_key, SystemKeyFile::at(folder.join("system-keys")));
    let engine = start(folder, &tree, storage);
    assert_eq!(engine.rotate_system_key(&tree, None).unwrap(), 2);
    assert_eq!(tree.rotate_root_key(&SystemRandom::new()).unwrap(), 2);
    wait_until_renewed(&engine);
    engine.destroy_system_key(&tree, 1, None).unwrap();
    tell(&steps.taken.load(Ordering::SeqCst).to_string());
}

/// Opens what a killed process has left, as the daemon does; all is there, what was begun goes on by itself, and ends.
fn check(folder: &Path, sealed: &[(KeyId, Vec<u8>)], context: &str) {
    // As if it had been killed in the middle of writing a file, too.
    fs::write(folder.join("system-keys.new"), "claviger system keys, form").unwrap();
    let tree = tree(folder);
    for round in 0..2 {
        let engine = {
            let storage = Arc::new(open(&folder.join("data")));
            tree.finish_root_key_rotation(&SystemRandom::new()).unwrap();
            start(folder, &tree, storage)
        };
        assert_eq!(tree.root_key().unwrap().versions.len(), 1, "{context}");
        // While it goes on, and afterwards.
        assert_all_open(&engine, sealed, context);
        wait_until_renewed(&engine);
        assert_all_open(&engine, sealed, context);
        let keys = engine.system_keys();
        let (current, older) = keys.split_last().unwrap();
        assert_eq!(current.state, SystemKeyState::Current, "{context}");
        assert!(round == 0 || older.is_empty(), "{context}");
        for key in older {
            assert_eq!(key.state, SystemKeyState::Unused, "{context}");
            engine.destroy_system_key(&tree, key.version, None).unwrap();
        }
    }
}

/// Begins the rotations on a copy of `origin`, to be killed at a step.
fn rotate_on_a_copy(origin: &Path, folder: &Path, at: u64) -> Writer {
    for sub_folder in [folder.to_owned(), folder.join("data")] {
        fs::create_dir(sub_folder).unwrap();
    }
    let files = ["root-key", "system-keys", "data/data.mdb"].map(|file| (origin.join(file), folder.join(file)));
    for (from, to) in files.into_iter().chain(mirrors(origin).into_iter().zip(mirrors(folder))) {
        fs::copy(from, to).unwrap();
    }
    fs::write(folder.join(KILL_AT), at.to_string()).unwrap();
    Writer::start("rotates_until_killed", folder, Fault::None)
}

/// An installation with keys; gives what some of them have encrypted.
fn make(folder: &Path) -> Vec<(KeyId, Vec<u8>)> {
    fs::create_dir(folder).unwrap();
    let random = SystemRandom::new();
    let root_key = DevelopmentRootKey::create(folder.join("root-key"), &random).unwrap();
    SystemKeyFile::at(folder.join("system-keys")).create(&root_key, &random, 0).unwrap();
    let engine = start(folder, &tree(folder), Arc::new(open(&folder.join("data"))));
    let store = engine.create_store(NewKeyStore {
        name: "store".parse().unwrap(),
        methods: AccessMethods::CLIENT_CERTIFICATE,
        authority_certificate: Vec::new(),
        authority_private_key: SecretBytes::from(b"private key".to_vec()),
    });
    let new = |n| NewKey::new(format!("key-{n}").parse().unwrap(), Algorithm::Xaes256Gcm);
    let keys = engine.create_keys(store.unwrap().id, (0..KEYS).map(new).collect()).unwrap();
    let used = keys.iter().step_by(KEYS / USED).map(|key| key.id);
    used.map(|id| (id, encrypt(&engine, id))).collect()
}

fn tree(folder: &Path) -> KeyTree {
    KeyTree::new(DevelopmentRootKey::at(folder.join("root-key")), SystemKeyFile::at(folder.join("system-keys")))
}

fn start(folder: &Path, tree: &KeyTree, storage: Arc<dyn Storage>) -> Arc<Engine> {
    let system_keys = tree.unlock().unwrap();
    let parts = EngineParts {
        storage,
        shred_table: shred_table(folder, &system_keys),
        system_keys,
        random: Arc::new(SystemRandom::new()),
        clock: Arc::new(SystemClock),
        cached_keys_max: USED,
        compute_threads: 1,
        audit: None,
    };
    Engine::start(parts).unwrap()
}

fn wait_until_renewed(engine: &Engine) {
    while engine.renewal().is_some() {
        std::thread::yield_now();
    }
}

fn encrypt(engine: &Arc<Engine>, id: KeyId) -> Vec<u8> {
    let item = EncryptItem { context: b"", plaintext: PLAINTEXT };
    with_key(engine, id, |key, scope, result| key.encrypt(scope, [item].into_iter(), result).unwrap())
}

fn assert_all_open(engine: &Arc<Engine>, sealed: &[(KeyId, Vec<u8>)], context: &str) {
    for (id, ciphertext) in sealed {
        let item = DecryptItem { context: b"", ciphertext };
        let opened =
            with_key(engine, *id, |key, scope, result| key.decrypt(scope, [item].into_iter(), result).unwrap());
        assert_eq!(opened, PLAINTEXT, "{context}");
    }
}

/// Does something with a key in a frame, and gives the one result.
fn with_key(
    engine: &Arc<Engine>,
    id: KeyId,
    act: impl FnOnce(&KeyEntry, &mut ReadScope<'_>, &mut OneResult),
) -> Vec<u8> {
    let (done, is_done) = mpsc::channel();
    engine.load(id, move |result| done.send(result).unwrap());
    is_done.recv().unwrap().unwrap();
    let (mut worker, client) = (engine.worker(), engine.client(ClientName::certificate("client", [1; 32])));
    let frame = worker.enter();
    let found = frame.key(id);
    let mut result = OneResult(Vec::new());
    act(found.entry().unwrap(), &mut engine.read_scope(&client), &mut result);
    result.0
}

struct OneResult(Vec<u8>);

impl ItemSink for OneResult {
    fn item(&mut self, size_max: usize, fill: impl FnOnce(&mut [u8]) -> Result<usize, ItemError>) {
        self.0 = vec![0; size_max];
        let size = fill(&mut self.0).unwrap();
        self.0.truncate(size);
    }
}

const PLAINTEXT: &[u8] = b"plaintext";

/// What killed processes leave beside their places: at which step they are killed.
const KILL_AT: &str = "kill-at";

/// Counts steps, and kills this process at one of them.
struct Steps {
    taken: AtomicU64,
    at: u64,
}

impl Steps {
    /// Before and after something is done.
    fn around<T>(&self, act: impl FnOnce() -> T) -> T {
        self.step();
        let done = act();
        self.step();
        done
    }

    fn step(&self) {
        if self.taken.fetch_add(1, Ordering::SeqCst) + 1 == self.at {
            kill_process(getpid(), Signal::KILL).unwrap();
        }
    }
}

/// A storage or a custodian whose calls are steps.
struct Stepping<T> {
    inner: T,
    steps: Arc<Steps>,
}

impl<S: Storage> Storage for Stepping<S> {
    fn get(&self, address: &Address) -> Result<Option<Versioned>, StorageError> {
        self.inner.get(address)
    }

    fn scan(
        &self,
        prefix: &Address,
        after: Option<&Address>,
        limit: usize,
    ) -> Result<Vec<(Address, Versioned)>, StorageError> {
        self.inner.scan(prefix, after, limit)
    }

    fn transact(&self, compares: &[Compare], writes: &[Write]) -> Result<Revision, TransactError> {
        self.steps.around(|| self.inner.transact(compares, writes))
    }

    fn check_spare_space(&self) -> Result<(), StorageError> {
        self.inner.check_spare_space()
    }

    fn snapshot(&self, visitor: &mut dyn SnapshotVisitor) -> Result<(), StorageError> {
        self.inner.snapshot(visitor)
    }

    fn watch(&self, from: Revision) -> Result<Watch, WatchError> {
        self.inner.watch(from)
    }

    fn revision(&self) -> Revision {
        self.inner.revision()
    }
}

impl<C: RootKeyCustody> RootKeyCustody for Stepping<C> {
    fn versions(&self) -> Result<Vec<u32>, HierarchyError> {
        self.inner.versions()
    }

    fn wrap(&self, context: &WrapContext<'_>, key: &[u8], random: &dyn Random) -> Result<Vec<u8>, HierarchyError> {
        self.steps.around(|| self.inner.wrap(context, key, random))
    }

    fn unwrap(&self, context: &WrapContext<'_>, wrapped: &[u8]) -> Result<SecretBytes, HierarchyError> {
        self.steps.around(|| self.inner.unwrap(context, wrapped))
    }

    fn add_version(&self, random: &dyn Random) -> Result<u32, HierarchyError> {
        self.steps.around(|| self.inner.add_version(random))
    }

    fn destroy_version(&self, version: u32) -> Result<(), HierarchyError> {
        self.steps.around(|| self.inner.destroy_version(version))
    }

    fn class(&self) -> CustodyClass {
        self.inner.class()
    }
}
