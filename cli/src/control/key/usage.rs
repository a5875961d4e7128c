//! Who uses a key: part of `claviger key show`, and `claviger key clients`.

use claviger_control::ControlClient;
use claviger_control::message::{ClientUsage, Key, KeyUsage, VersionUsage};
use indicatif::{BinaryBytes, HumanCount};

use super::KeyArguments;
use crate::show;

pub(super) async fn clients(key: KeyArguments, client: &ControlClient, json: bool) -> anyhow::Result<()> {
    let KeyArguments { store, key } = key;
    let key = client.key(&store, &key).await?;
    if json {
        return show::json(&key.usage);
    }
    match &key.usage {
        Some(usage) => table(usage)?,
        None => show::line(&format!("last used: {}", never(&key)))?,
    }
    key.warnings.iter().try_for_each(|warning| show::line(&format!("\nwarning: {warning}")))
}

/// When a key was used last, as a fact about it.
pub(super) fn fact(key: &Key) -> (&'static str, String) {
    ("last used", key.usage.as_ref().map_or_else(|| never(key).to_owned(), |usage| show::time(usage.last_used)))
}

/// How much a version was used: items, bytes, last use.
pub(super) fn cells(usage: Option<VersionUsage>) -> [String; 3] {
    match usage {
        Some(VersionUsage { items, bytes, last_used }) => {
            [HumanCount(items).to_string(), BinaryBytes(bytes).to_string(), show::time(last_used)]
        }
        None => ["0".to_owned(), "0 B".to_owned(), "never".to_owned()],
    }
}

/// The clients of a key, the one that used it last first.
pub(super) fn table(usage: &KeyUsage) -> anyhow::Result<()> {
    let others = usage.others.map(|others| {
        let cells = ["(others)".to_owned(), show::time(others.last_used), HumanCount(others.items).to_string()];
        with(cells, "-".to_owned())
    });
    show::table(["client", "last used", "items", "certificate SHA-256"], usage.clients.iter().map(row).chain(others))
}

/// What is said of a key of whose use nothing is told.
fn never(key: &Key) -> &'static str {
    if key.warnings.is_empty() { "never" } else { "never, unless a warning below says otherwise" }
}

fn row(client: &ClientUsage) -> [String; 4] {
    let ClientUsage { common_name, certificate_sha256, address, items, last_used } = client;
    // A name is what its certificate says: in quotes, so that an empty one is seen, and none can look like another sort of client.
    let name = common_name.as_ref().map(|name| format!("{name:?}"));
    let name = name.or_else(|| address.clone()).unwrap_or_default();
    with(
        [name, show::time(*last_used), HumanCount(*items).to_string()],
        certificate_sha256.clone().unwrap_or_else(|| "-".to_owned()),
    )
}

fn with([name, last_used, items]: [String; 3], certificate: String) -> [String; 4] {
    [name, last_used, items, certificate]
}
