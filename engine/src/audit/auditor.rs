//! The audit log of a running engine: what changes, refusals and uses go through.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};

use crossbeam_channel::{Sender, bounded, unbounded};
use parking_lot::Mutex;

use super::counts::{Counts, Refused};
use super::event::{Event, EventKind};
use super::log::{AuditOptions, Log};
use super::recorder::{Job, Recorder, Shared};
use super::requests::{RequestQueue, Requests};
use super::{AuditError, AuditFilter, AuditPage, InstallationPublicKey, Report, Verification, list, outbox};
use crate::act::Act;
use crate::clock::Clock;
use crate::crypto::random::Random;
use crate::error::Error;
use crate::record::address;
use crate::record::vault::Vault;
use crate::storage::{Change, Write};

/// The audit log of a running engine. Dropping it writes what is left and ends its thread.
pub(crate) struct Auditor {
    shared: Arc<Shared>,
    options: AuditOptions,
    public_key: InstallationPublicKey,
    /// Number of the last change.
    change: AtomicU64,
    /// Present until dropped.
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

/// How the audit log is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditStatus {
    /// The public half of the installation key.
    pub public_key: InstallationPublicKey,
    /// Number of the last record that is in it.
    pub last: u64,
    /// Number of the file in which that stands.
    pub file: u64,
    /// Why changes are refused at the moment, if they are.
    pub failure: Option<String>,
    /// Records of refusals and uses for which there was no place, and whose number is not in the log yet.
    pub lost: u64,
    /// Records of requests for which there was no place, since the start.
    pub dropped_requests: u64,
}

/// Tells the thread of the log what storage has changed.
#[derive(Clone)]
pub(crate) struct AuditFeed(Sender<Job>);

impl AuditFeed {
    /// Something was changed.
    pub(crate) fn changed(&self, change: &Change) {
        for number in change.addresses.iter().filter_map(address::parse_outbox) {
            // Gone at the end only, when nobody waits any more.
            let _gone = self.0.send(Job::Change(number));
        }
    }

    /// Changes may have been missed.
    pub(crate) fn missed(&self) {
        let _gone = self.0.send(Job::LookAgain);
    }
}

impl Auditor {
    /// Opens the log, brings it up to date with what changes have left in storage, and starts its thread.
    ///
    /// # Errors
    /// [`Error::Audit`] if the log is not as it was left; [`Error::Damaged`], [`Error::SystemKeyMissing`], [`Error::Entropy`], [`Error::Storage`]; [`Error::Closed`] if the system
    /// gives no thread.
    pub(crate) fn start(
        vault: &Arc<Vault>,
        random: &dyn Random,
        clock: &Arc<dyn Clock>,
        options: AuditOptions,
    ) -> Result<Self, Error> {
        let (signer, is_new) = outbox::installation_key(vault, random)?;
        let public_key = signer.public();
        let log = Log::open(options.clone(), &vault.keys(), Arc::new(signer), Arc::clone(clock), is_new)?;
        outbox::note_begun(vault)?;
        let shared = Arc::new(Shared {
            vault: Arc::clone(vault),
            clock: Arc::clone(clock),
            failure: Mutex::default(),
            end: Mutex::new(log.end()),
            counts: Arc::default(),
            requests: Arc::default(),
            waiting: AtomicUsize::new(0),
            lost: AtomicU64::new(0),
        });
        let recorder = Recorder::new(Arc::clone(&shared), log, &options.folder)?;
        let change = recorder.change().into();
        // Each caller that makes a change waits for its answer, and other events are counted before they come here.
        let (jobs, receiver) = unbounded();
        let caller = jobs.clone();
        shared.requests.call_by(Some(Box::new(move || {
            // Gone at the end only, when what still waits is written anyway.
            let _gone = caller.send(Job::Requests);
        })));
        let thread = thread::Builder::new().name("audit-log".into()).spawn(move || recorder.run(&receiver));
        let thread = Some(thread.map_err(|_| Error::Closed)?);
        Ok(Self { shared, options, public_key, change, jobs: Some(jobs), thread })
    }

    /// What tells the thread of changes.
    pub(crate) fn feed(&self) -> Option<AuditFeed> {
        self.jobs.clone().map(AuditFeed)
    }

    /// Refuses a change for which there is no room in the log; else gives the write by which it tells what it is, to be made with it.
    ///
    /// # Errors
    /// [`Error::Audit`]: nothing may be changed.
    pub(crate) fn begin(&self, act: &Act, writes: &[Write]) -> Result<Write, Error> {
        Log::check_room(&self.options)?;
        if self.shared.failure.lock().is_some() {
            // It may be written again by now.
            self.answer()?.map_err(AuditError::Unavailable)?;
        }
        let event = outbox::event(&self.shared.vault, act, writes, self.shared.clock.now_ms());
        let number = self.change.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        Ok(outbox::put(&self.shared.vault, number, &event))
    }

    /// Waits until everything is in the log that its thread has been told of.
    ///
    /// # Errors
    /// [`Error::Audit`] if it is not, and will be as soon as it can.
    pub(crate) fn wait(&self) -> Result<(), Error> {
        Ok(self.answer()?.map_err(AuditError::NotYetLogged)?)
    }

    /// What the thread answers when it has tried to write all that it has been told of.
    fn answer(&self) -> Result<Result<(), String>, AuditError> {
        let (waiter, answer) = bounded(1);
        self.jobs.as_ref().and_then(|jobs| jobs.send(Job::Wait(waiter)).ok()).ok_or(AuditError::Closed)?;
        answer.recv().map_err(|_| AuditError::Closed)
    }

    /// The records behind number `after` that `filter` takes, `limit` at most.
    ///
    /// # Errors
    /// [`Error::Audit`]: the log cannot be read.
    pub(crate) fn page(&self, filter: &AuditFilter, after: u64, limit: usize) -> Result<AuditPage, Error> {
        let end = *self.shared.end.lock();
        Ok(list::page(self.folder(), end, filter, after, limit)?)
    }

    /// Has an event written that is no change. If there is no place for it, it is counted.
    pub(crate) fn tell(&self, event: Event) {
        if let Some(jobs) = self.jobs.as_ref().filter(|_| self.shared.take_place()) {
            let _gone = jobs.send(Job::Event(Box::new(event.bounded())));
        }
    }

    /// Has the first refusal of its kind in a minute told, and further ones counted.
    pub(crate) fn refused(&self, refused: Refused, address: &str) {
        let first = self.shared.counts.refuse(refused, |refused| {
            let mut event = Event::new(EventKind::Refusal, self.shared.clock.now_ms());
            event.actor.clone_from(&refused.client);
            (event.store, event.reason, event.address) = (refused.store, refused.reason.to_owned(), address.to_owned());
            event
        });
        if let Some(event) = first {
            self.tell(event);
        }
    }

    /// Where uses of keys are counted.
    pub(crate) fn counts(&self) -> Arc<Counts> {
        Arc::clone(&self.shared.counts)
    }

    /// Where one worker tells of requests of key stores that want each of them recorded.
    pub(crate) fn request_queue(&self) -> RequestQueue {
        Requests::queue(&self.shared.requests)
    }

    /// How the log is.
    pub(crate) fn status(&self) -> AuditStatus {
        let end = *self.shared.end.lock();
        let failure = self.shared.failure.lock().clone();
        let failure = failure.or_else(|| Log::check_room(&self.options).err().map(|error| error.to_string()));
        let lost = self.shared.lost.load(Ordering::Relaxed);
        AuditStatus {
            public_key: self.public_key,
            last: end.last.seq,
            file: end.file,
            failure,
            lost,
            dropped_requests: self.shared.requests.dropped(),
        }
    }

    /// Reads the log up to where it is now, from the file of this number on, and tells what is not as it was written.
    ///
    /// # Errors
    /// [`Error::Audit`]: it cannot be read.
    pub(crate) fn verify(&self, first_file: u64) -> Result<Report, Error> {
        let end = *self.shared.end.lock();
        let keys = self.shared.vault.keys();
        let verification = Verification::new(self.folder(), self.public_key).by_keys(&keys).up_to(end);
        Ok(verification.from_file(first_file).run()?)
    }

    /// The folder of its files.
    pub(crate) fn folder(&self) -> &Path {
        &self.options.folder
    }
}

impl Drop for Auditor {
    fn drop(&mut self) {
        self.jobs = None;
        self.shared.requests.call_by(None);
        if let Some(thread) = self.thread.take() {
            // If it panicked, that has been reported where it happened; what it had not written, the next start writes.
            let _ended = thread.join();
        }
    }
}
