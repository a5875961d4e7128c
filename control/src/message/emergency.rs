//! Emergency stops.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Time;

/// Lock the daemon: no key is used until somebody unlocks it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    /// Why, for those who find it locked: of more than 1,000 bytes the beginning is kept.
    #[serde(default)]
    pub reason: String,
}

/// Since when, by whom and why the daemon is locked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Locked {
    /// When it was locked; missing if that cannot be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
    /// By whom.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// The daemon is locked: in force on every connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LockedNow {
    /// Since when, by whom and why: of two who lock, the first is told.
    pub locked: Locked,
    /// Whether it is written. What is not is tried again every few seconds, and is over if the daemon ends before.
    pub durable: bool,
    /// Why it could not be written, or is not in the audit log yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Keys that were in memory and are not wiped yet, because work that was begun with them has not let go of them. Nothing of that work is given out.
    pub keys_left: u64,
}

/// What is stopped, beside key stores and authentication data that are disabled durably.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Emergency {
    /// Since when, by whom and why the daemon is locked; missing if it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locked: Option<Locked>,
    /// What is stopped in memory alone, and over if the daemon ends before it can be written.
    pub unwritten: Vec<UnwrittenStop>,
}

/// Something that is stopped in memory alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UnwrittenStop {
    /// `lock`, `store` or `access`.
    pub what: String,
    /// The key store, if it is one, or authentication data of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store_id: Option<String>,
    /// The row of authentication data, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_id: Option<String>,
}
