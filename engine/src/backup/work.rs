//! Making, verifying and pruning while an engine serves: long work on a thread of its own, one at a time.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use parking_lot::Mutex;

use super::catalogue::{BackupFile, Catalogue, Verified};
use super::error::BackupError;
use super::inspect;
use super::journal::{Journal, Segments};
use super::progress::Progress;
use super::replay::{self, Sources};
use super::restore::open_scratch;
use super::seal::Sealing;
use super::{create, file};
use crate::clock::Clock;
use crate::crypto::random::Random;
use crate::engine::Engine;
use crate::source::VaultSource;
use crate::storage::Storage;

/// The backups of a running engine. Dropping it breaks off what is under way, and waits for that.
pub struct Backups {
    inner: Arc<Inner>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What backups are made of, and where they go.
pub struct BackupParts {
    /// The folder of backups; made (mode 0700) with the first one.
    pub folder: PathBuf,
    /// The journal of the storage.
    pub journal: Arc<Journal>,
    /// The storage that is backed up.
    pub storage: Arc<dyn Storage>,
    /// Source of random bytes.
    pub random: Arc<dyn Random>,
    /// Source of time.
    pub clock: Arc<dyn Clock>,
}

/// Something that takes long.
#[derive(Clone, Debug)]
pub struct Work {
    /// What is done with the backup.
    pub kind: Kind,
    /// How far it has got.
    pub progress: Arc<Progress>,
    /// How it has ended, once it has.
    pub outcome: Option<Outcome>,
}

/// What is done with a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It is made.
    Create,
    /// It is restored into a scratch folder, and everything in that is read.
    Verify,
}

/// How a work has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// As it should.
    Done,
    /// Not done, for this reason.
    Failed(String),
}

struct Inner {
    catalogue: Catalogue,
    journal: Arc<Journal>,
    storage: Arc<dyn Storage>,
    source: Arc<VaultSource>,
    random: Arc<dyn Random>,
    clock: Arc<dyn Clock>,
    /// The last work on each backup, of this process.
    works: Mutex<BTreeMap<String, Work>>,
}

impl Backups {
    /// The backups of `engine`. What a process that was cut off has left unfinished is removed.
    ///
    /// # Errors
    /// [`BackupError::FolderInUse`], [`BackupError::File`].
    pub fn open(engine: &Engine, parts: BackupParts) -> Result<Self, BackupError> {
        let BackupParts { folder, journal, storage, random, clock } = parts;
        let source = &engine.ledger.source;
        let catalogue = Catalogue::open(folder)?;
        if journal.has_gap() {
            let sealing = source.vault.sealing();
            if let Some(newest) = catalogue.list(&sealing)?.pop() {
                let path = catalogue.path(&newest.name);
                let sources = Sources { backup: Some(&path), journal: Some(journal.folder()) };
                if sources.check(&sealing).is_ok() {
                    journal.note_backup(newest.first_segment);
                }
            }
        }
        if journal.has_gap() {
            tracing::warn!(
                "the journal lacks changes that no backup has: make a full backup now (`claviger backup create`)"
            );
        }
        let inner =
            Inner { catalogue, journal, storage, source: Arc::clone(source), random, clock, works: Mutex::default() };
        Ok(Self { inner: Arc::new(inner), thread: Mutex::new(None) })
    }

    /// The highest number of a segment of the journal that a backup in `folder` needs; 0 if there is none.
    ///
    /// # Errors
    /// [`BackupError::File`].
    pub fn known_segments(folder: &Path, sealing: &Sealing) -> Result<u64, BackupError> {
        let backups = Catalogue::at(folder.to_owned()).list(sealing)?;
        Ok(backups.iter().map(|backup| backup.first_segment).max().unwrap_or(0))
    }

    /// The journal of the storage.
    #[must_use]
    pub fn journal(&self) -> &Journal {
        &self.inner.journal
    }

    /// Begins to make a full backup; gives its name.
    ///
    /// # Errors
    /// [`BackupError::Busy`], [`BackupError::FolderInUse`], [`BackupError::File`].
    pub fn create(&self) -> Result<String, BackupError> {
        let mut thread = self.thread.lock();
        let inner = &self.inner;
        let folder = inner.catalogue.folder();
        let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.map_err(BackupError::file(folder, "create"))?;
        inner.catalogue.claim()?;
        let name = inner.catalogue.new_name()?;
        self.begin(&mut thread, &name, Kind::Create)?;
        Ok(name)
    }

    /// Begins to verify a backup: restores it with the journal into a scratch folder in the folder of backups, and reads everything there. It fails if the engine is locked, or comes to be
    /// before every key was unwrapped.
    ///
    /// # Errors
    /// [`BackupError::NoSuchBackup`], [`BackupError::Busy`], or what is wrong with its first bytes.
    pub fn verify(&self, name: &str) -> Result<(), BackupError> {
        let mut thread = self.thread.lock();
        self.file(name)?;
        self.begin(&mut thread, name, Kind::Verify)
    }

    /// All backups that can be read, oldest first.
    ///
    /// # Errors
    /// [`BackupError::File`].
    pub fn list(&self) -> Result<Vec<BackupFile>, BackupError> {
        self.inner.journal.with_sealing(|sealing| self.inner.catalogue.list(sealing))
    }

    /// A backup that is there.
    ///
    /// # Errors
    /// [`BackupError::NoSuchBackup`], or what is wrong with its first bytes.
    pub fn file(&self, name: &str) -> Result<BackupFile, BackupError> {
        self.inner.journal.with_sealing(|sealing| self.inner.catalogue.describe(name, sealing))
    }

    /// The file of a backup of this name.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.inner.catalogue.path(name)
    }

    /// The last work on a backup, of this process.
    #[must_use]
    pub fn work(&self, name: &str) -> Option<Work> {
        self.inner.works.lock().get(name).cloned()
    }

    /// All works of this process whose backup is not there, or is being worked on.
    #[must_use]
    pub fn works(&self) -> BTreeMap<String, Work> {
        self.inner.works.lock().clone()
    }

    /// Waits for the work that is under way.
    pub fn wait(&self) {
        let thread = self.thread.lock().take();
        if let Some(thread) = thread {
            // A panic has been reported where it happened, and shows as work that never ends well.
            let _ended = thread.join();
        }
    }

    /// Removes the segments of the journal that a restore of this backup, which must be verified, does not need. Gives their numbers. Older backups can then
    /// be restored only without the changes after them.
    ///
    /// # Errors
    /// [`BackupError::NotVerified`], [`BackupError::NoSuchBackup`], [`BackupError::Busy`], [`BackupError::File`]; [`BackupError::Gap`],
    /// [`BackupError::SegmentMissing`] or another of those of a restore, if the journal does not go with the backup: then nothing is removed.
    pub fn prune(&self, name: &str) -> Result<Vec<u64>, BackupError> {
        let thread = self.thread.lock();
        self.refuse_if_busy(thread.as_ref())?;
        let backup = self.file(name)?;
        if backup.verified.is_none() {
            return Err(BackupError::NotVerified(name.to_owned()));
        }
        let (path, folder) = (self.path(name), self.inner.journal.folder());
        // What is left must lead from the backup to the end: numbers alone do not say so, after a journal was lost.
        let needed = Sources { backup: Some(&path), journal: Some(folder) };
        needed.check(&self.inner.source.vault.sealing())?;
        let first = backup.first_segment.min(self.inner.journal.newest().unwrap_or(0));
        let mut removed = Vec::new();
        // From the oldest on, so that what is left is without a gap even if it is cut short.
        for (number, path) in Segments::list(folder)?.iter().filter(|(number, _)| *number < first) {
            fs::remove_file(path).map_err(BackupError::file(path, "remove"))?;
            removed.push(number);
        }
        file::sync_folder(folder)?;
        Ok(removed)
    }

    /// How many segments the journal has, and their bytes in all.
    ///
    /// # Errors
    /// [`BackupError::File`].
    pub fn journal_size(&self) -> Result<(u64, u64), BackupError> {
        let segments = Segments::list(self.inner.journal.folder())?;
        let sizes = segments.iter().map(|(_, path)| path.metadata().map_or(0, |metadata| metadata.len()));
        Ok(sizes.fold((0, 0), |(count, bytes), size| (count + 1, bytes + size)))
    }

    fn refuse_if_busy(&self, thread: Option<&JoinHandle<()>>) -> Result<(), BackupError> {
        if thread.is_none_or(JoinHandle::is_finished) {
            return Ok(());
        }
        let works = self.inner.works.lock();
        let running = works.iter().find(|(_, work)| work.outcome.is_none()).map(|(name, _)| name.clone());
        Err(BackupError::Busy(running.unwrap_or_default()))
    }

    fn begin(&self, thread: &mut Option<JoinHandle<()>>, name: &str, kind: Kind) -> Result<(), BackupError> {
        self.refuse_if_busy(thread.as_ref())?;
        let progress = Arc::<Progress>::default();
        let work = Work { kind, progress: Arc::clone(&progress), outcome: None };
        self.inner.remember(name, work);
        let started = thread::Builder::new().name("backup".into()).spawn({
            let (inner, name) = (Arc::clone(&self.inner), name.to_owned());
            move || inner.run(&name, kind, &progress)
        });
        *thread = Some(started.map_err(|source| {
            self.inner.works.lock().remove(name);
            BackupError::File { path: self.inner.catalogue.path(name), action: "start a thread for", source }
        })?);
        Ok(())
    }
}

impl Drop for Backups {
    fn drop(&mut self) {
        self.inner.works.lock().values().for_each(|work| work.progress.end());
        self.wait();
    }
}

impl Inner {
    fn run(&self, name: &str, kind: Kind, progress: &Progress) {
        let result = match kind {
            Kind::Create => self.create(name, progress),
            Kind::Verify => self.verify(name, progress),
        };
        match &result {
            Ok(()) => tracing::info!(backup = name, ?kind, "done"),
            Err(error) => tracing::error!(backup = name, ?kind, %error, "failed"),
        }
        let outcome = result.map_or_else(|error| Outcome::Failed(error.to_string()), |()| Outcome::Done);
        if let Some(work) = self.works.lock().get_mut(name) {
            work.outcome = Some(outcome);
        }
    }

    fn create(&self, name: &str, progress: &Progress) -> Result<(), BackupError> {
        let path = self.catalogue.path(name);
        let (storage, now_ms) = (&*self.storage, self.clock.now_ms());
        let first_segment = create::create(&path, storage, &self.journal, &*self.random, now_ms, progress)?;
        self.journal.note_backup(first_segment);
        Ok(())
    }

    fn verify(&self, name: &str, progress: &Progress) -> Result<(), BackupError> {
        // All that was acknowledged until now is in segments that are no longer written.
        create::cut(&*self.storage, &self.journal)?;
        self.catalogue.remove_scratch()?;
        let verified = self.try_restore(name, progress);
        // Whatever came of it; what cannot be removed now is removed by the next start.
        let removed = self.catalogue.remove_scratch();
        if verified.as_ref().is_err_and(BackupError::is_damage) {
            // What an earlier verification found does not hold any more.
            self.catalogue.forget_verified(name)?;
        }
        let verified = verified?;
        removed?;
        let note = |sealing: &_| self.catalogue.note_verified(name, &verified, sealing, &*self.random);
        self.journal.with_sealing(note)
    }

    fn try_restore(&self, name: &str, progress: &Progress) -> Result<Verified, BackupError> {
        let (backup, scratch) = (self.catalogue.path(name), self.catalogue.scratch());
        let sources = Sources { backup: Some(&backup), journal: Some(self.journal.folder()) };
        let sealing = self.source.vault.sealing();
        let replayed = replay::fill(&scratch, &sources, &sealing, progress)?;
        let restored = self.source.vault.over(Arc::new(open_scratch(&scratch)?));
        let inventory = inspect::inspect(&restored, &self.source.shred_table, || self.source.lock.check(), progress)?;
        Ok(Verified { at_ms: self.clock.now_ms(), revision: replayed.revision, inventory })
    }

    fn remember(&self, name: &str, work: Work) {
        let mut works = self.works.lock();
        // What has ended well shows in its file.
        works.retain(|_, work| !matches!(work.outcome, Some(Outcome::Done)));
        while works.len() >= WORKS_MAX {
            works.pop_first();
        }
        works.insert(name.to_owned(), work);
    }
}

/// Works that are remembered: those that failed, since the start.
const WORKS_MAX: usize = 100;
