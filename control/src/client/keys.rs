//! Keys: how they come, and whether they are at work.

use super::{ControlClient, paged, path};
use crate::error::ControlError;
use crate::message::{CreateKeys, Key, KeyList, Nothing};

impl ControlClient {
    /// Creates keys, all or none.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn create_keys(&self, store: &str, keys: &CreateKeys) -> Result<KeyList, ControlError> {
        self.post(&path(&["stores", store, "keys"]), keys).await
    }

    /// One page of the keys of a store after the name `after`.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn keys(&self, store: &str, after: Option<&str>) -> Result<KeyList, ControlError> {
        self.get(&paged(&path(&["stores", store, "keys"]), after)).await
    }

    /// A key by its name or id.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn key(&self, store: &str, key: &str) -> Result<Key, ControlError> {
        self.get(&path(&["stores", store, "keys", key])).await
    }

    /// Adds a version to a key and makes it the current one.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn rotate_key(&self, store: &str, key: &str) -> Result<Key, ControlError> {
        self.post(&path(&["stores", store, "keys", key, "rotate"]), &Nothing {}).await
    }

    /// Disables a key: every cryptographic operation is refused.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn disable_key(&self, store: &str, key: &str) -> Result<Key, ControlError> {
        self.post(&path(&["stores", store, "keys", key, "disable"]), &Nothing {}).await
    }

    /// Makes a disabled key available again.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn enable_key(&self, store: &str, key: &str) -> Result<Key, ControlError> {
        self.post(&path(&["stores", store, "keys", key, "enable"]), &Nothing {}).await
    }
}
