//! `claviger describe` and `claviger resolve`.

use super::{ConnectionArguments, KeyArguments, Session, failed, words};
use crate::show;
use claviger_client::{KeyDescription, Status};
use serde_json::json;
use std::process::ExitCode;

/// What `describe` is told.
#[derive(clap::Args)]
pub(crate) struct DescribeArguments {
    #[command(flatten)]
    key: KeyArguments,
}

/// What `resolve` is told.
#[derive(clap::Args)]
pub(crate) struct ResolveArguments {
    /// Name of the key store
    #[arg(long, value_name = "NAME")]
    store: String,
    #[command(flatten)]
    connection: ConnectionArguments,
    /// Names of keys
    #[arg(value_name = "KEY", required = true)]
    keys: Vec<String>,
}

/// Shows a key.
///
/// # Errors
/// With the thing and the remedy.
pub(super) async fn describe(arguments: DescribeArguments, session: &Session) -> anyhow::Result<()> {
    let key = arguments.key.open(session).await?;
    let key = key.describe().await.map_err(|error| failed(&arguments.key.to_string(), &error))?;
    if session.json {
        return show::json(&as_json(&key));
    }
    show::facts([
        ("name", key.name.clone()),
        ("id", key.key_id.to_string()),
        ("store id", key.store_id.to_string()),
        ("kind", words::word(key.kind)),
        ("algorithm", words::name(key.algorithm)),
        ("state", words::word(key.state.map(|state| state.name()))),
        ("current version", current_version(&key).map_or_else(|| "-".to_owned(), |version| version.to_string())),
        ("created", words::time(key.created)),
    ])?;
    show::line("")?;
    let versions = key.versions.iter().map(|version| {
        [
            version.version.to_string(),
            words::word(version.state.map(|state| state.name())),
            words::time(version.created),
        ]
    });
    show::table(["version", "state", "created"], versions)
}

/// Shows the ids of keys. The exit code is 1 if one of them is not there.
///
/// # Errors
/// With the thing and the remedy.
pub(super) async fn resolve(arguments: ResolveArguments, session: &Session) -> anyhow::Result<ExitCode> {
    let client = session.connect(&arguments.connection).await?;
    let names: Vec<&str> = arguments.keys.iter().map(String::as_str).collect();
    let keys = client.keys(&arguments.store, &names).await;
    let keys = keys.map_err(|error| failed(&arguments.store, &error))?;
    let mut found = Vec::new();
    let mut missing = Vec::new();
    for (name, key) in names.into_iter().zip(keys) {
        match key {
            Ok(key) => found.push((name, key)),
            Err(error) if error.status() == Some(Status::KeyNotFound) => missing.push(name),
            Err(error) => return Err(failed(name, &error)),
        }
    }
    if session.json {
        let keys: Vec<_> = found
            .iter()
            .map(|(name, key)| {
                json!({
                    "name": name,
                    "id": key.id().to_string(),
                    "store_id": key.store_id().to_string(),
                    "kind": words::word(key.kind()),
                    "algorithm": words::name(key.algorithm()),
                })
            })
            .collect();
        show::json(&json!({ "keys": keys, "missing": missing }))?;
    } else if !found.is_empty() {
        let rows = found.iter().map(|(name, key)| {
            [(*name).to_owned(), key.id().to_string(), words::word(key.kind()), words::name(key.algorithm())]
        });
        show::table(["key", "id", "kind", "algorithm"], rows)?;
    }
    if missing.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("claviger: {} has no key of this name: {}", arguments.store, missing.join(", "));
    Ok(ExitCode::FAILURE)
}

/// The number of the current version; a deleted key has none.
const fn current_version(key: &KeyDescription) -> Option<u32> {
    match key.current_version {
        0 => None,
        version => Some(version),
    }
}

fn as_json(key: &KeyDescription) -> serde_json::Value {
    let versions: Vec<_> = key
        .versions
        .iter()
        .map(|version| {
            json!({
                "version": version.version,
                "state": words::word(version.state.map(|state| state.name())),
                "created": words::rfc_3339(version.created),
            })
        })
        .collect();
    json!({
        "id": key.key_id.to_string(),
        "store_id": key.store_id.to_string(),
        "name": key.name,
        "kind": words::word(key.kind),
        "algorithm": words::name(key.algorithm),
        "state": words::word(key.state.map(|state| state.name())),
        "current_version": current_version(key),
        "created": words::rfc_3339(key.created),
        "versions": versions,
    })
}
