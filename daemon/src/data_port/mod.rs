//! The data port: frames in, frames out, on TLS over TCP and on QUIC.
//!
//! `tcp`, `quic` accept and hand over · `workers` the threads that serve · `busy_poll` what keeps them from sleeping · `connection` bytes of one byte stream, any transport · `conversation` what it carries, without IO ·
//! `session` the conversation with a client · `perform` from a request to the engine · `lane_task` a batch on the compute pool · `completion`, `request` what waits ·
//! `identity`, `subject`, `admission`, `client_certificate` who is there and who may · `convert` the engine's words in the wire's · `tls` the choices of TLS and QUIC · `tls_stream` TLS on a TCP stream · `scratch` buffers of a worker thread ·
//! `echo` a yardstick · `direct` no transport at all, to be measured.

mod admission;
mod busy_poll;
mod client_certificate;
mod completion;
mod connection;
pub(crate) mod connection_counts;
mod conversation;
mod convert;
pub mod direct;
pub mod echo;
pub(crate) mod identity;
mod lane_task;
mod liveness;
mod look_up;
mod perform;
mod pieces;
mod quic;
pub(crate) mod quota;
mod request;
mod room;
mod scratch;
mod session;
mod store_shares;
mod subject;
pub(crate) mod tally;
mod tcp;
mod tls;
mod tls_stream;
mod workers;

use std::net::{IpAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use claviger_engine::key::id::StoreId;
use claviger_engine::{Engine, HardwareAddress};
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;

use self::connection_counts::ConnectionCounts;
use self::quota::QuotaRefusals;
use self::tally::{OperationCounts, Place};
use self::workers::{Service, Workers};
use crate::limits::{DRAIN_NOTICE, FRAME_TIME, HELLO_TIME, LINGER_TIME, WRITE_TIME};
use crate::neighbours::Neighbours;
use crate::pem::Credential;

/// What the data port is told by the configuration.
pub struct DataPortSettings {
    /// Worker threads, at least 1.
    pub workers: usize,
    /// Most connections at once, TCP and QUIC together.
    pub connections_max: usize,
    /// A connection without frames for longer is closed.
    pub idle: Duration,
    /// How long a worker looks for more, after a reply, before it sleeps; it sleeps at once if this is zero.
    pub busy_poll: Duration,
    /// How long clients are waited for.
    pub times: Times,
    /// What it shows of itself.
    pub credential: Credential,
}

/// How long clients are waited for. The daemon takes the defaults, which the specification names; tests do not wait that long.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// For the handshake, and then for the first Hello.
    pub hello: Duration,
    /// For the rest of a frame that has begun.
    pub frame: Duration,
    /// For taking some of what is written.
    pub write: Duration,
    /// For taking the last reply, where the server ends.
    pub linger: Duration,
    /// Between the beginning of a drain and the end of connections without work.
    pub drain_notice: Duration,
}

impl Default for Times {
    fn default() -> Self {
        Self {
            hello: HELLO_TIME,
            frame: FRAME_TIME,
            write: WRITE_TIME,
            linger: LINGER_TIME,
            drain_notice: DRAIN_NOTICE,
        }
    }
}

/// TLS of both transports, not in force yet.
pub(crate) struct PreparedTls {
    tcp: Arc<ServerConfig>,
    quic: quinn::ServerConfig,
}

impl PreparedTls {
    fn new(credential: &Credential, idle: Duration, provider: &Arc<CryptoProvider>) -> anyhow::Result<Self> {
        Ok(Self { tcp: Arc::new(tls::tcp(credential, provider)?), quic: tls::quic(credential, idle, provider)? })
    }
}

/// A running data port.
pub struct DataPort {
    service: Arc<Service>,
    workers: Arc<Workers>,
    endpoint: quinn::Endpoint,
}

impl DataPort {
    /// Starts serving on sockets that are bound already. To be called inside a tokio runtime, which accepts; workers have their own.
    ///
    /// # Errors
    /// If certificate and key do not belong together, or the system gives no threads or sockets.
    pub fn start(
        engine: Arc<Engine>,
        settings: DataPortSettings,
        tcp: TcpListener,
        udp: UdpSocket,
    ) -> anyhow::Result<Self> {
        let provider = tls::provider();
        let PreparedTls { tcp: tls_config, quic: quic_config } =
            PreparedTls::new(&settings.credential, settings.idle, &provider)?;
        tcp.set_nonblocking(true).context("the TCP socket of the data port cannot be used")?;
        let listener =
            tokio::net::TcpListener::from_std(tcp).context("the TCP socket of the data port cannot be used")?;
        let neighbours = Arc::new(Neighbours::start(Arc::clone(&engine))?);
        let service = Arc::new(Service::new(engine, provider, tls_config, neighbours, &settings));
        let workers = Arc::new(Workers::start(&service, settings.workers)?);
        let endpoint = quic::endpoint(quic_config, udp, &workers)?;
        service.tasks.spawn(tcp::accept(listener, Arc::clone(&service), Arc::clone(&workers)));
        service.tasks.spawn(quic::accept(endpoint.clone(), Arc::clone(&service), Arc::clone(&workers)));
        Ok(Self { service, workers, endpoint })
    }

    /// The hardware address of whoever has this address, if the kernel has seen it on a link of this machine in the last seconds.
    #[must_use]
    pub fn hardware_address(&self, address: IpAddr) -> Option<HardwareAddress> {
        self.service.neighbours.hardware_address(address)
    }

    /// Open connections, TCP and QUIC together.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.service.connections()
    }

    /// What has been done of each operation, by its name.
    pub(crate) fn operation_counts(&self) -> impl Iterator<Item = (&'static str, OperationCounts)> {
        Place::all().map(|(place, name)| {
            let mut counts = OperationCounts::default();
            self.workers.tallies().for_each(|tally| tally.add_to(place, &mut counts));
            (name, counts)
        })
    }

    /// Whether all worker threads take up what they are given within this time.
    pub(crate) fn workers_answer(&self, within: Duration) -> impl Future<Output = bool> + Send + use<> {
        liveness::all_answer(self.workers.runtimes(), within)
    }

    /// Connections that came, stay, or were not let in.
    pub(crate) fn connection_counts(&self) -> &ConnectionCounts {
        &self.service.counts
    }

    /// Makes TLS ready that shows another certificate.
    ///
    /// # Errors
    /// If certificate and key do not belong together.
    pub(crate) fn prepare(&self, credential: &Credential) -> anyhow::Result<PreparedTls> {
        PreparedTls::new(credential, self.service.idle, &self.service.provider)
    }

    /// New connections are shown another certificate from now on; those that are there go on.
    pub(crate) fn put_in_force(&self, prepared: PreparedTls) {
        self.service.set_tls(prepared.tcp);
        self.endpoint.set_server_config(Some(prepared.quic));
    }

    /// Sets how many connections there may be at once. Those that are there stay.
    pub(crate) fn set_connections_max(&self, connections_max: usize) {
        self.service.set_connections_max(connections_max);
    }

    /// Most connections at once.
    pub(crate) fn connections_max(&self) -> usize {
        self.service.connections_max()
    }

    /// What of the daemon's bounded resources is taken, and how much there is.
    pub(crate) fn budgets(&self) -> [(&'static str, usize, usize); 5] {
        self.service.budgets.taken()
    }

    /// How often each key store that has had quotas has refused because of them.
    pub(crate) fn quota_refusals(&self) -> Vec<(StoreId, QuotaRefusals)> {
        self.service.quotas.refusals()
    }

    /// Stops accepting, finishes the requests that have been read, answers new ones with ShuttingDown, then closes everything, after `grace` at the latest.
    pub async fn drain(self, grace: Duration) {
        self.service.drain.cancel();
        let refusing = tokio::spawn(quic::refuse(self.endpoint.clone()));
        self.service.tasks.close();
        if tokio::time::timeout(grace, self.service.tasks.wait()).await.is_err() {
            tracing::warn!(
                connections = self.connections(),
                "the time to drain is over: the remaining connections are cut"
            );
            self.service.cut.cancel();
            self.service.tasks.wait().await;
        }
        self.endpoint.close(quic::SHUTTING_DOWN, b"");
        self.endpoint.wait_idle().await;
        // It ends because the endpoint has; the task itself fails only with its runtime.
        let _ = refusing.await;
        drop(self.workers);
    }
}
