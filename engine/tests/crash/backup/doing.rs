//! What the child does: changes keys at random, and tells before and after each step.

use std::fs;
use std::path::{Path, PathBuf};

use claviger_algorithm::{Algorithm, KeyKind};
use claviger_engine::backup::Outcome;
use claviger_engine::change::NewKey;
use claviger_engine::key::id::KeyId;
use claviger_engine::key::material::SecretBytes;
use claviger_engine::key::state::{KeyState, VersionState};
use claviger_engine::key::version::KeyVersion;
use claviger_engine::limits::DELETION_WAIT_MIN;
use claviger_engine::list::KeyFilter;
use claviger_engine::{Error, KeyRecord};

use super::model::{COUNTED, PLAIN, SECRET, Step, Verb, value};
use super::site::Site;
use crate::place::{Random, mirrors};
use crate::support::client::Client;

/// Goes on until the process is killed.
pub(crate) fn change_until_killed(folder: &Path, tell: impl FnMut(&str)) {
    let site = Site::open(folder);
    let random = Random(site.storage.revision().0.wrapping_mul(super::SEED));
    let may_shred = mirrors(folder).iter().all(|mirror| mirror.exists());
    let mut child = Child { client: Client::new(&site.engine), site, folder, random, may_shred, tell };
    loop {
        child.step();
    }
}

struct Child<'f, T> {
    site: Site,
    client: Client,
    folder: &'f Path,
    random: Random,
    /// Whether all mirrors of the shred table are there: without one of them nothing that needs a new shred secret is done.
    may_shred: bool,
    tell: T,
}

impl<T: FnMut(&str)> Child<'_, T> {
    fn step(&mut self) {
        let step = match self.random.below(64) {
            0..=5 => {
                let kind = [PLAIN, COUNTED, SECRET][self.random.index(3)];
                Step::new(Verb::Create, &format!("{kind}-{}", self.site.storage.revision().0), 0)
            }
            6..=7 => return self.back_up(),
            8 => return self.prune(),
            9..=10 => return self.day(),
            _ => match self.some_key() {
                Some(record) => self.step_of(&record),
                None => return,
            },
        };
        // Secrets are updated several times in a row, so that values are destroyed.
        let times = if step.verb == Verb::Rotate && step.name.starts_with(SECRET) { UPDATES } else { 1 };
        for _ in 0..times {
            self.do_step(&step);
        }
    }

    fn do_step(&mut self, step: &Step) {
        if !self.may_shred && self.needs_shred_secret(step) {
            let refused = self.change(step);
            assert!(matches!(refused, Err(Error::ShredTable(_))), "{step}: {refused:?}");
            return;
        }
        (self.tell)(&format!("begin {step}"));
        self.change(step).unwrap_or_else(|error| panic!("{step}: {error}"));
        let told = if step.verb == Verb::Use { &self.uses(&step.name) } else { step };
        (self.tell)(&told.to_string());
        self.seal(told);
    }

    /// One of the first keys of some kind that are not deleted.
    fn some_key(&mut self) -> Option<KeyRecord> {
        let kind = [PLAIN, COUNTED, COUNTED, SECRET][self.random.index(4)];
        let records = self.site.engine.list_keys(self.site.store, &KeyFilter::default(), None, 1_000).unwrap().keys;
        let is_meant = |record: &KeyRecord| record.state != KeyState::Deleted && record.name.as_str().starts_with(kind);
        let nth = self.random.index(2);
        records.into_iter().filter(is_meant).nth(nth)
    }

    fn step_of(&mut self, record: &KeyRecord) -> Step {
        let (verb, number) = match (record.state, self.random.below(12)) {
            (KeyState::DeletionRequested, 0) => (Verb::Cancel, 0),
            (KeyState::DeletionRequested, 1..=3) => (Verb::Delete, 0),
            (KeyState::Disabled, 0..=7) => (Verb::Enable, 0),
            (KeyState::Available, 0) => (Verb::Disable, 0),
            (KeyState::Available, 1 | 11) => (Verb::Request, 0),
            (KeyState::Available, 2..=5) => match self.old_version(record) {
                Some(version) => (Verb::Destroy, version.into()),
                None => (Verb::Rotate, 0),
            },
            (KeyState::Available, 6..=9) if record.name.as_str().starts_with(COUNTED) => (Verb::Use, 0),
            _ => (Verb::Rotate, 0),
        };
        Step::new(verb, record.name.as_str(), number)
    }

    /// A version of a key that can be destroyed. The values of secrets are left to be so by those that come after.
    fn old_version(&mut self, record: &KeyRecord) -> Option<u32> {
        let is_old = |state| matches!(state, VersionState::Active | VersionState::Disabled);
        let old: Vec<_> = record.versions.iter().filter(|summary| is_old(summary.state)).collect();
        if old.is_empty() || record.algorithm.row().kind == KeyKind::Secret {
            return None;
        }
        Some(old[self.random.index(old.len())].version.get())
    }

    fn needs_shred_secret(&self, step: &Step) -> bool {
        let is_full = || self.record(&step.name).versions.len() == 10;
        match step.verb {
            Verb::Create | Verb::Destroy => true,
            Verb::Rotate => step.name.starts_with(SECRET) && is_full(),
            _ => false,
        }
    }

    fn change(&mut self, Step { verb, name, number }: &Step) -> Result<(), Error> {
        let engine = self.site.engine.clone();
        if *verb == Verb::Create {
            let is = |kind: &str| name.starts_with(kind);
            let algorithm = match () {
                () if is(SECRET) => Algorithm::Opaque,
                () if is(COUNTED) => Algorithm::Aes256Gcm,
                () => Algorithm::Xaes256Gcm,
            };
            let value = is(SECRET).then(|| SecretBytes::from(value(name, 1)));
            let new = NewKey { value, ..NewKey::new(name.parse().unwrap(), algorithm) };
            let id = engine.create_keys(self.site.store, vec![new])?[0].id;
            // So that it is found when its name is free again.
            write(&id_file(self.folder, name), id.to_string().as_bytes());
            return Ok(());
        }
        let record = self.record(name);
        let id = record.id;
        match verb {
            Verb::Rotate if name.starts_with(SECRET) => {
                let current = record.current().unwrap();
                let value = SecretBytes::from(value(name, current.get() + 1));
                engine.update_secret(id, value, Some(current)).map(drop)
            }
            Verb::Rotate => engine.rotate(id).map(drop),
            Verb::Destroy => {
                let version = KeyVersion::new(u32::try_from(*number).unwrap()).unwrap();
                engine.destroy_version(id, version).map(drop)
            }
            Verb::Disable => engine.set_state(id, KeyState::Disabled).map(drop),
            Verb::Enable => engine.set_state(id, KeyState::Available).map(drop),
            Verb::Request => engine.request_deletion(id, DELETION_WAIT_MIN).map(drop),
            Verb::Cancel => engine.cancel_deletion(id).map(drop),
            Verb::Delete => engine.delete_now(id, true).map(drop),
            Verb::Use => {
                let items: Vec<(&[u8], &[u8])> = vec![(b"", b""); 1_000];
                self.client.encrypt(id, &items).map(drop)
            }
            _ => panic!("{verb:?} is done elsewhere"),
        }
    }

    /// After a new version: something that only it decrypts.
    fn seal(&mut self, step: &Step) {
        let record = match step.verb {
            Verb::Create | Verb::Rotate if !step.name.starts_with(SECRET) => self.record(&step.name),
            _ => return,
        };
        if record.state != KeyState::Available {
            return;
        }
        let version = record.current().unwrap().get();
        let sealed = self.client.encrypt_one(record.id, b"", &value(&step.name, version));
        write(&sealed_file(self.folder, &step.name, version), &sealed);
    }

    /// How often the current version of a key was used, as it is counted.
    fn uses(&self, name: &str) -> Step {
        let counted = self.site.engine.use_count(&self.record(name)).unwrap().unwrap();
        Step::new(Verb::Use, name, counted.used)
    }

    fn day(&mut self) {
        let requested: Vec<_> = self.requested();
        (self.tell)(&format!("begin {}", Step::new(Verb::Day, "-", 0)));
        self.site.clock.pass(DELETION_WAIT_MIN);
        self.site.engine.do_due().unwrap();
        for (name, id) in requested {
            if self.site.engine.describe_key(id).unwrap().state == KeyState::Deleted {
                (self.tell)(&Step::new(Verb::Expire, &name, 0).to_string());
            }
        }
        (self.tell)(&Step::new(Verb::Day, "-", 0).to_string());
    }

    fn requested(&self) -> Vec<(String, KeyId)> {
        let records = self.site.engine.list_keys(self.site.store, &KeyFilter::default(), None, 1_000).unwrap().keys;
        let is_requested = |record: &KeyRecord| record.state == KeyState::DeletionRequested;
        records.into_iter().filter(is_requested).map(|record| (record.name.to_string(), record.id)).collect()
    }

    fn back_up(&mut self) {
        let made = self.site.backups.create().unwrap();
        self.site.backups.wait();
        (self.tell)(&Step::new(Verb::BackUp, &made, 0).to_string());
    }

    /// Proves the newest backup, and removes the journal before it.
    fn prune(&mut self) {
        let backups = &self.site.backups;
        let Some(newest) = backups.list().unwrap().pop() else { return };
        backups.verify(&newest.name).unwrap();
        backups.wait();
        assert_eq!(backups.work(&newest.name).unwrap().outcome, Some(Outcome::Done));
        let step = Step::new(Verb::Prune, &newest.name, 0);
        (self.tell)(&format!("begin {step}"));
        backups.prune(&newest.name).unwrap();
        (self.tell)(&step.to_string());
    }

    fn record(&self, name: &str) -> KeyRecord {
        self.site.engine.describe_key(self.site.find(name).unwrap()).unwrap()
    }
}

/// Updates of a secret in a row.
const UPDATES: usize = 4;

/// The id of a key by its name, also of a deleted one.
pub(super) fn id_file(folder: &Path, key: &str) -> PathBuf {
    folder.join("ids").join(key)
}

/// What a version of a key has sealed.
pub(super) fn sealed_file(folder: &Path, key: &str, version: u32) -> PathBuf {
    folder.join("sealed").join(format!("{key}-{version}"))
}

/// Whole or not at all.
fn write(path: &Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let new = path.with_extension("new");
    fs::write(&new, bytes).unwrap();
    fs::rename(new, path).unwrap();
}
