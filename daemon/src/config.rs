//! The configuration file, parsed once into final types.
//!
//! Every setting has a default, so an empty file is a configuration. `config.example.toml` explains each; a test holds the two together.
//! Relative paths start at the folder of the configuration file.

mod defaults;
mod live;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use serde::{Deserialize, Deserializer};

use crate::limits::{BUSY_POLL_MAX, CONFIG_FILE_SIZE_MAX, WORKERS_MAX};
use claviger_engine::limits::{AUDIT_FILE_SIZE_MIN, MAP_SIZE_MAX, SHRED_MIRRORS_MAX, SHRED_MIRRORS_MIN};

/// Everything that a daemon is told. Unknown settings are refused.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The data port.
    pub data: Data,
    /// What the data port shows of itself.
    pub tls: Tls,
    /// The control port.
    pub control: Control,
    /// The data folder.
    pub storage: Storage,
    /// Where every change is written before it is made.
    pub journal: Journal,
    /// Where full backups go.
    pub backup: Backup,
    /// Who holds the root key.
    pub root_key: RootKey,
    /// The wrapped system keys.
    pub system_keys: SystemKeys,
    /// The shred secrets.
    pub shred_table: ShredTable,
    /// The audit log.
    pub audit: Audit,
    /// Keys in memory.
    pub cache: Cache,
    /// What is told to the operator.
    pub log: Log,
    /// What is told to whoever watches.
    pub metrics: Metrics,
}

/// Section `[data]`.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct Data {
    /// Where the port listens, for TCP and for UDP (QUIC).
    pub address: SocketAddr,
    /// Worker threads.
    pub workers: usize,
    /// How long a worker looks for more requests, after a reply, before it sleeps: not at all by default, at most [`BUSY_POLL_MAX`].
    #[serde(rename = "busy_poll_microseconds", deserialize_with = "microseconds")]
    pub busy_poll: Duration,
    /// Most connections at once.
    pub connections_max: usize,
    /// A connection without frames for longer is closed.
    #[serde(rename = "idle_seconds", deserialize_with = "seconds")]
    pub idle: Duration,
    /// How long requests that have been read may take when the daemon ends.
    #[serde(rename = "drain_seconds", deserialize_with = "seconds")]
    pub drain: Duration,
}

/// Section `[tls]`.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct Tls {
    /// PEM file: the certificate of the data port, then those that lead from it to its authority.
    pub certificate: PathBuf,
    /// PEM file with its private key.
    pub key: PathBuf,
}

/// Section `[control]`.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct Control {
    /// Where the port listens (TCP).
    pub address: SocketAddr,
    /// PEM file: the certificate of the control port, then those that lead from it to its authority.
    pub certificate: PathBuf,
    /// PEM file with its private key.
    pub key: PathBuf,
    /// PEM file with the authorities whose certificates are administrators.
    pub administrators: PathBuf,
}

/// Section `[storage]`.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct Storage {
    /// The data folder.
    pub folder: PathBuf,
    /// Address space mapped at first, in bytes.
    #[serde(rename = "map_size_mib", deserialize_with = "mebibytes")]
    pub map_size: u64,
    /// Bytes that must be free on the disk before a change is taken.
    #[serde(rename = "free_space_floor_mib", deserialize_with = "mebibytes")]
    pub free_space_floor: u64,
}

/// Section `[journal]`.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct Journal {
    /// The folder of the journal, on another disk than the data folder.
    pub folder: PathBuf,
}

/// Section `[backup]`.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct Backup {
    /// The folder of full backups.
    pub folder: PathBuf,
}

/// Section `[root_key]`.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct RootKey {
    /// Kind of custody.
    pub custody: Custody,
    /// The file, for the custody in a file.
    pub path: PathBuf,
}

/// Who holds the root key.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Custody {
    /// A plain file. UNSAFE: whoever reads it has the root key.
    DevelopmentFile,
}

/// Section `[system_keys]`.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct SystemKeys {
    /// The file of wrapped system keys.
    pub path: PathBuf,
}

/// Section `[shred_table]`.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct ShredTable {
    /// The files of its mirrors.
    pub mirrors: Vec<PathBuf>,
    /// What a destruction in them is worth.
    pub class: ShredTableClass,
}

/// What a destruction in the shred table is worth.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum ShredTableClass {
    /// Files on disks that were chosen for it.
    File,
    /// Files, to try things out.
    Development,
}

/// Section `[audit]`.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct Audit {
    /// The folder of its files, on another disk than the data folder.
    pub folder: PathBuf,
    /// The file that remembers where it ends, on another disk than the folder.
    pub head: PathBuf,
    /// Bytes at which a file is closed and another begun.
    #[serde(rename = "file_size_mib", deserialize_with = "mebibytes")]
    pub file_size: u64,
    /// Bytes that must be free on its disk before a change is taken.
    #[serde(rename = "free_space_floor_mib", deserialize_with = "mebibytes")]
    pub free_space_floor: u64,
}

/// Section `[cache]`.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct Cache {
    /// Unwrapped keys kept in memory.
    pub keys_max: usize,
    /// Whether keys are loaded before they are used, as many as find room.
    pub fill: bool,
}

/// Section `[metrics]`.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct Metrics {
    /// Where metrics and readiness are told to anybody who asks; nowhere, if it is not set.
    pub address: Option<SocketAddr>,
}

/// Section `[log]`.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// How a line looks.
    pub format: LogFormat,
    /// From which level on lines are written.
    pub level: LogLevel,
}

/// How a line of the log looks.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line, for programs.
    Json,
}

/// How much is logged; each level includes those before it.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Something failed.
    Error,
    /// Something needs attention.
    Warn,
    /// Starts, ends and changes.
    Info,
    /// Each connection and request of the control port.
    Debug,
}

impl Config {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// With file, line and remedy: it cannot be read, is not TOML, has an unknown setting or one out of its bounds.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let size = fs::metadata(path).map(|metadata| metadata.len());
        let size = size.with_context(|| format!("configuration file {}", path.display()))?;
        ensure!(
            size <= CONFIG_FILE_SIZE_MAX,
            "configuration file {} has {size} bytes, more than the {CONFIG_FILE_SIZE_MAX} that one may have",
            path.display()
        );
        let text = fs::read_to_string(path).with_context(|| format!("configuration file {}", path.display()))?;
        let folder = path.parent().unwrap_or(Path::new(""));
        Self::parse(&text, folder).with_context(|| format!("configuration file {}", path.display()))
    }

    /// The configuration that `text` says, with relative paths starting at `folder`.
    ///
    /// # Errors
    /// As [`Config::read`].
    pub fn parse(text: &str, folder: &Path) -> anyhow::Result<Self> {
        let mut config: Self = toml::from_str(text)?;
        config.check()?;
        for path in config.paths() {
            *path = folder.join(&*path);
        }
        config.check_folders()?;
        Ok(config)
    }

    fn check(&self) -> anyhow::Result<()> {
        let Data { workers, busy_poll, connections_max, idle, drain, .. } = self.data;
        ensure!((1..=WORKERS_MAX).contains(&workers), "[data] workers is {workers}: set 1 to {WORKERS_MAX}");
        ensure!(
            busy_poll <= BUSY_POLL_MAX,
            "[data] busy_poll_microseconds is {}: set at most {}, or 0 for none",
            busy_poll.as_micros(),
            BUSY_POLL_MAX.as_micros()
        );
        ensure!(connections_max > 0, "[data] connections_max is 0: set 1 or more");
        ensure!(!idle.is_zero(), "[data] idle_seconds is 0, which would close every connection at once: set 1 or more");
        ensure!(!drain.is_zero(), "[data] drain_seconds is 0, which would cut requests off: set 1 or more");
        let mirrors = &self.shred_table.mirrors;
        ensure!(
            (SHRED_MIRRORS_MIN..=SHRED_MIRRORS_MAX).contains(&mirrors.len()),
            "[shred_table] mirrors names {}: name {SHRED_MIRRORS_MIN} to {SHRED_MIRRORS_MAX} files, on different disks; whoever loses all of them loses all keys",
            mirrors.len()
        );
        let names: BTreeSet<_> = mirrors.iter().collect();
        ensure!(
            names.len() == mirrors.len(),
            "[shred_table] mirrors names a file twice: name different ones, on different disks"
        );
        ensure!(self.audit.file_size >= AUDIT_FILE_SIZE_MIN, "[audit] file_size_mib is 0: set 1 or more");
        ensure!(self.cache.keys_max > 0, "[cache] keys_max is 0: set 1 or more");
        if usize::try_from(self.storage.map_size).is_ok_and(|size| size <= MAP_SIZE_MAX) {
            return Ok(());
        }
        bail!("[storage] map_size_mib is too large: set at most {}", MAP_SIZE_MAX / MEBIBYTE_SIZE)
    }

    /// What is to outlive the data folder does not lie in it.
    fn check_folders(&self) -> anyhow::Result<()> {
        let data = &self.storage.folder;
        let folders =
            [("[journal]", &self.journal.folder), ("[backup]", &self.backup.folder), ("[audit]", &self.audit.folder)];
        for (section, folder) in folders {
            ensure!(
                !folder.starts_with(data) && !data.starts_with(folder),
                "{section} folder is {}, and the data folder {}: set a folder that is lost on another day",
                folder.display(),
                data.display()
            );
        }
        ensure!(
            self.journal.folder != self.backup.folder,
            "[journal] and [backup] have the same folder, {}: set two",
            self.journal.folder.display()
        );
        ensure!(
            !self.audit.head.starts_with(&self.audit.folder),
            "[audit] head is {}, inside of its folder: set a place that is altered by somebody else",
            self.audit.head.display()
        );
        Ok(())
    }

    fn paths(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        let places = [
            &mut self.tls.certificate,
            &mut self.tls.key,
            &mut self.control.certificate,
            &mut self.control.key,
            &mut self.control.administrators,
            &mut self.storage.folder,
            &mut self.journal.folder,
            &mut self.backup.folder,
            &mut self.root_key.path,
            &mut self.system_keys.path,
            &mut self.audit.folder,
            &mut self.audit.head,
        ];
        places.into_iter().chain(&mut self.shred_table.mirrors)
    }
}

/// Processor cores that this process may use.
#[must_use]
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).min(WORKERS_MAX)
}

fn microseconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    u32::deserialize(deserializer).map(|microseconds| Duration::from_micros(microseconds.into()))
}

fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    u32::deserialize(deserializer).map(|seconds| Duration::from_secs(seconds.into()))
}

fn mebibytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    u32::deserialize(deserializer).map(|mebibytes| u64::from(mebibytes) * MEBIBYTE_SIZE as u64)
}

const MEBIBYTE_SIZE: usize = 1024 * 1024;
