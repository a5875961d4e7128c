//! How authentication data look.

use claviger_control::message::{AccessList, AccessRow, Stopped};

use crate::show;

/// What names a row, for people: its address, the name in its certificate, or the key that it pins.
pub(super) fn name(row: &AccessRow) -> String {
    let names = [&row.address, &row.hardware_address, &row.common_name, &row.public_key_sha256];
    names.into_iter().flatten().next().unwrap_or(&row.id).clone()
}

/// Whether a row is called so.
pub(super) fn has_name(row: &AccessRow, text: &str) -> bool {
    [&row.address, &row.hardware_address, &row.common_name, &row.public_key_sha256, &row.serial]
        .into_iter()
        .any(|name| name.as_deref() == Some(text))
}

/// A row in words.
pub(super) fn what(row: &AccessRow) -> String {
    format!("{} {}", kind(row), name(row))
}

pub(super) fn table(list: AccessList) -> anyhow::Result<()> {
    let row = |row: AccessRow| {
        [
            name(&row),
            kind(&row).to_owned(),
            state(&row),
            permit(&row),
            row.ends.map(show::time).unwrap_or_default(),
            row.last_used.map(show::time).unwrap_or_default(),
            row.id,
        ]
    };
    show::table(["who", "kind", "state", "permits", "ends", "last used", "id"], list.rows.into_iter().map(row))
}

pub(super) fn one(row: AccessRow) -> anyhow::Result<()> {
    let optional = [
        ("description", Some(row.description.clone()).filter(|text| !text.is_empty())),
        ("serial number", row.serial.clone()),
        ("public key", row.public_key_sha256.as_ref().map(|sha256| format!("SHA-256 {sha256}"))),
        ("operations", row.operations.as_ref().map(|operations| operations.join(", "))),
        ("keys", row.keys.as_ref().map(|keys| keys.join(", "))),
        ("ends", row.ends.map(show::time)),
        ("last used", row.last_used.map(show::time)),
        ("deleted on", row.deletion.as_ref().map(|deletion| show::time(deletion.deadline))),
    ];
    let facts = [("who", name(&row)), ("kind", kind(&row).to_owned()), ("id", row.id.clone()), ("state", state(&row))];
    let last = [("created", show::time(row.created)), ("by", row.creator)];
    let optional = optional.into_iter().filter_map(|(name, value)| Some((name, value?)));
    show::facts(facts.into_iter().chain(optional).chain(last))
}

/// What was stopped, and what is to be done if that is not written.
pub(in crate::control) fn stopped(stopped: &Stopped, what: &str, json: bool) -> anyhow::Result<()> {
    if json {
        return show::json(stopped);
    }
    show::line(&format!("{what}: {}; nobody comes in by it any more", stopped.state))?;
    if let Some(detail) = &stopped.detail {
        eprintln!("claviger: {detail}");
    }
    Ok(())
}

fn kind(row: &AccessRow) -> &'static str {
    match (row.method.as_str(), &row.common_name) {
        ("client_certificate", Some(_)) => "certificate",
        ("client_certificate", None) => "pinned key",
        ("address", _) => "address",
        ("hardware_address", _) => "hardware address",
        _ => "unknown",
    }
}

fn state(row: &AccessRow) -> String {
    if row.not_durable { format!("{} (not written yet)", row.state) } else { row.state.clone() }
}

fn permit(row: &AccessRow) -> String {
    let operations = row.operations.as_ref().map_or_else(|| "everything".to_owned(), |operations| operations.join(","));
    match &row.keys {
        Some(keys) => format!("{operations} with {} keys", keys.len()),
        None => operations,
    }
}
