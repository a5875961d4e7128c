//! How keys are used, and by whom.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Time;

/// How much a version was used. Counted is every item that an operation was done for with success, whatever the operation. A kill of the daemon loses the last second, and up to a minute where very many keys are in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VersionUsage {
    /// Items that it has made, opened or verified.
    pub items: u64,
    /// Bytes of their plaintexts, messages or digests.
    pub bytes: u64,
    /// When it was used last, to the second.
    pub last_used: Time,
}

/// Who uses a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KeyUsage {
    /// When it was used last, by whomever, to the second.
    pub last_used: Time,
    /// Up to 100 clients, the one that used it last first.
    pub clients: Vec<ClientUsage>,
    /// All clients that are not among them, if there were any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub others: Option<OthersUsage>,
}

/// How much one client has used a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ClientUsage {
    /// Common name of its certificate, if it has shown one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub common_name: Option<String>,
    /// SHA-256 of its certificate, if it has shown one: 64 lower-case hexadecimal digits. A renewed certificate is another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate_sha256: Option<String>,
    /// Its address, if it has shown no certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Items that were done for it.
    pub items: u64,
    /// When it used the key last, to the second.
    pub last_used: Time,
}

/// How much clients that are not remembered by name have used a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OthersUsage {
    /// Items that were done for them.
    pub items: u64,
    /// When one of them used the key last, to the second.
    pub last_used: Time,
}
