//! From the engine's records to the messages of the control port.

use claviger_algorithm::KeyKind;
use claviger_control::message::{
    self, Access, Alias, Deletion, Destruction, Import, Key, KeyVersion, Rotation, Store, Time,
};
use claviger_engine::key::name::Name;
use claviger_engine::key::state::KeyState;
use claviger_engine::limits::{VERSIONS_MAX, VERSIONS_WARNING};
use claviger_engine::names::alias_revision;
use claviger_engine::transfer::{self, ImportTarget};
use claviger_engine::{AccessData, AccessRow, Engine, PermittedOperations, StoreState};
use claviger_engine::{
    AccessMethod, AccessMethods, ClientUsage, KeyRecord, KeyStoreRecord, KeyUsage, Origin, Quota, RotationByUse,
};
use data_encoding::HEXLOWER;
use jiff::Timestamp;

use super::access::is_stop_unwritten;

use crate::pem;

/// What is told of a key store.
pub(super) fn store(record: &KeyStoreRecord) -> Store {
    Store {
        id: record.id.to_string(),
        name: record.name.to_string(),
        created: time(record.created_ms),
        access: access(record.methods),
        deletion_wait_hours: record.deletion_wait_hours.into(),
        open_public_keys: record.open_public_keys,
        revision: record.revision(),
        state: record.state.to_string(),
        declared_hardware_address: record.declared_hardware_address,
        records_requests: record.records_requests,
        quota: record.quotas.store.map(quota),
        client_quota: record.quotas.client.map(quota),
        warnings: record.is_weakly_protected().then(|| WEAK.to_owned()).into_iter().collect(),
    }
}

const fn quota(quota: Quota) -> message::Quota {
    message::Quota { units_per_second: quota.units_per_second(), burst: quota.burst() }
}

/// As [`store`], with what is to be said of who comes in as things are.
pub(super) fn store_of(engine: &Engine, record: &KeyStoreRecord) -> Store {
    let mut told = store(record);
    let Some(slot) = engine.store_by_id(record.id) else { return told };
    let policy = slot.policy();
    if policy.state == StoreState::Disabled && record.state == StoreState::Available {
        told.state = StoreState::Disabled.to_string();
        told.warnings.push("disabled in memory alone, because that could not be written yet".to_owned());
    }
    let has_row = |method: &AccessMethod| policy.access.rows().iter().any(|held| held.row().data.method() == *method);
    let without = record.methods.iter().filter(|method| !has_row(method));
    told.warnings.extend(without.map(|method| {
        format!("nobody comes in: {method} is asked for, and no authentication data are there for it; see `claviger access add`")
    }));
    told
}

/// What is told of a row of authentication data.
pub(super) fn access_row(engine: &Engine, row: &AccessRow, last_used_ms: Option<u64>) -> message::AccessRow {
    let (mut address, mut hardware_address, mut common_name, mut serial, mut public_key_sha256) = Default::default();
    match &row.data {
        AccessData::Network(network) => address = Some(network.to_string()),
        AccessData::HardwareAddress(shown) => hardware_address = Some(shown.to_string()),
        AccessData::IssuedCertificate(issued) => {
            common_name = Some(issued.common_name.clone());
            serial = Some(HEXLOWER.encode(&issued.serial));
            public_key_sha256 = Some(HEXLOWER.encode(&issued.public_key_sha256));
        }
        AccessData::PinnedKey(sha256) => public_key_sha256 = Some(HEXLOWER.encode(sha256)),
    }
    let not_durable = row.state == KeyState::Available && is_stop_unwritten(engine, row);
    let operations = row.permit.operations;
    let is_narrowed = operations != PermittedOperations::ALL;
    message::AccessRow {
        id: row.id.to_string(),
        store_id: row.store.to_string(),
        method: method(row.data.method()).to_owned(),
        address,
        hardware_address,
        common_name,
        serial,
        public_key_sha256,
        description: row.description.clone(),
        state: if not_durable { KeyState::Disabled } else { row.state }.to_string(),
        not_durable,
        revision: row.revision(),
        created: time(row.created_ms),
        creator: row.creator.clone(),
        ends: row.ends_ms.map(time),
        operations: is_narrowed.then(|| operations.names().map(str::to_owned).collect()),
        keys: row.permit.keys.as_ref().map(|keys| keys.iter().map(ToString::to_string).collect()),
        last_used: last_used_ms.map(time),
        deletion: row
            .deletion
            .as_ref()
            .map(|deletion| Deletion { requested: time(deletion.requested_ms), deadline: time(deletion.deadline_ms) }),
    }
}

/// One word for each access method.
pub(super) const fn method(method: AccessMethod) -> &'static str {
    match method {
        AccessMethod::ClientCertificate => "client_certificate",
        AccessMethod::Address => "address",
        AccessMethod::HardwareAddress => "hardware_address",
    }
}

/// What is said of a store that hardware addresses alone, or declared ones, let in to.
pub(super) const WEAK: &str = "weakly protected: whoever is on the network can make up the hardware address that lets in; ask for a client certificate as well, and let no declared ones count";

/// What is told of a key: everything but its material.
pub(super) fn key(record: &KeyRecord) -> Key {
    let version = |summary: &claviger_engine::VersionSummary| KeyVersion {
        version: summary.version.get(),
        state: summary.state.to_string(),
        origin: summary.origin.to_string(),
        created: time(summary.created_ms),
        usage: None,
    };
    Key {
        id: record.id.to_string(),
        store_id: record.store.to_string(),
        name: record.name.to_string(),
        aliases: record.aliases.iter().map(ToString::to_string).collect(),
        description: record.about.description.clone(),
        labels: record.about.labels.iter().map(|(label, value)| (label.to_string(), value.clone())).collect(),
        kind: kind(record.algorithm.row().kind).to_owned(),
        algorithm: record.algorithm.to_string(),
        state: record.state.to_string(),
        exportable: record.exportable,
        created: time(record.created_ms),
        changed: time(record.changed_ms),
        revision: record.revision(),
        current_version: record.current().map(|version| version.get()),
        lowest_version: record.lowest_version.get(),
        rotation: record
            .rotation
            .as_ref()
            .map(|rotation| Rotation { period_days: rotation.period_days, next: time(rotation.next_ms) }),
        rotation_by_use: record
            .rotation_by_use
            .map(|RotationByUse { items, bytes }| message::RotationByUse { items, bytes }),
        deletion: record
            .deletion
            .as_ref()
            .map(|deletion| Deletion { requested: time(deletion.requested_ms), deadline: time(deletion.deadline_ms) }),
        deleted: record.deleted.map(|deleted| time(deleted.at_ms)),
        destruction: record.deleted.and_then(|deleted| deleted.destroyed).map(|destroyed| Destruction {
            state: "destroyed".to_owned(),
            class: Some(destroyed.class.to_string()),
            time: time(destroyed.at_ms),
            reasons: Vec::new(),
        }),
        uses: None,
        usage: None,
        versions: record.versions.iter().map(version).collect(),
        warnings: warnings(record),
    }
}

/// Adds to a key how it was used.
pub(super) fn add_usage(key: &mut Key, mut usage: KeyUsage) {
    for version in &mut key.versions {
        let used = usage.versions.iter().find(|used| used.version.get() == version.version);
        version.usage = used.map(|used| message::VersionUsage {
            items: used.items,
            bytes: used.bytes,
            last_used: time(used.last_ms),
        });
    }
    let Some(last_used) = usage.last().map(|(last_ms, _)| time(last_ms)) else { return };
    usage.clients.sort_by_key(|client| std::cmp::Reverse(client.last_ms));
    let client = |ClientUsage { client, items, last_ms }: ClientUsage| message::ClientUsage {
        common_name: client.common_name().map(str::to_owned),
        certificate_sha256: client.certificate_sha256(),
        address: client.ip_address().map(|address| address.to_string()),
        items,
        last_used: time(last_ms),
    };
    let others = usage.others;
    let others =
        (others.last_ms > 0).then(|| message::OthersUsage { items: others.items, last_used: time(others.last_ms) });
    key.usage = Some(message::KeyUsage { last_used, clients: usage.clients.into_iter().map(client).collect(), others });
}

/// What is told of an alias.
pub(super) fn alias(alias: &Name, key: &KeyRecord) -> Alias {
    let (key_id, revision) = (key.id.to_string(), alias_revision(key.id));
    Alias { alias: alias.to_string(), key: key.name.to_string(), key_id, revision }
}

/// What is told of an open import: all but the private half of its transport key.
pub(super) fn import(import: &transfer::Import) -> Import {
    let (key_id, exportable) = match import.target {
        ImportTarget::NewKey { exportable } => (None, Some(exportable)),
        ImportTarget::NewVersion { key } => (Some(key.to_string()), None),
    };
    Import {
        id: import.id.to_string(),
        store_id: import.store.to_string(),
        name: import.name.to_string(),
        algorithm: import.algorithm.to_string(),
        key_id,
        exportable,
        requester: import.requester.to_string(),
        created: time(import.created_ms),
        ends: time(import.ends_ms()),
        public_key: pem::encode("PUBLIC KEY", &import.public_key).to_string(),
    }
}

fn warnings(record: &KeyRecord) -> Vec<String> {
    let count = record.versions.len();
    let is_near = count >= VERSIONS_WARNING && record.current().is_some();
    let near = || {
        format!(
            "{count} of {VERSIONS_MAX} versions are used up: create a new key and re-encrypt before it cannot be rotated any more"
        )
    };
    let is_current = |summary: &&claviger_engine::VersionSummary| Some(summary.version) == record.current();
    let is_imported = record.versions.iter().find(is_current).is_some_and(|summary| summary.origin == Origin::Imported);
    let is_replaced = is_imported && (record.rotation.is_some() || record.rotation_by_use.is_some());
    let replaced = || {
        "the current version was imported, and rotation by itself replaces it by material that is made here".to_owned()
    };
    is_near.then(near).into_iter().chain(is_replaced.then(replaced)).collect()
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
    Access {
        client_certificate: methods.contains(AccessMethod::ClientCertificate),
        address: methods.contains(AccessMethod::Address),
        hardware_address: methods.contains(AccessMethod::HardwareAddress),
    }
}

/// A time of a record. One beyond the year 9999, which no clock tells, is shown as the last there is.
pub(super) fn time(milliseconds: u64) -> Time {
    let milliseconds = i64::try_from(milliseconds).ok();
    Time(milliseconds.and_then(|since| Timestamp::from_millisecond(since).ok()).unwrap_or(Timestamp::MAX))
}
