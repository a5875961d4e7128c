//! An installation in one folder, with a journal and backups, and a clock that its tests move.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use claviger_algorithm::Algorithm;
use claviger_engine::backup::{BackupParts, Backups, Journal, JournalOptions};
use claviger_engine::change::NewKey;
use claviger_engine::clock::{Clock, SystemClock};
use claviger_engine::crypto::random::SystemRandom;
use claviger_engine::key::id::{KeyId, StoreId};
use claviger_engine::key::material::SecretBytes;
use claviger_engine::key::name::Name;
use claviger_engine::storage::{LmdbOptions, LmdbStorage, Storage, WriteAhead};
use claviger_engine::{Engine, EngineParts, Error};

use crate::place::{shred_table, store, system_keys};
use crate::support::client::load;

/// An installation that is open.
pub(super) struct Site {
    // Dropped in this order.
    pub(super) backups: Backups,
    pub(super) engine: Arc<Engine>,
    pub(super) storage: Arc<dyn Storage>,
    pub(super) store: StoreId,
    pub(super) clock: Arc<FolderClock>,
}

/// The clocks of the machine, put forward by what a file says: so a day that has passed has passed for the next process, too.
pub(super) struct FolderClock {
    file: PathBuf,
    /// On the wall, since the installation was made.
    passed_ms: AtomicU64,
    /// While this process was running.
    ran_ms: AtomicU64,
}

impl FolderClock {
    fn at(file: PathBuf) -> Self {
        let passed = fs::read_to_string(&file).ok().map_or(0, |text| text.parse().unwrap());
        Self { file, passed_ms: passed.into(), ran_ms: 0.into() }
    }

    pub(super) fn pass(&self, time: Duration) {
        let passed = u64::try_from(time.as_millis()).unwrap();
        let total = self.passed_ms.fetch_add(passed, Ordering::Relaxed) + passed;
        self.ran_ms.fetch_add(passed, Ordering::Relaxed);
        let new = self.file.with_extension("new");
        fs::write(&new, total.to_string()).unwrap();
        fs::rename(new, &self.file).unwrap();
    }
}

impl Clock for FolderClock {
    fn now_ms(&self) -> u64 {
        SystemClock.now_ms() + self.passed_ms.load(Ordering::Relaxed)
    }

    fn monotonic(&self) -> Duration {
        SystemClock.monotonic() + Duration::from_millis(self.ran_ms.load(Ordering::Relaxed))
    }
}

impl Site {
    pub(super) fn open(folder: &Path) -> Self {
        Self::open_with(folder, &folder.join("journal"))
    }

    /// Opens it with a journal that may be anywhere, which is begun if it is not there.
    pub(super) fn open_with(folder: &Path, journal: &Path) -> Self {
        let random = Arc::new(SystemRandom::new());
        let clock = Arc::new(FolderClock::at(folder.join("clock")));
        let keys = system_keys(folder);
        let begin_anew = !journal.exists();
        let options = JournalOptions {
            free_space_floor: 0,
            segment_size: 20_000,
            begin_anew,
            ..JournalOptions::at(journal.to_owned())
        };
        let journal = Journal::open(options, keys.sealing(), random.clone(), clock.clone()).unwrap();
        let write_ahead: Option<Arc<dyn WriteAhead>> = Some(journal.clone());
        let options = LmdbOptions { map_size: 0, free_space_floor: 0, write_ahead, ..LmdbOptions::default() };
        let storage: Arc<dyn Storage> = Arc::new(LmdbStorage::open(&folder.join("data"), &options).unwrap());
        let engine = Engine::start(EngineParts {
            storage: Arc::clone(&storage),
            shred_table: shred_table(folder, &keys),
            system_keys: keys,
            random: random.clone(),
            clock: clock.clone(),
            cached_keys_max: 100,
            compute_threads: 1,
            audit: None,
        });
        let engine = engine.unwrap();
        let folder = folder.join("backup");
        let parts = BackupParts { folder, journal, storage: Arc::clone(&storage), random, clock: clock.clone() };
        let backups = Backups::open(&engine, parts).unwrap();
        let store = store(&engine, "store");
        Self { backups, engine, storage, store, clock }
    }

    pub(super) fn find(&self, key: &str) -> Option<KeyId> {
        self.engine.find_key(self.store, &key.parse().unwrap()).unwrap()
    }

    /// Proves that the material of a key is there, all of it.
    pub(super) fn load(&self, key: &str) {
        load(&self.engine, self.find(key).unwrap()).unwrap_or_else(|error| panic!("{key}: {error}"));
    }

    /// Creates large secrets, from this number on; the number of the one that was refused, and why.
    pub(super) fn create_secrets_until_refused(&self, from: u64) -> (u64, Error) {
        let create = |n: u64| {
            let value = Some(SecretBytes::from(vec![7; 30_000]));
            let name: Name = format!("secret-{n}").parse().unwrap();
            let new = NewKey { value, ..NewKey::new(name, Algorithm::Opaque) };
            self.engine.create_keys(self.store, vec![new]).err().map(|error| (n, error))
        };
        (from..).find_map(create).unwrap()
    }
}
