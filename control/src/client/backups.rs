//! Backups and the journal.

use super::{ControlClient, path};
use crate::error::ControlError;
use crate::message::{Backup, BackupList, Nothing, PruneJournal, PrunedJournal};

impl ControlClient {
    /// Begins to make a full backup. How far it has got, [`ControlClient::backup`] tells.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn create_backup(&self) -> Result<Backup, ControlError> {
        self.post("/v1/backups", &Nothing {}).await
    }

    /// All backups and the journal.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn backups(&self) -> Result<BackupList, ControlError> {
        self.get("/v1/backups").await
    }

    /// A backup by its name.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn backup(&self, name: &str) -> Result<Backup, ControlError> {
        self.get(&path(&["backups", name])).await
    }

    /// Begins to verify a backup.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn verify_backup(&self, name: &str) -> Result<Backup, ControlError> {
        self.post(&path(&["backups", name, "verify"]), &Nothing {}).await
    }

    /// Removes the segments of the journal that a verified backup makes superfluous.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn prune_journal(&self, prune: &PruneJournal) -> Result<PrunedJournal, ControlError> {
        self.post("/v1/journal/prune", prune).await
    }
}
