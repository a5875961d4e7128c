//! What rows are measured on: daemons and an echo, started when a row first needs them.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use claviger_algorithm::Algorithm;
use claviger_protocol::KeyId;

use crate::cpus::Cpus;
use crate::daemon::{Daemon, Memory};
use crate::rounds::Rounds;
use crate::target::Target;

/// Processes that are measured, and how.
pub(crate) struct Stage {
    pub(super) plan: ComparePlan,
    // Dropped in this order: the echo uses the folder of the daemon.
    echo: Option<Daemon>,
    daemon: Option<Target>,
    populated: Option<Populated>,
}

/// How a comparison is measured.
pub(crate) struct ComparePlan {
    /// The `clavigerd` to start.
    pub(crate) daemon: PathBuf,
    /// The echo to start.
    pub(crate) echo: PathBuf,
    /// Where daemon and echo run. In process is measured there.
    pub(crate) daemon_cpus: Cpus,
    /// Everything that this process may use.
    pub(crate) all_cpus: Cpus,
    pub(crate) rounds: Rounds,
    /// Pairs of measurements of latency.
    pub(crate) pairs: usize,
    /// Keys, where very many are compared with few.
    pub(crate) keys: usize,
    /// Of which algorithm they are.
    pub(crate) keys_algorithm: Algorithm,
    /// Connections, where very many are compared with few, and where they rest.
    pub(crate) connections: usize,
}

impl ComparePlan {
    /// Where the load runs.
    pub(crate) fn load_place(&self) -> String {
        self.rounds.load_cpus.as_ref().map_or_else(|| "any".to_owned(), |cpus| format!("CPU {cpus}"))
    }
}

/// A daemon with very many keys.
pub(super) struct Populated {
    pub(super) target: Target,
    pub(super) key_ids: Arc<[KeyId]>,
    /// What the daemon had in memory before the first of them was made.
    pub(super) memory_before: Memory,
}

impl Stage {
    pub(super) const fn new(plan: ComparePlan) -> Self {
        Self { plan, echo: None, daemon: None, populated: None }
    }

    /// The daemon, pinned.
    pub(super) async fn daemon(&mut self) -> anyhow::Result<&mut Target> {
        if self.daemon.is_none() {
            self.daemon = Some(Target::start(&self.plan.daemon, &self.plan.daemon_cpus).await?);
        }
        self.daemon.as_mut().context(NO_DAEMON)
    }

    /// The daemon and the echo, pinned alike.
    pub(super) async fn sides(&mut self) -> anyhow::Result<(&mut Target, &Daemon)> {
        self.daemon().await?;
        let target = self.daemon.as_mut().context(NO_DAEMON)?;
        if self.echo.is_none() {
            self.echo = Some(Daemon::echo(&self.plan.echo, target.config()?, &self.plan.daemon_cpus)?);
        }
        Ok((target, self.echo.as_ref().context(NO_DAEMON)?))
    }

    /// The daemon with very many keys, pinned.
    pub(super) async fn populated(&mut self) -> anyhow::Result<&mut Populated> {
        if self.populated.is_none() {
            let target = Target::start(&self.plan.daemon, &self.plan.daemon_cpus).await?;
            self.populated = Some(Populated::make(target, self.plan.keys, self.plan.keys_algorithm).await?);
        }
        self.populated.as_mut().context(NO_DAEMON)
    }
}

const NO_DAEMON: &str = "a process that was started is not there; this is a fault of the program";
