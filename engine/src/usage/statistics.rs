//! How all keys are used: by version and by client. Written each second for the keys that were used, if they are not very many; a kill loses what is not written yet.

use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use super::client::{Client, Clients};
use super::pace::Pace;
use super::tally::{Place, Tallies};
use super::unwritten::Unwritten;
use super::{DueByUse, Signal};
use crate::audit::Counts;
use crate::clock::Clock;
use crate::error::Error;
use crate::key::client::ClientName;
use crate::key::id::KeyId;
use crate::limits::{VERSIONS_MAX, WRITTEN_KEYS_MAX, WRITTEN_SIZE};
use crate::record::usage::KeyUsage;
use crate::record::vault::Vault;
use crate::record::{KeyRecord, address};

/// The statistics of all keys.
pub(crate) struct UseStatistics {
    vault: Arc<Vault>,
    clock: Arc<dyn Clock>,
    tallies: Tallies,
    clients: Clients,
    /// Locked while it is written too, so that whoever reads sees each use once.
    unwritten: Mutex<Unwritten>,
    pace: Mutex<Pace>,
    /// Keys whose current version has been used so much that they are to be rotated.
    due: Arc<DueByUse>,
    failing: AtomicBool,
    /// Where the audit log counts them by the minute.
    audit: Option<Arc<Counts>>,
}

impl UseStatistics {
    /// Statistics over `vault`. `signal` has them written soon; `due` is told of keys that are to be rotated.
    pub(crate) fn new(vault: Arc<Vault>, clock: Arc<dyn Clock>, signal: Arc<Signal>, due: Arc<DueByUse>) -> Self {
        Self {
            vault,
            clock,
            tallies: Tallies::new(signal),
            clients: Clients::default(),
            unwritten: Mutex::default(),
            pace: Mutex::default(),
            due,
            failing: AtomicBool::new(false),
            audit: None,
        }
    }

    /// The same, whose uses the audit log counts too.
    pub(crate) fn counted_by(self, audit: Option<Arc<Counts>>) -> Self {
        Self { audit, ..self }
    }

    /// Where uses are counted on the way.
    pub(crate) const fn tallies(&self) -> &Tallies {
        &self.tallies
    }

    /// The client of this name, to be held while it is connected.
    pub(crate) fn client(&self, name: ClientName) -> Client {
        self.clients.client(name)
    }

    /// Keys whose current version has been used so much that they are to be rotated.
    pub(crate) fn due(&self) -> &DueByUse {
        &self.due
    }

    /// How a key was used until now.
    ///
    /// # Errors
    /// [`Error::Damaged`], [`Error::SystemKeyMissing`], [`Error::Storage`].
    pub(crate) fn read(&self, id: KeyId) -> Result<KeyUsage, Error> {
        let mut unwritten = self.unwritten.lock();
        self.gather(&mut unwritten);
        let mut usage = self.stored(id)?;
        if let Some(added) = unwritten.get(id) {
            added.add_to(&mut usage);
        }
        Ok(usage)
    }

    /// Writes all that was counted until now. `between` is called before each transaction: what cannot wait is done there.
    pub(crate) fn write(&self, between: impl FnMut()) {
        self.gather_for_writing();
        self.write_all(between);
    }

    /// Takes what was counted until now, and writes it if it is time to: at once for keys that are rotated by use, for all after a rest that is as long as writing them calls for.
    pub(crate) fn write_due(&self, between: impl FnMut()) {
        let is_crowded = self.gather_for_writing();
        let is_due = self.pace.lock().is_due(self.clock.monotonic());
        // What fails is tried with all keys, and not without a rest.
        if is_due || is_crowded && !self.is_failing() {
            self.write_all(between);
        } else if !self.is_failing() {
            let bounded = self.unwritten.lock().take_bounded();
            let written = self.write_keys(bounded, between);
            if written.is_err() {
                *self.pace.lock() = Pace::default();
            }
            self.report(written);
        }
    }

    fn write_all(&self, between: impl FnMut()) {
        let began = self.clock.monotonic();
        let ids = {
            let mut unwritten = self.unwritten.lock();
            // They are among all.
            unwritten.take_bounded();
            unwritten.ids()
        };
        let written = self.write_keys(ids, between);
        self.pace.lock().is_tried(began, self.clock.monotonic());
        self.unwritten.lock().give_back();
        self.report(written);
    }

    /// Writes the uses of these keys, in the order in which storage has them: neighbours share its pages.
    fn write_keys(&self, mut ids: Vec<KeyId>, mut between: impl FnMut()) -> Result<(), Error> {
        ids.sort_unstable_by_key(|id| u128::from_be_bytes(id.0));
        let mut left = &ids[..];
        while !left.is_empty() {
            between();
            let written = self.write_some(left)?;
            left = left.get(written..).unwrap_or_default();
        }
        Ok(())
    }

    /// Whether statistics cannot be written.
    pub(crate) fn is_failing(&self) -> bool {
        self.failing.load(Ordering::Relaxed)
    }

    /// Takes what the threads have counted, and tells what was lost on the way. Whether so many keys are unwritten now that they must be written.
    fn gather_for_writing(&self) -> bool {
        let mut unwritten = self.unwritten.lock();
        self.gather(&mut unwritten);
        self.clients.forget_gone();
        self.report_lost(unwritten.take_lost());
        unwritten.is_crowded()
    }

    /// Takes what the threads have counted. Their uses were a moment ago: nobody has asked the clock for each.
    fn gather(&self, unwritten: &mut Unwritten) {
        let mut moment = None;
        // Usually the same again and again.
        let mut last = None;
        let mut spare = mem::take(&mut unwritten.spare);
        self.tallies.empty(&mut spare, |Place { id, version, client: number }, count| {
            let (_, client) = match last.take() {
                Some(known @ (of, _)) if of == number => last.insert(known),
                _ => last.insert((number, self.clients.of_number(number))),
            };
            let client = client.as_ref();
            if let Some(audit) = &self.audit {
                audit.used(id, client.map(Client::name), count.items);
            }
            let now_ms = *moment.get_or_insert_with(|| self.clock.now_ms());
            unwritten.add(id, version, client, count, now_ms);
        });
        unwritten.spare = spare;
        unwritten.add_lost(self.tallies.take_lost());
    }

    fn stored(&self, id: KeyId) -> Result<KeyUsage, Error> {
        Ok(self.vault.read::<KeyUsage>(&address::usage(id))?.map(|(usage, _)| usage).unwrap_or_default())
    }

    /// Writes the uses of the first of these keys, as many as one transaction takes; gives their number.
    fn write_some(&self, ids: &[KeyId]) -> Result<usize, Error> {
        let mut unwritten = self.unwritten.lock();
        if self.tallies.are_handed_over() {
            // Else they would be lost while very many keys are written.
            self.gather(&mut unwritten);
        }
        let (mut writes, mut size, mut taken) = (Vec::new(), 0, 0);
        for id in ids.iter().take(WRITTEN_KEYS_MAX) {
            if size >= WRITTEN_SIZE {
                break;
            }
            taken += 1;
            let Some(added) = unwritten.get(*id) else { continue };
            let mut usage = match self.stored(*id) {
                Err(error @ (Error::Damaged(_) | Error::SystemKeyMissing(_))) => {
                    tracing::error!(key = %id, %error, "what is known of the use of a key cannot be read: it is counted from zero");
                    KeyUsage::default()
                }
                stored => stored?,
            };
            added.add_to(&mut usage);
            // If that cannot be told, the schedule finds out why, and says so.
            if added.has_bounds() && self.is_due(*id, &usage).unwrap_or(true) {
                self.due.tell(*id);
            }
            let write = self.vault.put(address::usage(*id), &usage);
            size += write.size();
            writes.push(write);
        }
        self.vault.transact(&[], &writes)?;
        ids.iter().take(taken).for_each(|id| unwritten.remove(*id));
        Ok(taken)
    }

    /// Whether the key is to be rotated, and can be.
    fn is_due(&self, id: KeyId, usage: &KeyUsage) -> Result<bool, Error> {
        let record = self.vault.read::<KeyRecord>(&address::key(id))?;
        Ok(record.is_some_and(|(record, _)| record.is_due_by(usage) && record.versions.len() < VERSIONS_MAX))
    }

    fn report_lost(&self, items: u64) {
        if items > 0 {
            tracing::warn!(items, "more keys are in use than can be counted: the use of some is not");
        }
    }

    fn report(&self, result: Result<(), Error>) {
        let was_failing = self.failing.swap(result.is_err(), Ordering::Relaxed);
        match result {
            Err(error) if !was_failing => {
                tracing::error!(%error, "the use of keys cannot be written: rotation by use waits, and what is counted until then is lost if the daemon ends")
            }
            Ok(()) if was_failing => tracing::info!("the use of keys is written again"),
            _ => {}
        }
    }
}
