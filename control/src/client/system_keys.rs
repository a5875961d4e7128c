//! The root key and the system keys.

use super::{ControlClient, path};
use crate::error::ControlError;
use crate::message::{Nothing, RootKey, SystemKeyList};

impl ControlClient {
    /// The system keys, and how far their replacement has come.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn system_keys(&self) -> Result<SystemKeyList, ControlError> {
        self.get("/v1/system-keys").await
    }

    /// Makes a new system key. All records are protected anew by it while everything is served.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn rotate_system_key(&self) -> Result<SystemKeyList, ControlError> {
        self.post("/v1/system-keys/rotate", &Nothing {}).await
    }

    /// Destroys an old system key that nothing needs. It cannot be undone.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn destroy_system_key(&self, version: u32) -> Result<SystemKeyList, ControlError> {
        self.post(&path(&["system-keys", &version.to_string(), "destroy"]), &Nothing {}).await
    }

    /// The root key.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn root_key(&self) -> Result<RootKey, ControlError> {
        self.get("/v1/root-key").await
    }

    /// Makes a new root key, wraps the system keys by it, and destroys the one before.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn rotate_root_key(&self) -> Result<RootKey, ControlError> {
        self.post("/v1/root-key/rotate", &Nothing {}).await
    }
}
