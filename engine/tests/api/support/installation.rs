//! An installation of its own for each test: a root key, system keys, storage, an engine, and one key store.

use std::path::PathBuf;
use std::sync::{Arc, Weak};

use claviger_algorithm::Algorithm;
use claviger_engine::audit::AuditOptions;
use claviger_engine::change::{NewKey, NewKeyStore};
use claviger_engine::crypto::random::{Random, SystemRandom};
use claviger_engine::hierarchy::{DevelopmentRootKey, KeyTree, SystemKeyFile, SystemKeys};
use claviger_engine::key::id::{KeyId, StoreId};
use claviger_engine::key::material::SecretBytes;
use claviger_engine::key::name::Name;
use claviger_engine::limits::AUDIT_FILE_SIZE_MIN;
use claviger_engine::shred::{ShredClass, ShredError, ShredTable};
use claviger_engine::storage::{LmdbOptions, LmdbStorage, MemoryStorage, Storage};
use claviger_engine::{AccessMethods, Engine, EngineParts, Error, KeyRecord};
use parking_lot::Mutex;
use tempfile::TempDir;

use super::clock::TestClock;

/// An engine with one key store, and the places that belong to it.
pub(crate) struct Installation {
    // Dropped in this order: the engine before the places that it uses.
    pub(crate) engine: Arc<Engine>,
    pub(crate) store: StoreId,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) places: Places,
}

impl Installation {
    pub(crate) fn in_memory() -> Self {
        Self::on(Arc::new(MemoryStorage::new()))
    }

    pub(crate) fn on_lmdb() -> Self {
        let places = Places::new();
        let storage = places.open();
        Self::at(places, storage, CAPACITY)
    }

    /// With an audit log.
    pub(crate) fn audited() -> Self {
        let places = Places { is_audited: true, ..Places::new() };
        let storage = places.open();
        Self::at(places, storage, CAPACITY)
    }

    pub(crate) fn on(storage: Arc<dyn Storage>) -> Self {
        Self::at(Places::new(), storage, CAPACITY)
    }

    pub(crate) fn with_capacity(capacity: usize) -> Self {
        Self::at(Places::new(), Arc::new(MemoryStorage::new()), capacity)
    }

    fn at(places: Places, storage: Arc<dyn Storage>, capacity: usize) -> Self {
        let clock = Arc::<TestClock>::default();
        let random = Arc::new(SystemRandom::new());
        let engine = start_by(Arc::clone(&clock), Arc::clone(&storage), &places, capacity, random).unwrap();
        let store = create_store(&engine, "store").unwrap();
        Self { engine, store, clock, storage, places }
    }

    /// The same places and clock, opened again by another process after `meanwhile`.
    pub(crate) fn restarted(self, meanwhile: impl FnOnce(&TestClock)) -> Self {
        let Self { engine, store, clock, storage, places } = self;
        drop(engine);
        meanwhile(&clock);
        let storage = if places.data().exists() {
            drop(storage);
            places.open()
        } else {
            storage
        };
        let random = Arc::new(SystemRandom::new());
        let engine = start_by(Arc::clone(&clock), Arc::clone(&storage), &places, CAPACITY, random).unwrap();
        Self { engine, store, clock, storage, places }
    }

    /// Creates a key of `algorithm`; a secret gets the value `VALUE`.
    pub(crate) fn create(&self, key_name: &str, algorithm: Algorithm) -> KeyId {
        self.try_create(key_name, algorithm).unwrap().id
    }

    pub(crate) fn try_create(&self, key_name: &str, algorithm: Algorithm) -> Result<KeyRecord, Error> {
        let created = self.engine.create_keys(self.store, vec![new_key(key_name, algorithm)])?;
        let [record] = <[_; 1]>::try_from(created).unwrap();
        Ok(record)
    }

    /// Ends the engine and lets go of storage; the places stay.
    pub(crate) fn close(self) -> (Places, StoreId) {
        (self.places, self.store)
    }
}

/// Root key, system keys and the mirrors of the shred table, each in a file, and a folder for data.
pub(crate) struct Places {
    folder: TempDir,
    root_key: DevelopmentRootKey,
    shred_table: Mutex<Weak<ShredTable>>,
    /// Whether its engines have an audit log, which costs each change some syncs.
    is_audited: bool,
}

impl Places {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let random = SystemRandom::new();
        let root_key = DevelopmentRootKey::create(folder.path().join("root-key"), &random).unwrap();
        let places = Self { folder, root_key, shred_table: Mutex::default(), is_audited: false };
        places.file().create(&places.root_key, &random, 0).unwrap();
        ShredTable::create(&places.mirrors(), places.system_keys().installation()).unwrap();
        places
    }

    pub(crate) fn system_keys(&self) -> SystemKeys {
        self.file().unlock(&self.root_key).unwrap()
    }

    /// Root key and system keys, to be rotated.
    pub(crate) fn tree(&self) -> KeyTree {
        KeyTree::new(DevelopmentRootKey::at(self.folder.path().join("root-key")), self.file())
    }

    pub(crate) fn system_key_path(&self) -> PathBuf {
        self.folder.path().join("system-keys")
    }

    /// The mirrors of the shred table.
    pub(crate) fn mirrors(&self) -> [PathBuf; 2] {
        ["shred-table-1", "shred-table-2"].map(|name| self.folder.path().join(name))
    }

    /// The shred table, which engines that run beside each other share.
    pub(crate) fn shred_table(&self) -> Result<Arc<ShredTable>, ShredError> {
        let mut open = self.shred_table.lock();
        if let Some(table) = open.upgrade() {
            return Ok(table);
        }
        let table = ShredTable::open(&self.mirrors(), self.system_keys().installation(), ShredClass::File)?;
        let table = Arc::new(table);
        *open = Arc::downgrade(&table);
        Ok(table)
    }

    /// The files of the audit log.
    pub(crate) fn audit_folder(&self) -> PathBuf {
        self.folder.path().join("audit")
    }

    /// The audit log, if there is to be one. Without a floor, so that tests run on a crowded disk.
    fn audit(&self) -> Option<AuditOptions> {
        let options = AuditOptions::at(self.audit_folder(), self.folder.path().join("audit-head"));
        self.is_audited.then_some(AuditOptions { free_space_floor: 0, file_size: AUDIT_FILE_SIZE_MIN, ..options })
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Opens the data folder, without a floor, so that tests run on a crowded disk.
    pub(crate) fn open(&self) -> Arc<dyn Storage> {
        let options = LmdbOptions { map_size: 0, free_space_floor: 0, ..LmdbOptions::default() };
        Arc::new(LmdbStorage::open(&self.data(), &options).unwrap())
    }

    /// An engine on the data folder.
    pub(crate) fn start(&self) -> Arc<Engine> {
        start(self.open(), self, CAPACITY, Arc::new(SystemRandom::new())).unwrap()
    }

    fn file(&self) -> SystemKeyFile {
        SystemKeyFile::at(self.system_key_path())
    }
}

pub(crate) fn start(
    storage: Arc<dyn Storage>,
    places: &Places,
    cached_keys_max: usize,
    random: Arc<dyn Random>,
) -> Result<Arc<Engine>, Error> {
    start_by(Arc::default(), storage, places, cached_keys_max, random)
}

/// As [`start`], with a clock of the test's own.
pub(crate) fn start_by(
    clock: Arc<TestClock>,
    storage: Arc<dyn Storage>,
    places: &Places,
    cached_keys_max: usize,
    random: Arc<dyn Random>,
) -> Result<Arc<Engine>, Error> {
    let (system_keys, shred_table) = (places.system_keys(), places.shred_table().unwrap());
    Engine::start(EngineParts {
        storage,
        system_keys,
        shred_table,
        random,
        clock,
        cached_keys_max,
        compute_threads: 1,
        audit: places.audit(),
    })
}

pub(crate) fn create_store(engine: &Engine, store_name: &str) -> Result<StoreId, Error> {
    let new = NewKeyStore {
        name: name(store_name),
        methods: AccessMethods::CLIENT_CERTIFICATE,
        authority_certificate: b"certificate".to_vec(),
        authority_private_key: SecretBytes::from(b"private key".to_vec()),
    };
    engine.create_store(new).map(|record| record.id)
}

pub(crate) fn new_key(key_name: &str, algorithm: Algorithm) -> NewKey {
    let value = (algorithm == Algorithm::Opaque).then(|| SecretBytes::from(VALUE.to_vec()));
    NewKey { value, ..NewKey::new(name(key_name), algorithm) }
}

pub(crate) fn new_secret(key_name: &str, value: Vec<u8>) -> NewKey {
    NewKey { value: Some(SecretBytes::from(value)), ..NewKey::new(name(key_name), Algorithm::Opaque) }
}

pub(crate) fn name(text: &str) -> Name {
    text.parse().unwrap()
}

/// The value of secrets whose value does not matter.
pub(crate) const VALUE: &[u8] = b"correct horse battery staple";

/// More keys than any test makes that does not choose its own.
const CAPACITY: usize = 10_000;
