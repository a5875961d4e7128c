//! After warm-up, work on a batch allocates nothing per item: items are sealed straight into the reply.
//!
//! A program of its own, because it counts what the whole process allocates. The cryptographic library's own heap is not counted: it is not Rust's.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::unwrap_used, reason = "tests may be blunt")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::{Arc, mpsc};

use claviger_algorithm::Algorithm;
use claviger_engine::change::{NewKey, NewKeyStore};
use claviger_engine::ciphertext::SEAL_OVERHEAD_MAX;
use claviger_engine::clock::SystemClock;
use claviger_engine::crypto::random::SystemRandom;
use claviger_engine::hierarchy::{DevelopmentRootKey, SystemKeyFile};
use claviger_engine::key::client::ClientName;
use claviger_engine::key::id::KeyId;
use claviger_engine::key::material::SecretBytes;
use claviger_engine::operation::{
    DecryptItem, EncryptItem, MacItem, ReencryptItem, SignForm, SignItem, VerifyItem, VerifyMacItem,
};
use claviger_engine::shred::{ShredClass, ShredTable};
use claviger_engine::storage::MemoryStorage;
use claviger_engine::{AccessMethods, Client, Engine, EngineParts, ItemError, ItemSink, KeyEntry, Worker};

/// Counts the allocations of each thread.
struct CountingAllocator;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

#[expect(unsafe_code, reason = "an allocator cannot be written without")]
// SAFETY: every call is passed on unchanged to the system's allocator, which keeps the promises; counting does not allocate.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // A thread that is ending has no counter any more.
        let _ending = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
        // SAFETY: the caller keeps the promises of `alloc`, which are the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the promises of `dealloc`, which are the same; the memory is the system's.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// How many allocations `act` makes on this thread.
fn allocations(act: impl FnOnce()) -> u64 {
    let before = ALLOCATIONS.get();
    act();
    ALLOCATIONS.get() - before
}

/// Results one after the other in a buffer that was made before: as a reply is written.
struct ReplySink {
    buffer: Vec<u8>,
    used: usize,
    items: Vec<(usize, usize)>,
}

impl ReplySink {
    fn new() -> Self {
        Self { buffer: vec![0; 1024 * 1024], used: 0, items: Vec::with_capacity(1_024) }
    }

    fn clear(&mut self) {
        self.used = 0;
        self.items.clear();
    }

    fn results(&self) -> impl ExactSizeIterator<Item = &[u8]> + Clone {
        self.items.iter().map(|(start, end)| &self.buffer[*start..*end])
    }
}

impl ItemSink for ReplySink {
    fn item(&mut self, size_max: usize, fill: impl FnOnce(&mut [u8]) -> Result<usize, ItemError>) {
        let size = fill(&mut self.buffer[self.used..self.used + size_max]).expect("every item of these tests is good");
        self.items.push((self.used, self.used + size));
        self.used += size;
    }
}

/// An engine with one key of each algorithm that is asked for, loaded.
struct Scene {
    worker: Worker,
    _folder: tempfile::TempDir,
}

impl Scene {
    fn new() -> Self {
        let (folder, random) = (tempfile::tempdir().unwrap(), SystemRandom::new());
        let root_key = DevelopmentRootKey::create(folder.path().join("root-key"), &random).unwrap();
        let file = SystemKeyFile::at(folder.path().join("system-keys"));
        file.create(&root_key, &random, 0).unwrap();
        let system_keys = file.unlock(&root_key).unwrap();
        let mirrors = [1, 2].map(|number| folder.path().join(format!("shred-table-{number}")));
        ShredTable::create(&mirrors, system_keys.installation()).unwrap();
        let shred_table = ShredTable::open(&mirrors, system_keys.installation(), ShredClass::File).unwrap();
        let parts = EngineParts {
            storage: Arc::new(MemoryStorage::new()),
            system_keys,
            shred_table: Arc::new(shred_table),
            random: Arc::new(random),
            clock: Arc::new(SystemClock),
            cached_keys_max: 100,
            compute_threads: 1,
            audit: None,
        };
        Self { worker: Engine::start(parts).unwrap().worker(), _folder: folder }
    }

    /// The engine, and who asks it.
    fn client(&self) -> (Arc<Engine>, Client) {
        let engine = Arc::clone(self.worker.engine());
        let client = engine.client(ClientName::certificate("client", [1; 32]));
        (engine, client)
    }

    fn create(&self, algorithm: Algorithm) -> KeyId {
        let engine = self.worker.engine();
        let store = engine.stores().first().map(|slot| slot.id()).unwrap_or_else(|| {
            let new = NewKeyStore {
                name: "store".parse().unwrap(),
                methods: AccessMethods::CLIENT_CERTIFICATE,
                authority_certificate: Vec::new(),
                authority_private_key: SecretBytes::from(Vec::new()),
            };
            engine.create_store(new).unwrap().id
        });
        let new = NewKey::new(algorithm.row().name.parse().unwrap(), algorithm);
        let id = engine.create_keys(store, vec![new]).unwrap()[0].id;
        let (done, is_done) = mpsc::channel();
        engine.load(id, move |result| done.send(result).unwrap());
        is_done.recv().unwrap().unwrap();
        id
    }

    /// Allocations of one frame that does `act` with a key, after some frames have done the same.
    fn frame(&mut self, id: KeyId, mut act: impl FnMut(&KeyEntry)) -> u64 {
        let mut count = 0;
        for _ in 0..4 {
            count = allocations(|| {
                let frame = self.worker.enter();
                act(frame.key(id).entry().unwrap());
            });
        }
        count
    }
}

/// Checks that a frame allocates the same for many items as for one, and at most `per_frame`.
fn assert_none_per_item(what: &str, per_frame: u64, mut count: impl FnMut(usize) -> u64) {
    let (one, many) = (count(1), count(ITEMS));
    println!("{what}: {many} allocations a frame of {ITEMS} items, {one} of one item");
    assert_eq!(many, one, "{what}: allocations per item");
    assert!(many <= per_frame, "{what}: {many} allocations a frame");
}

#[test]
fn encrypting_and_decrypting_allocate_nothing_per_item() {
    let mut scene = Scene::new();
    let id = scene.create(Algorithm::Xaes256Gcm);
    let (engine, client) = scene.client();
    let (plaintext, context) = ([7; 1_024], [9; 32]);
    let (mut sealed, mut opened, mut moved) = (ReplySink::new(), ReplySink::new(), ReplySink::new());

    assert_none_per_item("encrypt", 4, |count| {
        scene.frame(id, |key| {
            sealed.clear();
            let items = (0..count).map(|_| EncryptItem { context: &context, plaintext: &plaintext });
            key.encrypt(&mut engine.read_scope(&client), items, &mut sealed).unwrap();
        })
    });
    assert_eq!(sealed.used, ITEMS * (plaintext.len() + SEAL_OVERHEAD_MAX));

    assert_none_per_item("decrypt", 4, |count| {
        scene.frame(id, |key| {
            opened.clear();
            let items = sealed.results().take(count).map(|ciphertext| DecryptItem { context: &context, ciphertext });
            key.decrypt(&mut engine.read_scope(&client), items, &mut opened).unwrap();
        })
    });
    assert!(opened.results().all(|result| result == plaintext));

    assert_none_per_item("re-encrypt", 8, |count| {
        scene.frame(id, |key| {
            moved.clear();
            let items = sealed.results().take(count).map(|ciphertext| ReencryptItem {
                source_context: &context,
                target_context: &context,
                ciphertext,
            });
            key.reencrypt(key, &mut engine.read_scope(&client), items, &mut moved).unwrap();
        })
    });
    assert_eq!(moved.used, sealed.used);
}

#[test]
fn second_frame_of_a_read_allocates_nothing() {
    let mut scene = Scene::new();
    let id = scene.create(Algorithm::Xaes256Gcm);
    let (engine, client) = scene.client();
    let mut sealed = ReplySink::new();
    let mut scope = engine.read_scope(&client);
    let count = scene.frame(id, |key| {
        sealed.clear();
        let items = (0..ITEMS).map(|_| EncryptItem { context: b"context", plaintext: &[7; 1_024] });
        key.encrypt(&mut scope, items, &mut sealed).unwrap();
    });
    assert_eq!(count, 0);
}

#[test]
fn macs_allocate_nothing_at_all() {
    let mut scene = Scene::new();
    let id = scene.create(Algorithm::HmacSha256);
    let (engine, client) = scene.client();
    let (mut made, mut verified) = (ReplySink::new(), ReplySink::new());
    assert_none_per_item("make MAC", 0, |count| {
        scene.frame(id, |key| {
            made.clear();
            key.make_mac(&mut engine.read_scope(&client), (0..count).map(|_| MacItem(&[7; 1_024])), &mut made).unwrap();
        })
    });
    assert_none_per_item("verify MAC", 0, |count| {
        scene.frame(id, |key| {
            verified.clear();
            let macs = made.results().take(count).map(|made| &made[4..]);
            let items = macs.map(|mac| VerifyMacItem { message: &[7; 1_024], mac });
            key.verify_mac(&mut engine.read_scope(&client), None, items, &mut verified).unwrap();
        })
    });
}

#[test]
fn signing_allocates_what_the_library_does_and_verifying_nothing() {
    let mut scene = Scene::new();
    let id = scene.create(Algorithm::Ed25519);
    let (engine, client) = scene.client();
    let (mut signed, mut verified) = (ReplySink::new(), ReplySink::new());
    let count = scene.frame(id, |key| {
        signed.clear();
        key.sign(
            &mut engine.read_scope(&client),
            SignForm::Message,
            (0..ITEMS).map(|_| SignItem(b"message")),
            &mut signed,
        )
        .unwrap();
    });
    println!("sign: {count} allocations a frame of {ITEMS} items");
    // The library hands out each signature in memory of its own.
    assert_eq!(count, u64::try_from(ITEMS).unwrap());
    assert_none_per_item("verify", 0, |count| {
        scene.frame(id, |key| {
            verified.clear();
            let signatures = signed.results().take(count).map(|signed| &signed[4..]);
            let items = signatures.map(|signature| VerifyItem { message: b"message", signature });
            key.verify(&mut engine.read_scope(&client), None, SignForm::Message, items, &mut verified).unwrap();
        })
    });
}

/// The batch that is measured most: 64 items of 1 KiB.
const ITEMS: usize = 64;
