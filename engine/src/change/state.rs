//! The states of a key: disabling, enabling, deletion.

use std::time::Duration;

use crate::engine::Engine;
use crate::error::{Ago, Error};
use crate::key::id::KeyId;
use crate::key::state::KeyState;
use crate::limits::{DELETION_UNUSED_FOR, DELETION_WAIT_MAX, DELETION_WAIT_MIN};
use crate::record::key::milliseconds;
use crate::record::{Deletion, KeyRecord};

impl Engine {
    /// Disables or enables a key. When this returns, no operation completes under the state before. The versions keep states of their own.
    ///
    /// # Errors
    /// [`Error::KeyNotFound`], [`Error::KeyStateWrong`] from or to another state than these two, [`Error::Conflict`], [`Error::Storage`].
    pub fn set_state(&self, id: KeyId, state: KeyState) -> Result<KeyRecord, Error> {
        self.ledger.change_key(id, |key| {
            key.must_be(USUAL_STATES, USUAL)?;
            if !USUAL_STATES.contains(&state) {
                return Err(Error::KeyStateWrong { id, state, needed: USUAL });
            }
            key.record.state = state;
            Ok(())
        })
    }

    /// Requests the deletion of a key: every operation is refused from now on, and the key is deleted when `wait`, 24 hours to 30 days, or else what its
    /// key store says, is over. It is over when the wall clock says so and the installation has been running for as long: late is possible, early is not.
    ///
    /// # Errors
    /// [`Error::DeletionWait`], [`Error::KeyNotFound`], [`Error::KeyStateWrong`] if it is requested already or made, [`Error::Conflict`], [`Error::Storage`].
    pub fn request_deletion(&self, id: KeyId, wait: impl Into<Option<Duration>>) -> Result<KeyRecord, Error> {
        let wait = match wait.into() {
            Some(wait) => wait,
            None => self.describe_store(self.describe_key(id)?.store)?.deletion_wait(),
        };
        if !(DELETION_WAIT_MIN..=DELETION_WAIT_MAX).contains(&wait) {
            return Err(Error::DeletionWait);
        }
        self.ledger.change_key(id, |key| {
            key.must_be(USUAL_STATES, USUAL)?;
            key.record.state = KeyState::DeletionRequested;
            key.record.deletion = Some(Deletion {
                requested_ms: key.now_ms,
                deadline_ms: key.now_ms.checked_add(milliseconds(wait)).ok_or(Error::DeletionWait)?,
                running_ms: self.ledger.use_counts().running_ms(),
            });
            Ok(())
        })
    }

    /// Cancels the deletion of a key, which is disabled then, whatever it was before.
    ///
    /// # Errors
    /// [`Error::KeyNotFound`], [`Error::KeyStateWrong`] if none is requested, [`Error::Conflict`], [`Error::Storage`].
    pub fn cancel_deletion(&self, id: KeyId) -> Result<KeyRecord, Error> {
        self.ledger.change_key(id, |key| {
            key.must_be(&[KeyState::DeletionRequested], "waiting for its deletion")?;
            key.record.state = KeyState::Disabled;
            key.record.deletion = None;
            Ok(())
        })
    }

    /// Deletes a key whose deletion is requested, without waiting any longer. Its material is gone for good, its name is free. Unless it is done by `force`, the key must not
    /// have been used for 24 hours of the wall clock, by whomever: if that was put forward since, the time has passed, if it was put back, it has not.
    ///
    /// # Errors
    /// [`Error::KeyNotFound`], [`Error::KeyStateWrong`] if no deletion is requested, [`Error::UsedLately`], [`Error::Conflict`], [`Error::Storage`];
    /// without `force` [`Error::Damaged`] too, if it is not known when the key was used.
    pub fn delete_now(&self, id: KeyId, force: bool) -> Result<KeyRecord, Error> {
        self.ledger.change_key(id, |key| {
            key.must_be(&[KeyState::DeletionRequested], "waiting for its deletion")?;
            if !force {
                self.must_be_unused(id, key.now_ms)?;
            }
            key.delete();
            Ok(())
        })
    }

    /// Refuses a key that somebody has used lately.
    fn must_be_unused(&self, id: KeyId, now_ms: u64) -> Result<(), Error> {
        let usage = self.key_usage(id)?;
        let Some((last_ms, client)) = usage.last() else { return Ok(()) };
        // A last use in the future, because the clock was put back, is a use just now.
        let ago = Duration::from_millis(now_ms.saturating_sub(last_ms));
        if ago >= DELETION_UNUSED_FOR {
            return Ok(());
        }
        Err(Error::UsedLately { id, ago: Ago(ago), client: client.cloned() })
    }
}

/// The states between which a key goes back and forth.
const USUAL_STATES: &[KeyState] = &[KeyState::Available, KeyState::Disabled];
const USUAL: &str = "available or disabled";
