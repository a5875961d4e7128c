//! A key while it is being changed.

use claviger_algorithm::KeyKind;

use super::Ledger;
use crate::change::NewMaterial;
use crate::deletion::delete_key;
use crate::error::Error;
use crate::key::material::SecretBytes;
use crate::key::state::{KeyState, VersionState};
use crate::key::version::KeyVersion;
use crate::record::key::versions_max;
use crate::record::key_version::KeyVersionRecord;
use crate::record::{Deleted, KeyRecord, VersionSummary, address};
use crate::shred::ShredSecret;
use crate::storage::{Address, Compare, Write};

/// A key while it is being changed.
pub(crate) struct Altered<'l> {
    pub(super) ledger: &'l Ledger,
    /// When this is.
    pub(crate) now_ms: u64,
    /// The record, to be altered.
    pub(crate) record: KeyRecord,
    /// What must not have moved meanwhile: itself, and what is found beside it.
    pub(crate) compares: Vec<Compare>,
    /// What is written beside it.
    pub(crate) writes: Vec<Write>,
    /// Material of it is removed, so that what is left gets another shred secret.
    pub(super) needs_other_secret: bool,
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
    /// [`Error::Locked`], [`Error::Damaged`], [`Error::Entropy`], [`Error::Storage`], those of [`crate::shred::ShredTable::secret_of`].
    pub(super) fn reshred_if_needed(&mut self) -> Result<Option<ShredSecret>, Error> {
        if !self.needs_other_secret || self.record.state == KeyState::Deleted || self.ledger.is_on_trial() {
            return Ok(None);
        }
        self.ledger.source.lock.check()?;
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
