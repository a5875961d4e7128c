//! An installation: the places that keys rest on, made once by `init` and opened by every start.
//!
//! Root key custody, system-key file and data folder are separable (who has the files of any two has nothing); the daemon needs all three, and one mirror
//! at least of the shred table. The journal stands
//! beside the data folder, on a disk of its own, and gives it back when it is lost.

mod places;

use std::fs::DirBuilder;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use claviger_engine::audit::{AuditOptions, InstallationPublicKey};
use claviger_engine::backup::{BackupError, BackupParts, Backups, Journal, JournalOptions};
use claviger_engine::clock::{Clock, SystemClock};
use claviger_engine::crypto::random::SystemRandom;
use claviger_engine::hierarchy::{
    CustodyClass, DevelopmentRootKey, KeyTree, RootKeyCustody, SystemKeyFile, SystemKeys,
};
use claviger_engine::limits::MAP_SIZE_MAX;
use claviger_engine::storage::{LmdbOptions, LmdbStorage, Storage, StorageError, WriteAhead};
use claviger_engine::{Engine, EngineParts};
use rustix::process::{Resource, getrlimit};

use crate::config::{self, Config, Custody};
use crate::hardening::{Hardening, without_locking};
use crate::shred_table;

use self::places::Places;
pub(crate) use self::places::is_empty;

/// An opened installation.
pub struct Installation {
    /// Its backups and its journal.
    pub backups: Backups,
    /// The engine over its keys.
    pub engine: Arc<Engine>,
    /// Where its records are.
    pub storage: Arc<dyn Storage>,
    /// Its root key and its system keys, to be rotated.
    pub tree: Arc<KeyTree>,
    /// What is to be told of it.
    pub facts: Facts,
}

/// What health tells of an installation.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    /// Who holds the root key.
    pub root_key: CustodyClass,
    /// Whether root key and system keys come from other machines than this one.
    pub separated: bool,
    /// Whether the journal is on another device than the data folder.
    pub journal_separated: bool,
    /// Whether the audit log, and what remembers its end, are each on another device than the data folder.
    pub audit_separated: bool,
    /// Whether each mirror of the shred table is on a device of its own.
    pub mirrors_separated: bool,
    /// Whether the processor has a random generator of its own.
    pub hardware_generator: bool,
}

impl Installation {
    /// Opens the places of an installation and starts its engine.
    ///
    /// # Errors
    /// With place and remedy: one is missing or damaged, cannot be read, is in use, or they do not belong together.
    pub fn open(config: &Config) -> anyhow::Result<Self> {
        Self::open_by(config, false)
    }

    /// As [`Installation::open`]; `begin_audit_anew` has the audit log begun anew if it is lost, or not as it was left.
    pub(crate) fn open_by(config: &Config, begin_audit_anew: bool) -> anyhow::Result<Self> {
        if let Some(missing) = Places::of(config).missing() {
            bail!(missing);
        }
        let root_key = custody(config);
        let class = root_key.class();
        let tree = KeyTree::new(root_key, SystemKeyFile::at(config.system_keys.path.clone()));
        let system_keys = tree.unlock()?;
        let journal = open_journal(config, &system_keys, false)?;
        let storage: Arc<dyn Storage> = Arc::new(open_storage(config, &journal)?);
        let shred_table = shred_table::open(config, &system_keys)?;
        let random = SystemRandom::new();
        // Both once the data folder is ours alone: another process may be in the middle of it.
        if let Err(error) = tree.remove_leftover() {
            tracing::warn!(%error, "what a crash has left beside the system-key file cannot be removed");
        }
        match tree.finish_root_key_rotation(&random) {
            Ok(false) => {}
            Ok(true) => tracing::info!("a rotation of the root key that was cut short is finished"),
            // Everything opens all the same.
            Err(error) => {
                tracing::error!(%error, "a rotation of the root key that was cut short is not finished: rotate the root key again")
            }
        }
        let engine = Engine::start(EngineParts {
            storage: Arc::clone(&storage),
            system_keys,
            shred_table: Arc::new(shred_table),
            random: Arc::new(random),
            clock: Arc::new(SystemClock),
            cached_keys_max: config.cache.keys_max,
            compute_threads: config::cores(),
            audit: Some(AuditOptions {
                file_size: config.audit.file_size,
                free_space_floor: config.audit.free_space_floor,
                begin_anew: begin_audit_anew,
                ..AuditOptions::at(config.audit.folder.clone(), config.audit.head.clone())
            }),
        })
        .with_context(|| format!("data folder {}", config.storage.folder.display()))?;
        let facts = Facts {
            root_key: class,
            separated: false,
            mirrors_separated: shred_table::are_separated(config),
            audit_separated: is_separated(&config.audit.folder, &config.storage.folder)
                && is_separated(&config.audit.head, &config.audit.folder),
            journal_separated: is_separated(&config.journal.folder, &config.storage.folder),
            hardware_generator: random.has_hardware_generator(),
        };
        let parts = BackupParts {
            folder: config.backup.folder.clone(),
            journal,
            storage: Arc::clone(&storage),
            random: Arc::new(random),
            clock: Arc::new(SystemClock),
        };
        Ok(Self { backups: Backups::open(&engine, parts)?, engine, storage, tree: Arc::new(tree), facts })
    }
}

/// Makes the places of a new installation, and gives the public half of its key. Nothing that exists is touched.
///
/// # Errors
/// With what is there and what is not, if one of the places exists already; otherwise with the place that could not be made.
pub fn init(config: &Config) -> anyhow::Result<InstallationPublicKey> {
    if let Some(existing) = Places::of(config).existing() {
        bail!(existing);
    }
    shred_table::check(config)?;
    let random = SystemRandom::new();
    let (data, journal) = (&config.storage.folder, &config.journal.folder);
    for path in [&config.root_key.path, &config.system_keys.path, data, journal] {
        make_parent(path)?;
    }
    let root_key = match config.root_key.custody {
        Custody::DevelopmentFile => DevelopmentRootKey::create(config.root_key.path.clone(), &random)?,
    };
    SystemKeyFile::at(config.system_keys.path.clone()).create(&root_key, &random, SystemClock.now_ms())?;
    let system_keys = unlock(config)?;
    open_storage(config, &open_journal(config, &system_keys, false)?)?;
    shred_table::create(config, &system_keys)?;
    // Makes the installation key, and begins the audit log.
    let installation = Installation::open(config)?;
    let status = installation.engine.audit_status().context("the audit log was not begun")?;
    Ok(status.public_key)
}

/// Makes the mirrors of the shred table that are missing, as copies of one that is there. Gives their files.
///
/// # Errors
/// With the remedy: there is none to copy from, one cannot be made, or a daemon has them.
pub fn make_missing_mirrors(config: &Config) -> anyhow::Result<Vec<PathBuf>> {
    shred_table::make_missing(config, &unlock(config)?)
}

fn custody(config: &Config) -> impl RootKeyCustody + use<> {
    match config.root_key.custody {
        Custody::DevelopmentFile => DevelopmentRootKey::at(config.root_key.path.clone()),
    }
}

/// The unwrapped system keys.
///
/// # Errors
/// With file and remedy.
pub fn system_keys(config: &Config) -> anyhow::Result<SystemKeys> {
    unlock(config)
}

/// The unwrapped system keys.
pub(crate) fn unlock(config: &Config) -> anyhow::Result<SystemKeys> {
    Ok(SystemKeyFile::at(config.system_keys.path.clone()).unlock(&custody(config))?)
}

/// The journal; in a folder without segments only for a new installation, or with `begin_anew`.
pub(crate) fn open_journal(
    config: &Config,
    system_keys: &SystemKeys,
    begin_anew: bool,
) -> anyhow::Result<Arc<Journal>> {
    let sealing = system_keys.sealing();
    let options = JournalOptions {
        free_space_floor: config.storage.free_space_floor,
        begin_anew,
        known_segments: Backups::known_segments(&config.backup.folder, &sealing)?,
        ..JournalOptions::at(config.journal.folder.clone())
    };
    let random = Arc::new(SystemRandom::new());
    Ok(Journal::open(options, sealing, random, Arc::new(SystemClock))?)
}

/// The data folder, whose changes are written to the journal first.
pub(crate) fn open_storage(config: &Config, journal: &Arc<Journal>) -> anyhow::Result<LmdbStorage> {
    // A map that grows is mapped anew, and would be locked then: it has its full size from the beginning.
    let has_room = getrlimit(Resource::As).current.is_none();
    let map_size = if Hardening::of_process().locked && has_room {
        MAP_SIZE_MAX
    } else {
        usize::try_from(config.storage.map_size)?
    };
    let write_ahead: Arc<dyn WriteAhead> = Arc::<Journal>::clone(journal);
    let options = LmdbOptions {
        map_size,
        free_space_floor: config.storage.free_space_floor,
        write_ahead: Some(write_ahead),
        ..LmdbOptions::default()
    };
    match without_locking(|| LmdbStorage::open(&config.storage.folder, &options)) {
        // Only its end is read here.
        Err(StorageError::WriteAhead(error))
            if matches!((*error.cause).downcast_ref(), Some(BackupError::Damaged { .. })) =>
        {
            bail!(
                "{error}. If there is no copy: nothing is lost as long as the data folder is whole; move this file away, start again, and make a full backup at once"
            )
        }
        opened => Ok(opened?),
    }
}

/// Whether two places are on different devices; `false` if that cannot be found out.
fn is_separated(one: &Path, other: &Path) -> bool {
    let device = |path: &Path| path.metadata().map(|metadata| metadata.dev()).ok();
    device(one).zip(device(other)).is_some_and(|(one, other)| one != other)
}

/// Makes the folder that `path` is to stand in, for its owner only, if it is missing.
pub(crate) fn make_parent(path: &Path) -> anyhow::Result<()> {
    let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) else { return Ok(()) };
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(parent)
        .with_context(|| format!("cannot make folder {}", parent.display()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn config(folder: &Path) -> Config {
        let text = "[storage]\nmap_size_mib = 1\nfree_space_floor_mib = 0\n[audit]\nfile_size_mib = 1\nfree_space_floor_mib = 0";
        Config::parse(text, folder).unwrap()
    }

    fn said(result: anyhow::Result<impl Sized>) -> String {
        format!("{:#}", result.err().unwrap())
    }

    // R-H1, R-H2
    #[test]
    fn opens_what_init_made() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path());
        init(&config).unwrap();
        let installation = Installation::open(&config).unwrap();
        assert_eq!(installation.facts.root_key, CustodyClass::DevelopmentFile);
        assert!(!installation.facts.separated);
        assert!(installation.engine.stores().is_empty());
    }

    #[test]
    fn init_makes_missing_parent_folders_for_the_owner_only() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let mut config = config(folder.path());
        config.root_key.path = folder.path().join("apart/from/root-key");
        init(&config).unwrap();
        let mode = fs::metadata(folder.path().join("apart")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }

    #[test]
    fn init_does_not_touch_an_installation_that_exists() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path());
        init(&config).unwrap();
        let before = fs::read(&config.root_key.path).unwrap();
        assert!(said(init(&config)).contains("made before"));
        assert_eq!(fs::read(&config.root_key.path).unwrap(), before);
    }

    #[test]
    fn half_an_installation_is_named_piece_by_piece_and_not_completed() {
        for keep in 0..7 {
            let folder = tempfile::tempdir().unwrap();
            let config = config(folder.path());
            init(&config).unwrap();
            let [one, other] = [&config.shred_table.mirrors[0], &config.shred_table.mirrors[1]];
            let (data, journal) = (&config.storage.folder, &config.journal.folder);
            let audit = &config.audit.folder;
            let places = [&config.root_key.path, &config.system_keys.path, data, journal, audit, one, other];
            for (_, path) in places.into_iter().enumerate().filter(|(index, _)| *index != keep) {
                if path.is_dir() { fs::remove_dir_all(path).unwrap() } else { fs::remove_file(path).unwrap() }
            }
            for error in [said(init(&config)), said(Installation::open(&config))] {
                assert!(error.contains("half there"), "{error}");
                assert_eq!(error.matches("exists  ").count(), 1, "{error}");
                assert_eq!(error.matches("missing  ").count(), 6, "{error}");
            }
            let left = places.into_iter().filter(|path| path.exists()).count();
            assert_eq!(left, 1, "nothing was completed");
        }
    }

    #[test]
    fn opening_without_an_installation_says_how_to_make_one() {
        let folder = tempfile::tempdir().unwrap();
        assert!(said(Installation::open(&config(folder.path()))).contains("clavigerd init --config"));
    }

    // R-K11
    #[test]
    fn a_missing_mirror_of_the_shred_table_is_not_made_by_a_start_but_by_order() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path());
        init(&config).unwrap();
        let [one, other] = [&config.shred_table.mirrors[0], &config.shred_table.mirrors[1]];
        fs::remove_file(other).unwrap();
        let installation = Installation::open(&config).unwrap();
        assert!(!other.exists());
        // Not beside a daemon.
        assert!(said(make_missing_mirrors(&config)).contains("is in use: another clavigerd has it"));
        drop(installation);
        assert_eq!(make_missing_mirrors(&config).unwrap(), std::slice::from_ref(other));
        assert_eq!(fs::read(one).unwrap(), fs::read(other).unwrap());
        assert!(make_missing_mirrors(&config).unwrap().is_empty());
        for path in [one, other] {
            fs::remove_file(path).unwrap();
        }
        let error = said(make_missing_mirrors(&config));
        assert!(error.contains("no mirror of the shred table can be used") && error.contains("is missing"), "{error}");
    }

    // R-H6
    #[test]
    fn a_start_beside_a_daemon_leaves_the_file_that_this_is_writing_and_removes_what_a_crash_has_left() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path());
        init(&config).unwrap();
        let running = Installation::open(&config).unwrap();
        let mut written = config.system_keys.path.clone().into_os_string();
        written.push(".new");
        fs::write(&written, "half of a key").unwrap();
        assert!(said(Installation::open(&config)).contains("is in use"));
        assert!(Path::new(&written).exists());
        drop(running);
        drop(Installation::open(&config).unwrap());
        assert!(!Path::new(&written).exists());
    }

    #[test]
    fn the_root_key_of_another_installation_is_refused() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (mut one, other) = (config(one.path()), config(other.path()));
        init(&one).unwrap();
        init(&other).unwrap();
        one.root_key.path = other.root_key.path;
        assert!(said(Installation::open(&one)).contains("does not belong"));
    }
}
