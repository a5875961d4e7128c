//! `claviger key`.

mod about;
mod confirm;
mod life;
mod list;
mod secret;
mod transfer;
mod usage;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use clap::{Args, Subcommand};
use claviger_control::ControlClient;
use claviger_control::message::{CreateKeys, Key, NewKey, OutputSize};
use claviger_control::secret::SecretText;
use indicatif::HumanCount;
use zeroize::Zeroizing;

use crate::control::once::OnceArguments;
use crate::show;

/// Operations on keys.
#[derive(Subcommand)]
pub(crate) enum KeyCommand {
    /// Create keys, all or none
    #[command(after_help = "\
Examples:
  claviger key create --store payments --algorithm XAES-256-GCM records
  claviger key create --store payments --algorithm Ed25519 --label team=payments receipts invoices reminders
  claviger key create --store payments --algorithm OPAQUE --value-file password.txt database-password
  printf %s \"$PASSWORD\" | claviger key create --store payments --algorithm OPAQUE --value-file - database-password")]
    Create(CreateArguments),
    /// List the keys of a store
    #[command(after_help = "\
With --json there is one line for each key.

Examples:
  claviger key list --store payments
  claviger key list --store payments --kind asymmetric --prefix invoice-
  claviger key list --store payments --label team=billing --all --json
  claviger key list --store payments --state deleted")]
    List(list::ListArguments),
    /// Show a key, its versions, and who uses it
    #[command(after_help = "Example:\n  claviger key show --store payments records")]
    Show(KeyArguments),
    /// Show who uses a key, and when each client did so last
    #[command(after_help = "\
A key remembers the 100 clients that used it last. A client whose certificate was renewed is another one.

Examples:
  claviger key clients --store payments records
  claviger key clients --store payments records --json")]
    Clients(KeyArguments),
    /// Add a version and make it the current one; the ones before go on decrypting and verifying
    #[command(after_help = "Example:\n  claviger key rotate --store payments records")]
    Rotate(KeyArguments),
    /// Refuse every cryptographic operation with a key, from now on
    #[command(after_help = "Example:\n  claviger key disable --store payments records")]
    Disable(KeyArguments),
    /// Make a disabled key available again
    #[command(after_help = "Example:\n  claviger key enable --store payments records")]
    Enable(KeyArguments),
    /// Give a secret a new value, which is the current one then; the newest 10 versions are kept
    #[command(after_help = "\
Programs that wait for a newer version have it at once: see `claviger secret wait`.

Examples:
  claviger key update --store payments database-password --file password.txt
  printf %s \"$PASSWORD\" | claviger key update --store payments database-password --expected-version 3 --file -")]
    Update(secret::UpdateArguments),
    /// Import a key, or a new version of one, that was made elsewhere
    #[command(after_help = transfer::IMPORT_HELP)]
    Import(transfer::ImportArguments),
    /// Export the material of a key, wrapped to a public key
    #[command(after_help = transfer::EXPORT_HELP)]
    Export(transfer::ExportArguments),
    #[command(flatten)]
    About(about::AboutCommand),
    #[command(flatten)]
    Life(life::LifeCommand),
    /// List the algorithms that keys can have
    #[command(after_help = "\
Output: bytes of a ciphertext, a MAC, a signature, or what a private key decrypts.
Digest: bytes of a digest that may be signed in place of its message.
Use limit: how many items one version of a key may encrypt.
Cost of an item: light (below a microsecond), medium (up to 50), heavy (more).

Examples:
  claviger key algorithms
  claviger key algorithms --json")]
    Algorithms,
}

#[derive(Args)]
pub(crate) struct CreateArguments {
    #[command(flatten)]
    once: OnceArguments,
    /// Name or id of the key store
    #[arg(long)]
    store: String,
    /// Their algorithm: see `claviger key algorithms`
    #[arg(long)]
    algorithm: String,
    /// File with the value of a secret, byte for byte, a line end included; `-` is standard input
    #[arg(long, value_name = "FILE")]
    value_file: Option<PathBuf>,
    /// Let their material be exported, wrapped to a public key, by `claviger key export`; this cannot be changed later
    #[arg(long)]
    exportable: bool,
    /// What they are for, in a few words: up to 1,024 bytes, not confidential
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    description: String,
    /// A label, NAME=VALUE; may be given up to 32 times
    #[arg(long = "label", value_name = "LABEL")]
    labels: Vec<about::Label>,
    /// Their names: up to 100 characters of A-Z, a-z, 0-9, dot, underscore and hyphen
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
}

/// Which key.
#[derive(Args)]
pub(crate) struct KeyArguments {
    /// Name or id of the key store
    #[arg(long)]
    store: String,
    /// Name, alias or id of the key
    key: String,
}

pub(super) async fn run(command: KeyCommand, client: &ControlClient, json: bool) -> anyhow::Result<()> {
    let changed = |key: Key, what: &str| changed(&key, what, json);
    match command {
        KeyCommand::Create(arguments) => create(arguments, client, json).await,
        KeyCommand::List(arguments) => list::run(arguments, client, json).await,
        KeyCommand::Clients(key) => usage::clients(key, client, json).await,
        KeyCommand::Show(KeyArguments { store, key }) => {
            let key = client.key(&store, &key).await?;
            if json { show::json(&key) } else { describe(key) }
        }
        KeyCommand::Rotate(KeyArguments { store, key }) => {
            let key = client.rotate_key(&store, &key).await?;
            let was_imported = key.versions.iter().rev().nth(1).is_some_and(|before| before.origin == "imported");
            let made = if was_imported { ", made by the server; the one before was imported" } else { "" };
            let what = format!("version {} is the current one{made}", current_version(&key));
            changed(key, &what)
        }
        KeyCommand::Disable(KeyArguments { store, key }) => changed(
            client.disable_key(&store, &key).await?,
            "disabled; nothing is encrypted, decrypted, signed or verified with it any more",
        ),
        KeyCommand::Enable(KeyArguments { store, key }) => changed(client.enable_key(&store, &key).await?, "available"),
        KeyCommand::Update(arguments) => secret::update(arguments, client, json).await,
        KeyCommand::Import(arguments) => transfer::import(arguments, client, json).await,
        KeyCommand::Export(arguments) => transfer::export(arguments, client, json).await,
        KeyCommand::About(command) => about::run(command, client, json).await,
        KeyCommand::Life(command) => life::run(command, client, json).await,
        KeyCommand::Algorithms => algorithms(client, json).await,
    }
}

/// Tells what has been done to a key.
fn changed(key: &Key, what: &str, json: bool) -> anyhow::Result<()> {
    if json { show::json(key) } else { show::line(&format!("key {}: {what}", key.name)) }
}

async fn create(arguments: CreateArguments, client: &ControlClient, json: bool) -> anyhow::Result<()> {
    let CreateArguments { once, store, algorithm, value_file, exportable, description, labels, names } = arguments;
    ensure!(
        value_file.is_none() || names.len() == 1,
        "--value-file is the value of one secret, but {} names are given: create them one by one",
        names.len()
    );
    let mut value = value_file.map(|path| read_value(&path)).transpose()?;
    let labels: BTreeMap<_, _> = labels.into_iter().map(|about::Label(label, value)| (label, value)).collect();
    let keys = names.into_iter().map(|name| {
        let (algorithm, value) = (algorithm.clone(), value.take());
        NewKey { name, algorithm, value, exportable, description: description.clone(), labels: labels.clone() }
    });
    let created = once.of(client).create_keys(&store, &CreateKeys { keys: keys.collect() }).await?;
    if json { show::json(&created) } else { list::table(&created.keys) }
}

fn describe(mut key: Key) -> anyhow::Result<()> {
    let about = about::facts(&mut key);
    let last_used = Some(usage::fact(&key));
    let uses = key.uses.map(|uses| {
        // Percent of the limit, rounded up: what is used up is never shown as less.
        let percent = (uses.used * 100).div_ceil(uses.limit.max(1));
        ("uses", format!("{} of {} ({percent} %)", HumanCount(uses.used), HumanCount(uses.limit)))
    });
    let rotation = key.rotation.map(|rotation| ("rotated", life::rotation(rotation)));
    let by_use = key.rotation_by_use.map(|rotation| ("rotated by use", life::rotation_by_use(rotation)));
    let lowest = (key.lowest_version > 1).then(|| ("lowest version that decrypts", key.lowest_version.to_string()));
    let deletion = key.deletion.map(|deletion| ("deleted", life::deletion(deletion)));
    let deleted = key.deleted.map(|deleted| ("deleted", show::time(deleted)));
    let destruction = key.destruction.map(|destruction| ("destroyed", life::destruction(&destruction)));
    let facts = [
        ("name", key.name),
        ("id", key.id),
        ("store", key.store_id),
        ("kind", key.kind),
        ("algorithm", key.algorithm),
        ("state", key.state),
        ("exportable", if key.exportable { "yes" } else { "no" }.to_owned()),
        ("created", show::time(key.created)),
        ("changed", show::time(key.changed)),
    ];
    show::facts(
        facts
            .into_iter()
            .chain(about)
            .chain(rotation)
            .chain(by_use)
            .chain(lowest)
            .chain(uses)
            .chain(last_used)
            .chain(deletion)
            .chain(deleted)
            .chain(destruction),
    )?;
    show::line("")?;
    let row = |version: &claviger_control::message::KeyVersion| {
        let [items, bytes, last_used] = usage::cells(version.usage);
        let (state, origin, created) = (version.state.clone(), version.origin.clone(), show::time(version.created));
        [version.version.to_string(), state, origin, created, items, bytes, last_used]
    };
    let heading = ["version", "state", "origin", "created", "items", "bytes", "last used"];
    show::table(heading, key.versions.iter().map(row))?;
    if let Some(usage) = &key.usage {
        show::line("")?;
        usage::table(usage)?;
    }
    key.warnings.iter().try_for_each(|warning| show::line(&format!("\nwarning: {warning}")))
}

/// The number of the current version; a deleted key has none.
fn current_version(key: &Key) -> String {
    key.current_version.map_or_else(|| "-".to_owned(), |version| version.to_string())
}

async fn algorithms(client: &ControlClient, json: bool) -> anyhow::Result<()> {
    let list = client.algorithms().await?;
    if json {
        return show::json(&list);
    }
    let rows = list.algorithms.into_iter().map(|row| {
        let output = match row.output_size {
            OutputSize::Fixed(size) => size.to_string(),
            OutputSize::AtMost(size) => format!("at most {size}"),
            OutputSize::PlaintextPlus(size) => format!("plaintext + {size}"),
        };
        let number =
            |number: Option<u64>| number.map_or_else(|| "-".to_owned(), |number| HumanCount(number).to_string());
        let (digest, limit) = (number(row.digest_size), number(row.use_limit));
        [row.name, row.kind, output, digest, limit, row.cost_class, row.operations.join(", ")]
    });
    show::table(["algorithm", "kind", "output bytes", "digest bytes", "use limit", "cost", "operations"], rows)
}

fn read_value(path: &Path) -> anyhow::Result<SecretText> {
    read_secret(path, VALUE_SIZE_MAX).map(|value| SecretText::base64_of(&value))
}

/// What is in a file, or comes on standard input if the path is `-`: at most `size_max` bytes.
fn read_secret(path: &Path, size_max: usize) -> anyhow::Result<Zeroizing<Vec<u8>>> {
    // Reserved once, with a byte more than allowed to tell what is too large: growing would leave copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(size_max + 1));
    let limit = size_max as u64 + 1;
    let size = match path.to_str() {
        Some("-") => io::stdin().take(limit).read_to_end(&mut bytes).context("standard input")?,
        _ => {
            let read = File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes));
            read.with_context(|| format!("file {}", path.display()))?
        }
    };
    ensure!(size <= size_max, "this takes at most {size_max} bytes: {} has more", path.display());
    Ok(bytes)
}

/// Most bytes of the value of a secret, as the server has it.
const VALUE_SIZE_MAX: usize = 32_768;
