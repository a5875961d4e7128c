//! The audit log: who did what, and whether the log is as it was written.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Time;

/// How the audit log is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditLog {
    /// The public half of the installation key (Ed25519), 64 hexadecimal digits: by it checkpoints are verified.
    pub public_key: String,
    /// Number of the last record.
    pub last: u64,
    /// Number of the file in which that stands.
    #[schema(minimum = 1)]
    pub file: u64,
    /// Why changes are refused at the moment, if they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// Records of refusals and uses for which there was no place, and whose number is not in the log yet.
    pub lost: u64,
    /// Records of requests for which there was no place, since the daemon started.
    pub dropped_requests: u64,
}

/// Some records of the audit log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditRecordList {
    /// The records, in the order in which they were written.
    pub records: Vec<AuditRecord>,
    /// If there is more: what to ask for with `after`. A page may have no records, and still not be the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
}

/// A record of the audit log. What does not apply is left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditRecord {
    /// Its number, from 1 up.
    #[schema(minimum = 1)]
    pub seq: u64,
    /// When.
    pub time: Time,
    /// Of which kind it is.
    #[schema(example = "change")]
    pub kind: String,
    /// Who did it, or wanted to.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub actor: String,
    /// By which route, or part of the daemon.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub operation: String,
    /// What was done, in words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub shown: String,
    /// Why it was refused.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Id of the key store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<String>,
    /// Ids of the keys.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<String>,
    /// Names the request in the log of the daemon.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub trace_id: String,
    /// Where the request came from.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub address: String,
    /// How many there were, of what is counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// How many of these failed, of a request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failures: Option<u64>,
    /// Bytes of the body of a request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// How the key was used in a minute.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub uses: Vec<AuditUse>,
}

/// How one client used a key in a minute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditUse {
    /// The client; empty for those that are counted together.
    pub client: String,
    /// Items that were worked on.
    pub items: u64,
}

/// What a verification of the audit log has found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditReport {
    /// Whether all of it is as it was written.
    pub intact: bool,
    /// Files that were read.
    pub files: u64,
    /// Records in them.
    pub records: u64,
    /// Number of the last one.
    pub last: u64,
    /// Number of the last one that a signature proves.
    pub signed_until: u64,
    /// Records that were proven by the audit key, each by itself. Those of system keys that were destroyed are proven by signatures.
    pub authenticated: u64,
    /// What is not as it was written.
    pub findings: Vec<AuditFinding>,
    /// Findings beyond these.
    pub more_findings: u64,
}

/// Something that is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditFinding {
    /// The file.
    pub path: String,
    /// Where in it, in bytes from the front.
    pub offset: u64,
    /// What is wrong.
    pub what: String,
}
