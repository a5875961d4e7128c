//! From the engine's records to the messages of the control port.

use claviger_algorithm::KeyKind;
use claviger_control::message::{Access, Key, KeyVersion, Store};
use claviger_engine::{AccessMethods, KeyRecord, KeyStoreRecord};
use jiff::Timestamp;

/// What is told of a key store.
pub(super) fn store(record: &KeyStoreRecord) -> Store {
    Store {
        id: record.id.to_string(),
        name: record.name.to_string(),
        created: time(record.created_ms),
        access: access(record.methods),
    }
}

/// What is told of a key: everything but its material.
pub(super) fn key(record: &KeyRecord) -> Key {
    let version = |summary: &claviger_engine::VersionSummary| KeyVersion {
        version: summary.version.get(),
        state: summary.state.to_string(),
        created: time(summary.created_ms),
    };
    Key {
        id: record.id.to_string(),
        store_id: record.store.to_string(),
        name: record.name.to_string(),
        kind: kind(record.algorithm.row().kind).to_owned(),
        algorithm: record.algorithm.to_string(),
        state: record.state.to_string(),
        created: time(record.created_ms),
        changed: time(record.changed_ms),
        // A record without a current version is refused wherever one is read.
        current_version: record.current().map_or(0, |version| version.get()),
        uses: None,
        versions: record.versions.iter().map(version).collect(),
    }
}

/// One word for each kind of key.
pub(super) const fn kind(kind: KeyKind) -> &'static str {
    match kind {
        KeyKind::Secret => "secret",
        KeyKind::Symmetric => "symmetric",
        KeyKind::Mac => "mac",
        KeyKind::Asymmetric => "asymmetric",
    }
}

const fn access(methods: AccessMethods) -> Access {
    Access { client_certificate: methods.client_certificate() }
}

/// A time of a record. One beyond the year 9999, which no clock tells, is shown as the last there is.
fn time(milliseconds: u64) -> Timestamp {
    let milliseconds = i64::try_from(milliseconds).ok();
    milliseconds.and_then(|since| Timestamp::from_millisecond(since).ok()).unwrap_or(Timestamp::MAX)
}
