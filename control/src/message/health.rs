//! How the daemon is.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Locked, Renewal, ShredTable, Time};

/// How the daemon is.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// Version of the program.
    pub version: String,
    /// Version of the data protocol.
    pub protocol_version: u32,
    /// When it was started.
    pub started: Time,
    /// Since when, by whom and why it is locked: no key is used then. Missing if it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locked: Option<Locked>,
    /// Who holds the root key.
    pub root_key: String,
    /// Whether root key and system keys come from other machines than this one.
    pub separated: bool,
    /// Whether the journal is on another device than the data folder.
    pub journal_separated: bool,
    /// The shred table.
    pub shred_table: ShredTable,
    /// The public half of the installation key, 64 hexadecimal digits: by it the audit log is verified.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub installation_public_key: Option<String>,
    /// Whether memory is excluded from core dumps.
    pub core_dumps_excluded: bool,
    /// Whether memory is locked, so that it never gets into swap space.
    pub memory_locked: bool,
    /// Whether the processor has a random generator of its own.
    pub hardware_random_generator: bool,
    /// Revision of the storage: it grows with every change.
    pub storage_revision: u64,
    /// Free bytes on the disk of the data folder, if the system tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage_free_bytes: Option<u64>,
    /// Unwrapped keys in memory.
    pub cached_keys: u64,
    /// Open connections of the data port.
    pub data_connections: u64,
    /// The version of the system key that protects whatever is written.
    pub system_key_version: u32,
    /// While records are protected anew after a rotation of the system key: how far that has come.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system_key_renewal: Option<Renewal>,
    /// What a person should know or do, in sentences.
    pub warnings: Vec<String>,
}

/// Whether the daemon does its work.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Readiness {
    /// Whether everything is served, changes included.
    pub ready: bool,
    /// If not: why.
    pub reasons: Vec<String>,
}
