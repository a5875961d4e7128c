//! A Redis of our own: on loopback, with TLS only, in a temporary folder, with little memory.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rustls_pki_types::CertificateDer;
use tempfile::TempDir;

use crate::cpus::Cpus;
use crate::limits::START_TIME;

/// A running `redis-server`. It is ended when this is dropped.
pub(super) struct Redis {
    child: Child,
    folder: TempDir,
    pub(super) address: SocketAddr,
    /// What it shows of itself, for the name `localhost`.
    pub(super) certificate: CertificateDer<'static>,
}

/// Where `redis-server` is on the path.
pub(super) fn find() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join("redis-server")).find(|program| program.is_file())
}

impl Redis {
    /// Starts `program` on `cpus`.
    ///
    /// # Errors
    /// With its log, if it does not come up.
    pub(super) fn start(program: &Path, cpus: &Cpus) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("claviger-loadtest-redis-").tempdir();
        let folder = folder.context("no temporary folder")?;
        let pair = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()])?;
        fs::write(folder.path().join("server.pem"), pair.cert.pem())?;
        fs::write(folder.path().join("server-key.pem"), pair.signing_key.serialize_pem())?;
        // It takes no port of the system's choice; somebody else may take this one first, and then it does not come up.
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let mut command = Command::new(program);
        command.args(SETTINGS.iter().copied().flatten()).args(["--tls-port", &address.port().to_string()]);
        command.current_dir(folder.path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        // What is started inherits where it may run.
        let child = cpus.visit(|| command.spawn())?.with_context(|| program.display().to_string())?;
        let redis = Self { child, folder, address, certificate: pair.cert.der().clone() };
        redis.wait()
    }

    /// Its process id.
    pub(super) fn process_id(&self) -> u32 {
        self.child.id()
    }

    fn wait(mut self) -> anyhow::Result<Self> {
        let end = Instant::now() + START_TIME;
        while Instant::now() < end && self.child.try_wait()?.is_none() {
            if TcpStream::connect(self.address).is_ok() {
                return Ok(self);
            }
            thread::sleep(LOOK_AGAIN);
        }
        let log = fs::read_to_string(self.folder.path().join("redis.log")).unwrap_or_default();
        bail!("redis-server does not come up; it said:\n{log}")
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        // It may have ended by itself; there is nothing of it to be kept.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// TLS only, this machine only, nothing on the disk, and one thread as it has by default.
const SETTINGS: [[&str; 2]; 12] = [
    ["--port", "0"],
    ["--bind", "127.0.0.1"],
    ["--tls-cert-file", "server.pem"],
    ["--tls-key-file", "server-key.pem"],
    ["--tls-ca-cert-file", "server.pem"],
    ["--tls-auth-clients", "no"],
    ["--save", ""],
    ["--appendonly", "no"],
    ["--daemonize", "no"],
    ["--maxmemory", "64mb"],
    ["--logfile", "redis.log"],
    ["--io-threads", "1"],
];

/// How often it is looked whether it serves.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
