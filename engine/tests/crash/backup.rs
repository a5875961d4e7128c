//! The data folder is lost in the middle of work: what a backup and the journal give back is compared with what was acknowledged.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use claviger_algorithm::Algorithm;
use claviger_engine::backup::{BackupParts, Backups, Journal, JournalOptions, Progress, Restore};
use claviger_engine::change::{NewKey, NewKeyStore};
use claviger_engine::clock::SystemClock;
use claviger_engine::crypto::random::SystemRandom;
use claviger_engine::hierarchy::{DevelopmentRootKey, SystemKeyFile, SystemKeys};
use claviger_engine::key::id::KeyId;
use claviger_engine::key::material::SecretBytes;
use claviger_engine::key::name::Name;
use claviger_engine::key::state::KeyState;
use claviger_engine::list::KeyFilter;
use claviger_engine::storage::{LmdbOptions, LmdbStorage, Storage, StorageError, WriteAhead};
use claviger_engine::{AccessMethods, Engine, EngineParts, Error, KeyRecord};

use crate::child::{Line, Writer};
use crate::failed_write::Fault;
use crate::full_disk::Disk;
use crate::work::{Acknowledged, shred_table};

/// Cycles of starting, changing, killing, losing the data folder and restoring it.
const CYCLES: u64 = 12;

const SEED: u64 = 0x6a6f_7572_6e61_6c21;

/// What was acknowledged of a key.
#[derive(Clone, Debug, Default, PartialEq)]
struct Expected {
    versions: usize,
    disabled: bool,
    deleted: bool,
}

// R-H7
#[test]
fn nothing_acknowledged_is_missing_and_nothing_deleted_comes_back_after_kills_and_lost_data_folders() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path();
    drop(Site::open(folder));
    let mut keys = BTreeMap::<String, Expected>::new();
    let mut backup = None;
    let mut random = Random(SEED);
    let mut deletions = 0;
    for cycle in 0..CYCLES {
        let mut child = Writer::start("changes_keys_until_killed", folder, Fault::None);
        let mut begun = None;
        let mut lines = 5 + random.below(60);
        let mut take = |line: Line| {
            let Line::Said(text) = line else { panic!("{line:?}") };
            let words: Vec<_> = text.split(' ').map(str::to_owned).collect();
            match &words[..] {
                [verb, what] if verb == "backup" => backup = Some(what.clone()),
                [begin, verb, key] if begin == "begin" => begun = Some((verb.clone(), key.clone())),
                [verb, key] => {
                    apply(&mut keys, verb, key);
                    begun = None;
                }
                _ => panic!("{text}"),
            }
        };
        while lines > 0 {
            take(child.next().expect("the child goes on until it is killed"));
            lines -= 1;
        }
        child.kill();
        let mut acknowledged = Acknowledged::new();
        for text in child.rest(&mut acknowledged) {
            take(Line::Said(text));
        }
        assert!(!child.succeeded());

        fs::remove_dir_all(folder.join("data")).unwrap();
        // Sometimes from the last backup, sometimes from the journal alone.
        let from = backup.as_ref().filter(|_| random.below(3) > 0).map(|name| folder.join("backup").join(name));
        let (journal, data) = (folder.join("journal"), folder.join("data"));
        let restore = Restore { backup: from.as_deref(), journal: Some(&journal), target: &data, now_ms: 0 };
        let context = format!("cycle {cycle} of seed {SEED:#x}, from {from:?}");
        let system_keys = system_keys(folder);
        let shred_table = shred_table(folder, &system_keys);
        let restored = restore.run(system_keys, &shred_table, Arc::new(SystemRandom::new()), &Progress::default());
        drop(shred_table);
        let restored = restored.unwrap_or_else(|error| panic!("{context}: {error}"));
        assert!(restored.inventory.stores == 1, "{context}");
        keys = check(folder, &keys, begun, &context);
        deletions = keys.values().filter(|expected| expected.deleted).count();
    }
    assert!(keys.len() > 10 && deletions > 3, "{} keys, {deletions} deleted", keys.len());
    assert!(backup.is_some());
}

// R-H7
#[test]
fn full_disk_of_the_journal_refuses_changes_until_there_is_room_and_loses_none() {
    let Some(disk) = Disk::mount() else { return };
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path();
    let journal = disk.path().join("journal");
    let site = Site::open_with(folder, &journal);
    let (first, error) = site.create_secrets_until_refused(0);
    assert!(matches!(&error, Error::Storage(StorageError::WriteAhead(error)) if error.is_full), "{error}");
    assert!(error.to_string().contains(journal.to_str().unwrap()), "{error}");
    assert!(site.backups.journal().failure().is_some());
    // What is there is used on.
    site.load("secret-0");
    disk.drop_ballast();
    let (second, _) = site.create_secrets_until_refused(first);
    assert!(first > 20 && second > first + 10, "{first}, then {second}");
    drop(site);
    fs::remove_dir_all(folder.join("data")).unwrap();
    let restore = Restore { backup: None, journal: Some(&journal), target: &folder.join("data"), now_ms: 0 };
    let system_keys = system_keys(folder);
    let shred_table = shred_table(folder, &system_keys);
    let restored = restore.run(system_keys, &shred_table, Arc::new(SystemRandom::new()), &Progress::default()).unwrap();
    assert_eq!(restored.inventory.keys, second, "as many as were acknowledged, and none that was refused");
}

fn apply(keys: &mut BTreeMap<String, Expected>, verb: &str, key: &str) {
    let expected = keys.entry(key.to_owned()).or_default();
    match verb {
        "create" => expected.versions = 1,
        "rotate" => expected.versions += 1,
        "disable" => expected.disabled = true,
        "enable" => expected.disabled = false,
        "delete" => (expected.deleted, expected.disabled) = (true, false),
        _ => panic!("{verb}"),
    }
}

/// Compares the restored keys with those expected; what was begun and not acknowledged may or may not have been done. Gives what is there.
fn check(
    folder: &Path,
    keys: &BTreeMap<String, Expected>,
    begun: Option<(String, String)>,
    context: &str,
) -> BTreeMap<String, Expected> {
    let site = Site::open(folder);
    let mut with_begun = keys.clone();
    if let Some((verb, key)) = &begun {
        apply(&mut with_begun, verb, key);
    }
    let mut found = BTreeMap::new();
    for (key, maximum) in &with_begun {
        let record = site.engine.describe_key(
            key.parse::<Name>().ok().and_then(|name| site.find(&name)).unwrap_or_else(|| key_id(folder, key)),
        );
        let is = match record {
            Ok(record) => state_of(&record),
            Err(Error::KeyNotFound(_)) => Expected::default(),
            Err(error) => panic!("{context}: key {key}: {error}"),
        };
        let minimum = keys.get(key).cloned().unwrap_or_default();
        // Deleting goes by way of a request, which is acknowledged to nobody.
        let is_underway = begun.as_ref().is_some_and(|(verb, of)| verb == "delete" && of == key);
        assert!(
            is == minimum || is == *maximum || is_underway,
            "{context}: key {key} is {is:?}, expected {minimum:?} or {maximum:?}"
        );
        if is.versions > 0 && !is.deleted {
            site.load(key);
        }
        if is != Expected::default() {
            found.insert(key.clone(), is);
        }
    }
    found
}

fn state_of(record: &KeyRecord) -> Expected {
    Expected {
        versions: record.versions.len(),
        disabled: record.state == KeyState::Disabled,
        deleted: record.state == KeyState::Deleted,
    }
}

/// The id of a key by its name, also of a deleted one: the child has noted it in a file of its own before the key was made known.
fn key_id(folder: &Path, key: &str) -> KeyId {
    fs::read_to_string(folder.join("ids").join(key)).ok().and_then(|text| text.parse().ok()).unwrap_or(KeyId([0; 16]))
}

/// What the child does: changes keys at random, and tells before and after each change.
pub(crate) fn change_until_killed(folder: &Path, mut tell: impl FnMut(&str)) {
    let site = Site::open(folder);
    fs::create_dir_all(folder.join("ids")).unwrap();
    let mut random = Random(site.storage.revision().0.wrapping_mul(SEED));
    for n in site.storage.revision().0.. {
        let records = site.engine.list_keys(site.store, &KeyFilter::default(), None, 1_000).unwrap().keys;
        let usable = |record: &&KeyRecord| record.state != KeyState::Deleted;
        let some = records.iter().filter(usable).nth(usize::try_from(random.below(8)).unwrap());
        let (verb, key) = match (random.below(10), some) {
            (0..=2, Some(record)) => ("rotate", record.name.to_string()),
            (3, Some(record)) if record.state == KeyState::Disabled => ("enable", record.name.to_string()),
            (3, Some(record)) if record.state == KeyState::Available => ("disable", record.name.to_string()),
            (4, Some(record)) => ("delete", record.name.to_string()),
            (5, _) => {
                let name = site.backups.create().unwrap();
                site.backups.wait();
                tell(&format!("backup {name}"));
                continue;
            }
            _ => ("create", format!("key-{n}")),
        };
        tell(&format!("begin {verb} {key}"));
        site.change(folder, verb, &key);
        tell(&format!("{verb} {key}"));
    }
}

/// An installation with a journal and backups.
struct Site {
    // Dropped in this order.
    backups: Backups,
    engine: Arc<Engine>,
    storage: Arc<dyn Storage>,
    store: claviger_engine::key::id::StoreId,
}

impl Site {
    fn open(folder: &Path) -> Self {
        Self::open_with(folder, &folder.join("journal"))
    }

    fn open_with(folder: &Path, journal: &Path) -> Self {
        let random = Arc::new(SystemRandom::new());
        let keys = system_keys(folder);
        let options =
            JournalOptions { free_space_floor: 0, segment_size: 20_000, ..JournalOptions::at(journal.to_owned()) };
        let journal = Journal::open(options, keys.sealing(), random.clone(), Arc::new(SystemClock)).unwrap();
        let write_ahead: Option<Arc<dyn WriteAhead>> = Some(journal.clone());
        let options = LmdbOptions { map_size: 0, free_space_floor: 0, write_ahead, ..LmdbOptions::default() };
        let storage: Arc<dyn Storage> = Arc::new(LmdbStorage::open(&folder.join("data"), &options).unwrap());
        let engine = Engine::start(EngineParts {
            storage: Arc::clone(&storage),
            shred_table: shred_table(folder, &keys),
            system_keys: keys,
            random: random.clone(),
            clock: Arc::new(SystemClock),
            cached_keys_max: 100,
            compute_threads: 1,
        });
        let engine = engine.unwrap();
        let folder = folder.join("backup");
        let parts =
            BackupParts { folder, journal, storage: Arc::clone(&storage), random, clock: Arc::new(SystemClock) };
        let backups = Backups::open(&engine, parts).unwrap();
        let name: Name = "store".parse().unwrap();
        let store = engine.store_by_name(&name).map(|slot| slot.id()).unwrap_or_else(|| {
            let new = NewKeyStore {
                name,
                methods: AccessMethods::CLIENT_CERTIFICATE,
                authority_certificate: Vec::new(),
                authority_private_key: SecretBytes::from(Vec::new()),
            };
            engine.create_store(new).unwrap().id
        });
        Self { backups, engine, storage, store }
    }

    /// Creates large secrets, from this number on; the number of the one that was refused, and why.
    fn create_secrets_until_refused(&self, from: u64) -> (u64, Error) {
        let create = |n: u64| {
            let value = Some(SecretBytes::from(vec![7; 30_000]));
            let name: Name = format!("secret-{n}").parse().unwrap();
            let new = NewKey { value, ..NewKey::new(name, Algorithm::Opaque) };
            self.engine.create_keys(self.store, vec![new]).err().map(|error| (n, error))
        };
        (from..).find_map(create).unwrap()
    }

    fn find(&self, name: &Name) -> Option<KeyId> {
        self.engine.find_key(self.store, name).unwrap()
    }

    fn load(&self, key: &str) {
        let id = self.find(&key.parse().unwrap()).unwrap();
        let (done, is_done) = std::sync::mpsc::channel();
        self.engine.load(id, move |result| done.send(result).unwrap());
        is_done.recv().unwrap().unwrap();
    }

    fn change(&self, folder: &Path, verb: &str, key: &str) {
        let name: Name = key.parse().unwrap();
        if verb == "create" {
            let new = NewKey::new(name, Algorithm::Xaes256Gcm);
            let id = self.engine.create_keys(self.store, vec![new]).unwrap()[0].id;
            fs::write(folder.join("ids").join(key), id.to_string()).unwrap();
            return;
        }
        let id = self.find(&name).unwrap();
        match verb {
            "rotate" => drop(self.engine.rotate(id).unwrap()),
            "disable" => drop(self.engine.set_state(id, KeyState::Disabled).unwrap()),
            "enable" => drop(self.engine.set_state(id, KeyState::Available).unwrap()),
            "delete" => {
                // Requested already, if a process was killed in between.
                let _requested = self.engine.request_deletion(id, Duration::from_hours(24));
                self.engine.delete_now(id, true).unwrap();
            }
            _ => panic!("{verb}"),
        }
    }
}

/// The system keys of the installation in `folder`, which is made if there is none.
pub(crate) fn system_keys(folder: &Path) -> SystemKeys {
    let (root_key, file) = (folder.join("root-key"), SystemKeyFile::at(folder.join("system-keys")));
    let root_key = if root_key.exists() {
        DevelopmentRootKey::at(root_key)
    } else {
        let random = SystemRandom::new();
        let root_key = DevelopmentRootKey::create(root_key, &random).unwrap();
        file.create(&root_key, &random, 0).unwrap();
        root_key
    };
    file.unlock(&root_key).unwrap()
}

/// A linear congruential generator (Knuth, MMIX), of which the upper bits are taken.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}
