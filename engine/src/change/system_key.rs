//! Rotation of the system key, and the end of old versions of it.

use crate::backup::Backups;
use crate::engine::Engine;
use crate::error::Error;
use crate::hierarchy::KeyTree;
use crate::record::address;
use crate::renewal::{RenewalStatus, SystemKeyStatus};

impl Engine {
    /// The versions of the system key, ascending.
    #[must_use]
    pub fn system_keys(&self) -> Vec<SystemKeyStatus> {
        self.renewer().renewal.versions()
    }

    /// How far it has come that all records are protected by the current system key; `None` if they are.
    #[must_use]
    pub fn renewal(&self) -> Option<RenewalStatus> {
        self.renewer().renewal.status()
    }

    /// Makes a new system key in `tree`, to which the keys of this engine belong, and gives its version. It is durable before anything uses it. From then on whatever is written is
    /// protected by it, and a thread protects anew what was written before; [`Engine::renewal`] tells how far it has come. Keys are used meanwhile as ever. The journal of `backups`, if there
    /// is one, and new backups are sealed by it.
    ///
    /// # Errors
    /// [`Error::Hierarchy`], [`Error::Closed`]: everything is as it was.
    pub fn rotate_system_key(&self, tree: &KeyTree, backups: Option<&Backups>) -> Result<u32, Error> {
        self.ledger.follower.check()?;
        let vault = self.vault();
        let change = tree.change();
        let keys = change.add_system_key(&vault.keys(), &*self.ledger.random, self.ledger.clock.now_ms())?;
        let version = keys.current().0;
        vault.exchange_keys(keys);
        tracing::info!(version, "the system key was rotated");
        // Read by each start before anything is written: an older copy of the system-key file is refused from now on.
        if let Err(error) = self.renewer().renewal.renew_first(&address::run()) {
            tracing::warn!(%error, "the record of this process is not yet protected by the new system key");
        }
        self.seal_journal(backups);
        self.renewer().renewal.begin();
        self.renewer().wake();
        Ok(version)
    }

    /// Removes an old version of the system key for good, from `tree` and from memory. What was protected by it and is not in storage any more, old copies of it for instance, can be read by
    /// nobody from then on: backups that were made before the rotation above all. Reads all records.
    ///
    /// # Errors
    /// [`Error::SystemKeyNotFound`]; [`Error::SystemKeyNeeded`] if it is the current one or anything depends on it; [`Error::Hierarchy`], [`Error::Storage`], [`Error::Closed`].
    pub fn destroy_system_key(&self, tree: &KeyTree, version: u32, backups: Option<&Backups>) -> Result<(), Error> {
        let vault = self.vault();
        let change = tree.change();
        let keys = vault.keys();
        if keys.version(version).is_none() {
            return Err(Error::SystemKeyNotFound(version));
        }
        if version == keys.current().0 {
            let needed_by = "it is the current one: rotate the system key first".to_owned();
            return Err(Error::SystemKeyNeeded { version, needed_by });
        }
        // What was protected by it and is on its way to storage is refused from here on, so that the look at storage misses nothing.
        let _bar = vault.bar(version);
        let needed_by = self.dependents(version, backups)?;
        if !needed_by.is_empty() {
            return Err(Error::SystemKeyNeeded { version, needed_by: needed_by.join("; ") });
        }
        change.remove_system_key(version, &keys)?;
        vault.exchange_keys(keys.without(version));
        self.seal_journal(backups);
        // If it was the last one, nothing is left to do.
        self.renewer().wake();
        tracing::info!(version, "an old system key was destroyed");
        Ok(())
    }

    /// What would be lost with a version of the system key, each in words, with what is to be done. Whatever is protected by system keys and kept somewhere is asked here.
    fn dependents(&self, version: u32, backups: Option<&Backups>) -> Result<Vec<String>, Error> {
        let mut dependents = Vec::new();
        let needed = self.renewer().renewal.needed(version)?;
        if let Some(first) = needed.first {
            self.renewer().renewal.doubt();
            self.renewer().renewal.begin();
            self.renewer().wake();
            dependents.push(format!(
                "{} records need it, {first} among them: wait until they are protected anew; one that stays is damaged (restore it from a backup), or of a key whose shred secret cannot be read (see the shred table in `claviger health`)",
                needed.records
            ));
        }
        if let Some(backups) = backups {
            let needed = match self.renewer().renewal.unused_since(version) {
                Some(since) => backups.need_system_key(version, since),
                None => Ok(Some("the look through all records is not over yet: wait for it".to_owned())),
            };
            dependents.extend(
                needed.unwrap_or_else(|error| Some(format!("it cannot be told whether backups need it: {error}"))),
            );
        }
        Ok(dependents)
    }

    /// Has the journal sealed by the system keys as they are now.
    fn seal_journal(&self, backups: Option<&Backups>) {
        if let Some(Err(error)) = backups.map(|backups| backups.journal().seal_with(self.vault().sealing())) {
            // Changes are refused until it can be, as whenever the journal cannot be written.
            tracing::error!(%error, "the journal does not yet go on under the new system key");
        }
    }
}
