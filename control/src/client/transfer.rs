//! How key material comes in, and how it leaves.

use super::{ControlClient, path};
use crate::error::ControlError;
use crate::message::{BeginImport, CompleteImport, ExportKey, ExportedKey, Import, ImportList, Key, Nothing};

impl ControlClient {
    /// Begins an import: makes the transport key that the material is wrapped to.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn begin_import(&self, store: &str, import: &BeginImport) -> Result<Import, ControlError> {
        self.post(&path(&["stores", store, "imports"]), import).await
    }

    /// The open imports of a store.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn imports(&self, store: &str) -> Result<ImportList, ControlError> {
        self.get(&path(&["stores", store, "imports"])).await
    }

    /// An open import.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn import(&self, store: &str, import: &str) -> Result<Import, ControlError> {
        self.get(&path(&["stores", store, "imports", import])).await
    }

    /// Completes an import, by one try.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn complete_import(
        &self,
        store: &str,
        import: &str,
        material: &CompleteImport,
    ) -> Result<Key, ControlError> {
        self.post(&path(&["stores", store, "imports", import, "complete"]), material).await
    }

    /// Cancels an import.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn cancel_import(&self, store: &str, import: &str) -> Result<Import, ControlError> {
        self.post(&path(&["stores", store, "imports", import, "cancel"]), &Nothing {}).await
    }

    /// Exports the material of a key, wrapped.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn export_key(&self, store: &str, key: &str, export: &ExportKey) -> Result<ExportedKey, ControlError> {
        self.post(&path(&["stores", store, "keys", key, "export"]), export).await
    }
}
