//! From bound sockets to a running daemon, and back to silence.

mod reload;

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, anyhow};
use claviger_engine::Engine;
use parking_lot::Mutex;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::{block_in_place, spawn_blocking};

use crate::config::Config;
use crate::control::metrics::listen::MetricsListener;
use crate::control::{ControlPort, ControlSettings, ControlState};
use crate::data_port::{DataPort, DataPortSettings, Times};
use crate::hardening::Hardening;
use crate::installation::Installation;

pub use self::reload::Reloaded;
use self::reload::{Credentials, InForce};

/// The sockets of both ports, bound before anything else is done, so that a port that is taken is reported at once.
pub struct Listeners {
    /// The data port, TLS over TCP.
    pub data_tcp: TcpListener,
    /// The data port, QUIC; the same port number.
    pub data_udp: UdpSocket,
    /// The control port.
    pub control: TcpListener,
    /// The listener for metrics, if there is to be one.
    pub metrics: Option<TcpListener>,
}

impl Listeners {
    /// Binds the addresses of `config`. Port 0 takes any port that is free, the same for TCP and UDP.
    ///
    /// # Errors
    /// With address, port and remedy.
    pub fn bind(config: &Config) -> anyhow::Result<Self> {
        let (data_tcp, data_udp) = bind_pair(config.data.address)?;
        let control = TcpListener::bind(config.control.address);
        let control = control.map_err(|error| refused("control", config.control.address, "TCP", &error))?;
        let bind = |address| TcpListener::bind(address).map_err(|error| refused("metrics", address, "TCP", &error));
        let metrics = config.metrics.address.map(bind).transpose()?;
        Ok(Self { data_tcp, data_udp, control, metrics })
    }
}

/// A daemon with both ports open.
pub struct Daemon {
    engine: Arc<Engine>,
    data: Arc<Mutex<Option<DataPort>>>,
    control: ControlPort,
    metrics: Option<MetricsListener>,
    in_force: Mutex<InForce>,
    data_address: SocketAddr,
    control_address: SocketAddr,
    metrics_address: Option<SocketAddr>,
}

impl Daemon {
    /// Opens the installation of `config` and both ports.
    ///
    /// # Errors
    /// With the place, file or setting that is wrong, and the remedy.
    pub async fn start(config: &Config, listeners: Listeners) -> anyhow::Result<Self> {
        let began = Instant::now();
        let data_address = listeners.data_tcp.local_addr()?;
        let control_address = listeners.control.local_addr()?;
        let metrics_address = listeners.metrics.as_ref().map(TcpListener::local_addr).transpose()?;
        let credentials = Credentials::read(config)?;
        let certificates = credentials.certificates();
        let installation = {
            let config = config.clone();
            spawn_blocking(move || Installation::open(&config)).await??
        };
        let settings = DataPortSettings {
            workers: config.data.workers,
            connections_max: config.data.connections_max,
            idle: config.data.idle,
            busy_poll: config.data.busy_poll,
            times: Times::default(),
            credential: credentials.data.copy(),
        };
        let engine = Arc::clone(&installation.engine);
        let data = DataPort::start(Arc::clone(&engine), settings, listeners.data_tcp, listeners.data_udp)
            .context("data port")?;
        let data = Arc::new(Mutex::new(Some(data)));
        let settings = control_settings(config, credentials, metrics_address);
        let state = ControlState::new(installation, Arc::clone(&data), &settings).context("control port")?;
        let metrics = listeners.metrics.map(|listener| MetricsListener::start(&state, listener));
        let metrics = metrics.transpose().context("listener for metrics")?;
        let control = ControlPort::start(state, &settings, listeners.control).context("control port")?;
        if config.cache.fill {
            engine.fill_cache().context("cache")?;
        }
        tracing::info!(data = %data_address, control = %control_address, metrics = metrics_address.map(tracing::field::display), after = ?began.elapsed(), "started");
        let in_force = Mutex::new(InForce { config: config.clone(), certificates });
        Ok(Self { engine, data, control, metrics, in_force, data_address, control_address, metrics_address })
    }

    /// Where the data port listens, TCP and UDP.
    #[must_use]
    pub const fn data_address(&self) -> SocketAddr {
        self.data_address
    }

    /// Where the control port listens.
    #[must_use]
    pub const fn control_address(&self) -> SocketAddr {
        self.control_address
    }

    /// Where metrics can be read without a certificate, if anywhere.
    #[must_use]
    pub const fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics_address
    }

    /// Ends both ports: what has been read is finished first, within the configured time.
    pub async fn stop(self) {
        let Self { engine, data, control, metrics, in_force, .. } = self;
        engine.stop_filling();
        // It ends with the ports.
        drop(engine);
        let drain = in_force.lock().config.data.drain;
        let data = data.lock().take();
        tracing::info!("ending: requests that have been read are finished first");
        tokio::join!(control.drain(drain), async {
            if let Some(data) = data {
                data.drain(drain).await;
            }
        });
        // To the last it says that the daemon is ending.
        if let Some(metrics) = metrics {
            metrics.end().await;
        }
        tracing::info!("ended");
    }
}

fn control_settings(config: &Config, credentials: Credentials, metrics_address: Option<SocketAddr>) -> ControlSettings {
    ControlSettings {
        data_certificates: credentials.data.certificate_chain,
        credential: credentials.control,
        administrators: credentials.administrators,
        free_space_floor: config.storage.free_space_floor,
        folder: config.storage.folder.clone(),
        metrics_are_open: metrics_address.is_some_and(|address| !address.ip().is_loopback()),
    }
}

/// Runs a daemon with the configuration file at `path` until `shutdown` is ready, then ends it in good order. At SIGHUP the file and the certificates are read anew.
///
/// # Errors
/// As [`Daemon::start`].
pub async fn run(
    path: &Path,
    config: Config,
    listeners: Listeners,
    shutdown: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    // Before anything else: by default the signal ends a process.
    let mut hangup = signal(SignalKind::hangup())?;
    for warning in Hardening::of_process().warnings() {
        tracing::warn!("{warning}");
    }
    let daemon = Daemon::start(&config, listeners).await?;
    let mut shutdown = pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            Some(()) = hangup.recv() => match block_in_place(|| daemon.reload_file(path)) {
                Ok(reloaded) => tracing::info!("the configuration was read anew; {reloaded}"),
                Err(error) => tracing::error!("the configuration was not read anew, and what was in force stays: {error:#}"),
            },
        }
    }
    daemon.stop().await;
    Ok(())
}

/// Ready when the system asks the process to end: SIGTERM, or SIGINT (Ctrl-C).
///
/// # Errors
/// If the system does not tell of signals.
pub fn end_of_process() -> io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

pub(crate) fn bind_pair(address: SocketAddr) -> anyhow::Result<(TcpListener, UdpSocket)> {
    let mut attempts = if address.port() == 0 { FREE_PORT_ATTEMPTS } else { 1 };
    loop {
        attempts -= 1;
        let tcp = TcpListener::bind(address).map_err(|error| refused("data", address, "TCP", &error))?;
        let bound = tcp.local_addr()?;
        match UdpSocket::bind(bound) {
            Ok(udp) => return Ok((tcp, udp)),
            Err(_) if attempts > 0 => {}
            Err(error) => return Err(refused("data", bound, "UDP", &error)),
        }
    }
}

fn refused(name: &str, address: SocketAddr, transport: &str, error: &io::Error) -> anyhow::Error {
    let section = format!("[{name}]");
    let remedy = match error.kind() {
        io::ErrorKind::AddrInUse => {
            let option = if transport == "UDP" { 'u' } else { 't' };
            format!(
                "another program listens there; find it with `ss -l{option}np`, or set {section} address \
                 (`clavigerd dev` takes --{name} ADDRESS)"
            )
        }
        io::ErrorKind::AddrNotAvailable => format!("this machine has no such address; set {section} address"),
        io::ErrorKind::PermissionDenied => format!("ports below 1024 need a privilege; set {section} address"),
        _ => format!("set {section} address"),
    };
    anyhow!("cannot listen on {address} ({transport}): {error}: {remedy}")
}

/// How often a port that is free for TCP may turn out to be taken for UDP.
const FREE_PORT_ATTEMPTS: u32 = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn config(data: SocketAddr, control: SocketAddr) -> Config {
        let mut config = Config::parse("", Path::new("")).unwrap();
        (config.data.address, config.control.address) = (data, control);
        config
    }

    fn any() -> SocketAddr {
        "127.0.0.1:0".parse().unwrap()
    }

    fn said(config: &Config) -> String {
        Listeners::bind(config).err().unwrap().to_string()
    }

    #[test]
    fn tcp_and_udp_get_the_same_port() {
        let listeners = Listeners::bind(&config(any(), any())).unwrap();
        assert_eq!(listeners.data_tcp.local_addr().unwrap(), listeners.data_udp.local_addr().unwrap());
    }

    #[test]
    fn a_taken_port_is_named_with_its_remedy() {
        let tcp = TcpListener::bind(any()).unwrap();
        let udp = UdpSocket::bind(any()).unwrap();
        let (tcp_address, udp_address) = (tcp.local_addr().unwrap(), udp.local_addr().unwrap());
        for (config, transport, command, section) in [
            (config(tcp_address, any()), "TCP", "ss -ltnp", "[data]"),
            (config(udp_address, any()), "UDP", "ss -lunp", "[data]"),
            (config(any(), tcp_address), "TCP", "ss -ltnp", "[control]"),
        ] {
            let error = said(&config);
            for part in [transport, command, section, "127.0.0.1:"] {
                assert!(error.contains(part), "{error}");
            }
        }
    }

    #[test]
    fn an_address_of_another_machine_is_named() {
        assert!(said(&config("192.0.2.1:7700".parse().unwrap(), any())).contains("no such address"));
    }
}
