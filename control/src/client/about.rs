//! Descriptions, labels and aliases.

use super::{ControlClient, paged, path};
use crate::error::ControlError;
use crate::message::{Alias, AliasList, CreateAlias, Key, MoveAlias, Nothing, SetAbout};

impl ControlClient {
    /// Changes description and labels of a key.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn set_about(&self, store: &str, key: &str, about: &SetAbout) -> Result<Key, ControlError> {
        self.post(&path(&["stores", store, "keys", key, "about"]), about).await
    }

    /// One page of the aliases of a store after the alias `after`.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn aliases(&self, store: &str, after: Option<&str>) -> Result<AliasList, ControlError> {
        self.get(&paged(&path(&["stores", store, "aliases"]), after)).await
    }

    /// Gives a key one more name.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn create_alias(&self, store: &str, alias: &CreateAlias) -> Result<Alias, ControlError> {
        self.post(&path(&["stores", store, "aliases"]), alias).await
    }

    /// Has an alias stand for another key, in one step.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn move_alias(&self, store: &str, alias: &str, to: &MoveAlias) -> Result<Alias, ControlError> {
        self.post(&path(&["stores", store, "aliases", alias, "move"]), to).await
    }

    /// Takes an alias from its key; gives what it stood for.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn delete_alias(&self, store: &str, alias: &str) -> Result<Alias, ControlError> {
        self.post(&path(&["stores", store, "aliases", alias, "delete"]), &Nothing {}).await
    }
}
