//! The control port: management over HTTPS with JSON, for administrators who show a client certificate.
//!
//! A request goes this way: [`listen`] (connection, handshake, who asks) · [`router`] (which route; size, time) · [`browser`] (what a web page
//! cannot forge) · `call` (what is asked, as types) · a handler of `stores`, `keys`, `imports`, `certificates`, `algorithms`, `health` ·
//! [`change`] if something is to change · `answer` or [`problem`]. Each area has a table of its routes; [`route`] lists the tables, and [`openapi`] describes them from there.
//!
//! There is no cryptography on anybody's data here, and no secret is ever read back.

mod access;
mod access_warnings;
mod algorithms;
mod aliases;
mod answer;
pub mod approvals;
mod audit;
mod backups;
pub mod browser;
mod call;
pub mod caller;
pub mod certificate_ends;
mod certificates;
pub mod change;
mod describe;
mod emergency;
mod health;
mod imports;
mod keys;
pub mod listen;
pub mod metrics;
mod once;
pub mod openapi;
pub mod permission;
mod persons;
pub mod problem;
mod reached;
mod refusals;
pub mod route;
pub mod router;
mod shred_table;
mod stores;
mod system_keys;
mod tls;
mod whoami;
mod why_denied;

use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use parking_lot::Mutex;
use rustls_pki_types::CertificateDer;
use tokio::sync::Semaphore;

pub use listen::ControlPort;

use self::browser::Hosts;
use self::certificate_ends::CertificateEnd;
use self::metrics::ControlCounts;
use self::tls::Administrators;
use crate::data_port::DataPort;
use crate::installation::Installation;
use crate::limits::{CONTROL_CALLS_MAX, CONTROL_EMERGENCY_CALLS_MAX};
use crate::pem::Credential;

/// What the control port is told by the configuration.
pub struct ControlSettings {
    /// What it shows of itself.
    pub credential: Credential,
    /// The authorities whose certificates are administrators; at least one.
    pub administrators: Vec<CertificateDer<'static>>,
    /// The data folder, whose disk is watched.
    pub folder: PathBuf,
    /// Bytes that must be free there before a change is taken.
    pub free_space_floor: u64,
    /// What the data port shows of itself, to tell when it ends.
    pub data_certificates: Vec<CertificateDer<'static>>,
    /// Whether the listener for metrics can be reached from other machines.
    pub metrics_are_open: bool,
}

/// What follows from the certificates in force. Replaced as a whole when they are read anew.
struct Shown {
    /// The names that the control port answers to.
    hosts: Hosts,
    /// Whose certificates are administrators.
    administrators: Administrators,
    /// When certificates end.
    ends: Vec<CertificateEnd>,
}

impl Shown {
    fn of(settings: &ControlSettings) -> anyhow::Result<Self> {
        let own = &settings.credential.certificate_chain;
        let ends = [
            CertificateEnd::of("data", &settings.data_certificates),
            CertificateEnd::of("control", own),
            CertificateEnd::of("administrators", &settings.administrators),
        ];
        let administrators = Administrators::new(&settings.administrators, &tls::provider())?;
        Ok(Self { hosts: Hosts::of(own)?, administrators, ends: ends.into_iter().flatten().collect() })
    }
}

/// What every request works on.
pub struct ControlState {
    installation: Installation,
    data: Arc<Mutex<Option<DataPort>>>,
    shown: Mutex<Arc<Shown>>,
    counts: ControlCounts,
    metrics_are_open: bool,
    reload_failure: Mutex<Option<String>>,
    folder: PathBuf,
    free_space_floor: u64,
    started: Timestamp,
    calls: Arc<Semaphore>,
    emergency_calls: Arc<Semaphore>,
}

impl ControlState {
    /// The state of a control port that answers to the names in its certificate.
    ///
    /// # Errors
    /// If the certificate cannot be read, or an administrators' authority is none.
    pub fn new(
        installation: Installation,
        data: Arc<Mutex<Option<DataPort>>>,
        settings: &ControlSettings,
    ) -> anyhow::Result<Arc<Self>> {
        Ok(Arc::new(Self {
            installation,
            data,
            shown: Mutex::new(Arc::new(Shown::of(settings)?)),
            counts: ControlCounts::default(),
            metrics_are_open: settings.metrics_are_open,
            reload_failure: Mutex::default(),
            folder: settings.folder.clone(),
            free_space_floor: settings.free_space_floor,
            started: Timestamp::now(),
            calls: Arc::new(Semaphore::new(CONTROL_CALLS_MAX)),
            emergency_calls: Arc::new(Semaphore::new(CONTROL_EMERGENCY_CALLS_MAX)),
        }))
    }

    /// What follows from the certificates in force.
    fn shown(&self) -> Arc<Shown> {
        Arc::clone(&self.shown.lock())
    }
}
