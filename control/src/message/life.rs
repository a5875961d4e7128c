//! What happens to a key in its life.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Time;

/// The rotation of a key by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Rotation {
    /// Days from one rotation to the next.
    pub period_days: u16,
    /// When the next one is due. It may be late, but is not lost; those missed while the daemon was down are one.
    pub next: Time,
}

/// The rotation of a key because of its use: when its current version has been used so much, it gets another, within about a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RotationByUse {
    /// After so many items.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub items: Option<u64>,
    /// After so many bytes of plaintexts, messages or digests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
}

/// The deletion of a key that has been requested.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Deletion {
    /// When it was requested.
    pub requested: Time,
    /// When it is final, at the earliest; until then it can be cancelled.
    pub deadline: Time,
}

/// Request the deletion of a key.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RequestDeletion {
    /// How many hours the request can be cancelled, 24 to 720; unless given, what the key store says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 24, maximum = 720)]
    pub wait_hours: Option<u32>,
}

/// Delete a key without the rest of its wait.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeleteNow {
    /// Even if it was used in the last 24 hours.
    #[serde(default)]
    pub force: bool,
}

/// Have a key rotated because of its use, or no longer.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetRotationByUse {
    /// After so many items; `null` is no bound. What the current version was used for already counts.
    #[serde(deserialize_with = "Option::deserialize")]
    #[schema(required = true, minimum = 1, maximum = 9_223_372_036_854_775_807_i64)]
    pub items: Option<u64>,
    /// After so many bytes; `null` is no bound. Without both bounds it ends. Both have to be there: nothing is not taken for the end.
    #[serde(deserialize_with = "Option::deserialize")]
    #[schema(required = true, minimum = 1, maximum = 9_223_372_036_854_775_807_i64)]
    pub bytes: Option<u64>,
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
