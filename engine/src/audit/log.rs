//! The log itself: lines are appended in groups, each durable, and remembered apart, before anybody is answered.

use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::AuditError;
use super::event::{Event, EventKind};
use super::folder;
use super::head::{self, HeadFile};
use super::line::{self, Link};
use super::signer::InstallationKey;
use super::tail::{Tail, find_end};
use crate::clock::Clock;
use crate::crypto::record_key::AuditKey;
use crate::hierarchy::SystemKeys;
use crate::limits::{AUDIT_CHECKPOINT_EVERY, AUDIT_CHECKPOINT_RECORDS, AUDIT_FILE_SIZE, AUDIT_FREE_SPACE_FLOOR};
use crate::record::key::milliseconds;

/// Where an audit log is, and how it is kept.
#[derive(Clone, Debug)]
pub struct AuditOptions {
    /// The folder of its files.
    pub folder: PathBuf,
    /// The file that remembers where it ends, on another disk.
    pub head: PathBuf,
    /// Bytes at which a file is closed and another begun.
    pub file_size: u64,
    /// Bytes that must be free on its disk before a change is taken.
    pub free_space_floor: u64,
    /// Whether it is begun anew if it is not there, or not as it was: what was before is lost.
    pub begin_anew: bool,
}

impl AuditOptions {
    /// As usual, in `folder`, with `head` to remember where it ends.
    #[must_use]
    pub const fn at(folder: PathBuf, head: PathBuf) -> Self {
        Self { folder, head, file_size: AUDIT_FILE_SIZE, free_space_floor: AUDIT_FREE_SPACE_FLOOR, begin_anew: false }
    }
}

/// A log that is appended to.
pub(super) struct Log {
    options: AuditOptions,
    installation: [u8; 16],
    signer: Arc<InstallationKey>,
    clock: Arc<dyn Clock>,
    head: HeadFile,
    file: Option<File>,
    /// How far it is durable.
    end: End,
    /// Records since the last checkpoint.
    unsigned: u64,
    /// When that was, by the clock that never goes back.
    signed_at_ms: u64,
    /// The version of the system key of the last line.
    system_key: u32,
    /// The highest number of a change that is in it.
    change: u64,
    _lock: File,
}

/// A place in the log: behind its last durable line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct End {
    /// Number of the file.
    pub(super) file: u64,
    /// Its size in bytes.
    pub(super) size: u64,
    /// The last line.
    pub(super) last: Link,
}

impl Log {
    /// Opens the log, and takes away what a crash has left of a line that nobody was answered for. A log that never was is made, if `is_new`.
    ///
    /// # Errors
    /// [`AuditError::Cut`], [`AuditError::Altered`], [`AuditError::NoHead`], [`AuditError::Damaged`], [`AuditError::OtherInstallation`] if it is not as it was left, unless it is
    /// to be begun anew; [`AuditError::InUse`], [`AuditError::File`], [`AuditError::Signature`].
    pub(super) fn open(
        options: AuditOptions,
        keys: &SystemKeys,
        signer: Arc<InstallationKey>,
        clock: Arc<dyn Clock>,
        is_new: bool,
    ) -> Result<Self, AuditError> {
        let lock = folder::lock(&options.folder)?;
        let installation = keys.installation();
        let found = find_end(&options, keys, &signer.public(), is_new);
        let remembered = head::read(&options.head, &signer.public()).ok().flatten();
        let before = remembered.as_ref().map(|found| &found.head);
        let head = HeadFile::open(&options.head, before)?;
        let now = clock.monotonic_ms();
        let mut log = Self {
            options,
            installation,
            signer,
            clock,
            head,
            file: None,
            end: End::default(),
            unsigned: 0,
            signed_at_ms: now,
            system_key: keys.current().0,
            change: 0,
            _lock: lock,
        };
        match found {
            Ok(Some((tail, is_torn))) => {
                log.take(tail)?;
                if is_torn {
                    let mut event = Event::new(EventKind::HeadMended, log.clock.now_ms());
                    event.shown = "one of the two places that remember where the log ends was damaged".to_owned();
                    tracing::warn!(path = %log.options.head.display(), "{}: it is mended", event.shown);
                    log.append(&[event], keys)?;
                }
            }
            Ok(None) => log.begin_file(1, &[], keys)?,
            Err(error) if log.options.begin_anew && error.is_loss() => {
                let number = folder::list(&log.options.folder)?.last().copied();
                let number = number.max(before.map(|head| head.file)).unwrap_or_default().saturating_add(1);
                log.end.last.seq = before.map_or(0, |head| head.last.seq);
                let mut event = Event::new(EventKind::BegunAnew, log.clock.now_ms());
                event.shown = format!("begun anew by the operator: {error}");
                tracing::warn!("{}", event.shown);
                log.begin_file(number, &[event], keys)?;
            }
            Err(error) => return Err(error),
        }
        Ok(log)
    }

    /// Appends the events, in their order, with checkpoints where it is time for them, in another file if the one at hand is full. All of it is durable when this returns, and is
    /// to be [remembered](Log::remember) before anything else is appended, or anybody is answered.
    ///
    /// # Errors
    /// [`AuditError::File`], [`AuditError::Signature`]: nothing of it counts, and it may be tried again.
    pub(super) fn append(&mut self, events: &[Event], keys: &SystemKeys) -> Result<(), AuditError> {
        if self.end.size >= self.options.file_size {
            self.begin_next_file(keys);
        }
        let (mut next, mut lines) = (self.end, Vec::new());
        let (mut unsigned, mut change) = (self.unsigned, self.change);
        let (version, derived) = keys.current();
        let key = (version, &derived.audit);
        if version != self.system_key {
            // What old keys have authenticated is under a signature before they may go.
            self.checkpoint(&mut next, &mut lines, key)?;
            unsigned = 0;
        }
        for event in events {
            let line = line::write(next.last, event, key, None)?;
            push(&mut next, &mut lines, line);
            change = change.max(event.change.unwrap_or_default());
            unsigned += 1;
            if unsigned >= AUDIT_CHECKPOINT_RECORDS {
                self.checkpoint(&mut next, &mut lines, key)?;
                unsigned = 0;
            }
        }
        let is_full = next.size >= self.options.file_size && unsigned > 0;
        if is_full || self.is_time_for_checkpoint(unsigned) {
            self.checkpoint(&mut next, &mut lines, key)?;
            unsigned = 0;
        }
        self.write(&lines)?;
        if unsigned == 0 {
            self.signed_at_ms = self.clock.monotonic_ms();
        }
        (self.end, self.unsigned, self.system_key, self.change) = (next, unsigned, version, change);
        Ok(())
    }

    /// Remembers where the log ends, apart from it.
    ///
    /// # Errors
    /// [`AuditError::File`], [`AuditError::Signature`]: to be tried again.
    pub(super) fn remember(&mut self) -> Result<(), AuditError> {
        self.head.write(self.installation, self.end.file, self.end.last, &self.signer)
    }

    /// Whether a change can be taken: there is room, and a file to write to.
    ///
    /// # Errors
    /// [`AuditError::FreeSpaceFloor`], [`AuditError::File`].
    pub(super) fn check_room(options: &AuditOptions) -> Result<(), AuditError> {
        folder::check_free_space(&options.folder, options.free_space_floor)
    }

    /// Whether there is room for what nobody waits for: twice what changes need to be taken.
    pub(super) fn has_room_for_requests(&self) -> bool {
        let floor = self.options.free_space_floor.saturating_mul(2);
        folder::check_free_space(&self.options.folder, floor).is_ok()
    }

    /// How far it is durable.
    pub(super) const fn end(&self) -> End {
        self.end
    }

    /// The highest number of a change that is in it, as far as it is known.
    pub(super) const fn change(&self) -> u64 {
        self.change
    }

    /// Whether a checkpoint is to be written although nothing else is.
    pub(super) fn is_checkpoint_due(&self) -> bool {
        self.is_time_for_checkpoint(self.unsigned)
    }

    /// Writes a last checkpoint, if there is anything to sign.
    ///
    /// # Errors
    /// As [`Log::append`].
    pub(super) fn close(&mut self, keys: &SystemKeys) -> Result<(), AuditError> {
        if self.unsigned > 0 {
            let (mut next, mut lines) = (self.end, Vec::new());
            let (version, derived) = keys.current();
            self.checkpoint(&mut next, &mut lines, (version, &derived.audit))?;
            self.write(&lines)?;
            (self.end, self.unsigned, self.system_key) = (next, 0, version);
        }
        // In both places.
        self.remember()?;
        self.remember()
    }

    fn is_time_for_checkpoint(&self, unsigned: u64) -> bool {
        let passed = self.clock.monotonic_ms().saturating_sub(self.signed_at_ms);
        unsigned > 0 && passed >= milliseconds(AUDIT_CHECKPOINT_EVERY)
    }

    fn take(&mut self, tail: Tail) -> Result<(), AuditError> {
        let Tail { end, unsigned, system_key, change, .. } = tail;
        let path = folder::path(&self.options.folder, end.file);
        (self.end, self.unsigned, self.system_key, self.change) = (end, unsigned, system_key, change);
        let size = path.metadata().map_err(AuditError::file(&path, "measure"))?.len();
        if size > end.size {
            tracing::warn!(path = %path.display(), bytes = size - end.size, "the audit log ends with a line that was not finished: it is taken away, and its record comes from the data folder");
            let file = File::options().write(true).open(&path).map_err(AuditError::file(&path, "open"))?;
            cut(&file, end.size).map_err(AuditError::file(&path, "cut"))?;
        }
        Ok(())
    }

    fn checkpoint(&self, next: &mut End, lines: &mut Vec<u8>, key: (u32, &AuditKey)) -> Result<(), AuditError> {
        let mut event = Event::new(EventKind::Checkpoint, self.clock.now_ms());
        event.installation = self.installation_digits();
        push(next, lines, line::write(next.last, &event, key, Some(&self.signer))?);
        Ok(())
    }

    /// Begins another file with a line that says so, and with these events.
    fn begin_file(&mut self, number: u64, events: &[Event], keys: &SystemKeys) -> Result<(), AuditError> {
        let (version, derived) = keys.current();
        let mut next = End { file: number, size: 0, last: self.end.last };
        let mut lines = Vec::new();
        let mut opened = Event::new(EventKind::Opened, self.clock.now_ms());
        opened.file = Some(number);
        opened.change = Some(self.change);
        opened.installation = self.installation_digits();
        opened.public_key = self.signer.public().to_string();
        for event in std::iter::once(&opened).chain(events) {
            let line = line::write(next.last, event, (version, &derived.audit), Some(&self.signer))?;
            push(&mut next, &mut lines, line);
        }
        let file = folder::begin(&self.options.folder, number, &lines, self.options.file_size)?;
        (self.file, self.end, self.system_key) = (Some(file), next, version);
        (self.unsigned, self.signed_at_ms) = (0, self.clock.monotonic_ms());
        Ok(())
    }

    /// If that cannot be, the file at hand goes on growing into its reserve, and it is tried again.
    fn begin_next_file(&mut self, keys: &SystemKeys) {
        if let Err(error) = self.begin_file(self.end.file.saturating_add(1), &[], keys) {
            tracing::error!(%error, "no other file of the audit log can be begun: the one at hand goes on");
        }
    }

    fn write(&mut self, lines: &[u8]) -> Result<(), AuditError> {
        if lines.is_empty() {
            return Ok(());
        }
        let path = folder::path(&self.options.folder, self.end.file);
        if self.file.is_none() {
            // After a failure: what may be there of it is taken away, and everything after that is written anew.
            let file = folder::open(&self.options.folder, self.end.file, self.options.file_size)?;
            cut(&file, self.end.size).map_err(AuditError::file(&path, "cut"))?;
            self.file = Some(file);
        }
        let Some(file) = &self.file else { return Ok(()) };
        let written =
            is_at(file, &path).and_then(|()| file.write_all_at(lines, self.end.size)).and_then(|()| file.sync_data());
        written.map_err(|error| {
            self.file = None;
            AuditError::file(&path, "write")(error)
        })
    }

    fn installation_digits(&self) -> String {
        data_encoding::HEXLOWER.encode(&self.installation)
    }
}

fn push(next: &mut End, lines: &mut Vec<u8>, (line, link): (Vec<u8>, Link)) {
    lines.extend_from_slice(&line);
    next.size += line.len() as u64;
    next.last = link;
}

/// Takes away what is behind `size`, durably.
fn cut(file: &File, size: u64) -> std::io::Result<()> {
    if file.metadata()?.len() > size {
        file.set_len(size)?;
        file.sync_all()?;
    }
    Ok(())
}

/// Whether the file still stands at its place: what is written to one that nobody finds again is lost.
fn is_at(file: &File, path: &Path) -> std::io::Result<()> {
    let (own, there) = (file.metadata()?, path.metadata()?);
    if (own.dev(), own.ino()) == (there.dev(), there.ino()) {
        Ok(())
    } else {
        Err(std::io::Error::other("another file is in its place"))
    }
}
