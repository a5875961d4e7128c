//! The journal: every change, sealed, on the disk of a place of its own before it is made in storage.
//!
//! It is a row of segments, `journal-1`, `journal-2`, ...: each start of the daemon and each full backup begins a new one, and so does whatever went wrong with
//! the one before. One group of changes is one record (`chain.rs`) and one sync. Each segment is bound to the last record of the one before it.
//!
//! **What was never made.** A record is written before its changes are, so a crash between the two leaves a record of changes that nobody was told of. The
//! next segment says at which change the storage really stood; what earlier segments have above that was never made, and a restore skips it. What was
//! acknowledged was in storage before, so it is never above it: a start refuses a storage that is older than what the journal knows to have been made. Storage
//! that ends its changes after a failed commit answers that it does not know; then the restart finds out, in the same way.
//!
//! **What it lacks.** The storage notes the last change that was written ahead. A journal that ends before it, because a segment is lost or was put back from a
//! copy, has a gap, and so has one that is begun anew. The segment after a gap is bound to nothing: no restore leads across it, and only a full backup made
//! after it goes with the journal again.
//!
//! **What cannot be written** is cut off again, and refuses the change. The next change begins a new segment, so that changes go on as soon as the disk does.

mod end;
mod segment;
mod segments;

use std::fmt;
use std::fs::{DirBuilder, File};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use self::segment::{Identity, Segment};
pub(super) use self::segments::Segments;
use super::chain::{Chain, Link};
use super::changes::Group;
use super::error::BackupError;
use super::file;
use super::header::{HEADER_SIZE, Header, Kind};
use super::seal::Sealing;
use crate::clock::Clock;
use crate::crypto::random::{EntropyError, Random};
use crate::limits::{FREE_SPACE_FLOOR, JOURNAL_SEGMENT_SIZE};
use crate::storage::{NewChange, Revision, WriteAhead, WriteAheadError};

/// The journal of one installation. Given to a storage, which tells it of every change.
pub struct Journal {
    options: JournalOptions,
    random: Arc<dyn Random>,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    lock: File,
}

/// How a journal is kept.
#[derive(Clone, Debug)]
pub struct JournalOptions {
    /// Its folder.
    pub folder: PathBuf,
    /// Bytes that must be free on its disk before a change is taken.
    pub free_space_floor: u64,
    /// Bytes at which a segment takes no further record.
    pub segment_size: usize,
    /// Whether a folder without segments is taken although the storage has changes: the journal before was lost.
    pub begin_anew: bool,
    /// The highest number of a segment that a backup knows. After a gap the segments have higher ones, so that none is taken for one that was lost.
    pub known_segments: u64,
}

impl JournalOptions {
    /// As usual, in `folder`.
    #[must_use]
    pub const fn at(folder: PathBuf) -> Self {
        Self {
            folder,
            free_space_floor: FREE_SPACE_FLOOR,
            segment_size: JOURNAL_SEGMENT_SIZE,
            begin_anew: false,
            known_segments: 0,
        }
    }
}

struct State {
    sealing: Sealing,
    /// The newest segment, once the storage has been opened and there is one.
    last: Option<Segment>,
    /// The last change that was appended, or that storage had at the beginning.
    appended: Revision,
    /// The last change that stands in the journal, as a reader finds it: one of those that are not kept may be above it.
    written: Revision,
    /// A change that is certainly in storage.
    made: Revision,
    /// Changes before the next segment are missing.
    lacks_changes: bool,
    /// The last segment before which changes are missing, unless a backup was made after it.
    gap: Option<u64>,
    /// Why changes are refused at the moment.
    failure: Option<String>,
}

/// Where the segments before a backup end and those after it begin.
#[derive(Clone, Copy, Debug)]
pub(super) struct Position {
    /// The segment that begins here.
    pub(super) number: u64,
    /// Its first link.
    pub(super) link: Link,
    /// The last change that stands in a segment before.
    pub(super) appended: Revision,
}

impl Journal {
    /// The journal in a folder, which is made (mode 0700) if it is missing; its parent must exist. Nothing is written before a storage begins with it.
    ///
    /// # Errors
    /// [`BackupError::InUse`], [`BackupError::File`].
    pub fn open(
        options: JournalOptions,
        sealing: Sealing,
        random: Arc<dyn Random>,
        clock: Arc<dyn Clock>,
    ) -> Result<Arc<Self>, BackupError> {
        let folder = &options.folder;
        if !folder.is_dir() {
            DirBuilder::new().mode(0o700).create(folder).map_err(BackupError::file(folder, "create"))?;
        }
        let lock = file::lock(&folder.join(LOCK_FILE))?.ok_or_else(|| BackupError::InUse(folder.clone()))?;
        let none = Revision::default();
        let state = State {
            sealing,
            last: None,
            appended: none,
            written: none,
            made: none,
            lacks_changes: false,
            gap: None,
            failure: None,
        };
        Ok(Arc::new(Self { options, random, clock, state: Mutex::new(state), lock }))
    }

    /// Whether no segment is in a folder, or there is none. An empty one may be a mount point that waits for its first data.
    ///
    /// # Errors
    /// [`BackupError::File`]: it cannot be read.
    pub fn is_empty(folder: &Path) -> Result<bool, BackupError> {
        Ok(!folder.try_exists().map_err(BackupError::file(folder, "read"))? || Segments::list(folder)?.last().is_none())
    }

    /// Its folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.options.folder
    }

    /// Why changes are refused at the moment, if they are.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        self.state.lock().failure.clone()
    }

    /// Whether changes are missing in it that no full backup has: until one is made, a lost data folder is lost.
    #[must_use]
    pub fn has_gap(&self) -> bool {
        self.state.lock().gap.is_some()
    }

    /// Where it ends: the number of the newest segment and the bytes written to it. `None` before there is one.
    #[must_use]
    pub fn position(&self) -> Option<(u64, u64)> {
        self.state.lock().last.as_ref().map(|last| (last.number, last.end))
    }

    /// A backup was made that needs the journal from this segment on.
    pub(super) fn note_backup(&self, first_segment: u64) {
        let mut state = self.state.lock();
        state.gap = state.gap.filter(|gap| *gap > first_segment);
    }

    /// The segment that is written to, if there is one.
    pub(super) fn newest(&self) -> Option<u64> {
        self.state.lock().last.as_ref().map(|last| last.number)
    }

    /// Seals from here on with other keys, beginning a new segment: the system key has a new version.
    ///
    /// # Errors
    /// [`BackupError`]: nothing is sealed with the new keys before the next segment.
    pub fn seal_with(&self, sealing: Sealing) -> Result<(), BackupError> {
        let mut state = self.state.lock();
        state.sealing = sealing;
        self.begin_segment_after_last(&mut state).map(drop)
    }

    /// Begins a new segment. Changes that are under way stand before it, and may not be in storage yet.
    pub(super) fn cut(&self) -> Result<Position, BackupError> {
        let mut state = self.state.lock();
        self.begin_segment_after_last(&mut state)?;
        let (number, link) = state.last.as_ref().map_or((0, Link::default()), |last| (last.number, last.link));
        Ok(Position { number, link, appended: state.appended })
    }

    /// Uses what files are sealed with.
    pub(super) fn with_sealing<T>(&self, use_it: impl FnOnce(&Sealing) -> T) -> T {
        use_it(&self.state.lock().sealing)
    }

    fn begin_segment_after_last(&self, state: &mut State) -> Result<(), BackupError> {
        let (appended, made) = (state.appended, state.made);
        let begun = self.begin_segment(state, appended, made);
        state.failure = begun.as_ref().err().map(ToString::to_string);
        begun
    }

    fn begin_segment(&self, state: &mut State, revision: Revision, made: Revision) -> Result<(), BackupError> {
        // Not in a folder that has come to stand at the path of this one, as when a disk is away.
        let lock = self.folder().join(LOCK_FILE);
        Identity::of(&self.lock, &lock)?.must_be_at(&lock)?;
        let mut before = Link::default();
        let mut number = 1;
        if let Some(last) = &mut state.last {
            last.open = None;
            number = last.number.saturating_add(1);
            if !last.is_there()? {
                if !state.lacks_changes {
                    tracing::error!(path = %last.path.display(), "the newest segment of the journal was removed: make a full backup now, older ones do not go with the journal any more");
                }
                state.lacks_changes = true;
            }
            if !state.lacks_changes {
                // Exactly what the new segment is bound to: a rest of a record that was not written whole would be taken for damage.
                last.cut()?;
                before = last.link;
            }
        }
        if state.lacks_changes {
            number = number.max(self.options.known_segments.saturating_add(1));
        }
        let mut id = [0; 16];
        self.random.fill(&mut id)?;
        let header = Header {
            kind: Kind::Segment,
            system_version: state.sealing.current(),
            id,
            number,
            revision,
            made,
            before,
            created_ms: self.clock.now_ms(),
        };
        let (bytes, chain) = Chain::begin(&header, &state.sealing).ok_or(EntropyError)?;
        let path = Segments::path(self.folder(), number);
        let opened = file::put(&path, &bytes)?;
        let (link, identity) = (chain.link, Identity::of(&opened, &path)?);
        state.last =
            Some(Segment { number, path, link, end: HEADER_SIZE as u64, identity, open: Some((opened, chain)) });
        if std::mem::take(&mut state.lacks_changes) {
            state.gap = Some(number);
        }
        (state.appended, state.written, state.made) = (revision, revision, made);
        Ok(())
    }

    fn try_append(
        &self,
        state: &mut State,
        before: Revision,
        newest: Revision,
        (content, written): (&[u8], Revision),
    ) -> Result<(), BackupError> {
        file::check_free_space(self.folder(), self.options.free_space_floor)?;
        let takes_more = match &state.last {
            Some(last) if last.open.is_some() && last.end < self.options.segment_size as u64 => last.is_there()?,
            _ => false,
        };
        if !takes_more {
            self.begin_segment(state, before, before)?;
        }
        let Some(segment) = &mut state.last else { return Ok(()) };
        let appended = segment.append(content, &*self.random);
        if appended.is_err() {
            // Nothing more is written to it, and what may be there of this record is taken away: now, or before a new one is begun.
            segment.open = None;
            let _tried_again_later = segment.cut();
        }
        appended?;
        (state.appended, state.written, state.made) = (newest, written, before);
        Ok(())
    }
}

impl WriteAhead for Journal {
    fn begin(&self, revision: Revision, ahead: Revision) -> Result<(), WriteAheadError> {
        let mut state = self.state.lock();
        if state.last.is_none() {
            self.find_end(&mut state, revision, ahead)?;
        }
        (state.appended, state.made) = (revision, revision);
        let begun = self.begin_segment_after_last(&mut state);
        match (begun, &mut state.last) {
            (Err(error @ BackupError::File { .. }), Some(last)) => {
                tracing::error!(%error, "the journal cannot be written: changes are refused until it can");
                // What it was to say, the next attempt says.
                last.open = None;
                Ok(())
            }
            (begun, _) => Ok(begun?),
        }
    }

    fn check_spare_space(&self) -> Result<(), WriteAheadError> {
        Ok(file::check_spare_space(self.folder(), self.options.free_space_floor)?)
    }

    fn withdraw(&self, revision: Revision) -> Result<(), WriteAheadError> {
        self.begin(revision, Revision::default())
    }

    fn append(&self, before: Revision, changes: &[NewChange<'_>]) -> Result<Revision, WriteAheadError> {
        let mut state = self.state.lock();
        let Some(newest) = changes.last().map(|change| change.revision) else { return Ok(state.written) };
        let Some((content, written)) = Group::encode(before, changes) else {
            // Nothing of it is kept here, and storage goes on all the same: a segment that begins after it begins no earlier than a backup of it. Whether the journal can be
            // written, it does not tell.
            state.appended = newest;
            return Ok(state.written);
        };
        let appended = self.try_append(&mut state, before, newest, (&content, written));
        let had_failed = state.failure.is_some();
        state.failure = appended.as_ref().err().map(ToString::to_string);
        match &appended {
            Err(error) if !had_failed => tracing::error!(%error, "changes are refused"),
            Ok(()) if had_failed => tracing::info!("the journal is written again: changes go on"),
            _ => {}
        }
        appended?;
        Ok(state.written)
    }
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journal").field("folder", &self.options.folder).finish_non_exhaustive()
    }
}

/// The file whose lock stands for the folder. It stays empty.
const LOCK_FILE: &str = "journal.lock";
