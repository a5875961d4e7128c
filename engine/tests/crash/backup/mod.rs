//! The data folder is lost in the middle of work: what a backup and the journal give back is compared with what was acknowledged.

mod doing;
mod model;
mod site;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use claviger_engine::Error;
use claviger_engine::backup::{BackupError, Progress, Restore, Restored};
use claviger_engine::crypto::random::SystemRandom;
use claviger_engine::key::id::KeyId;
use claviger_engine::key::state::KeyState;
use claviger_engine::key::version::KeyVersion;
use claviger_engine::storage::StorageError;

use crate::child::{Line, Writer};
use crate::disk::Disk;
use crate::failed_write::Fault;
use crate::place::{Random, mirrors, shred_table, system_keys};
use crate::support::calls::only;
use crate::support::client::Client;
use crate::work::Acknowledged;
use doing::{id_file, sealed_file};
use model::{COUNTED, Expected, Keys, Life, SECRET, Step, Verb, apply, value};
use site::Site;

pub(crate) use doing::change_until_killed;

/// Cycles of starting, changing, killing, losing the data folder and restoring it.
const CYCLES: u64 = 9;

pub(crate) const SEED: u64 = 0x6a6f_7572_6e61_6c21;

// R-H7, R-K3, R-K10, R-K11, R-K14
#[test]
fn nothing_acknowledged_is_missing_and_nothing_deleted_comes_back_after_kills_and_lost_data_folders() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path();
    drop(Site::open(folder));
    let mut known = Known::default();
    let mut random = Random(SEED);
    for cycle in 0..CYCLES {
        let context = format!("cycle {cycle} of seed {SEED:#x}");
        // One mirror or the other is away for a while, and comes back as it was.
        let away = (cycle % 3 == 1).then(|| mirrors(folder)[usize::try_from(cycle % 2).unwrap()].clone());
        away.iter().for_each(|mirror| fs::rename(mirror, mirror.with_extension("away")).unwrap());
        let begun = known.listen(folder, 40 + random.below(100));

        fs::remove_dir_all(folder.join("data")).unwrap();
        // Sometimes from the last backup, sometimes from the journal alone.
        let backup = known.backup.as_ref().map(|name| folder.join("backup").join(name));
        let from = backup.as_deref().filter(|_| random.below(3) > 0);
        let context = format!("{context}, from {from:?}");
        let journal = folder.join("journal");
        let restored = match restore(folder, from, Some(&journal)) {
            Err(error) if known.is_pruned && from.is_none() => {
                assert!(matches!(error, BackupError::SegmentMissing { .. }), "{context}: {error}");
                restore(folder, backup.as_deref(), Some(&journal))
            }
            restored => restored,
        };
        let restored = restored.unwrap_or_else(|error| panic!("{context}: {error}"));
        assert!(restored.inventory.stores == 1, "{context}");
        known.check(folder, begun.as_ref(), &context);
        away.iter().for_each(|mirror| fs::rename(mirror.with_extension("away"), mirror).unwrap());
    }
    known.covers_what_it_should();
    // All mirrors are there, and nothing waits to be destroyed.
    let site = Site::open(folder);
    site.engine.do_due().unwrap();
    assert_eq!(site.engine.pending_destructions().unwrap(), 0);
    drop(site);
    let [one, other] = mirrors(folder).map(|mirror| fs::read(mirror).unwrap());
    assert_eq!(one, other);
    // The journal is lost as well: much is missing then, and still nothing comes back.
    fs::remove_dir_all(folder.join("data")).unwrap();
    restore(folder, Some(&folder.join("backup").join(known.backup.as_ref().unwrap())), None).unwrap();
    known.check_nothing_comes_back(folder);
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
    let restored = restore(folder, None, Some(&journal)).unwrap();
    assert_eq!(restored.inventory.keys, second, "as many as were acknowledged, and none that was refused");
}

/// What a parent knows of an installation: what it was told.
#[derive(Default)]
struct Known {
    keys: Keys,
    /// The last backup that it was told of, or one that the journal was pruned to since.
    backup: Option<String>,
    is_pruned: bool,
    /// How often each verb was acknowledged.
    done: BTreeMap<String, u64>,
    /// Whether some secret was given so many values that it has lost one.
    lost_value: bool,
}

impl Known {
    /// Listens to a child until it is killed, which is after so many lines. Gives what was begun then, and not acknowledged.
    fn listen(&mut self, folder: &Path, lines: u64) -> Option<Step> {
        let mut child = Writer::start("changes_keys_until_killed", folder, Fault::None);
        let mut begun = None;
        for _ in 0..lines {
            match child.next() {
                Some(Line::Said(text)) => self.take(&text, &mut begun),
                other => panic!("the child goes on until it is killed: {other:?}"),
            }
        }
        child.kill();
        child.rest(&mut Acknowledged::new()).iter().for_each(|text| self.take(text, &mut begun));
        assert!(!child.succeeded());
        begun
    }

    fn take(&mut self, text: &str, begun: &mut Option<Step>) {
        let words: Vec<_> = text.split(' ').collect();
        if let ["begin", words @ ..] = &words[..] {
            let step = Step::parse(words);
            if step.verb == Verb::Prune {
                // Perhaps some segments are gone, whether or not it is told that they are.
                (self.backup, self.is_pruned) = (Some(step.name.clone()), true);
            }
            *begun = Some(step);
            return;
        }
        let step = Step::parse(&words);
        if step.verb == Verb::BackUp {
            self.backup = Some(step.name.clone());
        }
        apply(&mut self.keys, &step);
        self.lost_value |= self.keys.get(&step.name).is_some_and(|key| key.life.has_lost_value());
        *self.done.entry(format!("{:?}", step.verb)).or_default() += 1;
        if begun.as_ref().is_some_and(|begun| begun.verb == step.verb) {
            *begun = None;
        }
    }

    /// Compares the restored keys with those expected, and remembers what is there; what was begun and not acknowledged may or may not have been done.
    fn check(&mut self, folder: &Path, begun: Option<&Step>, context: &str) {
        let site = Site::open(folder);
        let mut with_begun = self.keys.clone();
        if let Some(step) = begun {
            apply(&mut with_begun, step);
        }
        let mut found = Keys::new();
        for (key, maximum) in with_begun {
            let minimum = self.keys.remove(&key).unwrap_or_default();
            let is = life_of(&site, folder, &key, context);
            // A day that was begun may have brought any deletion that was requested.
            let is_due = begun.is_some_and(|step| step.verb == Verb::Day)
                && minimum.life.state == Some(KeyState::DeletionRequested);
            assert!(
                is == minimum.life || is == maximum.life || is_due && is.is_deleted(),
                "{context}: key {key} is {is:?}, expected {minimum:?} or {maximum:?}"
            );
            let used = if is.current() == maximum.life.current() { maximum.used } else { minimum.used };
            if is.state.is_some() {
                is_whole(&site, folder, &key, &is, used, context);
                found.insert(key, Expected { life: is, used });
            }
        }
        self.keys = found;
    }

    /// What was destroyed does not open anything, and what was counted is counted as used up, in a data folder that knows nothing of all that.
    fn check_nothing_comes_back(&self, folder: &Path) {
        let site = Site::open_with(folder, &folder.join("new-journal"));
        let mut client = Client::new(&site.engine);
        for (key, expected) in &self.keys {
            let Some(record) = site.find(key).map(|id| site.engine.describe_key(id).unwrap()) else { continue };
            assert!(!expected.life.is_deleted() || record.state == KeyState::Deleted, "{key} has come back");
            let destroyed = expected.life.versions.iter().filter(|(_, is_destroyed)| **is_destroyed);
            for (version, _) in destroyed {
                assert!(!opens(&mut client, &site, folder, key, *version), "version {version} of {key} has come back");
            }
            if record.state == KeyState::Available && key.starts_with(COUNTED) {
                let refused = client.encrypt(record.id, &[(b"", b"")]);
                assert!(matches!(refused, Err(Error::UseLimitReached { .. })), "{key} was used no one knows how often");
            }
        }
    }

    /// The child has done everything that this is about.
    fn covers_what_it_should(&self) {
        for verb in [Verb::Delete, Verb::Expire, Verb::Destroy, Verb::BackUp, Verb::Prune, Verb::Use] {
            assert!(self.done.contains_key(&format!("{verb:?}")), "{verb:?} was never done: {:?}", self.done);
        }
        assert!(self.lost_value, "no secret was updated more than ten times: {:?}", self.done);
    }
}

/// Restores into the data folder, which is gone.
fn restore(folder: &Path, backup: Option<&Path>, journal: Option<&PathBuf>) -> Result<Restored, BackupError> {
    let target = &folder.join("data");
    let restore = Restore { backup, journal: journal.map(PathBuf::as_path), target, now_ms: 0 };
    let system_keys = system_keys(folder);
    let shred_table = shred_table(folder, &system_keys);
    restore.run(system_keys, &shred_table, Arc::new(SystemRandom::new()), &Progress::default())
}

/// State and versions of a key, by its name, or if that is gone by the id that was noted.
fn life_of(site: &Site, folder: &Path, key: &str, context: &str) -> Life {
    let file = id_file(folder, key);
    let id = match site.find(key) {
        Some(id) => {
            // The child may have been killed before it noted that.
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, id.to_string()).unwrap();
            id
        }
        None => fs::read_to_string(file).map_or(KeyId([0; 16]), |text| text.parse().unwrap()),
    };
    match site.engine.describe_key(id) {
        Ok(record) => Life::of(&record),
        Err(Error::KeyNotFound(_)) => Life::default(),
        Err(error) => panic!("{context}: key {key}: {error}"),
    }
}

/// All material of a key is there, what was destroyed is not, and uses are counted.
fn is_whole(site: &Site, folder: &Path, key: &str, life: &Life, used: u64, context: &str) {
    if life.is_deleted() {
        return;
    }
    site.load(key);
    if key.starts_with(COUNTED) {
        let record = site.engine.describe_key(site.find(key).unwrap()).unwrap();
        let counted = site.engine.use_count(&record).unwrap().unwrap().used;
        assert!(counted >= used, "{context}: {key} was used {used} times, and {counted} are counted");
    }
    if life.state == Some(KeyState::Available) {
        let mut client = Client::new(&site.engine);
        // Values of a secret that are not told of any more are gone.
        for version in 1..=life.current() {
            let is_there = life.versions.get(&version) == Some(&false);
            let may_be_tried = key.starts_with(SECRET) || sealed_file(folder, key, version).exists();
            let opens = may_be_tried && opens(&mut client, site, folder, key, version);
            assert_eq!(opens, is_there && may_be_tried, "{context}: version {version} of {key}");
        }
    }
}

/// Whether a version of a key, which may be a secret, does what it was made for.
fn opens(client: &mut Client, site: &Site, folder: &Path, key: &str, version: u32) -> bool {
    let id = site.find(key).unwrap();
    let expected = value(key, version);
    if key.starts_with(SECRET) {
        let version = KeyVersion::new(version);
        return client
            .counted(id, |scope, entry| entry.secret(scope, version).is_ok_and(|read| read.value == expected));
    }
    let sealed = fs::read(sealed_file(folder, key, version)).unwrap_or_default();
    client.decrypt(id, &[(b"", &sealed)]).is_ok_and(|items| only(items).is_ok_and(|opened| opened == expected))
}
