//! The shred table, and what becomes of what is deleted.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Time;

/// The shred table: a secret for each key, without which nothing that was ever stored of the key can be unwrapped.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ShredTable {
    /// What a destruction in it is worth. `file`: files on disks that were chosen for it; `development`: files, and nobody has looked at what is beneath them.
    pub class: String,
    /// Its mirrors.
    pub mirrors: Vec<Mirror>,
    /// Slots that hold a secret, those that are to be destroyed included.
    pub secrets: u64,
    /// Slots that are damaged on every mirror: their keys are lost.
    pub damaged: u64,
    /// Secrets that keys need and no mirror knows of: all mirrors are older than the data folder.
    pub missing: u64,
    /// Secrets that are to be destroyed and are not yet, because a mirror is away. Counted up to 1,000.
    pub not_yet_destroyed: u64,
}

/// A mirror of the shred table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Mirror {
    /// Its file.
    pub path: String,
    /// Why it takes no part, and what to do. Missing if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
}

/// The destruction of a deleted key, or of destroyed versions of one that lives: after it, nothing of them can be unwrapped, not from old copies of the data either.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Destruction {
    /// `destroyed`, or `not yet destroyed`: a mirror of the shred table is away. It is tried again each minute.
    pub state: String,
    /// What it is worth, if it is done: the class of the shred table then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// When it was done; if it is not, since when it is to be.
    pub time: Time,
    /// If it is not done: why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
}
