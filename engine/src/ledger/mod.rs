//! The ledger: the records of an installation, and the one way in which they change, by hand or by the clock.
//!
//! A change reads what it builds on, writes on the condition that this has not moved, waits until the cache has followed, then until every worker has left the frame
//! that it was in. After that nothing completes under the old state. So changes block, and must not be made from inside a frame: they would wait for it.

mod altered;
mod manner;

use std::borrow::Cow;
use std::ops::Deref;
use std::sync::Arc;

use claviger_algorithm::Algorithm;
use parking_lot::Mutex;

use crate::act::Act;
use crate::audit::Auditor;
use crate::change::NewMaterial;
use crate::clock::Clock;
use crate::crypto::random::Random;
use crate::deletion::put_key;
use crate::epoch::Epochs;
use crate::error::Error;
use crate::follow::Follower;
use crate::key::id::KeyId;
use crate::key::version::KeyVersion;
use crate::record::content::revision;
use crate::record::key_version::KeyVersionRecord;
use crate::record::vault::Vault;
use crate::record::{KeyRecord, Origin, Record, address};
use crate::renewal::Renewed;
use crate::shred::ShredSecret;
use crate::source::VaultSource;
use crate::storage::{Address, Compare, Revision, Write};
use crate::unreadable::Told;
use crate::usage::{UseCounts, UseStatistics};

pub(crate) use altered::Altered;
pub(crate) use manner::Beside;
use manner::Manner;

/// What changes are made with, on behalf of somebody: a handle, cheap to clone. Shared by the engine, for changes by hand, and the schedule, for those by the clock.
#[derive(Clone)]
pub(crate) struct Ledger {
    books: Arc<Books>,
    /// Whose changes these are.
    act: Arc<Act>,
    /// How they are made.
    manner: Arc<Manner>,
}

/// What all handles of one ledger share.
pub(crate) struct Books {
    // Dropped first: it ends its thread.
    pub(crate) follower: Follower,
    /// The audit log, if there is one.
    pub(crate) audit: Option<Auditor>,
    pub(crate) source: Arc<VaultSource>,
    pub(crate) statistics: Arc<UseStatistics>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) epochs: Arc<Epochs>,
    /// Held by whoever opens an import, so that there are never more than may be.
    pub(crate) imports: Mutex<()>,
    /// Up to where it was looked last which requests that are made once can be forgotten.
    pub(crate) looked_at_once: Mutex<Option<Address>>,
    /// Held by whoever asks for an approval, for the same reason.
    pub(crate) asking: Mutex<()>,
    /// Held by whoever adds authentication data, so that no two exclude each other.
    pub(crate) access: Mutex<()>,
    /// Where records have moved to that were protected anew.
    pub(crate) renewed: Renewed,
    /// Of which key stores it was told that lists pass over records.
    pub(crate) unreadable: Told,
}

impl Deref for Ledger {
    type Target = Books;

    fn deref(&self) -> &Books {
        &self.books
    }
}

impl Ledger {
    /// The ledger over `books`, for what the engine does by itself.
    pub(crate) fn new(books: Books) -> Self {
        Self { books: Arc::new(books), act: Act::of_engine("engine"), manner: Arc::new(Manner::AtOnce) }
    }

    /// The same ledger on behalf of somebody.
    pub(crate) fn on_behalf_of(&self, act: Arc<Act>) -> Self {
        Self { act, ..self.clone() }
    }

    /// On whose behalf changes are made.
    pub(crate) fn act(&self) -> &Act {
        &self.act
    }

    /// The vault.
    pub(crate) fn vault(&self) -> &Vault {
        &self.source.vault
    }

    /// Counts of uses of keys with a limit.
    pub(crate) fn use_counts(&self) -> &UseCounts {
        &self.source.use_counts
    }

    /// The record of a key, and when it was last changed.
    ///
    /// # Errors
    /// [`Error::KeyNotFound`], [`Error::Damaged`], [`Error::Storage`].
    pub(crate) fn read_key(&self, id: KeyId) -> Result<(KeyRecord, Revision), Error> {
        self.vault().read::<KeyRecord>(&address::key(id))?.ok_or(Error::KeyNotFound(id))
    }

    /// Changes a key: `alter` changes its record and adds what else is written. A record that it leaves as it was is not written.
    ///
    /// # Errors
    /// As [`Ledger::read_key`], those of `alter`, [`Error::Conflict`], [`Error::Closed`]: the key was not changed.
    pub(crate) fn change_key(
        &self,
        id: KeyId,
        alter: impl FnOnce(&mut Altered<'_>) -> Result<(), Error>,
    ) -> Result<KeyRecord, Error> {
        let (record, revision) = self.read_key(id)?;
        self.change_key_as_read(record, revision, alter)
    }

    /// As [`Ledger::change_key`], for a key that was read at `revision`.
    pub(crate) fn change_key_as_read(
        &self,
        before: KeyRecord,
        revision: Revision,
        alter: impl FnOnce(&mut Altered<'_>) -> Result<(), Error>,
    ) -> Result<KeyRecord, Error> {
        self.check_expected(&before)?;
        let place = address::key(before.id);
        let mut altered = Altered {
            ledger: self,
            now_ms: self.clock.now_ms(),
            record: before.clone(),
            compares: vec![Compare::unchanged(place.clone(), revision)],
            writes: Vec::new(),
            needs_other_secret: false,
        };
        let done = alter(&mut altered).and_then(|()| altered.reshred_if_needed());
        let new_secret = match done {
            // What does not open was given another shred secret meanwhile, if the record has changed since it was read.
            Err(Error::Damaged(_) | Error::KeyShredded(_))
                if self.vault().read::<KeyRecord>(&place)?.is_none_or(|(_, now)| now != revision) =>
            {
                return Err(Error::Conflict);
            }
            done => done?,
        };
        let Altered { now_ms, mut record, compares, mut writes, .. } = altered;
        // With something to write beside it, what was read must not have moved, whatever becomes of the record.
        if record == before && writes.is_empty() && self.makes_at_once() {
            // Whoever made it so may still be waiting: what is said here must be in force too.
            self.wait_until_in_force(revision)?;
            return Ok(record);
        }
        record.changed_ms = now_ms;
        let new_secret: Vec<_> = new_secret.iter().map(|secret| (record.id, secret)).collect();
        self.with_slots(&new_secret, |slots, landed| {
            writes.extend(landed);
            record.shred_slot = slots.first().map_or(record.shred_slot, |slot| slot.get());
            writes.extend(self.note_pending(&before, &record));
            self.put_key(Some(&before), &record, &mut writes);
            self.commit(&compares, &writes)
        })?;
        if !self.makes_at_once() {
            return Ok(record);
        }
        self.source.note_versions(&record);
        Ok(if record.shred_slot == before.shred_slot { record } else { self.destroy_former_secrets(record) })
    }

    /// The same ledger, after it was looked whether what its actor has seen is still so: records that are changed along with that were not meant.
    pub(crate) fn after_look(&self) -> Self {
        if self.act.expected.is_none() {
            return self.clone();
        }
        self.on_behalf_of(Arc::new(Act { expected: None, ..Act::clone(&self.act) }))
    }

    /// Refuses a change of something that is not as its actor has seen it.
    ///
    /// # Errors
    /// [`Error::NotAsExpected`].
    pub(crate) fn check_expected<R: Record>(&self, record: &R) -> Result<(), Error> {
        let is_other = self.act.expected.as_ref().is_some_and(|expected| *expected != revision(record));
        if is_other { Err(Error::NotAsExpected) } else { Ok(()) }
    }

    /// The writes of a key's record: itself, and its place in the schedule.
    pub(crate) fn put_key(&self, before: Option<&KeyRecord>, record: &KeyRecord, writes: &mut Vec<Write>) {
        put_key(self.vault(), before, record, writes);
    }

    /// Makes a change in a transaction of its own.
    fn commit_now(&self, compares: &[Compare], writes: &[Write]) -> Result<(), Error> {
        self.follower.check()?;
        let guards = &self.act.guards;
        let mut compares =
            if guards.is_empty() { Cow::Borrowed(compares) } else { Cow::Owned([compares, guards].concat()) };
        let mut writes = Cow::Borrowed(writes);
        if let Some(audit) = &self.audit {
            let told = audit.begin(&self.act, &writes)?;
            writes.to_mut().push(told);
        }
        let revision = loop {
            match self.vault().transact(&compares, &writes) {
                // What was read was only protected anew meanwhile: that is no conflict.
                Err(Error::Conflict) => compares = Cow::Owned(self.renewed.follow(&compares).ok_or(Error::Conflict)?),
                made => break made?,
            }
        };
        self.wait_until_in_force(revision)?;
        self.audit.as_ref().map_or(Ok(()), Auditor::wait)
    }

    /// Tells the audit log of what this ledger's act does, if that changes no record. To be called before it is done.
    ///
    /// # Errors
    /// [`Error::Audit`], [`Error::Storage`], [`Error::Closed`]: it must not be done.
    pub(crate) fn tell_act(&self) -> Result<(), Error> {
        self.commit(&[], &[])
    }

    /// Waits until nothing completes any more under what was before `revision`.
    fn wait_until_in_force(&self, revision: Revision) -> Result<(), Error> {
        self.follower.wait_for(revision)?;
        self.epochs.wait_for_workers();
        Ok(())
    }

    /// The writes of one version: its wrapped material, and its count of uses, if these are limited. Gives where the material comes from.
    ///
    /// # Errors
    /// [`Error::Locked`], and those of [`NewMaterial::bytes`].
    pub(crate) fn new_version(
        &self,
        id: KeyId,
        version: KeyVersion,
        algorithm: Algorithm,
        material: NewMaterial,
        secret: &ShredSecret,
        writes: &mut Vec<Write>,
    ) -> Result<Origin, Error> {
        self.source.lock.check()?;
        if self.is_on_trial() {
            return material.origin(algorithm);
        }
        let (origin, bytes) = material.bytes(algorithm, &*self.random)?;
        let place = address::key_version(id, version);
        let wrapped = self.vault().wrap::<KeyVersionRecord>(&place, Some(secret), bytes.expose())?;
        writes.push(self.vault().put(place, &KeyVersionRecord { wrapped }));
        if algorithm.row().use_limit.is_some() {
            writes.push(self.vault().put(address::use_count(id, version), &self.use_counts().none_yet()));
        }
        Ok(origin)
    }
}
