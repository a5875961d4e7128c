//! The daemon that is measured: one that was started for it, or one that runs elsewhere.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use claviger_algorithm::Algorithm;
use claviger_client::{ClientConfig, Transport};
use claviger_control::ControlClient;
use tempfile::TempDir;

use crate::client_file::ClientFile;
use crate::cpus::Cpus;
use crate::daemon::{Daemon, Memory};
use crate::installation::{Installation, STORE, create_key};
use crate::limits::{FILL_LOOKED_AT_EVERY, FILL_TIME};
use crate::task::Task;

/// A daemon, and what it takes to use it.
pub(crate) struct Target {
    file: ClientFile,
    /// The key store that is used.
    pub(crate) store: String,
    keys: Keys,
}

/// Where keys come from.
enum Keys {
    /// Made when they are needed.
    Made(Box<Started>),
    /// As those, in another key store of a daemon that another target has started.
    MadeBeside(Box<Making>),
    /// There already: the one that is used.
    Named(String),
}

/// A daemon of our own.
struct Started {
    // Dropped in this order: the daemon uses the folder. There is none only between its end and its next start.
    daemon: Option<Daemon>,
    _folder: TempDir,
    installation: Installation,
    program: PathBuf,
    cpus: Cpus,
    making: Making,
}

/// Makes keys of one key store.
struct Making {
    administrator: ControlClient,
    /// Their names.
    made: HashMap<Algorithm, String>,
}

/// A daemon that runs elsewhere.
#[derive(Clone, Debug)]
pub(crate) struct Remote {
    /// The configuration file of a client that its key store admits.
    pub(crate) config: PathBuf,
    /// Its data port, if not the one that the file names.
    pub(crate) address: Option<String>,
    pub(crate) store: String,
    pub(crate) key: String,
}

impl Target {
    /// Starts `program` on `cpus` in a temporary folder, with one key store and one client.
    ///
    /// # Errors
    /// If the daemon does not come up, or refuses.
    pub(crate) async fn start(program: &Path, cpus: &Cpus) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("claviger-loadtest-").tempdir().context("no temporary folder")?;
        let installation = Installation::write(folder.path())?;
        let daemon = Daemon::start(program, &installation.config, cpus)?;
        let administrator = installation.administrator(&daemon.addresses().control)?;
        let address = daemon.addresses().data.clone();
        let file = installation.create_store(&administrator, STORE, address).await.with_context(|| daemon.said())?;
        let started = Started {
            daemon: Some(daemon),
            _folder: folder,
            installation,
            program: program.to_owned(),
            cpus: cpus.clone(),
            making: Making { administrator, made: HashMap::new() },
        };
        Ok(Self { file, store: STORE.to_owned(), keys: Keys::Made(Box::new(started)) })
    }

    /// Another key store of the same daemon, with another client.
    ///
    /// # Errors
    /// If it cannot be made, or the daemon is not ours.
    pub(crate) async fn another_store(&self) -> anyhow::Result<Self> {
        let Keys::Made(started) = &self.keys else { bail!(NOT_OURS) };
        let control = &started.daemon.as_ref().context(NOT_OURS)?.addresses().control;
        let administrator = started.installation.administrator(control)?;
        let address = self.file.address.clone();
        let file = started.installation.create_store(&administrator, OTHER_STORE, address).await?;
        let making = Making { administrator, made: HashMap::new() };
        Ok(Self { file, store: OTHER_STORE.to_owned(), keys: Keys::MadeBeside(Box::new(making)) })
    }

    /// A daemon that runs already.
    ///
    /// # Errors
    /// If a file cannot be used.
    pub(crate) fn connect(remote: Remote) -> anyhow::Result<Self> {
        let mut file = ClientFile::read(&remote.config)?;
        file.address = remote.address.unwrap_or(file.address);
        Ok(Self { file, store: remote.store, keys: Keys::Named(remote.key) })
    }

    /// Settings of a client of its data port.
    pub(crate) fn client_config(&self, transport: Transport) -> ClientConfig {
        let ClientFile { address, server_ca, identity } = &self.file;
        let mut config = ClientConfig::new(address.clone(), server_ca.clone(), identity.clone());
        config.transport = transport;
        config
    }

    /// The name of the key to use for a task; it is made if the daemon is ours.
    ///
    /// # Errors
    /// If it cannot be made.
    pub(crate) async fn key_name(&mut self, task: &Task) -> anyhow::Result<String> {
        match &mut self.keys {
            Keys::Named(name) => Ok(name.clone()),
            Keys::Made(started) => started.making.key_name(&self.store, task).await,
            Keys::MadeBeside(making) => making.key_name(&self.store, task).await,
        }
    }

    /// Its configuration file.
    ///
    /// # Errors
    /// If it is not ours.
    pub(crate) fn config(&self) -> anyhow::Result<&Path> {
        match &self.keys {
            Keys::Made(started) => Ok(&started.installation.config),
            Keys::MadeBeside(_) | Keys::Named(_) => bail!(NOT_OURS),
        }
    }

    /// Ends the daemon and starts it again; gives how long its start took.
    ///
    /// # Errors
    /// If it is not ours, or does not come up again.
    pub(crate) fn restart(&mut self) -> anyhow::Result<Duration> {
        self.restart_by(|installation| &installation.config)
    }

    /// As [`Target::restart`], with a daemon that loads keys before they are used.
    ///
    /// # Errors
    /// As [`Target::restart`].
    pub(crate) fn restart_filling(&mut self) -> anyhow::Result<Duration> {
        self.restart_by(|installation| &installation.filling_config)
    }

    /// As [`Target::restart`], with a daemon whose workers look for more before they sleep.
    ///
    /// # Errors
    /// As [`Target::restart`].
    pub(crate) fn restart_polling(&mut self) -> anyhow::Result<Duration> {
        self.restart_by(|installation| &installation.polling_config)
    }

    fn restart_by(&mut self, config: fn(&Installation) -> &Path) -> anyhow::Result<Duration> {
        let Keys::Made(started) = &mut self.keys else { bail!(NOT_OURS) };
        // The storage is opened by one process at a time.
        drop(started.daemon.take());
        let began = Instant::now();
        let config = config(&started.installation);
        let daemon = started.daemon.insert(Daemon::run(&started.program, config, &started.cpus)?);
        let time = began.elapsed();
        self.file.address = daemon.addresses().data.clone();
        started.making.administrator = started.installation.administrator(&daemon.addresses().control)?;
        Ok(time)
    }

    /// Waits until the daemon does not load keys any more before they are used, and has `keys` of them in memory.
    ///
    /// # Errors
    /// If it is not ours, does not say how far it is, does not come to an end, or ends with fewer.
    pub(crate) async fn wait_until_filled(&self, keys: usize) -> anyhow::Result<()> {
        let (_, administrator) = self.ours()?;
        let end = Instant::now() + FILL_TIME;
        while Instant::now() < end {
            let metrics = administrator.metrics().await?;
            let value = |name: &str| {
                let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
                line.with_context(|| format!("the daemon does not tell {name}"))
            };
            if value("claviger_cache_filling")? == "0" {
                let cached: usize = value("claviger_cache_keys")?.parse().context("a number of keys that is none")?;
                ensure!(
                    cached >= keys,
                    "the daemon has filled its cache with {cached} keys, not with {keys}: its log says why"
                );
                return Ok(());
            }
            tokio::time::sleep(FILL_LOOKED_AT_EVERY).await;
        }
        bail!("the daemon has not filled its cache within {} seconds", FILL_TIME.as_secs())
    }

    /// What the daemon has in memory.
    ///
    /// # Errors
    /// If it is not ours, or has ended.
    pub(crate) fn memory(&self) -> anyhow::Result<Memory> {
        self.daemon().context(NOT_OURS)?.memory()
    }

    /// The data folder, and who administers the daemon.
    ///
    /// # Errors
    /// If it is not ours.
    pub(crate) fn ours(&self) -> anyhow::Result<(&Path, &ControlClient)> {
        match &self.keys {
            Keys::Made(started) => Ok((&started.installation.data, &started.making.administrator)),
            Keys::MadeBeside(_) | Keys::Named(_) => bail!(NOT_OURS),
        }
    }

    /// The daemon, if it is ours.
    pub(crate) fn daemon(&self) -> Option<&Daemon> {
        match &self.keys {
            Keys::Made(started) => started.daemon.as_ref(),
            Keys::MadeBeside(_) | Keys::Named(_) => None,
        }
    }
}

impl Making {
    async fn key_name(&mut self, store: &str, task: &Task) -> anyhow::Result<String> {
        if let Some(name) = self.made.get(&task.algorithm) {
            return Ok(name.clone());
        }
        let name = create_key(&self.administrator, store, task).await?;
        self.made.insert(task.algorithm, name.clone());
        Ok(name)
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.daemon() {
            Some(daemon) => write!(f, "clavigerd, process {}, in a temporary folder", daemon.process_id()),
            None => write!(f, "the daemon at {}", self.file.address),
        }
    }
}

/// The key store of a load beside that of [`STORE`].
const OTHER_STORE: &str = "load-test-flood";

/// Only a daemon that was started for it can be administered and started again.
const NOT_OURS: &str = "the daemon was not started by this load test";
