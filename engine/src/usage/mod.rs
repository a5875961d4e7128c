//! Uses of keys.
//!
//! `tally`, `unwritten`, `statistics`, `client` how much each version of each key is used, and by whom: counted when it is done, beside the work, and written each second, of very many keys
//! less often (`pace`) · `due` which keys are to be rotated for it · `counter` uses of versions whose algorithm limits them: counted before anything is answered · `known` where they are found · `waiting` which of them are to be written.
//!
//! For those with a limit, no write comes before a first use, and a kill under-counts nothing. At most [`UNWRITTEN_USES_MAX`](crate::limits::UNWRITTEN_USES_MAX) uses of a version are unwritten, and each start
//! writes that the installation is open. If it finds that written already, the process before it was cut off: from then on every count that is
//! older than this stop is raised by what may have been unwritten.
//!
//! How long the installation has been running is written at the same places: each minute, and at the end.

mod client;
mod counter;
mod due;
mod known;
mod pace;
mod running;
mod statistics;
mod tally;
mod unwritten;
mod waiting;
mod writer;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use claviger_algorithm::Algorithm;
use crossbeam_channel::{Receiver, Sender};
use parking_lot::Mutex;

use self::counter::Counter;
use self::known::Known;
use self::pace::Pace;
use self::waiting::{List, Waiting};
use crate::clock::Clock;
use crate::error::Error;
use crate::key::id::KeyId;
use crate::key::version::KeyVersion;
use crate::limits::{UNHELD_COUNTERS_MAX, UNWRITTEN_USES_MAX, WRITTEN_KEYS_MAX};
use crate::record::address;
use crate::record::use_count::{RunRecord, UseCountRecord};
use crate::record::vault::Vault;

pub use client::Client;
pub(crate) use counter::UseCounter;
pub(crate) use due::DueByUse;
use running::RunningTime;
pub(crate) use statistics::UseStatistics;
pub(crate) use tally::{Count, Gathered};
pub(crate) use writer::UseWriter;

/// The counts of all key versions that are in use.
pub(crate) struct UseCounts {
    vault: Arc<Vault>,
    /// How often a process ended without having written all uses.
    unclean_stops: u64,
    running: RunningTime,
    clock: Arc<dyn Clock>,
    /// Locked while a count is read, so that none is read that is being forgotten.
    known: Mutex<Known>,
    waiting: Arc<Waiting>,
    /// Locked while counts are written, so that none is written over one that is newer.
    pace: Mutex<Pace>,
    /// Whether writing failed the last time: said once, not each second.
    failing: AtomicBool,
}

/// Between counters and the thread that writes them.
pub(crate) struct Signal {
    /// Storage knows that the installation is open. Before that, a kill would go unnoticed.
    may_count: AtomicBool,
    soon: Sender<()>,
}

impl UseCounts {
    /// Reads how the process before this one ended. Nothing is counted, and so nothing is sealed that must be counted, before [`UseCounts::write`] has
    /// written that this one has begun: a start that fails before that is no unclean stop.
    ///
    /// # Errors
    /// [`Error::Storage`], [`Error::Damaged`], [`Error::SystemKeyMissing`] if it cannot be read.
    pub(crate) fn open(vault: Arc<Vault>, clock: Arc<dyn Clock>) -> Result<(Self, Receiver<()>), Error> {
        let before = vault.read::<RunRecord>(&address::run())?.map(|(run, _)| run).unwrap_or_default();
        let unclean_stops = before.unclean_stops.saturating_add(u64::from(before.open));
        let running = RunningTime::new(before.running_ms, Arc::clone(&clock));
        let (signal, soon) = Signal::new();
        let (known, waiting, pace) = (Mutex::default(), Arc::new(Waiting::new(signal)), Mutex::default());
        let failing = AtomicBool::new(false);
        Ok((Self { vault, unclean_stops, running, clock, known, waiting, pace, failing }, soon))
    }

    /// The count of a key version, whose `algorithm` limits its uses. The same one as long as anybody holds it.
    ///
    /// # Errors
    /// [`Error::Storage`], [`Error::Damaged`], [`Error::SystemKeyMissing`].
    pub(crate) fn counter(&self, id: KeyId, version: KeyVersion, algorithm: Algorithm) -> Result<UseCounter, Error> {
        let mut known = self.known.lock();
        if let Some(counter) = known.get(&(id, version)) {
            return Ok(counter);
        }
        // Written with the version itself: without it, nobody knows how often the version was used.
        let place = address::use_count(id, version);
        let (stored, _) =
            self.vault.read::<UseCountRecord>(&place)?.ok_or_else(|| Error::Damaged(place.to_string()))?;
        let used = self.used_at_most(stored).ok_or_else(|| Error::Damaged(place.to_string()))?;
        Ok(known.add(Counter::new((id, version), algorithm, used, Arc::clone(&self.waiting))))
    }

    /// The count of a version that is made now.
    pub(crate) const fn none_yet(&self) -> UseCountRecord {
        UseCountRecord { used: 0, unclean_stops: self.unclean_stops }
    }

    /// How long the installation has been running in all, in milliseconds: never more than the truth.
    pub(crate) fn running_ms(&self) -> u64 {
        self.running.total_ms()
    }

    /// What has uses written soon.
    pub(crate) fn signal(&self) -> Arc<Signal> {
        Arc::clone(&self.waiting.signal)
    }

    /// Writes all counts that storage does not have, and the running time if it is time to; forgets the counts that nobody holds.
    pub(crate) fn write(&self) {
        self.report(self.try_write(true));
    }

    /// As [`UseCounts::write`], but of very many counts only those that cannot wait, until it is time for all again.
    pub(crate) fn write_due(&self) {
        self.report(self.try_write(false));
    }

    /// Writes everything, and that this process has ended in good order. Nothing is counted afterwards.
    pub(crate) fn close(&self) {
        let began = self.waiting.signal.may_count.swap(false, Ordering::SeqCst);
        let closed = self.write_counts(true).and_then(|()| if began { self.write_run(false) } else { Ok(()) });
        self.report(closed);
    }

    /// Whether counts cannot be written.
    pub(crate) fn is_failing(&self) -> bool {
        self.failing.load(Ordering::Relaxed)
    }

    /// Versions that had used half of what their algorithm allows when they were last read or written, of those in memory.
    pub(crate) fn near_their_limit(&self) -> Vec<(KeyId, KeyVersion)> {
        self.known.lock().near_limit()
    }

    fn try_write(&self, all: bool) -> Result<(), Error> {
        self.begin()?;
        self.write_counts(all)?;
        self.write_running_time()
    }

    /// Has storage know that the installation is open.
    fn begin(&self) -> Result<(), Error> {
        if !self.waiting.signal.may_count() {
            self.write_run(true)?;
            self.waiting.signal.may_count.store(true, Ordering::SeqCst);
        }
        Ok(())
    }

    fn write_running_time(&self) -> Result<(), Error> {
        if self.running.is_to_be_written() { self.write_run(true) } else { Ok(()) }
    }

    /// Writes what storage knows of this process.
    fn write_run(&self, open: bool) -> Result<(), Error> {
        let running_ms = self.running.total_ms();
        let run = RunRecord { unclean_stops: self.unclean_stops, open, running_ms };
        self.vault.transact(&[], &[self.vault.put(address::run(), &run)])?;
        self.running.is_written(running_ms);
        Ok(())
    }

    /// Writes all counts, or, while they rest, those that cannot wait.
    fn write_counts(&self, all: bool) -> Result<(), Error> {
        let mut pace = self.pace.lock();
        let began = self.clock.monotonic();
        let is_crowded = self.waiting.unheld.len() > UNHELD_COUNTERS_MAX;
        let written = if all || is_crowded || pace.is_due(began) {
            let written = self.write_list(&self.waiting.unwritten);
            pace.is_tried(began, self.clock.monotonic());
            written
        } else {
            self.write_urgent()
        };
        if written.is_err() {
            // What fails is tried each time.
            *pace = Pace::default();
        }
        self.forget_unheld();
        written
    }

    /// Writes the counts of a list, in the order in which storage has them: neighbours share its pages. Those that cannot wait are written in between.
    fn write_list(&self, list: &List) -> Result<(), Error> {
        let mut counters = list.take();
        counters.sort_by_cached_key(|counter| *counter.of());
        let mut parts = counters.chunks(WRITTEN_KEYS_MAX);
        let write = |part: &[Arc<Counter>]| self.write_urgent().and_then(|()| self.write_some(part));
        while let Some(part) = parts.next() {
            if let Err(error) = write(part) {
                part.iter().chain(parts.flatten()).for_each(|counter| list.push(counter));
                return Err(error);
            }
        }
        Ok(())
    }

    fn write_urgent(&self) -> Result<(), Error> {
        let urgent = self.waiting.urgent.take();
        let written = urgent.chunks(WRITTEN_KEYS_MAX).try_for_each(|part| self.write_some(part));
        if written.is_err() {
            urgent.iter().for_each(|counter| self.waiting.urgent.push(counter));
        }
        written
    }

    /// Writes what is not written of some counts.
    fn write_some(&self, counters: &[Arc<Counter>]) -> Result<(), Error> {
        let unwritten: Vec<_> = counters.iter().filter_map(|counter| Some((counter, counter.unwritten()?))).collect();
        if unwritten.is_empty() {
            return Ok(());
        }
        let write = |&(counter, used): &(&Arc<Counter>, u64)| {
            let (id, version) = *counter.of();
            let count = UseCountRecord { used, unclean_stops: self.unclean_stops };
            self.vault.put(address::use_count(id, version), &count)
        };
        let writes: Vec<_> = unwritten.iter().map(write).collect();
        self.vault.transact(&[], &writes)?;
        for (counter, used) in unwritten {
            counter.is_written(used);
            if counter.should_warn() {
                let (id, version) = counter.of();
                tracing::warn!(key = %id, version = version.get(), used, "half of the uses that the algorithm allows are used up: rotate the key");
                self.known.lock().note(counter);
            }
        }
        Ok(())
    }

    /// Forgets the counts that nobody holds, but those that are yet to be written.
    fn forget_unheld(&self) {
        for counter in self.waiting.unheld.take() {
            if counter.is_unheld() && counter.unwritten().is_some() {
                self.waiting.unheld.push(&counter);
            } else {
                self.known.lock().forget(&counter);
            }
        }
    }

    /// What a stored count can have become without being written: each process that was cut off since then may hide some uses. `None` if it knows of more such
    /// ends than there were: then the record of them was lost or put back, and nobody knows.
    fn used_at_most(&self, count: UseCountRecord) -> Option<u64> {
        let unclean_stops = self.unclean_stops.checked_sub(count.unclean_stops)?;
        Some(count.used.saturating_add(unclean_stops.saturating_mul(UNWRITTEN_USES_MAX)))
    }

    fn report(&self, result: Result<(), Error>) {
        let was_failing = self.failing.swap(result.is_err(), Ordering::Relaxed);
        match result {
            Err(error) if !was_failing => {
                tracing::error!(%error, "uses of keys with a limit and the running time cannot be written: such keys soon seal no more, and deletions wait longer")
            }
            Ok(()) if was_failing => tracing::info!("uses of keys with a limit and the running time are written again"),
            _ => {}
        }
    }
}

impl Drop for UseCounts {
    fn drop(&mut self) {
        // Whoever still holds a count would else put it on a list that the count itself keeps alive.
        self.waiting.close();
    }
}

impl Signal {
    /// A signal, and who is told by it.
    fn new() -> (Arc<Self>, Receiver<()>) {
        let (soon, told) = crossbeam_channel::bounded(1);
        (Arc::new(Self { may_count: AtomicBool::new(false), soon }), told)
    }

    fn may_count(&self) -> bool {
        self.may_count.load(Ordering::SeqCst)
    }

    /// Has counts written at once.
    fn write_soon(&self) {
        // If one waits already, that one is enough.
        let _ = self.soon.try_send(());
    }
}

#[cfg(test)]
mod tests;
