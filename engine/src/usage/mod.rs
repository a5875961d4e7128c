//! Uses of keys.
//!
//! `tally`, `unwritten`, `statistics`, `client` how much each version of each key is used, and by whom: counted when it is done, beside the work, and written each second, of very many keys
//! less often (`pace`) · `due` which keys are to be rotated for it · `counter` uses of versions whose algorithm limits them: counted before anything is answered.
//!
//! For those with a limit, no write comes before a first use, and a kill under-counts nothing. At most [`UNWRITTEN_USES_MAX`](crate::limits::UNWRITTEN_USES_MAX) uses of a version are unwritten, and each start
//! writes that the installation is open. If it finds that written already, the process before it was cut off: from then on every count that is
//! older than this stop is raised by what may have been unwritten.
//!
//! How long the installation has been running is written at the same places: each minute, and at the end.

mod client;
mod counter;
mod due;
mod pace;
mod running;
mod statistics;
mod tally;
mod unwritten;
mod writer;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_channel::{Receiver, Sender};
use parking_lot::Mutex;

use crate::clock::Clock;
use crate::error::Error;
use crate::key::id::KeyId;
use crate::key::version::KeyVersion;
use crate::limits::{TRANSACTION_OPERATIONS_MAX, UNWRITTEN_USES_MAX};
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
    /// Locked while a count is read, so that none is read that is being forgotten.
    counters: Mutex<HashMap<(KeyId, KeyVersion), Arc<UseCounter>>>,
    signal: Arc<Signal>,
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
        let running = RunningTime::new(before.running_ms, clock);
        let (signal, soon) = Signal::new();
        let (counters, failing) = (Mutex::default(), AtomicBool::new(false));
        Ok((Self { vault, unclean_stops, running, counters, signal, failing }, soon))
    }

    /// The counter of a key version whose algorithm allows `limit` uses. The same one as long as anybody holds it.
    ///
    /// # Errors
    /// [`Error::Storage`], [`Error::Damaged`], [`Error::SystemKeyMissing`].
    pub(crate) fn counter(&self, id: KeyId, version: KeyVersion, limit: u64) -> Result<Arc<UseCounter>, Error> {
        let mut counters = self.counters.lock();
        if let Some(counter) = counters.get(&(id, version)) {
            return Ok(Arc::clone(counter));
        }
        // Written with the version itself: without it, nobody knows how often the version was used.
        let place = address::use_count(id, version);
        let (stored, _) =
            self.vault.read::<UseCountRecord>(&place)?.ok_or_else(|| Error::Damaged(place.to_string()))?;
        let used = self.used_at_most(stored).ok_or_else(|| Error::Damaged(place.to_string()))?;
        let counter = Arc::new(UseCounter::new(limit, used, Arc::clone(&self.signal)));
        counters.insert((id, version), Arc::clone(&counter));
        Ok(counter)
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
        Arc::clone(&self.signal)
    }

    /// Writes all counts that storage does not have, and the running time if it is time to; forgets the counts that nobody holds.
    pub(crate) fn write(&self) {
        self.report(self.begin().and_then(|()| self.write_counts()).and_then(|()| self.write_running_time()));
    }

    /// Writes everything, and that this process has ended in good order. Nothing is counted afterwards.
    pub(crate) fn close(&self) {
        let began = self.signal.may_count.swap(false, Ordering::SeqCst);
        let closed = self.write_counts().and_then(|()| if began { self.write_run(false) } else { Ok(()) });
        self.report(closed);
    }

    /// Whether counts cannot be written.
    pub(crate) fn is_failing(&self) -> bool {
        self.failing.load(Ordering::Relaxed)
    }

    /// Versions that have used half of what their algorithm allows, of those in memory.
    pub(crate) fn near_their_limit(&self) -> Vec<(KeyId, KeyVersion)> {
        let counters = self.counters.lock();
        counters.iter().filter(|(_, counter)| counter.is_near_its_limit()).map(|(of, _)| *of).collect()
    }

    /// Has storage know that the installation is open.
    fn begin(&self) -> Result<(), Error> {
        if !self.signal.may_count() {
            self.write_run(true)?;
            self.signal.may_count.store(true, Ordering::SeqCst);
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

    fn write_counts(&self) -> Result<(), Error> {
        let unwritten: Vec<_> = {
            let counters = self.counters.lock();
            let unwritten =
                |(of, counter): (&_, &Arc<UseCounter>)| Some((*of, Arc::clone(counter), counter.unwritten()?));
            counters.iter().filter_map(unwritten).collect()
        };
        for part in unwritten.chunks(TRANSACTION_OPERATIONS_MAX) {
            let write = |&((id, version), _, used): &(_, _, u64)| {
                let count = UseCountRecord { used, unclean_stops: self.unclean_stops };
                self.vault.put(address::use_count(id, version), &count)
            };
            let writes: Vec<_> = part.iter().map(write).collect();
            self.vault.transact(&[], &writes)?;
            for ((id, version), counter, used) in part {
                counter.is_written(*used);
                if counter.should_warn() {
                    tracing::warn!(key = %id, version = version.get(), used, "half of the uses that the algorithm allows are used up: rotate the key");
                }
            }
        }
        drop(unwritten);
        // Whoever asks for it anew reads what was written.
        // `get_mut` and not `strong_count`: it sees what the last holder has counted before letting go.
        self.counters
            .lock()
            .retain(|_, counter| Arc::get_mut(counter).is_none_or(|counter| counter.unwritten().is_some()));
        Ok(())
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
