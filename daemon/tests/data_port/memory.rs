//! What idle connections cost a real daemon.

use std::ffi::OsStr;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use claviger_daemon::pem::{self, Credential as PemCredential};
use claviger_protocol::Status;
use claviger_protocol::message::Ping;
use rustix::process::Signal;
use rustls::{ClientConfig, RootCertStore};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::process::Process;
use crate::support::client::ALPN;
use crate::support::{Client, Transport, within};

/// Reports and does not judge: what the kernel counts depends on the machine. Shown with `--nocapture`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_idle_connections_are_kept_and_their_memory_is_reported() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("claviger-dev");
    let text = folder.to_str().unwrap();
    let arguments = ["dev", "--folder", text, "--data", "127.0.0.1:0", "--control", "127.0.0.1:0"];
    let mut process = Process::start(&arguments.map(OsStr::new));
    process.output_until("Serving until Ctrl-C");
    let (address, config) = client(&folder);
    let pid = process.id().as_raw_nonzero().get();
    let mut all = Vec::new();
    for transport in [Transport::Tcp, Transport::Quic] {
        let before = resident_kib(pid);
        let mut clients = connect(address, transport, &config).await;
        let after = resident_kib(pid);
        let each = after.saturating_sub(before) / COUNT;
        println!("{transport:?}: {COUNT} idle connections, {before} KiB before, {after} KiB after, {each} KiB each");
        all.append(&mut clients);
    }
    for client in &mut all {
        assert_eq!(client.call(Ping { payload: b"still there" }).await.status(), Status::Ok);
    }
    let ended = process.end(Signal::TERM);
    assert!(ended.success, "{}", ended.errors);
}

/// As many connections as are counted, each of which has said Hello.
async fn connect(address: SocketAddr, transport: Transport, config: &ClientConfig) -> Vec<Client> {
    let handshakes = Arc::new(Semaphore::new(8));
    let mut clients = JoinSet::new();
    for _ in 0..COUNT {
        let (config, handshakes) = (config.clone(), Arc::clone(&handshakes));
        clients.spawn(async move {
            let _turn = handshakes.acquire().await.unwrap();
            let mut client = Client::connect_with(address, transport, config).await.unwrap();
            client.say_hello().await;
            client
        });
    }
    within(clients.join_all()).await
}

/// What `clavigerd dev` tells clients in `client.toml`.
fn client(folder: &Path) -> (SocketAddr, ClientConfig) {
    let file: toml::Table = toml::from_str(&fs::read_to_string(folder.join("client.toml")).unwrap()).unwrap();
    let value = |name| file["data"][name].as_str().unwrap();
    let path = |name| folder.join(value(name));
    let mut roots = RootCertStore::empty();
    for authority in pem::certificates(&path("server_ca")).unwrap() {
        roots.add(authority).unwrap();
    }
    let PemCredential { certificate_chain, private_key } =
        PemCredential::read(&path("certificate"), &path("key")).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(certificate_chain, private_key)
        .unwrap();
    config.alpn_protocols = vec![ALPN.to_vec()];
    (value("address").parse().unwrap(), config)
}

/// Resident memory of a process, in KiB.
fn resident_kib(pid: i32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse().unwrap()
}

/// Connections of each transport: a thousand in all.
const COUNT: u64 = 500;
