//! The data port: frames in, frames out, on TLS over TCP and on QUIC.

use std::future::Future;
use std::net::{TcpListener, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use claviger_engine::Engine;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// What the data port is told by the configuration.
pub struct DataPortSettings {
    /// Worker threads, at least 1.
    pub workers: usize,
    /// Most connections at once, TCP and QUIC together.
    pub connections_max: usize,
    /// A connection without frames for longer is closed.
    pub idle: Duration,
    /// Certificate of the server and those that lead from it to the authority.
    pub certificate_chain: Vec<CertificateDer<'static>>,
    /// Its private key.
    pub private_key: PrivateKeyDer<'static>,
}

/// A running data port.
pub struct DataPort {}

impl DataPort {
    /// Starts serving on sockets that are bound already.
    ///
    /// # Errors
    /// If certificate and key do not belong together, or the system gives no threads or sockets.
    pub fn start(_engine: Arc<Engine>, _settings: DataPortSettings, _tcp: TcpListener, _udp: UdpSocket) -> anyhow::Result<Self> {
        Ok(Self {})
    }

    /// Open connections, TCP and QUIC together.
    #[must_use]
    pub const fn connections(&self) -> usize {
        0
    }

    /// Stops accepting, finishes the requests that have been read, answers new ones with ShuttingDown, then closes everything, after `grace` at the latest.
    pub fn drain(self, _grace: Duration) -> impl Future<Output = ()> {
        async {}
    }
}
