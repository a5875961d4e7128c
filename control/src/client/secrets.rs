//! New values of secrets.

use super::{ControlClient, path};
use crate::error::ControlError;
use crate::message::{Key, UpdateSecret};

impl ControlClient {
    /// Gives a secret a new value, which is the current one then.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn update_secret(&self, store: &str, key: &str, update: &UpdateSecret) -> Result<Key, ControlError> {
        self.post(&path(&["stores", store, "keys", key, "update"]), update).await
    }
}
