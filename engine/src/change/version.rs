//! The versions of a key: rotation, by hand or scheduled, and the states of single versions.

use claviger_algorithm::{KeyKind, Operation};

use crate::engine::Engine;
use crate::error::Error;
use crate::key::id::KeyId;
use crate::key::state::VersionState;
use crate::key::version::KeyVersion;
use crate::limits::ROTATION_PERIOD_DAYS_MAX;
use crate::record::{KeyRecord, Rotation, RotationByUse};

impl Engine {
    /// Adds a version to a key and makes it the current one. The version before goes on decrypting and verifying. Rotation by the clock is not moved by it.
    ///
    /// # Errors
    /// [`Error::KeyNotFound`], [`Error::KeyStateWrong`] if it is deleted, [`Error::TooManyVersions`], [`Error::ValueMismatch`] for a secret, [`Error::Conflict`],
    /// [`Error::Entropy`], [`Error::Storage`].
    pub fn rotate(&self, id: KeyId) -> Result<KeyRecord, Error> {
        self.ledger.change_key(id, |key| {
            key.must_live()?;
            key.rotate()
        })
    }

    /// Has a key rotated by the clock every so many days, 1 to 730, the first time after as many from now; or not any more.
    /// Cycles that are missed while nothing runs make one rotation. Disabled keys are rotated too.
    ///
    /// # Errors
    /// [`Error::RotationPeriod`], [`Error::KeyNotFound`], [`Error::KeyStateWrong`] if it is deleted, [`Error::ValueMismatch`] for a secret, [`Error::Conflict`],
    /// [`Error::Storage`].
    pub fn set_rotation(&self, id: KeyId, period_days: Option<u16>) -> Result<KeyRecord, Error> {
        if period_days.is_some_and(|days| !(1..=ROTATION_PERIOD_DAYS_MAX).contains(&days)) {
            return Err(Error::RotationPeriod);
        }
        self.ledger.change_key(id, |key| {
            key.must_live()?;
            if key.record.algorithm.row().kind == KeyKind::Secret {
                return Err(Error::ValueMismatch);
            }
            // Said again, a period does not begin anew: else whoever says it each night has no rotation at all.
            if key.record.rotation.map(|rotation| rotation.period_days) != period_days {
                key.record.rotation = period_days.map(|period_days| Rotation::starting(period_days, key.now_ms));
            }
            Ok(())
        })
    }

    /// Has a key rotated when its current version has been used as much as `bounds` say; or not any more. It follows within about a second, and not while nobody uses the
    /// key; what the current version has been used for already counts. Rotation by the clock is not moved by it.
    ///
    /// # Errors
    /// [`Error::RotationByUse`], [`Error::KeyNotFound`], [`Error::KeyStateWrong`] if it is deleted, [`Error::ValueMismatch`] for a secret, [`Error::Conflict`],
    /// [`Error::Storage`].
    pub fn set_rotation_by_use(&self, id: KeyId, bounds: Option<RotationByUse>) -> Result<KeyRecord, Error> {
        if bounds.is_some_and(|bounds| !bounds.is_consistent()) {
            return Err(Error::RotationByUse);
        }
        let record = self.ledger.change_key(id, |key| {
            key.must_live()?;
            if key.record.algorithm.row().kind == KeyKind::Secret {
                return Err(Error::ValueMismatch);
            }
            key.record.rotation_by_use = bounds;
            Ok(())
        })?;
        if bounds.is_some() {
            // It may have been used enough already.
            self.ledger.statistics.due().tell(id);
        }
        Ok(record)
    }

    /// Refuses what versions below this one have encrypted: it is not decrypted, unwrapped or re-encrypted. It may be lowered again.
    ///
    /// # Errors
    /// [`Error::KeyNotFound`], [`Error::KeyStateWrong`] if it is deleted, [`Error::OperationNotAllowed`] for a key that does not decrypt,
    /// [`Error::KeyVersionNotFound`], [`Error::Conflict`], [`Error::Storage`].
    pub fn set_lowest_version(&self, id: KeyId, version: KeyVersion) -> Result<KeyRecord, Error> {
        self.ledger.change_key(id, |key| {
            key.must_live()?;
            let (algorithm, operation) = (key.record.algorithm, Operation::Decrypt);
            if !algorithm.row().does(operation) && !algorithm.row().does(Operation::AsymmetricDecrypt) {
                return Err(Error::OperationNotAllowed { algorithm, operation });
            }
            key.version(version)?;
            key.record.lowest_version = version;
            Ok(())
        })
    }

    /// Disables a version of a key, or makes it active again. The current version and destroyed ones stay what they are.
    ///
    /// # Errors
    /// [`Error::KeyNotFound`], [`Error::KeyStateWrong`] if it is deleted, [`Error::KeyVersionNotFound`], [`Error::KeyVersionStateWrong`] from or to another state
    /// than these two, [`Error::Conflict`], [`Error::Storage`].
    pub fn set_version_state(&self, id: KeyId, version: KeyVersion, state: VersionState) -> Result<KeyRecord, Error> {
        self.ledger.change_key(id, |key| {
            key.must_live()?;
            let summary = key.version(version)?;
            let usual = |state| matches!(state, VersionState::Active | VersionState::Disabled);
            if !usual(summary.state) || !usual(state) {
                return Err(Error::KeyVersionStateWrong { id, version, state: summary.state });
            }
            summary.state = state;
            Ok(())
        })
    }

    /// Destroys a version of a key that is not the current one: its material is gone for good, its number stays taken and counted.
    ///
    /// # Errors
    /// [`Error::KeyNotFound`], [`Error::KeyStateWrong`] if it is deleted, [`Error::KeyVersionNotFound`], [`Error::KeyVersionStateWrong`] for the current version,
    /// [`Error::Conflict`], [`Error::Storage`].
    pub fn destroy_version(&self, id: KeyId, version: KeyVersion) -> Result<KeyRecord, Error> {
        self.ledger.change_key(id, |key| {
            key.must_live()?;
            match key.version(version)?.state {
                VersionState::Current => Err(Error::KeyVersionStateWrong { id, version, state: VersionState::Current }),
                _ => key.destroy(version),
            }
        })
    }
}
