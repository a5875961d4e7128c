//! The root key and the system keys, by which everything is protected.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Time;

/// The root key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RootKey {
    /// Who holds it.
    pub custody: String,
    /// The version that wraps the system keys.
    #[schema(minimum = 1)]
    pub version: u32,
    /// Versions before it that are there still: a rotation was cut short. Rotating again brings it to its end.
    pub older_versions: Vec<u32>,
}

/// The system keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SystemKeyList {
    /// All versions, ascending.
    pub system_keys: Vec<SystemKey>,
    /// While records are protected anew after a rotation: how far that has come.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub renewal: Option<Renewal>,
}

/// One version of the system key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SystemKey {
    /// Its number, from 1 up.
    #[schema(minimum = 1)]
    pub version: u32,
    /// `current`, `being replaced` while records may need it, or `unused`: then it can be destroyed.
    #[schema(example = "current")]
    pub state: String,
    /// When it was made.
    pub created: Time,
}

/// How far it has come that all records are protected by the current system key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Renewal {
    /// Since when: since the rotation, or since the start of the daemon.
    pub since: Time,
    /// Records that were to be protected anew; 0 until they have been counted.
    pub records: u64,
    /// Records of these that have been.
    pub renewed: u64,
    /// Why it does not go on for now, if it does not: so while less than twice the floor of free space is left for changes. It is tried again every ten minutes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failing: Option<String>,
}
