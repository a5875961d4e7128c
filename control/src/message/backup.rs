//! Backups and the journal.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Time;

/// A full backup: one that is there, or one that is being made or could not be made.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Backup {
    /// Its name: that of its file in the folder of backups.
    #[schema(example = "backup-7")]
    pub name: String,
    /// `making`, `verifying`, `ready`, `failed` (there is no file) or `not verified` (its last verification has failed).
    pub state: String,
    /// Why making or verifying it has failed, if it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// How far making or verifying it has got, meanwhile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
    /// What its file says, once it is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<BackupFile>,
}

/// The file of a full backup.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct BackupFile {
    /// When it was made.
    pub created: Time,
    /// The revision of the storage that it holds.
    pub revision: u64,
    /// Its size in bytes.
    pub size: u64,
    /// The first segment of the journal that a restore of it needs.
    pub first_segment: u64,
    /// What its last successful verification has found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified: Option<Verified>,
}

/// A verification that found everything as it should be: all of it was restored together with the journal, each record authenticated, each key version unwrapped.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Verified {
    /// When.
    pub at: Time,
    /// The revision of the storage that backup and journal reached.
    pub revision: u64,
    /// Key stores.
    pub stores: u64,
    /// Keys that are not deleted.
    pub keys: u64,
    /// Versions of keys.
    pub versions: u64,
    /// Records of every kind.
    pub records: u64,
}

/// How far something has got.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Progress {
    /// Bytes that are done.
    pub done: u64,
    /// Bytes in all; 0 if that is not known.
    pub total: u64,
}

/// All backups and the journal.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct BackupList {
    /// The backups, oldest first; those that are not there at last.
    pub backups: Vec<Backup>,
    /// The journal.
    pub journal: Journal,
}

/// The journal.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Journal {
    /// Its folder.
    pub folder: String,
    /// Segments in it.
    pub segments: u64,
    /// Their size in bytes.
    pub size: u64,
    /// Whether it is on another device than the data folder.
    pub separated: bool,
    /// Why changes are refused at the moment, if they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// Remove the segments of the journal that a verified backup makes superfluous.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PruneJournal {
    /// The name of the backup, which must be verified.
    #[schema(example = "backup-7")]
    pub backup: String,
}

/// What was removed from the journal.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct PrunedJournal {
    /// The backup whose segments are kept.
    pub backup: String,
    /// The numbers of the segments that are gone.
    pub removed: Vec<u64>,
}
