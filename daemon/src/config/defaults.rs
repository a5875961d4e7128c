//! What is not set.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use claviger_engine::limits::{AUDIT_FILE_SIZE, AUDIT_FREE_SPACE_FLOOR, FREE_SPACE_FLOOR, MAP_SIZE};

use super::{
    Audit, Backup, Cache, Control, Custody, Data, Journal, Log, LogFormat, LogLevel, RootKey, ShredTable,
    ShredTableClass, Storage, SystemKeys, Tls, cores,
};
use crate::limits::{CONNECTIONS_MAX, CONTROL_PORT, DATA_PORT, DRAIN, IDLE, KEYS_CACHED};

impl Default for Data {
    fn default() -> Self {
        Self {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, DATA_PORT)),
            workers: cores(),
            busy_poll: Duration::ZERO,
            connections_max: CONNECTIONS_MAX,
            idle: IDLE,
            drain: DRAIN,
        }
    }
}

impl Default for Tls {
    fn default() -> Self {
        Self { certificate: "tls/server.pem".into(), key: "tls/server-key.pem".into() }
    }
}

impl Default for Control {
    fn default() -> Self {
        Self {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, CONTROL_PORT)),
            certificate: "tls/server.pem".into(),
            key: "tls/server-key.pem".into(),
            administrators: "tls/administrators-ca.pem".into(),
        }
    }
}

impl Default for Storage {
    fn default() -> Self {
        Self { folder: "data".into(), map_size: MAP_SIZE as u64, free_space_floor: FREE_SPACE_FLOOR }
    }
}

impl Default for Journal {
    fn default() -> Self {
        Self { folder: "journal".into() }
    }
}

impl Default for Backup {
    fn default() -> Self {
        Self { folder: "backup".into() }
    }
}

impl Default for RootKey {
    fn default() -> Self {
        Self { custody: Custody::DevelopmentFile, path: "root-key".into() }
    }
}

impl Default for SystemKeys {
    fn default() -> Self {
        Self { path: "system-keys".into() }
    }
}

impl Default for ShredTable {
    fn default() -> Self {
        let mirrors = ["shred-table-1", "shred-table-2"].map(PathBuf::from).to_vec();
        Self { mirrors, class: ShredTableClass::File }
    }
}

impl Default for Audit {
    fn default() -> Self {
        Self {
            folder: "audit".into(),
            head: "audit-head".into(),
            file_size: AUDIT_FILE_SIZE,
            free_space_floor: AUDIT_FREE_SPACE_FLOOR,
        }
    }
}

impl Default for Cache {
    fn default() -> Self {
        Self { keys_max: KEYS_CACHED, fill: false }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Text, level: LogLevel::Info }
    }
}
