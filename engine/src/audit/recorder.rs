//! The thread that writes the log: whatever waits is appended as one group, durable and remembered before those who wait are answered.

use std::collections::{BTreeSet, VecDeque};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use parking_lot::Mutex;

use super::counts::Counts;
use super::event::{Event, EventKind};
use super::log::{End, Log};
use super::outbox;
use super::requests::Requests;
use crate::clock::Clock;
use crate::error::Error;
use crate::limits::{AUDIT_GROUP_MAX, AUDIT_GROUP_SIZE, AUDIT_OUTBOX_MAX, AUDIT_TENDED_EVERY, AUDIT_WAITING_MAX};
use crate::record::vault::Vault;

/// What the thread is told.
pub(super) enum Job {
    /// The change of this number was made, or protected anew.
    Change(u64),
    /// Changes may have been missed.
    LookAgain,
    /// A queue of requests is half full.
    Requests,
    /// Something happened that is no change of a record.
    Event(Box<Event>),
    /// Whoever waits here is answered when everything before is in the log; with the reason if it is not.
    Wait(Sender<Result<(), String>>),
}

/// What the thread and those who tell it share.
pub(super) struct Shared {
    pub(super) vault: Arc<Vault>,
    pub(super) clock: Arc<dyn Clock>,
    /// Why the log cannot be written at the moment, if it cannot.
    pub(super) failure: Mutex<Option<String>>,
    /// How far it is durable and remembered.
    pub(super) end: Mutex<End>,
    /// What is counted within a minute.
    pub(super) counts: Arc<Counts>,
    /// Requests of key stores that want each of them recorded.
    pub(super) requests: Arc<Requests>,
    /// Events that are no changes and wait to be written.
    pub(super) waiting: AtomicUsize,
    /// Events for which there was no place.
    pub(super) lost: AtomicU64,
}

/// The state of the thread.
pub(super) struct Recorder {
    shared: Arc<Shared>,
    log: Log,
    /// What is to be appended next, in this order. Changes stay here until they are.
    next: VecDeque<Event>,
    /// Changes that are in `next`, or in the log and still in the data folder.
    known: BTreeSet<u64>,
    /// Those that are in the log.
    logged: BTreeSet<u64>,
    /// The log was written, and its end is not remembered yet.
    is_ahead: bool,
    /// A change may be unknown, because it could not be read.
    must_look: bool,
    /// More requests wait than were taken.
    has_requests: bool,
    waiting: Vec<Sender<Result<(), String>>>,
}

impl Shared {
    /// Takes place for one event that is no change; without one it is counted as lost.
    pub(super) fn take_place(&self) -> bool {
        let has_place =
            self.waiting.fetch_add(1, Ordering::Relaxed) < AUDIT_WAITING_MAX && self.failure.lock().is_none();
        if !has_place {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        has_place
    }
}

impl Recorder {
    /// Takes over what changes have to tell that is not in the log yet.
    ///
    /// # Errors
    /// [`Error::Damaged`], [`Error::SystemKeyMissing`], [`Error::Storage`], [`Error::Audit`].
    pub(super) fn new(shared: Arc<Shared>, mut log: Log, folder: &Path) -> Result<Self, Error> {
        let highest = outbox::all(&shared.vault)?.into_iter().max().unwrap_or_default().max(log.change());
        outbox::number_restored(&shared.vault, highest.saturating_add(1))?;
        let all = outbox::all(&shared.vault)?;
        let logged = outbox::logged(folder, log.end().file, &all.iter().copied().collect())?;
        let mut recorder = Self {
            shared,
            next: VecDeque::new(),
            known: logged.clone(),
            logged,
            // Both places say the same, so that a damaged one of them is never the newer one.
            is_ahead: log.remember().is_ok(),
            log,
            must_look: false,
            has_requests: false,
            waiting: Vec::new(),
        };
        for number in all {
            recorder.take_change(number)?;
        }
        if !recorder.next.is_empty() {
            tracing::info!(
                records = recorder.next.len(),
                "records of changes that were not in the audit log are written now"
            );
        }
        recorder.flush();
        Ok(recorder)
    }

    /// The highest number of a change that is known.
    pub(super) fn change(&self) -> u64 {
        self.known.last().copied().unwrap_or_default().max(self.log.change())
    }

    /// Works until nobody can tell it anything any more.
    pub(super) fn run(mut self, jobs: &Receiver<Job>) {
        loop {
            let wait = match self.has_requests {
                true => Duration::ZERO,
                false if self.is_at_rest() => REST,
                false => AUDIT_TENDED_EVERY,
            };
            match jobs.recv_timeout(wait) {
                Ok(first) => {
                    self.take(first);
                    for job in jobs.try_iter().take(AUDIT_GROUP_MAX) {
                        self.take(job);
                    }
                    self.flush();
                    if self.logged.len() >= AUDIT_OUTBOX_MAX {
                        self.tidy();
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    self.flush();
                    if !self.has_requests {
                        self.tidy();
                    }
                }
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.next.extend(self.shared.counts.end(self.shared.clock.now_ms()));
        self.flush();
        while self.has_requests {
            self.flush();
        }
        self.tidy();
        if let Err(error) = self.log.close(&self.shared.vault.keys()) {
            tracing::error!(%error, "the audit log cannot be closed: the next start finds where it ends");
        }
    }

    fn is_at_rest(&self) -> bool {
        self.next.is_empty() && self.logged.is_empty() && !self.is_ahead
    }

    fn take(&mut self, job: Job) {
        let taken = match job {
            Job::Change(number) => self.take_change(number),
            Job::LookAgain => self.look_again(),
            // They are taken with whatever is written next.
            Job::Requests => Ok(()),
            Job::Event(event) => {
                self.shared.waiting.fetch_sub(1, Ordering::Relaxed);
                self.next.push_back(*event);
                Ok(())
            }
            Job::Wait(waiter) => {
                self.waiting.push(waiter);
                Ok(())
            }
        };
        // It stays in the data folder, and is read before anybody is answered.
        self.must_look |= taken.is_err();
    }

    fn look_again(&mut self) -> Result<(), Error> {
        outbox::all(&self.shared.vault)?.into_iter().try_for_each(|number| self.take_change(number))
    }

    fn take_change(&mut self, number: u64) -> Result<(), Error> {
        // One that is known was only protected anew.
        if self.known.contains(&number) {
            return Ok(());
        }
        let event = match outbox::read(&self.shared.vault, number) {
            Err(error @ Error::Damaged(_)) => {
                tracing::error!(%error, "the audit record of a change is damaged");
                let shown = format!("the record of change {number} was damaged in the data folder");
                let (change, count) = (Some(number), Some(1));
                Some(Event { shown, change, count, ..Event::new(EventKind::Lost, self.shared.clock.now_ms()) })
            }
            read => read?,
        };
        if let Some(event) = event {
            self.known.insert(number);
            self.next.push_back(event);
        }
        Ok(())
    }

    /// Appends what waits, and answers those who wait for it.
    fn flush(&mut self) {
        let Shared { counts, clock, .. } = &*self.shared;
        self.next.extend(counts.roll(clock.monotonic_ms(), clock.now_ms()));
        self.take_requests();
        self.tell_lost();
        let flushed = self.try_flush();
        let failure = flushed.err().map(|error| error.to_string());
        let had_failed = std::mem::replace(&mut *self.shared.failure.lock(), failure.clone()).is_some();
        match &failure {
            Some(error) if !had_failed => {
                tracing::error!(%error, "the audit log cannot be written: changes are refused until it can")
            }
            None if had_failed => tracing::info!("the audit log is written again: changes go on"),
            _ => {}
        }
        if failure.is_some() {
            self.lose();
        }
        for waiter in self.waiting.drain(..) {
            // Whoever has stopped waiting needs no answer.
            let _gone = waiter.send(failure.clone().map_or(Ok(()), Err));
        }
    }

    /// Drops what waits and cannot be written, but for changes, which must not be lost; counts it.
    fn lose(&mut self) {
        let (mut requests, mut others) = (0_u64, 0_u64);
        self.next.retain(|event| {
            if event.change.is_none() {
                let is_of_requests = event.kind == EventKind::Request || event.shown == LOST_REQUESTS;
                let lost = if is_of_requests { &mut requests } else { &mut others };
                // One that tells how many were lost before stands for all of them.
                let count = if event.kind == EventKind::Lost { event.count.unwrap_or(1) } else { 1 };
                *lost = lost.saturating_add(count);
            }
            event.change.is_some()
        });
        self.shared.requests.lose(requests);
        self.shared.lost.fetch_add(others, Ordering::Relaxed);
    }

    fn try_flush(&mut self) -> Result<(), Error> {
        if self.must_look {
            self.look_again()?;
            self.must_look = false;
        }
        while self.is_ahead || !self.next.is_empty() || self.log.is_checkpoint_due() {
            if !self.is_ahead {
                let group = self.group();
                self.log.append(&group, &self.shared.vault.keys())?;
                let written = self.next.drain(..group.len());
                self.logged.extend(written.filter_map(|event| event.change));
                self.is_ahead = true;
            }
            self.log.remember()?;
            self.is_ahead = false;
            *self.shared.end.lock() = self.log.end();
        }
        Ok(())
    }

    /// What is appended at once.
    fn group(&self) -> Vec<Event> {
        let (mut group, mut size) = (Vec::new(), 0);
        for event in self.next.iter().take(AUDIT_GROUP_MAX) {
            group.push(event.clone());
            size += event.json().len();
            if size >= AUDIT_GROUP_SIZE {
                break;
            }
        }
        group
    }

    /// Takes some of the requests that wait, if there is room for what nobody waits for.
    fn take_requests(&mut self) {
        let (taken, has_more) = self.shared.requests.take(AUDIT_GROUP_MAX);
        self.has_requests = has_more;
        if taken.is_empty() {
            return;
        }
        if self.shared.failure.lock().is_none() && self.log.has_room_for_requests() {
            self.next.extend(taken);
        } else {
            self.shared.requests.lose(u64::try_from(taken.len()).unwrap_or(u64::MAX));
        }
    }

    fn tell_lost(&mut self) {
        if self.shared.failure.lock().is_some() {
            return;
        }
        let lost =
            [(self.shared.lost.swap(0, Ordering::Relaxed), ""), (self.shared.requests.take_lost(), LOST_REQUESTS)];
        for (count, shown) in lost.into_iter().filter(|(count, _)| *count > 0) {
            let mut event = Event::new(EventKind::Lost, self.shared.clock.now_ms());
            (event.count, event.shown) = (Some(count), shown.to_owned());
            self.next.push_back(event);
        }
    }

    /// Removes from the data folder what is in the log. What cannot be removed now is removed later.
    fn tidy(&mut self) {
        // What is not remembered may be written anew.
        if self.is_ahead || self.logged.is_empty() {
            return;
        }
        if let Err(error) = outbox::remove(&self.shared.vault, &self.logged) {
            tracing::debug!(%error, "audit records that are in the log stay in the data folder for now");
            return;
        }
        for number in std::mem::take(&mut self.logged) {
            self.known.remove(&number);
        }
    }
}

/// How long the thread waits if nothing is left to do: checkpoints come by the hour.
const REST: Duration = Duration::from_secs(1);

/// What a record says that tells how many requests were lost.
const LOST_REQUESTS: &str = "requests, of key stores that want each of them recorded";
