//! How all keys are used: by version and by client. Written each second, for the keys that were used; a kill loses what is not written yet.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use super::client::{Client, Clients};
use super::tally::{Count, Place, Table, Tallies};
use super::{DueByUse, Signal};
use crate::audit::Counts;
use crate::clock::Clock;
use crate::error::Error;
use crate::key::client::ClientName;
use crate::key::id::KeyId;
use crate::limits::{UNWRITTEN_ENTRIES_MAX, UNWRITTEN_KEYS_MAX, VERSIONS_MAX, WRITTEN_KEYS_MAX};
use crate::record::usage::{ClientUsage, KeyUsage, OthersUsage, VersionUsage};
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
    /// Keys whose current version has been used so much that they are to be rotated.
    due: Arc<DueByUse>,
    failing: AtomicBool,
    /// Where the audit log counts them by the minute.
    audit: Option<Arc<Counts>>,
}

/// What was gathered and is not in storage yet.
#[derive(Default)]
struct Unwritten {
    keys: HashMap<KeyId, Added>,
    /// Versions and clients of all of them.
    entries: usize,
    /// Memory for gathering.
    spare: Table,
    /// Items of keys for which there was no place.
    lost: u64,
}

/// What is to be added to the record of one key.
#[derive(Default)]
struct Added {
    usage: KeyUsage,
    /// Whether the key is rotated by use.
    has_bounds: bool,
}

impl Added {
    /// Versions and clients.
    fn entries(&self) -> usize {
        self.usage.versions.len() + self.usage.clients.len()
    }
}

impl Unwritten {
    /// Gives back the memory of a second in which very many keys were used.
    fn give_back(&mut self) {
        if self.keys.is_empty() {
            self.keys.shrink_to(WRITTEN_KEYS_MAX);
        }
    }
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
        if let Some(added) = unwritten.keys.get(&id) {
            usage.add(&added.usage);
        }
        Ok(usage)
    }

    /// Writes all that was counted until now. `between` is called between transactions: what cannot wait is done there.
    pub(crate) fn write(&self, mut between: impl FnMut()) {
        let ids: Vec<_> = {
            let mut unwritten = self.unwritten.lock();
            self.gather(&mut unwritten);
            self.clients.forget_gone();
            self.report_lost(std::mem::take(&mut unwritten.lost));
            unwritten.keys.keys().copied().collect()
        };
        let mut result = Ok(());
        for part in ids.chunks(WRITTEN_KEYS_MAX) {
            result = self.write_part(part);
            if result.is_err() {
                break;
            }
            between();
        }
        self.unwritten.lock().give_back();
        self.report(result);
    }

    /// Whether statistics cannot be written.
    pub(crate) fn is_failing(&self) -> bool {
        self.failing.load(Ordering::Relaxed)
    }

    /// Takes what the threads have counted. Their uses were a moment ago: nobody has asked the clock for each.
    fn gather(&self, unwritten: &mut Unwritten) {
        let mut moment = None;
        let Unwritten { keys, entries, spare, lost } = unwritten;
        self.tallies.empty(spare, |Place { id, version, client }, Count { items, bytes, has_bounds }| {
            if let Some(audit) = &self.audit {
                audit.used(id, self.clients.name(client).as_ref(), items);
            }
            let now_ms = *moment.get_or_insert_with(|| self.clock.now_ms());
            let is_full = keys.len() >= UNWRITTEN_KEYS_MAX;
            let added = match keys.entry(id) {
                Entry::Vacant(_) if is_full => {
                    *lost = lost.saturating_add(items);
                    return;
                }
                entry => entry.or_default(),
            };
            let (before, is_full) = (added.entries(), *entries >= UNWRITTEN_ENTRIES_MAX);
            if is_full && added.usage.version(version).is_none() {
                *lost = lost.saturating_add(items);
                return;
            }
            added.has_bounds |= has_bounds;
            added.usage.add_version(VersionUsage { version, items, bytes, last_ms: now_ms });
            let name = self.clients.name(client).filter(|name| !is_full || added.usage.has_client(name));
            match name {
                Some(client) => added.usage.add_client(ClientUsage { client, items, last_ms: now_ms }),
                None => added.usage.add_others(OthersUsage { items, last_ms: now_ms }),
            }
            *entries += added.entries() - before;
        });
        *lost = lost.saturating_add(self.tallies.take_lost());
    }

    fn stored(&self, id: KeyId) -> Result<KeyUsage, Error> {
        Ok(self.vault.read::<KeyUsage>(&address::usage(id))?.map(|(usage, _)| usage).unwrap_or_default())
    }

    fn write_part(&self, ids: &[KeyId]) -> Result<(), Error> {
        let mut unwritten = self.unwritten.lock();
        let mut writes = Vec::with_capacity(ids.len());
        for id in ids {
            let Some(added) = unwritten.keys.get(id) else { continue };
            let mut usage = match self.stored(*id) {
                Err(error @ (Error::Damaged(_) | Error::SystemKeyMissing(_))) => {
                    tracing::error!(key = %id, %error, "what is known of the use of a key cannot be read: it is counted from zero");
                    KeyUsage::default()
                }
                stored => stored?,
            };
            usage.add(&added.usage);
            // If that cannot be told, the schedule finds out why, and says so.
            if added.has_bounds && self.is_due(*id, &usage).unwrap_or(true) {
                self.due.tell(*id);
            }
            writes.push(self.vault.put(address::usage(*id), &usage));
        }
        self.vault.transact(&[], &writes)?;
        for id in ids {
            let written = unwritten.keys.remove(id).map_or(0, |added| added.entries());
            unwritten.entries -= written;
        }
        Ok(())
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
