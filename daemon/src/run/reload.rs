//! Reading certificates and settings anew while connections go on.
//!
//! Everything is read and checked before any of it is put in force: if something is wrong, all stays as it was. Connections that are there keep what they began with; new ones get the new.

use std::fmt;
use std::path::Path;
use std::time::SystemTime;

use anyhow::{Context, ensure};
use rustls_pki_types::CertificateDer;

use super::{Daemon, control_settings};
use crate::config::Config;
use crate::logging;
use crate::pem::{self, Credential};

/// What a reload has come to.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Reloaded {
    /// What is in force now and was not before, by section and setting.
    pub changed: Vec<&'static str>,
    /// Sections of the file that differ from what is in force, and stay as they are until the daemon is started again.
    pub need_restart: Vec<&'static str>,
}

impl fmt::Display for Reloaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |names: &[&str]| if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
        write!(f, "changed: {}; needs a restart: {}", list(&self.changed), list(&self.need_restart))
    }
}

/// What the ports show of themselves, and whom the control port believes, as the files say.
pub(super) struct Credentials {
    pub(super) data: Credential,
    pub(super) control: Credential,
    pub(super) administrators: Vec<CertificateDer<'static>>,
}

impl Credentials {
    /// Reads the files that `config` names.
    ///
    /// # Errors
    /// With section, file and remedy.
    pub(super) fn read(config: &Config) -> anyhow::Result<Self> {
        Ok(Self {
            data: Credential::read(&config.tls.certificate, &config.tls.key).context("[tls]")?,
            control: Credential::read(&config.control.certificate, &config.control.key).context("[control]")?,
            administrators: pem::certificates(&config.control.administrators).context("[control] administrators")?,
        })
    }

    /// Refuses certificates that have ended: those in force are no worse.
    fn must_be_valid(&self, now: SystemTime) -> anyhow::Result<()> {
        for (section, credential) in [("[tls]", &self.data), ("[control]", &self.control)] {
            let end = credential.certificate_chain.iter().filter_map(pem::not_after).min();
            ensure!(end.is_none_or(|end| end > now), "{section} certificate has ended: put another one there");
        }
        Ok(())
    }

    pub(super) fn certificates(&self) -> Certificates {
        Certificates {
            data: self.data.certificate_chain.clone(),
            control: self.control.certificate_chain.clone(),
            administrators: self.administrators.clone(),
        }
    }
}

/// What is in force.
pub(super) struct InForce {
    pub(super) config: Config,
    pub(super) certificates: Certificates,
}

/// The certificates of [`Credentials`].
pub(super) struct Certificates {
    data: Vec<CertificateDer<'static>>,
    control: Vec<CertificateDer<'static>>,
    administrators: Vec<CertificateDer<'static>>,
}

impl Daemon {
    /// Reads the configuration file at `path` and does as [`Daemon::reload`].
    ///
    /// # Errors
    /// As [`Daemon::reload`].
    pub fn reload_file(&self, path: &Path) -> anyhow::Result<Reloaded> {
        self.noted(Config::read(path).and_then(|config| self.try_reload(config)))
    }

    /// Puts the certificates in force that `config` names, and those of its settings that can change while the daemon runs. Blocks while it reads.
    ///
    /// # Errors
    /// With section, file or setting, and the remedy. Everything stays as it was then, and health says so until a reload succeeds.
    pub fn reload(&self, config: Config) -> anyhow::Result<Reloaded> {
        self.noted(self.try_reload(config))
    }

    fn noted(&self, reloaded: anyhow::Result<Reloaded>) -> anyhow::Result<Reloaded> {
        self.control.note_reload(reloaded.as_ref().err().map(|error| format!("{error:#}")));
        reloaded
    }

    fn try_reload(&self, config: Config) -> anyhow::Result<Reloaded> {
        // Reloads come one after the other.
        let mut before = self.in_force.lock();
        let credentials = Credentials::read(&config)?;
        credentials.must_be_valid(SystemTime::now())?;
        let certificates = credentials.certificates();
        let data = self.data.lock();
        let data = data.as_ref().context("the daemon is ending")?;
        let for_data = data.prepare(&credentials.data)?;
        let for_control = self.control.prepare(&control_settings(&config, credentials, self.metrics_address))?;
        // From here on nothing fails.
        let merged = before.config.with_live_settings_of(&config);
        data.put_in_force(for_data);
        data.set_connections_max(merged.data.connections_max);
        let one_is_gone =
            before.certificates.administrators.iter().any(|one| !certificates.administrators.contains(one));
        self.control.put_in_force(for_control, one_is_gone);
        logging::set_level(merged.log.level);
        let reloaded = Reloaded {
            changed: before.changes(&merged, &certificates),
            need_restart: merged.differing_sections(&config),
        };
        *before = InForce { config: merged, certificates };
        Ok(reloaded)
    }
}

impl InForce {
    /// What of the live settings and the certificates differs.
    fn changes(&self, config: &Config, certificates: &Certificates) -> Vec<&'static str> {
        let (one, other) = (&self.config, config);
        let changes = [
            ("the certificate of the data port", self.certificates.data != certificates.data),
            ("the certificate of the control port", self.certificates.control != certificates.control),
            ("the authorities of administrators", self.certificates.administrators != certificates.administrators),
            ("[data] connections_max", one.data.connections_max != other.data.connections_max),
            ("[data] drain_seconds", one.data.drain != other.data.drain),
            ("[log] level", one.log.level != other.log.level),
        ];
        changes.into_iter().filter_map(|(name, is_changed)| is_changed.then_some(name)).collect()
    }
}
