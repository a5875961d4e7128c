//! The schedule: what the clock does with keys. It rotates them, makes deletions that were requested, and forgets what was deleted long ago.
//!
//! Each key that the clock has to look at stands in an index, at the moment when. The index is only where to look: what is to be done, and whether it is time, is decided by
//! the key's own record, in whose transactions the index is kept. So what was missed while nothing ran is found at the next look.
//!
//! Keys that are rotated by use are told by those who count, and done at once. They stand in no index: after a restart, the next use tells them anew.
//!
//! Wall clocks are set wrong at times. A deletion needs a second witness, the running time of the installation, so that it may be late and is never early.
//! A rotation has none: it may be early when the clock is ahead; but when the next one is further away than one period, because the clock was put back, and stays so for a
//! day, it is moved to there, so that none is lost. Not at once: a machine may begin with a clock that is years behind, and put it right a minute later.

mod by_use;
mod thread;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::act::Act;
use crate::error::Error;
use crate::key::id::KeyId;
use crate::ledger::{Altered, Ledger};
use crate::limits::{
    CLOCK_BELIEVED_AFTER_MS, DUE_LOOKED_AT_EVERY, DUE_LOOKS_MISSED_MAX, SCAN_PAGE_RECORDS, SCHEDULE_STEPS,
};
use crate::record::key::milliseconds;
use crate::record::{Deleted, Deletion, KeyRecord, Rotation, address};
use crate::storage::{Address, Compare, Revision, StorageError, Versioned, Write};

use by_use::warn_of_many_versions;
pub(crate) use thread::Scheduler;

/// Does what is due.
pub(crate) struct Schedule {
    ledger: Ledger,
    /// Held by whoever does what is due: one at a time.
    hand: Mutex<Hand>,
    /// The engine is being dropped: what is due waits for the next start.
    ending: AtomicBool,
    /// Running time of the process at the last look that came to its end.
    looked_ms: AtomicU64,
    /// Whether it was said that running time was put back: once.
    said_put_back: AtomicBool,
}

/// Where the check of what is far away stands.
#[derive(Default)]
struct Hand {
    /// The entry behind which it goes on.
    after: Option<Address>,
    /// Running time when it first found something further away than one period, having found such things in each round since.
    far_since_ms: Option<u64>,
    /// Whether it has found such a thing in this round.
    found_far: bool,
}

impl Hand {
    /// Something is too far away; whether that has been so for long enough that the clock is believed.
    fn found_far(&mut self, running_ms: u64) -> bool {
        self.found_far = true;
        let since = *self.far_since_ms.get_or_insert(running_ms);
        running_ms.saturating_sub(since) >= CLOCK_BELIEVED_AFTER_MS
    }

    /// All entries have been looked at: it begins anew.
    fn end_round(&mut self) {
        if !std::mem::take(&mut self.found_far) {
            self.far_since_ms = None;
        }
        self.after = None;
    }
}

impl Schedule {
    /// The schedule of the keys of `ledger`.
    pub(crate) fn new(ledger: Ledger) -> Arc<Self> {
        let looked_ms = ledger.clock.monotonic_ms().into();
        let (ending, said_put_back) = (AtomicBool::new(false), AtomicBool::new(false));
        Arc::new(Self { ledger, hand: Mutex::default(), ending, looked_ms, said_put_back })
    }

    /// Whether several looks in a row have not come to their end: then rotations and deletions wait.
    pub(crate) fn is_stalled(&self) -> bool {
        let since_ms = self.ledger.clock.monotonic_ms().saturating_sub(self.looked_ms.load(Ordering::Relaxed));
        since_ms > milliseconds(DUE_LOOKED_AT_EVERY * DUE_LOOKS_MISSED_MAX)
    }

    /// Does everything that is due now; gives the number of keys that were changed. While the daemon is locked, rotations and deletions wait. What fails for one key is logged, and tried again at the next look.
    ///
    /// # Errors
    /// [`Error::Storage`], [`Error::Closed`]: the rest waits for the next look.
    pub(crate) fn do_due(&self) -> Result<usize, Error> {
        let mut hand = self.hand.lock();
        self.remove_ended_imports()?;
        self.ledger.tend_shred_table()?;
        self.because("requests for approval ended, or forgotten, because their time is over").tend_approvals()?;
        self.ledger.forget_old_answers()?;
        self.ledger.tend_access();
        if self.ledger.source.lock.is_locked() {
            // Rotations need keys; deletions may have been ordered by whoever is locked out: late is allowed.
            self.looked_ms.store(self.ledger.clock.monotonic_ms(), Ordering::Relaxed);
            return Ok(0);
        }
        let changed = self.do_all_used_enough()? + self.do_what_has_come()? + self.check_what_is_far(&mut hand)?;
        self.looked_ms.store(self.ledger.clock.monotonic_ms(), Ordering::Relaxed);
        Ok(changed)
    }

    /// Imports whose time is over. What fails is logged, and tried again at the next look.
    fn remove_ended_imports(&self) -> Result<(), Error> {
        match self.because("imports whose time is over, or that are damaged, removed").remove_ended_imports() {
            Ok(_) => Ok(()),
            Err(error @ (Error::Storage(_) | Error::Closed)) => Err(error),
            Err(error) => {
                tracing::error!(%error, "imports whose time is over cannot be removed: it is tried again in a minute");
                Ok(())
            }
        }
    }

    fn do_what_has_come(&self) -> Result<usize, Error> {
        let now_ms = self.ledger.clock.now_ms();
        let (mut changed, mut after) = (0, None);
        loop {
            let page = self.page(after.as_ref(), SCAN_PAGE_RECORDS)?;
            let Some((last, _)) = page.last() else { return Ok(changed) };
            for (moment_ms, id) in page.iter().filter_map(|(address, _)| address::parse_due(address)) {
                if moment_ms > now_ms || self.ending.load(Ordering::Relaxed) {
                    return Ok(changed);
                }
                changed += self.try_each(id, |record, revision| self.do_due_of(record, revision))?;
            }
            after = Some(last.clone());
        }
    }

    /// Looks at some more entries, round and round, for rotations that a clock put back has left too far away.
    fn check_what_is_far(&self, hand: &mut Hand) -> Result<usize, Error> {
        let rest = self.page(hand.after.as_ref(), SCHEDULE_STEPS)?;
        let left = SCHEDULE_STEPS - rest.len();
        let mut changed = self.check_page(hand, rest)?;
        if left > 0 {
            let began_behind = hand.after.is_some();
            hand.end_round();
            if began_behind {
                changed += self.check_page(hand, self.page(None, left)?)?;
            }
        }
        Ok(changed)
    }

    fn check_page(&self, hand: &mut Hand, page: Vec<(Address, Versioned)>) -> Result<usize, Error> {
        let running_ms = self.ledger.use_counts().running_ms();
        let mut changed = 0;
        for (address, _) in page {
            if let Some((_, id)) = address::parse_due(&address) {
                changed += self.try_each(id, |record, revision| match self.closer(&record) {
                    Some(closer) if hand.found_far(running_ms) => self.bring_closer(record, revision, closer),
                    _ => Ok(false),
                })?;
            }
            hand.after = Some(address);
        }
        Ok(changed)
    }

    fn page(&self, after: Option<&Address>, limit: usize) -> Result<Vec<(Address, Versioned)>, Error> {
        Ok(self.ledger.vault().storage().scan(&address::schedule(), after, limit)?)
    }

    /// Does something with one key; gives 1 if it was changed. Only what fails for all keys is an error.
    fn try_each(
        &self,
        id: KeyId,
        act: impl FnOnce(KeyRecord, Revision) -> Result<bool, Error>,
    ) -> Result<usize, Error> {
        if self.ending.load(Ordering::Relaxed) {
            return Ok(0);
        }
        settle(id, self.ledger.read_key(id).and_then(|(record, revision)| act(record, revision)))
    }

    fn do_due_of(&self, record: KeyRecord, revision: Revision) -> Result<bool, Error> {
        if let Some(deleted) = record.deleted {
            return self.purge_if_over(deleted, &record, revision);
        }
        let before = record.clone();
        let ledger = self.because(self.reason(&record));
        let after = ledger.change_key_as_read(record, revision, |key| self.delete_or_rotate(key))?;
        if after.deleted.is_some() {
            tracing::info!(key = %after.id, "the wait for its deletion is over: the key is deleted");
        } else if after.versions.len() > before.versions.len() {
            tracing::info!(key = %after.id, versions = after.versions.len(), "the key was rotated by its schedule");
        }
        Ok(after != before)
    }

    /// What is due of a key, in words.
    fn reason(&self, record: &KeyRecord) -> &'static str {
        let is_over = |deletion: &Deletion| self.ledger.clock.now_ms() >= deletion.deadline_ms;
        match record.deletion.as_ref().filter(|deletion| is_over(deletion)) {
            Some(_) => "deleted, because the wait for its deletion is over",
            None => "rotated, because its period is over",
        }
    }

    /// The ledger for a change that is made for this reason.
    fn because(&self, reason: &str) -> Ledger {
        self.ledger.on_behalf_of(Act::of_engine_because("schedule", reason))
    }

    fn delete_or_rotate(&self, key: &mut Altered<'_>) -> Result<(), Error> {
        let now_ms = key.now_ms;
        if let Some(deletion) = key.record.deletion.filter(|deletion| now_ms >= deletion.deadline_ms) {
            // Whether or not the second witness agrees by now: past its deadline a key is rotated no more.
            let running_ms = self.ledger.use_counts().running_ms();
            if deletion.is_due(now_ms, running_ms) {
                key.delete();
            } else if running_ms < deletion.running_ms && !self.said_put_back.swap(true, Ordering::Relaxed) {
                tracing::warn!(key = %key.record.id, "the running time of the installation was put back, as by a restored backup: deletions that were requested before wait for as much longer");
            }
            return Ok(());
        }
        if let Some(rotation) = key.record.rotation.filter(|rotation| now_ms >= rotation.next_ms) {
            match key.rotate() {
                Err(Error::TooManyVersions(_)) => {}
                rotated => rotated?,
            }
            key.record.rotation = Some(rotation.after(now_ms));
            warn_of_many_versions(&key.record);
        }
        Ok(())
    }

    /// One period from now, if the next rotation is further away than that.
    fn closer(&self, record: &KeyRecord) -> Option<Rotation> {
        let rotation = record.rotation?;
        let closer = Rotation::starting(rotation.period_days, self.ledger.clock.now_ms());
        (rotation.next_ms > closer.next_ms).then_some(closer)
    }

    fn bring_closer(&self, record: KeyRecord, revision: Revision, closer: Rotation) -> Result<bool, Error> {
        tracing::warn!(key = %record.id, "the wall clock was put back: the next rotation of the key is moved to one period from now");
        let ledger = self.because("next rotation moved to one period from now, because the wall clock was put back");
        ledger.change_key_as_read(record, revision, |key| {
            key.record.rotation = Some(closer);
            Ok(())
        })?;
        Ok(true)
    }

    /// Removes what is left of a key that was deleted long enough ago.
    fn purge_if_over(&self, deleted: Deleted, record: &KeyRecord, revision: Revision) -> Result<bool, Error> {
        if !deleted.is_over(self.ledger.clock.now_ms(), self.ledger.use_counts().running_ms()) {
            return Ok(false);
        }
        let id = record.id;
        let counts = record.versions.iter().map(|summary| address::use_count(id, summary.version));
        let places = counts.chain([
            address::usage(id),
            address::deleted_key(record.store, id),
            address::due(deleted.kept_until_ms(), id),
            address::key(id),
        ]);
        let writes: Vec<_> = places.map(|address| Write::Delete { address }).collect();
        let ledger = self.because("what was kept of a deleted key removed, because its time is over");
        ledger.commit(&[Compare::unchanged(address::key(id), revision)], &writes)?;
        tracing::info!(key = %id, "what was kept of a deleted key is gone");
        Ok(true)
    }
}

/// What became of one key: 1 if it was changed. Only what fails for all keys is an error.
fn settle(id: KeyId, done: Result<bool, Error>) -> Result<usize, Error> {
    match done {
        Ok(changed) => Ok(usize::from(changed)),
        // Purged, or changed, between the look at the index and now: the next look sees how it stands then.
        Err(Error::KeyNotFound(_) | Error::Conflict) => Ok(0),
        Err(
            error @ (Error::Storage(StorageError::WritesEnded { .. } | StorageError::FreeSpaceFloor { .. })
            | Error::Closed),
        ) => Err(error),
        Err(error) => {
            tracing::error!(key = %id, %error, "what is due for a key cannot be done: it is tried again in a minute");
            Ok(0)
        }
    }
}
