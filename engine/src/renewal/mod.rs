//! Renewal: after a rotation of the system key every record is protected anew by the new one, while everything is served.
//!
//! Each record says itself by which version it is protected. So nothing has to be remembered of how far a walk over them has come: after a crash it begins again, and finds what is
//! left to do. A walk changes nothing that a record says; it writes on the condition that the record has not moved, and leaves to the next walk what has.

mod renewed;
mod status;
mod thread;
mod walk;

use std::sync::atomic::AtomicBool;

use parking_lot::Mutex;

use crate::error::Error;
use crate::ledger::Ledger;
use crate::storage::{Address, Revision};

pub(crate) use renewed::Renewed;
use status::Progress;
pub use status::{RenewalStatus, SystemKeyState, SystemKeyStatus};
pub(crate) use thread::Renewer;
use walk::Walk;

/// Protects records anew.
pub(crate) struct Renewal {
    ledger: Ledger,
    progress: Mutex<Progress>,
    /// The engine is being dropped: what is left waits for the next start.
    ending: AtomicBool,
}

/// What needs a version of the system key.
#[derive(Default)]
pub(crate) struct Needed {
    /// How many records.
    pub(crate) records: u64,
    /// One of them.
    pub(crate) first: Option<Address>,
}

impl Renewal {
    fn new(ledger: Ledger) -> Self {
        Self { ledger, progress: Mutex::default(), ending: AtomicBool::new(false) }
    }

    /// The versions of the system key, ascending, and what is known of each.
    pub(crate) fn versions(&self) -> Vec<SystemKeyStatus> {
        let progress = self.progress.lock();
        let keys = self.ledger.vault().keys();
        let current = keys.current().0;
        let state = |version| match version {
            _ if version == current => SystemKeyState::Current,
            _ if version < progress.unused_below => SystemKeyState::Unused,
            _ => SystemKeyState::BeingReplaced,
        };
        let status = |version, created_ms| SystemKeyStatus { version, created_ms, state: state(version) };
        keys.all().map(|key| status(key.version, key.created_ms)).collect()
    }

    /// How far it has come, if there is something to do.
    pub(crate) fn status(&self) -> Option<RenewalStatus> {
        self.progress.lock().status.clone()
    }

    /// How many records need this version of the system key now. Reads all of them.
    ///
    /// # Errors
    /// [`Error::Storage`], [`Error::Closed`].
    pub(crate) fn needed(&self, version: u32) -> Result<Needed, Error> {
        Walk::new(&self.ledger, &self.ending).count(|versions| versions.contains(&version))
    }

    /// The change since which no record needs this version, as far as is known.
    pub(crate) fn unused_since(&self, version: u32) -> Option<Revision> {
        let progress = self.progress.lock();
        (version < progress.unused_below).then_some(progress.unused_since)
    }

    /// Protects the record at one address anew, before all others.
    ///
    /// # Errors
    /// [`Error::Damaged`], [`Error::Storage`], [`Error::Conflict`] if somebody else writes it at the same time.
    pub(crate) fn renew_first(&self, address: &Address) -> Result<(), Error> {
        Walk::new(&self.ledger, &self.ending).renew_at(address)
    }

    /// There is something to do from now on.
    pub(crate) fn begin(&self) {
        let now_ms = self.ledger.clock.now_ms();
        self.progress.lock().status.get_or_insert_with(|| RenewalStatus::beginning(now_ms));
    }

    /// What was found unused may be needed after all.
    pub(crate) fn doubt(&self) {
        self.progress.lock().unused_below = 0;
    }

    /// Whether there is an older version that may be needed.
    fn is_to_do(&self) -> bool {
        let unused_below = self.progress.lock().unused_below;
        let keys = self.ledger.vault().keys();
        keys.has_older() && unused_below < keys.current().0
    }

    /// Walks over all records until none needs an older version, resting after each page for as long as that took.
    ///
    /// # Errors
    /// [`Error::Storage`], [`Error::Closed`]; [`Error::Damaged`] if records are left that cannot be protected anew.
    fn run(&self, rest: &dyn Fn(u64)) -> Result<(), Error> {
        let walk = Walk::new(&self.ledger, &self.ending).resting(rest);
        while self.is_to_do() {
            let current = self.ledger.vault().keys().current().0;
            let revision = self.ledger.vault().storage().revision();
            let left = walk.count(|versions| versions.iter().any(|version| *version != current))?;
            let now_ms = self.ledger.clock.now_ms();
            let renewed = {
                let mut progress = self.progress.lock();
                let status = progress.status.get_or_insert_with(|| RenewalStatus::beginning(now_ms));
                status.records = status.renewed + left.records;
                status.renewed
            };
            if left.records == 0 {
                let mut progress = self.progress.lock();
                (progress.unused_below, progress.unused_since) = (current, revision);
                continue;
            }
            tracing::info!(
                version = current,
                records = left.records,
                "records are protected anew by the current system key"
            );
            let damaged = walk.renew_all(&mut |count| {
                if let Some(status) = &mut self.progress.lock().status {
                    status.renewed += count;
                    status.failing = None;
                }
            })?;
            let has_renewed = self.progress.lock().status.as_ref().is_some_and(|status| status.renewed > renewed);
            if let (Some(error), false) = (damaged, has_renewed) {
                return Err(error);
            }
        }
        if let Some(status) = self.end() {
            tracing::info!(records = status.renewed, "all records are protected by the current system key");
        }
        Ok(())
    }

    /// There is nothing to do, unless the system key has been rotated meanwhile.
    fn end(&self) -> Option<RenewalStatus> {
        let mut progress = self.progress.lock();
        let keys = self.ledger.vault().keys();
        let is_done = !keys.has_older() || progress.unused_below >= keys.current().0;
        if is_done { progress.status.take() } else { None }
    }

    fn fails(&self, error: &Error) {
        if let Some(status) = &mut self.progress.lock().status {
            status.failing = Some(error.to_string());
        }
    }
}
