//! What happens to a key and its versions in their life.

use super::{ControlClient, path};
use crate::error::ControlError;
use crate::message::{DeleteNow, Key, Nothing, RequestDeletion, SetLowestVersion, SetRotation, SetRotationByUse};

impl ControlClient {
    /// Requests the deletion of a key: every cryptographic operation is refused, and after a wait the key is deleted.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn request_deletion(
        &self,
        store: &str,
        key: &str,
        deletion: &RequestDeletion,
    ) -> Result<Key, ControlError> {
        self.post(&path(&["stores", store, "keys", key, "request-deletion"]), deletion).await
    }

    /// Cancels the deletion of a key, which is disabled then.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn cancel_deletion(&self, store: &str, key: &str) -> Result<Key, ControlError> {
        self.post(&path(&["stores", store, "keys", key, "cancel-deletion"]), &Nothing {}).await
    }

    /// Deletes a key whose deletion has been requested, without the rest of the wait. It cannot be undone. Without `force` it is refused if the key was used in the last 24
    /// hours.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn delete_now(&self, store: &str, key: &str, force: bool) -> Result<Key, ControlError> {
        self.post(&path(&["stores", store, "keys", key, "delete-now"]), &DeleteNow { force }).await
    }

    /// Has a key rotated by itself, or no longer.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn set_rotation(&self, store: &str, key: &str, rotation: &SetRotation) -> Result<Key, ControlError> {
        self.post(&path(&["stores", store, "keys", key, "set-rotation"]), rotation).await
    }

    /// Has a key rotated because of its use, or no longer.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn set_rotation_by_use(
        &self,
        store: &str,
        key: &str,
        rotation: &SetRotationByUse,
    ) -> Result<Key, ControlError> {
        self.post(&path(&["stores", store, "keys", key, "set-rotation-by-use"]), rotation).await
    }

    /// Sets the lowest version of a key that decrypts.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn set_lowest_version(&self, store: &str, key: &str, version: u32) -> Result<Key, ControlError> {
        self.post(&path(&["stores", store, "keys", key, "set-lowest-version"]), &SetLowestVersion { version }).await
    }

    /// Disables a version of a key that is not the current one.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn disable_version(&self, store: &str, key: &str, version: u32) -> Result<Key, ControlError> {
        self.change_version(store, key, version, "disable").await
    }

    /// Makes a disabled version of a key active again.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn enable_version(&self, store: &str, key: &str, version: u32) -> Result<Key, ControlError> {
        self.change_version(store, key, version, "enable").await
    }

    /// Destroys a version of a key that is not the current one. It cannot be undone.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn destroy_version(&self, store: &str, key: &str, version: u32) -> Result<Key, ControlError> {
        self.change_version(store, key, version, "destroy").await
    }

    async fn change_version(&self, store: &str, key: &str, version: u32, change: &str) -> Result<Key, ControlError> {
        let version = version.to_string();
        self.post(&path(&["stores", store, "keys", key, "versions", &version, change]), &Nothing {}).await
    }
}
