//! What happens to a key in its life.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The rotation of a key by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Rotation {
    /// Days from one rotation to the next.
    pub period_days: u16,
    /// When the next one is due. It may be late, but is not lost; those missed while the daemon was down are one.
    #[schema(value_type = String, format = DateTime)]
    pub next: Timestamp,
}

/// The deletion of a key that has been requested.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Deletion {
    /// When it was requested.
    #[schema(value_type = String, format = DateTime)]
    pub requested: Timestamp,
    /// When it is final, at the earliest; until then it can be cancelled.
    #[schema(value_type = String, format = DateTime)]
    pub deadline: Timestamp,
}

/// Request the deletion of a key.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RequestDeletion {
    /// How many hours the request can be cancelled, 24 to 720; 72 unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 24, maximum = 720)]
    pub wait_hours: Option<u32>,
}

/// Have a key rotated by itself, or no longer.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetRotation {
    /// Days from one rotation to the next, 1 to 730; `null` ends it. It has to be there: nothing is not taken for the end.
    #[serde(deserialize_with = "Option::deserialize")]
    #[schema(required = true, minimum = 1, maximum = 730)]
    pub period_days: Option<u16>,
}

/// Set the lowest version of a key that decrypts.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetLowestVersion {
    /// Its number, up to that of the current version. Ciphertexts of lower ones are refused from then on.
    #[schema(minimum = 1)]
    pub version: u32,
}
