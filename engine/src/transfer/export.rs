//! Export: material of a key that was created for it leaves, wrapped to a public key.

use claviger_algorithm::Algorithm;

use crate::crypto::key_wrap::ReceiverKey;
use crate::engine::Engine;
use crate::error::Error;
use crate::key::id::KeyId;
use crate::key::state::KeyState;
use crate::key::version::KeyVersion;
use crate::limits::{EXPORT_LOOKS_MAX, EXPORT_TRIES_MAX};
use crate::record::key_version::KeyVersionRecord;
use crate::record::{KeyRecord, address};

/// Material that leaves, wrapped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exported {
    /// The key.
    pub key: KeyId,
    /// The version.
    pub version: KeyVersion,
    /// The algorithm that the material is for.
    pub algorithm: Algorithm,
    /// The wrapped material: see [`crate::crypto::key_wrap`].
    pub wrapped: Vec<u8>,
}

impl Engine {
    /// Wraps the material of one version of a key, the current one unless said otherwise, to `receiver`. The key must have been created exportable; the key
    /// must be available and the version current or active: what does nothing does not leave either.
    ///
    /// `answer` makes the reply of it, inside a frame in which that is still so: a change that forbids it is acknowledged only after `answer` has returned, or there is no answer. So it must be
    /// short, and must not change anything: the change would wait for it.
    ///
    /// # Errors
    /// [`Error::KeyNotFound`], [`Error::NotExportable`], [`Error::KeyNotUsable`], [`Error::KeyVersionNotFound`], [`Error::KeyVersionNotUsable`],
    /// [`Error::NothingToExport`] for an empty secret, [`Error::Conflict`] if the key was changed again and again meanwhile, [`Error::KeyShredded`], [`Error::ShredTable`],
    /// [`Error::Entropy`], [`Error::Damaged`], [`Error::Storage`], [`Error::Locked`].
    pub fn export_key<T>(
        &self,
        id: KeyId,
        version: Option<KeyVersion>,
        receiver: &ReceiverKey,
        answer: impl FnOnce(Exported) -> T,
    ) -> Result<T, Error> {
        let storage = self.vault().storage();
        let mut worker = self.ledger.epochs.register();
        for _ in 0..EXPORT_TRIES_MAX {
            self.ledger.source.lock.check()?;
            let (record, revision) = self.ledger.read_key(id)?;
            let exported = self.export_as_read(&record, version, receiver);
            for _ in 0..EXPORT_LOOKS_MAX {
                let last_change = storage.revision();
                // Failures too: what was shredded, or does not open, may have another shred secret since.
                if self.ledger.read_key(id)?.1 != revision {
                    break;
                }
                // Storage is not read inside a frame. If nothing at all has changed since the look, the key has not, and whoever changes it from here on waits for this frame.
                let _inside = worker.enter();
                self.ledger.source.lock.check()?;
                if storage.revision() == last_change {
                    return exported.map(answer);
                }
            }
        }
        Err(Error::Conflict)
    }

    fn export_as_read(
        &self,
        record: &KeyRecord,
        version: Option<KeyVersion>,
        receiver: &ReceiverKey,
    ) -> Result<Exported, Error> {
        let id = record.id;
        if !record.exportable {
            return Err(Error::NotExportable(id));
        }
        if record.state != KeyState::Available {
            return Err(Error::KeyNotUsable { id, state: record.state });
        }
        let summary = match version {
            Some(version) => record.versions.iter().find(|summary| summary.version == version),
            None => record.versions.iter().find(|summary| Some(summary.version) == record.current()),
        };
        let missing = || Error::KeyVersionNotFound { id, version: version.unwrap_or(KeyVersion::FIRST) };
        let summary = summary.ok_or_else(missing)?;
        let version = summary.version;
        if !summary.state.is_usable() {
            return Err(Error::KeyVersionNotUsable { id, version, state: summary.state });
        }
        let place = address::key_version(id, version);
        let damaged = || Error::Damaged(place.to_string());
        let (stored, _) = self.vault().read::<KeyVersionRecord>(&place)?.ok_or_else(damaged)?;
        let secret = self.shred_table().secret_of(record)?;
        let material = self.vault().unwrap::<KeyVersionRecord>(&place, Some(&secret), &stored.wrapped)?;
        if material.is_empty() {
            return Err(Error::NothingToExport(id));
        }
        let wrapped = receiver.wrap(material.expose(), &*self.ledger.random)?;
        Ok(Exported { key: id, version, algorithm: record.algorithm, wrapped })
    }
}
