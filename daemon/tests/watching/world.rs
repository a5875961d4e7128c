//! A daemon with a key store and keys, its administrator, and clients on both transports.

use claviger_client::{Client, ClientConfig, Identity, ServerCa, Transport};
use claviger_control::ControlClient;
use claviger_control::message::{Access, CreateKeys, CreateStore, IssueCertificate, NewKey};
use claviger_control::secret::SecretText;
use claviger_daemon::config::Config;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::Running;

pub(crate) struct World {
    pub(crate) running: Running,
    pub(crate) administrator: ControlClient,
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// With what `change` sets, and a listener for metrics.
    pub(crate) async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let running = Running::start_with(|config| {
            config.metrics.address = Some("127.0.0.1:0".parse().unwrap());
            change(config);
        })
        .await;
        let administrator = running.administrator();
        let access = Access { client_certificate: true, ..Access::default() };
        administrator.create_store(&CreateStore { name: STORE.to_owned(), access }).await.unwrap();
        let value = Some(SecretText::base64_of(SECRET));
        let keys = vec![
            NewKey::new(RECORDS, "XAES-256-GCM"),
            NewKey::new(RECEIPTS, "ECDSA-P384-SHA384"),
            NewKey { value, ..NewKey::new(PASSWORD, "OPAQUE") },
        ];
        administrator.create_keys(STORE, &CreateKeys { keys }).await.unwrap();
        Self { running, administrator }
    }

    /// Settings of a client whom the store admits.
    pub(crate) async fn config(&self, transport: Transport) -> ClientConfig {
        let request = IssueCertificate { common_name: CLIENT.into(), ..IssueCertificate::default() };
        let issued = self.administrator.issue_certificate(STORE, &request).await.unwrap();
        let key = issued.private_key.unwrap();
        let identity = Identity::from_pem(issued.certificate.as_bytes(), key.expose().as_bytes()).unwrap();
        let server_ca = ServerCa::from_der(self.running.server.certificate().to_vec());
        let mut config = ClientConfig::new(self.running.daemon.data_address().to_string(), server_ca, Some(identity));
        config.transport = transport;
        config
    }

    pub(crate) async fn client(&self, transport: Transport) -> Client {
        Client::connect(self.config(transport).await).await.unwrap()
    }

    /// What the listener for metrics answers: status and body.
    pub(crate) async fn plain(&self, path: &str) -> (u16, String) {
        self.plain_bytes(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")).await
    }

    /// As [`World::plain`], for a request as it stands on the wire.
    pub(crate) async fn plain_bytes(&self, request: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.running.daemon.metrics_address().unwrap()).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).await.unwrap();
        let (head, body) = reply.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    /// What is counted under a name with these labels, as they stand in the text; nothing, if the line is not there.
    pub(crate) async fn metric(&self, series: &str) -> Option<f64> {
        value(&self.plain("/metrics").await.1, series)
    }
}

/// The value of a line of metrics.
pub(crate) fn value(text: &str, series: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))?;
    Some(line.parse().unwrap())
}

pub(crate) const STORE: &str = "payments";
pub(crate) const CLIENT: &str = "billing-client";
/// A symmetric key.
pub(crate) const RECORDS: &str = "records";
/// A key that signs, slowly enough for the compute pool.
pub(crate) const RECEIPTS: &str = "receipts";
/// A secret.
pub(crate) const PASSWORD: &str = "password";
pub(crate) const SECRET: &[u8] = b"correct horse battery staple";
