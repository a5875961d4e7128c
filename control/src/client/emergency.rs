//! Emergency stops of the whole daemon. Those of key stores and clients are beside what they stop.

use super::ControlClient;
use crate::error::ControlError;
use crate::message::{Emergency, Lock, LockedNow, Nothing};

impl ControlClient {
    /// What is stopped.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn emergency(&self) -> Result<Emergency, ControlError> {
        self.get("/v1/emergency").await
    }

    /// Locks the daemon: no key is used any more when this returns, whether or not that could be written.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn lock(&self, lock: &Lock) -> Result<LockedNow, ControlError> {
        self.post("/v1/emergency/lock", lock).await
    }

    /// Unlocks the daemon.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn unlock(&self) -> Result<Emergency, ControlError> {
        self.post("/v1/emergency/unlock", &Nothing {}).await
    }
}
