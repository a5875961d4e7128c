//! The ledger: the records of an installation, and the one way in which they change, by hand or by the clock.
//!
//! A change reads what it builds on, writes on the condition that this has not moved, waits until the cache has followed, then until every worker has left the frame
//! that it was in. After that nothing completes under the old state. So changes block, and must not be made from inside a frame: they would wait for it.

use std::borrow::Cow;
use std::ops::Deref;
use std::sync::Arc;

use claviger_algorithm::{Algorithm, KeyKind};
use parking_lot::Mutex;

use crate::act::Act;
use crate::change::NewMaterial;
use crate::clock::Clock;
use crate::crypto::random::Random;
use crate::deletion::{delete_key, put_key};
use crate::epoch::Epochs;
use crate::error::Error;
use crate::follow::Follower;
use crate::key::id::KeyId;
use crate::key::material::SecretBytes;
use crate::key::state::{KeyState, VersionState};
use crate::key::version::KeyVersion;
use crate::record::key::versions_max;
use crate::record::key_version::KeyVersionRecord;
use crate::record::vault::Vault;
use crate::record::{Deleted, KeyRecord, Origin, VersionSummary, address};
use crate::renewal::Renewed;
use crate::shred::ShredSecret;
use crate::source::VaultSource;
use crate::storage::{Address, Compare, Revision, Write};
use crate::usage::{UseCounts, UseStatistics};

/// What changes are made with, on behalf of somebody: a handle, cheap to clone. Shared by the engine, for changes by hand, and the schedule, for those by the clock.
#[derive(Clone)]
pub(crate) struct Ledger {
    books: Arc<Books>,
    /// Whose changes these are.
    act: Arc<Act>,
}

/// What all handles of one ledger share.
pub(crate) struct Books {
    // Dropped first: it ends its thread.
    pub(crate) follower: Follower,
    pub(crate) source: Arc<VaultSource>,
    pub(crate) statistics: Arc<UseStatistics>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) epochs: Arc<Epochs>,
    /// Held by whoever opens an import, so that there are never more than may be.
    pub(crate) imports: Mutex<()>,
    /// Where records have moved to that were protected anew.
    pub(crate) renewed: Renewed,
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
        Self { books: Arc::new(books), act: Act::of_engine("engine") }
    }

    /// The same ledger on behalf of somebody.
    pub(crate) fn on_behalf_of(&self, act: Arc<Act>) -> Self {
        Self { books: Arc::clone(&self.books), act }
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
        if record == before && writes.is_empty() {
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
        self.source.note_versions(&record);
        Ok(if record.shred_slot == before.shred_slot { record } else { self.destroy_former_secrets(record) })
    }

    /// The writes of a key's record: itself, and its place in the schedule.
    pub(crate) fn put_key(&self, before: Option<&KeyRecord>, record: &KeyRecord, writes: &mut Vec<Write>) {
        put_key(self.vault(), before, record, writes);
    }

    /// The one way of every change: durable, followed by the cache, left behind by all workers.
    pub(crate) fn commit(&self, compares: &[Compare], writes: &[Write]) -> Result<(), Error> {
        self.follower.check()?;
        let mut compares = Cow::Borrowed(compares);
        let Act { actor, operation, trace_id, .. } = &*self.act;
        tracing::trace!(actor, operation, trace_id, "a change is made");
        let revision = loop {
            match self.vault().transact(&compares, writes) {
                // What was read was only protected anew meanwhile: that is no conflict.
                Err(Error::Conflict) => compares = Cow::Owned(self.renewed.follow(&compares).ok_or(Error::Conflict)?),
                made => break made?,
            }
        };
        self.wait_until_in_force(revision)
    }

    /// Waits until nothing completes any more under what was before `revision`.
    fn wait_until_in_force(&self, revision: Revision) -> Result<(), Error> {
        self.follower.wait_for(revision)?;
        self.epochs.wait_for_workers();
        Ok(())
    }

    /// The writes of one version: its wrapped material, and its count of uses, if these are limited. Gives where the material comes from.
    pub(crate) fn new_version(
        &self,
        id: KeyId,
        version: KeyVersion,
        algorithm: Algorithm,
        material: NewMaterial,
        secret: &ShredSecret,
        writes: &mut Vec<Write>,
    ) -> Result<Origin, Error> {
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

/// A key while it is being changed.
pub(crate) struct Altered<'l> {
    ledger: &'l Ledger,
    /// When this is.
    pub(crate) now_ms: u64,
    /// The record, to be altered.
    pub(crate) record: KeyRecord,
    /// What must not have moved meanwhile: itself, and what is found beside it.
    pub(crate) compares: Vec<Compare>,
    /// What is written beside it.
    pub(crate) writes: Vec<Write>,
    /// Material of it is removed, so that what is left gets another shred secret.
    needs_other_secret: bool,
}

impl Altered<'_> {
    /// Refuses a key that is in none of `states`, which are called `needed`.
    ///
    /// # Errors
    /// [`Error::KeyStateWrong`].
    pub(crate) fn must_be(&self, states: &[KeyState], needed: &'static str) -> Result<(), Error> {
        let (id, state) = (self.record.id, self.record.state);
        if states.contains(&state) { Ok(()) } else { Err(Error::KeyStateWrong { id, state, needed }) }
    }

    /// Refuses a deleted key.
    ///
    /// # Errors
    /// [`Error::KeyStateWrong`].
    pub(crate) fn must_live(&self) -> Result<(), Error> {
        self.must_be(&[KeyState::Available, KeyState::Disabled, KeyState::DeletionRequested], "not deleted")
    }

    /// The version of this number.
    ///
    /// # Errors
    /// [`Error::KeyVersionNotFound`].
    pub(crate) fn version(&mut self, version: KeyVersion) -> Result<&mut VersionSummary, Error> {
        let id = self.record.id;
        let found = self.record.versions.iter_mut().find(|summary| summary.version == version);
        found.ok_or(Error::KeyVersionNotFound { id, version })
    }

    /// Adds a version and makes it the current one; the one before goes on decrypting and verifying.
    ///
    /// # Errors
    /// [`Error::TooManyVersions`], [`Error::ValueMismatch`] for a secret, [`Error::Entropy`], those of [`crate::shred::ShredTable::secret_of`].
    pub(crate) fn rotate(&mut self) -> Result<(), Error> {
        self.add_version(NewMaterial::Generated)
    }

    /// Gives a secret a new value, as a version that is the current one. From the eleventh on the oldest is destroyed with it, which needs every mirror of the shred table.
    ///
    /// # Errors
    /// [`Error::ShredTable`] if one is away and a value would have to be destroyed: the secret keeps the values that it has;
    /// [`Error::ValueMismatch`] if it is no secret, [`Error::SecretTooLarge`], [`Error::TooManyVersions`] after 2^32 - 1 updates, [`Error::Entropy`], those of
    /// [`crate::shred::ShredTable::secret_of`].
    pub(crate) fn update(&mut self, value: SecretBytes) -> Result<(), Error> {
        self.add_version(NewMaterial::Registered(value))
    }

    /// Adds a version of this material and makes it the current one. Of a secret the newest ten versions are kept, and nothing of older ones.
    ///
    /// # Errors
    /// [`Error::TooManyVersions`], and those of [`NewMaterial::bytes`].
    pub(crate) fn add_version(&mut self, material: NewMaterial) -> Result<(), Error> {
        let Self { ledger, now_ms, record, writes, .. } = self;
        let is_secret = record.algorithm.row().kind == KeyKind::Secret;
        let versions_max = versions_max(record.algorithm);
        if !is_secret && record.versions.len() >= versions_max {
            return Err(Error::TooManyVersions(record.id));
        }
        let newest = record.versions.last().map(|summary| summary.version);
        let version =
            newest.map_or(Some(KeyVersion::FIRST), KeyVersion::next).ok_or(Error::TooManyVersions(record.id))?;
        let secret = ledger.source.shred_table.secret_of(record)?;
        let origin = ledger.new_version(record.id, version, record.algorithm, material, &secret, writes)?;
        for summary in record.versions.iter_mut().filter(|summary| summary.state == VersionState::Current) {
            summary.state = VersionState::Active;
        }
        record.versions.push(VersionSummary { version, state: VersionState::Current, created_ms: *now_ms, origin });
        let too_many = record.versions.len().saturating_sub(versions_max);
        let old: Vec<_> = record.versions.drain(..too_many).map(|summary| summary.version).collect();
        self.remove_material(&old);
        Ok(())
    }

    /// Destroys the material of a version. Its number stays taken, and counted.
    pub(crate) fn destroy(&mut self, version: KeyVersion) -> Result<(), Error> {
        let summary = self.version(version)?;
        if summary.state != VersionState::Destroyed {
            summary.state = VersionState::Destroyed;
            self.remove_material(&[version]);
        }
        Ok(())
    }

    /// Removes the material of single versions, while others stay: of those that are destroyed, and of old values of a secret. What storage has forgotten and what backups hold of
    /// them becomes worthless too, because the others get another shred secret.
    fn remove_material(&mut self, versions: &[KeyVersion]) {
        let id = self.record.id;
        self.needs_other_secret |= !versions.is_empty();
        self.writes
            .extend(versions.iter().map(|version| Write::Delete { address: address::key_version(id, *version) }));
    }

    /// If material of the key was removed: draws another shred secret, and wraps the versions that are left anew with it.
    ///
    /// # Errors
    /// [`Error::Damaged`], [`Error::Entropy`], [`Error::Storage`], those of [`crate::shred::ShredTable::secret_of`].
    fn reshred_if_needed(&mut self) -> Result<Option<ShredSecret>, Error> {
        if !self.needs_other_secret || self.record.state == KeyState::Deleted {
            return Ok(None);
        }
        let secret = self.ledger.source.shred_table.secret_of(&self.record)?;
        let new = ShredSecret::generate(&*self.ledger.random)?;
        let left = self.record.versions.iter().filter(|summary| summary.state != VersionState::Destroyed);
        for version in left.map(|summary| summary.version).collect::<Vec<_>>() {
            let place = address::key_version(self.record.id, version);
            let stored = self.take_stored(&place)?;
            let vault = self.ledger.vault();
            let material = vault.unwrap::<KeyVersionRecord>(&place, Some(&secret), &stored.wrapped)?;
            let wrapped = vault.wrap::<KeyVersionRecord>(&place, Some(&new), material.expose())?;
            self.writes.push(vault.put(place, &KeyVersionRecord { wrapped }));
        }
        Ok(Some(new))
    }

    /// The record of a version as this change leaves it. One that it writes itself is taken out of its writes.
    fn take_stored(&mut self, place: &Address) -> Result<KeyVersionRecord, Error> {
        let vault = self.ledger.vault();
        let is_it = |write: &Write| matches!(write, Write::Put { address, .. } if address == place);
        let written = self.writes.iter().rposition(is_it).map(|at| self.writes.remove(at));
        if let Some(Write::Put { value, .. }) = written {
            return vault.open(place, &value);
        }
        let (stored, revision) = vault.read(place)?.ok_or_else(|| Error::Damaged(place.to_string()))?;
        self.compares.push(Compare::unchanged(place.clone(), revision));
        Ok(stored)
    }

    /// Deletes the key: material, name and aliases go; what it was and how it was used stays described for a year.
    pub(crate) fn delete(&mut self) {
        let deleted =
            Deleted { at_ms: self.now_ms, running_ms: self.ledger.use_counts().running_ms(), destroyed: None };
        delete_key(&mut self.record, deleted, &mut self.writes);
    }
}
