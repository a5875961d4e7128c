//! A control port over an installation in a temporary folder.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::Body;
use claviger_control::{ControlClient, Credentials};
use claviger_daemon::authority::{Authority, Issued, Purpose, Subject};
use claviger_daemon::config::Config;
use claviger_daemon::control::caller::Caller;
use claviger_daemon::control::router::router;
use claviger_daemon::control::{ControlSettings, ControlState};
use claviger_daemon::installation::{self, Installation};
use claviger_daemon::pem::{self, Credential};
use claviger_daemon::run::{Daemon, Listeners};
use claviger_engine::crypto::random::SystemRandom;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use jiff::Timestamp;
use parking_lot::Mutex;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt;

/// A router without a socket, and the administrator who calls it.
pub(crate) struct Port {
    router: Router,
    administrator: Caller,
    authority: Authority,
    folder: TempDir,
}

/// What came back.
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Reply {
    /// The last part of a problem's type.
    pub(crate) fn problem(&self) -> &str {
        assert_eq!(self.headers.get("content-type").unwrap(), "application/problem+json", "{}", self.body);
        self.body["type"].as_str().unwrap().strip_prefix("urn:claviger:problem:").unwrap()
    }

    pub(crate) fn detail(&self) -> &str {
        self.body["detail"].as_str().unwrap()
    }
}

impl Port {
    pub(crate) fn new() -> Self {
        Self::with_config(|_| {})
    }

    /// With what `change` sets.
    pub(crate) fn with_config(change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = config(folder.path());
        change(&mut config);
        installation::init(&config).unwrap();
        let administrators = authority("Administrators");
        let settings = ControlSettings {
            credential: credential(&issue(&authority("Server"), "server", &Purpose::Server(&names()))),
            administrators: vec![administrators.certificate().clone()],
            folder: folder.path().to_owned(),
            free_space_floor: 0,
            data_certificates: Vec::new(),
            metrics_are_open: false,
        };
        let installation = Installation::open(&config).unwrap();
        let state = ControlState::new(installation, Arc::new(Mutex::new(None)), &settings).unwrap();
        let administrator = issue(&administrators, "Ada", &Purpose::Client).certificate;
        let administrator = Caller::administrator(&administrator).unwrap();
        Self { router: router(&state).unwrap(), administrator, authority: administrators, folder }
    }

    /// Sends `request` as the administrator.
    pub(crate) async fn send(&self, mut request: Request<Body>) -> Reply {
        request.extensions_mut().insert(self.administrator.clone());
        self.send_as_nobody(request).await
    }

    /// Sends `request` as somebody.
    pub(crate) async fn send_as(&self, caller: &Caller, mut request: Request<Body>) -> Reply {
        request.extensions_mut().insert(caller.clone());
        self.send_as_nobody(request).await
    }

    /// Adds a person, and grants him these roles; gives him as a caller.
    pub(crate) async fn person(&self, name: &str, grants: &[Value]) -> Caller {
        let certificate = issue(&authority("Persons"), name, &Purpose::Client).certificate;
        let pem = pem::encode("CERTIFICATE", &certificate).to_string();
        let reply = self.post("/v1/persons", &json!({"name": name, "certificates": [pem]})).await;
        assert_eq!(reply.status, StatusCode::CREATED, "{}", reply.body);
        for grant in grants {
            let reply = self.post(&format!("/v1/persons/{name}/grants"), grant).await;
            assert_eq!(reply.status, StatusCode::OK, "{}", reply.body);
        }
        Caller::holder(&certificate).unwrap()
    }

    /// The administrators' authority of its configuration.
    pub(crate) const fn administrators(&self) -> &Authority {
        &self.authority
    }

    /// Sends `request` without anybody who asks.
    pub(crate) async fn send_as_nobody(&self, request: Request<Body>) -> Reply {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let is_text = parts.headers.get("content-type").is_some_and(|form| form.as_bytes().starts_with(b"text/plain"));
        let body = if is_text {
            Value::String(String::from_utf8(body.to_vec()).unwrap())
        } else {
            serde_json::from_slice(&body).unwrap_or_else(|_| panic!("not JSON: {body:?}"))
        };
        Reply { status: parts.status, headers: parts.headers, body }
    }

    /// Another administrator of the same port.
    pub(crate) fn with_another_administrator(self) -> Self {
        let other = issue(&authority("Administrators"), "Bob", &Purpose::Client).certificate;
        Self { administrator: Caller::administrator(&other).unwrap(), ..self }
    }

    /// A file of the installation.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.send(request("GET", path, "")).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Reply {
        self.send(request("POST", path, &body.to_string())).await
    }

    /// A key store named `store`.
    pub(crate) async fn with_store() -> Self {
        let port = Self::new();
        let reply = port.post("/v1/stores", &json!({"name": "store", "access": {"client_certificate": true}})).await;
        assert_eq!(reply.status, StatusCode::CREATED, "{}", reply.body);
        port
    }

    pub(crate) async fn create_keys(&self, keys: Value) -> Reply {
        self.post("/v1/stores/store/keys", &json!({ "keys": keys })).await
    }
}

/// A time of a reply.
pub(crate) fn time(told: &Value) -> Timestamp {
    told.as_str().unwrap().parse().unwrap()
}

/// A request with everything that a good client sends.
pub(crate) fn request(method: &str, path: &str, body: &str) -> Request<Body> {
    Request::builder()
        .method(method)
        .uri(path)
        .header("host", "localhost:7701")
        .header("content-type", "application/json")
        .header("claviger-request", "1")
        .body(Body::from(body.to_owned()))
        .unwrap()
}

/// A whole daemon with both ports open, and the authorities that it believes.
pub(crate) struct Running {
    pub(crate) daemon: Daemon,
    pub(crate) server: Authority,
    pub(crate) administrators: Authority,
    pub(crate) folder: TempDir,
    /// With what it was started.
    #[allow(dead_code, reason = "for tests that start it again or have it reload")]
    pub(crate) config: Config,
}

impl Running {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// With what `change` sets.
    pub(crate) async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = config(folder.path());
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        (config.data.address, config.control.address) = (any, any);
        config.data.drain = Duration::from_secs(1);
        change(&mut config);
        installation::init(&config).unwrap();
        let (server, administrators) = (authority("Server"), authority("Administrators"));
        std::fs::create_dir(folder.path().join("tls")).unwrap();
        write_pem(&folder, "tls/server", &issue(&server, "server", &Purpose::Server(&names())));
        write(&folder, "tls/administrators-ca.pem", &pem::encode("CERTIFICATE", administrators.certificate()));
        let daemon = Daemon::start(&config, Listeners::bind(&config).unwrap()).await.unwrap();
        Self { daemon, server, administrators, folder, config }
    }

    pub(crate) fn client(&self, issued: &Issued) -> ControlClient {
        self.client_believing(&self.server, issued)
    }

    /// A client that believes another authority of servers.
    pub(crate) fn client_believing(&self, server: &Authority, issued: &Issued) -> ControlClient {
        let Credential { certificate_chain, private_key } = credential(issued);
        let server_authorities = vec![server.certificate().clone()];
        let credentials = Credentials { server_authorities, certificate_chain, private_key };
        ControlClient::new(&self.daemon.control_address().to_string(), credentials).unwrap()
    }

    pub(crate) fn administrator(&self) -> ControlClient {
        self.client(&issue(&self.administrators, "Ada", &Purpose::Client))
    }
}

pub(crate) fn config(folder: &Path) -> Config {
    Config::parse("[storage]\nmap_size_mib = 1\nfree_space_floor_mib = 0\n[audit]\nfile_size_mib = 1\nfree_space_floor_mib = 0\n[data]\nworkers = 1", folder).unwrap()
}

pub(crate) fn authority(name: &str) -> Authority {
    Authority::create(name, SystemTime::now(), &SystemRandom::new()).unwrap()
}

pub(crate) fn issue(authority: &Authority, name: &str, purpose: &Purpose<'_>) -> Issued {
    issue_for(authority, name, purpose, Duration::from_secs(24 * 60 * 60))
}

/// A certificate that lives for so long.
pub(crate) fn issue_for(authority: &Authority, name: &str, purpose: &Purpose<'_>, lifetime: Duration) -> Issued {
    authority.issue(name, purpose, &Subject::Generated, lifetime, SystemTime::now(), &SystemRandom::new()).unwrap()
}

/// A certificate that ended an hour ago.
pub(crate) fn issue_ended(authority: &Authority, name: &str) -> Issued {
    let hour = Duration::from_secs(60 * 60);
    let began = SystemTime::now() - 2 * hour;
    authority.issue(name, &Purpose::Client, &Subject::Generated, hour, began, &SystemRandom::new()).unwrap()
}

pub(crate) fn names() -> [String; 2] {
    ["localhost".to_owned(), "127.0.0.1".to_owned()]
}

pub(crate) fn credential(issued: &Issued) -> Credential {
    let key = issued.private_key.as_ref().unwrap();
    Credential {
        certificate_chain: vec![issued.certificate.clone()],
        private_key: PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap(),
    }
}

/// Writes `NAME.pem` and `NAME-key.pem`.
pub(crate) fn write_pem(folder: &TempDir, name: &str, issued: &Issued) {
    write(folder, &format!("{name}.pem"), &pem::encode("CERTIFICATE", &issued.certificate));
    write(folder, &format!("{name}-key.pem"), issued.private_key.as_ref().unwrap());
}

pub(crate) fn write(folder: &TempDir, name: &str, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// The one certificate of a PEM text.
pub(crate) fn certificate(pem: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()
}
