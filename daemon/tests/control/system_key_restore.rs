//! Backups, journal and restores across a rotation of the system key.

use std::fs;
use std::path::{Path, PathBuf};

use claviger_algorithm::Algorithm;
use claviger_daemon::config::Config;
use claviger_daemon::installation::{self, Installation};
use claviger_daemon::restore;
use claviger_engine::AccessMethods;
use claviger_engine::backup::Progress;
use claviger_engine::change::{NewKey, NewKeyStore};
use claviger_engine::crypto::random::SystemRandom;
use claviger_engine::key::id::KeyId;
use claviger_engine::key::material::SecretBytes;
use tempfile::TempDir;

use crate::support::config;

/// An installation whose data folder is lost now and then.
struct Site {
    folder: TempDir,
    config: Config,
    keys: Vec<KeyId>,
}

impl Site {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path());
        installation::init(&config).unwrap();
        Self { folder, config, keys: Vec::new() }
    }

    fn open(&self) -> Installation {
        Installation::open(&self.config).unwrap()
    }

    /// A key store of this name with a key.
    fn create(&mut self, installation: &Installation, name: &str) {
        let engine = &installation.engine;
        let store = engine.create_store(NewKeyStore {
            name: name.parse().unwrap(),
            methods: AccessMethods::CLIENT_CERTIFICATE,
            authority_certificate: Vec::new(),
            authority_private_key: SecretBytes::from(Vec::new()),
        });
        let new = NewKey::new("key".parse().unwrap(), Algorithm::Ed25519);
        self.keys.push(engine.create_keys(store.unwrap().id, vec![new]).unwrap()[0].id);
    }

    /// Loses the data folder and restores it, from a backup or from the journal alone; all keys are there.
    fn lose_and_restore(&self, backup: Option<&str>) {
        let data = &self.config.storage.folder;
        if data.exists() {
            fs::remove_dir_all(data).unwrap();
        }
        let backup = backup.map(|name| self.backup(name));
        let restored = restore::restore(&self.config, backup.as_deref(), false, &Progress::default()).unwrap();
        assert_eq!(restored.inventory.versions, self.keys.len() as u64, "{backup:?}");
        let installation = self.open();
        for id in &self.keys {
            installation.engine.describe_key(*id).unwrap();
        }
    }

    fn backup(&self, name: &str) -> PathBuf {
        self.config.backup.folder.join(name)
    }

    fn root_key(&self) -> &Path {
        &self.config.root_key.path
    }
}

fn back_up(installation: &Installation, verify: bool) -> String {
    let name = installation.backups.create().unwrap();
    installation.backups.wait();
    if verify {
        installation.backups.verify(&name).unwrap();
        installation.backups.wait();
        assert!(installation.backups.file(&name).unwrap().verified.is_some());
    }
    name
}

fn rotate(installation: &Installation) {
    installation.engine.rotate_system_key(&installation.tree, Some(&installation.backups)).unwrap();
    while installation.engine.renewal().is_some() {
        std::thread::yield_now();
    }
}

fn destroy(installation: &Installation, version: u32) -> Result<(), String> {
    let destroyed = installation.engine.destroy_system_key(&installation.tree, version, Some(&installation.backups));
    destroyed.map_err(|error| error.to_string())
}

// R-H6, R-H7
#[test]
fn a_system_key_stays_until_a_verified_backup_can_be_restored_without_it() {
    let mut site = Site::new();
    let installation = site.open();
    site.create(&installation, "before");
    let old = back_up(&installation, true);
    rotate(&installation);
    site.create(&installation, "after");
    drop(installation);
    // While the old key is there, backup and journal from before the rotation give back what came after it.
    site.lose_and_restore(Some(&old));
    site.lose_and_restore(None);

    let installation = site.open();
    while installation.engine.renewal().is_some() {
        std::thread::yield_now();
    }
    let refused = destroy(&installation, 1).unwrap_err();
    assert!(refused.contains(&old) && refused.contains("claviger backup verify"), "{refused}");
    let unverified = back_up(&installation, false);
    assert!(destroy(&installation, 1).unwrap_err().contains(&old), "{unverified} is not verified");
    let new = back_up(&installation, true);
    destroy(&installation, 1).unwrap();
    site.create(&installation, "at-last");
    drop(installation);
    site.lose_and_restore(Some(&new));

    // What needs the old key says so, and nothing is touched.
    fs::remove_dir_all(&site.config.storage.folder).unwrap();
    for backup in [Some(site.backup(&old)), None] {
        let refused = restore::restore(&site.config, backup.as_deref(), false, &Progress::default());
        let refused = format!("{:#}", refused.err().unwrap());
        assert!(refused.contains("version 1"), "{refused}");
    }
    site.lose_and_restore(Some(&new));
    let installation = site.open();
    assert!(installation.backups.list().unwrap().iter().any(|backup| backup.name == new));
    // And once more, with the segments sealed by the key before.
    rotate(&installation);
    let newest = back_up(&installation, true);
    destroy(&installation, 2).unwrap();
    drop(installation);
    site.lose_and_restore(Some(&newest));
}

// R-H6, R-H2
#[test]
fn a_rotation_of_the_root_key_that_was_cut_short_is_finished_by_the_next_start() {
    let mut site = Site::new();
    let installation = site.open();
    site.create(&installation, "store");
    drop(installation);
    use claviger_engine::hierarchy::{DevelopmentRootKey, RootKeyCustody};
    let root_key = DevelopmentRootKey::at(site.root_key().to_owned());
    root_key.add_version(&SystemRandom::new()).unwrap();
    let installation = site.open();
    assert_eq!(installation.tree.root_key().unwrap().versions, [2]);
    drop(installation);
    assert!(fs::read_to_string(site.folder.path().join("system-keys")).unwrap().contains("key 1 root 2 "));
    let installation = site.open();
    assert_eq!(installation.engine.describe_key(site.keys[0]).unwrap().id, site.keys[0]);
}
