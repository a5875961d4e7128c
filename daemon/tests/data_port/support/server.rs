//! A data port on free ports of this machine, over an engine on storage in memory.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use claviger_algorithm::Algorithm;
use claviger_daemon::data_port::{DataPort, DataPortSettings, Times};
use claviger_daemon::limits::{CONNECTIONS_MAX, IDLE};
use claviger_daemon::pem::Credential;
use claviger_engine::audit::AuditOptions;
use claviger_engine::change::{NewKey, NewKeyStore};
use claviger_engine::clock::{Clock, SystemClock};
use claviger_engine::crypto::random::SystemRandom;
use claviger_engine::hierarchy::{DevelopmentRootKey, SystemKeyFile};
use claviger_engine::key::id::{self, StoreId};
use claviger_engine::key::material::SecretBytes;
use claviger_engine::key::state::KeyState;
use claviger_engine::lane::{Claim, Pool};
use claviger_engine::limits::{AUDIT_FILE_SIZE_MIN, DELETION_WAIT_DEFAULT};
use claviger_engine::shred::{ShredClass, ShredTable};
use claviger_engine::storage::{MemoryStorage, Storage};
use claviger_engine::{AccessMethods, Engine, EngineParts, HardwareAddress};
use claviger_protocol::KeyId;
use tempfile::TempDir;

use super::certificates::Authority;
use super::client::within;

/// A running data port with one key store, `store`.
pub(crate) struct Server {
    pub(crate) engine: Arc<Engine>,
    pub(crate) address: SocketAddr,
    /// The authority of the server's own certificate.
    pub(crate) server_authority: Authority,
    /// The authority of the key store.
    pub(crate) authority: Authority,
    pub(crate) store: StoreId,
    port: Option<DataPort>,
    folder: TempDir,
}

/// What tests choose.
pub(crate) struct Options {
    /// Where it listens.
    pub(crate) ip: IpAddr,
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) cached_keys_max: usize,
    pub(crate) compute_threads: usize,
    pub(crate) workers: usize,
    pub(crate) connections_max: usize,
    pub(crate) idle: Duration,
    pub(crate) busy_poll: Duration,
    pub(crate) times: Times,
    /// Whether there is an audit log.
    pub(crate) is_audited: bool,
    /// Where its files are, if not with all others, and how many bytes have to be free there.
    pub(crate) audit_disk: Option<(PathBuf, u64)>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            ip: Ipv4Addr::LOCALHOST.into(),
            storage: Arc::new(MemoryStorage::new()),
            clock: Arc::new(SystemClock),
            cached_keys_max: 1_000,
            compute_threads: 2,
            workers: 2,
            connections_max: CONNECTIONS_MAX,
            idle: IDLE,
            busy_poll: Duration::ZERO,
            // Nothing has to wait for clients that do not know that the server ends.
            times: Times { drain_notice: Duration::ZERO, ..Times::default() },
            is_audited: false,
            audit_disk: None,
        }
    }
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::start_with(Options::default())
    }

    pub(crate) fn start_with(options: Options) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let engine = engine(&folder, &options);
        let (server_authority, authority) = (Authority::new("server authority"), Authority::new("store authority"));
        let store = create_store(&engine, "store", &authority);
        let (tcp, udp) = bind(options.ip);
        let address = tcp.local_addr().unwrap();
        let credential = server_authority.server();
        let settings = DataPortSettings {
            workers: options.workers,
            connections_max: options.connections_max,
            idle: options.idle,
            busy_poll: options.busy_poll,
            times: options.times,
            credential: Credential { certificate_chain: credential.chain, private_key: credential.private_key },
        };
        let port = DataPort::start(Arc::clone(&engine), settings, tcp, udp).unwrap();
        Self { engine, address, server_authority, authority, store, port: Some(port), folder }
    }

    /// Creates a key of `algorithm` in the store; a secret gets the value [`SECRET`].
    pub(crate) fn create(&self, name: &str, algorithm: Algorithm) -> KeyId {
        self.create_in(self.store, name, algorithm)
    }

    pub(crate) fn create_in(&self, store: StoreId, name: &str, algorithm: Algorithm) -> KeyId {
        let value = (algorithm == Algorithm::Opaque).then(|| SecretBytes::from(SECRET.to_vec()));
        let new = NewKey { value, ..NewKey::new(name.parse().unwrap(), algorithm) };
        KeyId(self.engine.create_keys(store, vec![new]).unwrap()[0].id.0)
    }

    /// Disables or enables a key.
    pub(crate) fn set_state(&self, key: KeyId, state: KeyState) {
        self.engine.set_state(engine_id(key), state).unwrap();
    }

    /// Brings a key from one of the states that come before it to `state`.
    pub(crate) fn bring(&self, key: KeyId, state: KeyState) {
        let id = engine_id(key);
        match state {
            KeyState::Available => {
                if self.engine.describe_key(id).unwrap().state == KeyState::DeletionRequested {
                    self.engine.cancel_deletion(id).unwrap();
                }
                self.set_state(key, state);
            }
            KeyState::Disabled => self.set_state(key, state),
            KeyState::DeletionRequested => drop(self.engine.request_deletion(id, DELETION_WAIT_DEFAULT).unwrap()),
            KeyState::Deleted => {
                self.bring(key, KeyState::DeletionRequested);
                self.engine.delete_now(id, true).unwrap();
            }
        }
    }

    /// Where the files of the engine are.
    pub(crate) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// Another key store, with an authority of its own.
    pub(crate) fn create_store(&self, name: &str) -> (StoreId, Authority) {
        let authority = Authority::new(name);
        (self.create_store_for(name, &authority), authority)
    }

    /// Another key store for the clients of `authority`.
    pub(crate) fn create_store_for(&self, name: &str, authority: &Authority) -> StoreId {
        create_store(&self.engine, name, authority)
    }

    /// The hardware address that the server sees of whoever has this address.
    pub(crate) fn hardware_address(&self, address: IpAddr) -> Option<HardwareAddress> {
        self.port.as_ref().and_then(|port| port.hardware_address(address))
    }

    pub(crate) fn connections(&self) -> usize {
        self.port.as_ref().map_or(0, DataPort::connections)
    }

    /// Waits until the server has noticed that all clients are gone.
    pub(crate) async fn no_connections(&self) {
        within(async {
            while self.connections() > 0 {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }

    /// Waits until the compute pool has done what is queued.
    pub(crate) fn compute_is_idle(&self) {
        while self.engine.compute().waiting() > 0 {
            std::thread::yield_now();
        }
    }

    /// Ends the data port in good order, as far as `grace` allows.
    pub(crate) fn drain(&mut self, grace: Duration) -> impl Future<Output = ()> + Send + 'static {
        let port = self.port.take().unwrap();
        async move { port.drain(grace).await }
    }
}

/// Clocks that a test moves.
pub(crate) struct HandClock {
    wall_ms: AtomicU64,
    running_ms: AtomicU64,
}

impl HandClock {
    /// Clocks that stand still.
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { wall_ms: SystemClock.now_ms().into(), running_ms: AtomicU64::new(0) })
    }

    /// Time passes.
    pub(crate) fn pass(&self, time: Duration) {
        self.set_forward(time);
        self.running_ms.fetch_add(milliseconds(time), Ordering::SeqCst);
    }

    /// Somebody sets the wall clock forward; no time passes.
    pub(crate) fn set_forward(&self, time: Duration) {
        self.wall_ms.fetch_add(milliseconds(time), Ordering::SeqCst);
    }

    /// Somebody sets the wall clock back; no time passes.
    pub(crate) fn set_back(&self, time: Duration) {
        self.wall_ms.fetch_sub(milliseconds(time), Ordering::SeqCst);
    }
}

impl Clock for HandClock {
    fn now_ms(&self) -> u64 {
        self.wall_ms.load(Ordering::SeqCst)
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.running_ms.load(Ordering::SeqCst))
    }
}

fn milliseconds(time: Duration) -> u64 {
    time.as_millis().try_into().unwrap()
}

/// Holds up a pool of one thread until it is opened or dropped.
pub(crate) struct Gate {
    _open: mpsc::Sender<()>,
}

impl Gate {
    /// Holds up the compute pool; returns when it does.
    pub(crate) fn close(server: &Server) -> Self {
        assert_eq!(server.engine.compute().threads(), 1, "a gate holds one thread");
        let (reached, is_reached) = mpsc::channel();
        let gate = Self::at(server.engine.compute(), reached);
        is_reached.recv().unwrap();
        gate
    }

    /// Holds up one thread of a pool, and says when it does.
    pub(crate) fn at(pool: &Pool, reached: mpsc::Sender<()>) -> Self {
        Self::at_turn(pool, Claim::COMMON, reached)
    }

    /// As [`Gate::at`], when the turn of this claim comes.
    pub(crate) fn at_turn(pool: &Pool, claim: Claim, reached: mpsc::Sender<()>) -> Self {
        let (open, opened) = mpsc::channel::<()>();
        let job = move || {
            reached.send(()).unwrap();
            // Ends when the gate is dropped.
            let _ = opened.recv();
            None
        };
        assert!(pool.submit_for(claim, Box::new(job)).is_ok());
        Self { _open: open }
    }

    pub(crate) fn open(self) {
        drop(self);
    }
}

fn engine(folder: &TempDir, options: &Options) -> Arc<Engine> {
    let random = SystemRandom::new();
    let root_key = DevelopmentRootKey::create(folder.path().join("root-key"), &random).unwrap();
    let file = SystemKeyFile::at(folder.path().join("system-keys"));
    file.create(&root_key, &random, 0).unwrap();
    let system_keys = file.unlock(&root_key).unwrap();
    let mirrors = [1, 2].map(|number| folder.path().join(format!("shred-table-{number}")));
    ShredTable::create(&mirrors, system_keys.installation()).unwrap();
    let shred_table = ShredTable::open(&mirrors, system_keys.installation(), ShredClass::File).unwrap();
    Engine::start(EngineParts {
        storage: Arc::clone(&options.storage),
        system_keys,
        shred_table: Arc::new(shred_table),
        random: Arc::new(random),
        clock: Arc::clone(&options.clock),
        cached_keys_max: options.cached_keys_max,
        compute_threads: options.compute_threads,
        audit: options.is_audited.then(|| {
            let (audit, free_space_floor) = options.audit_disk.clone().unwrap_or((folder.path().join("audit"), 0));
            let options = AuditOptions::at(audit, folder.path().join("audit-head"));
            AuditOptions { free_space_floor, file_size: AUDIT_FILE_SIZE_MIN, ..options }
        }),
    })
    .unwrap()
}

fn create_store(engine: &Arc<Engine>, name: &str, authority: &Authority) -> StoreId {
    let new = NewKeyStore {
        name: name.parse().unwrap(),
        methods: AccessMethods::CLIENT_CERTIFICATE,
        authority_certificate: authority.certificate.to_vec(),
        authority_private_key: SecretBytes::from(authority.private_key()),
    };
    let store = engine.create_store(new).unwrap().id;
    authority.issues_for(engine, store);
    store
}

/// The engine's id of a key.
pub(crate) const fn engine_id(key: KeyId) -> id::KeyId {
    id::KeyId(key.0)
}

/// The same free port for both transports.
fn bind(ip: IpAddr) -> (TcpListener, UdpSocket) {
    loop {
        let tcp = TcpListener::bind((ip, 0)).unwrap();
        if let Ok(udp) = UdpSocket::bind(tcp.local_addr().unwrap()) {
            return (tcp, udp);
        }
    }
}

/// The value of secrets whose value does not matter.
pub(crate) const SECRET: &[u8] = b"correct horse battery staple";
