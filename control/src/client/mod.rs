//! A client of the control port: HTTPS with a client certificate, one connection a request. Here is how it asks; what it asks is in the other files.

mod about;
mod access;
mod approvals;
mod audit;
mod backups;
mod emergency;
mod keys;
mod life;
mod list;
mod persons;
mod secrets;
mod stores;
mod system_keys;
mod transfer;

use std::io;
use std::sync::Arc;

use http::header::{CONTENT_TYPE, HOST, IF_MATCH};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper_util::rt::TokioIo;
use rustls::pki_types::InvalidDnsNameError;
use rustls::{AlertDescription, ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::error::ControlError;
use crate::limits::{CONNECT_TIME, REPLY_SIZE_MAX, REQUEST_TIME};
use crate::message::{AlgorithmList, Health, Problem, Readiness};

pub use audit::AuditFilter;
pub use list::KeyFilter;

/// Asks one control port.
#[derive(Clone)]
pub struct ControlClient {
    address: String,
    server_name: ServerName<'static>,
    connector: TlsConnector,
    /// The revision that what is changed must have, in quotes.
    expected: Option<String>,
    /// The key by which a creation is made once.
    once: Option<String>,
}

/// By whom a client knows the server, and the server the client.
pub struct Credentials {
    /// The authorities that the server's certificate must come from; no others are trusted.
    pub server_authorities: Vec<CertificateDer<'static>>,
    /// The client's certificate, then those above it.
    pub certificate_chain: Vec<CertificateDer<'static>>,
    /// Its private key.
    pub private_key: PrivateKeyDer<'static>,
}

impl ControlClient {
    /// A client of the control port at `address` (`HOST:PORT`). Nothing is connected yet.
    ///
    /// # Errors
    /// [`ControlError::Address`], [`ControlError::Credentials`].
    pub fn new(address: &str, credentials: Credentials) -> Result<Self, ControlError> {
        let server_name = server_name(address).map_err(|_| ControlError::Address(address.to_owned()))?;
        let config = tls_config(credentials).map_err(ControlError::Credentials)?;
        Ok(Self {
            address: address.to_owned(),
            server_name,
            connector: TlsConnector::from(Arc::new(config)),
            expected: None,
            once: None,
        })
    }

    /// The same client, whose changes are made only if what they change still has this revision.
    #[must_use]
    pub fn expecting(&self, revision: &str) -> Self {
        Self { expected: Some(format!("\"{revision}\"")), ..self.clone() }
    }

    /// The same client, whose one creation is made once, however often it is sent within a day with this key: 1 to 64 printable characters of ASCII.
    #[must_use]
    pub fn once(&self, key: &str) -> Self {
        Self { once: Some(key.to_owned()), ..self.clone() }
    }

    /// How the daemon is.
    ///
    /// # Errors
    /// [`ControlError`]; so for all requests.
    pub async fn health(&self) -> Result<Health, ControlError> {
        self.get("/v1/health").await
    }

    /// Whether the daemon does its work.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn ready(&self) -> Result<Readiness, ControlError> {
        // The answer "no" comes with a status of its own.
        let (_, body) = self.exchange(Method::GET, "/v1/ready", Vec::new()).await?;
        self.parse(&body)
    }

    /// All algorithms.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn algorithms(&self) -> Result<AlgorithmList, ControlError> {
        self.get("/v1/algorithms").await
    }

    async fn get<R: DeserializeOwned>(&self, path: &str) -> Result<R, ControlError> {
        self.request(Method::GET, path, Vec::new()).await
    }

    async fn post<R: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<R, ControlError> {
        let body = serde_json::to_vec(body).map_err(|error| self.answer(&error.to_string()))?;
        self.request(Method::POST, path, body).await
    }

    async fn request<R: DeserializeOwned>(&self, method: Method, path: &str, body: Vec<u8>) -> Result<R, ControlError> {
        let (status, body) = self.exchange(method, path, body).await?;
        if status == StatusCode::ACCEPTED {
            return Err(ControlError::NeedsApproval(Box::new(self.parse(&body)?)));
        }
        if status.is_success() {
            return self.parse(&body);
        }
        let problem: Problem = self.parse(&body)?;
        Err(ControlError::Refused(Box::new(problem)))
    }

    /// The metrics, in the text format of Prometheus.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn metrics(&self) -> Result<String, ControlError> {
        let (status, body) = self.exchange(Method::GET, "/metrics", Vec::new()).await?;
        if !status.is_success() {
            return Err(ControlError::Refused(Box::new(self.parse(&body)?)));
        }
        String::from_utf8(body.into()).map_err(|_| self.answer("metrics that are no text"))
    }

    async fn exchange(&self, method: Method, path: &str, body: Vec<u8>) -> Result<(StatusCode, Bytes), ControlError> {
        let late = |_| ControlError::Time(self.address.clone());
        let stream = timeout(CONNECT_TIME, self.connect()).await.map_err(late)??;
        timeout(REQUEST_TIME, self.talk(stream, method, path, body)).await.map_err(late)?
    }

    async fn connect(&self) -> Result<TlsStream, ControlError> {
        let connect = |error| ControlError::Connect { address: self.address.clone(), error };
        let tcp = TcpStream::connect(&self.address).await.map_err(connect)?;
        // Head and body of a request are written apart: waiting to put them together would cost 40 ms.
        tcp.set_nodelay(true).map_err(connect)?;
        let tls = self.connector.connect(self.server_name.clone(), tcp).await;
        tls.map_err(|error| match tls_error(&error) {
            Some(rustls::Error::AlertReceived(alert)) => self.refused(*alert),
            Some(error) => ControlError::Server { address: self.address.clone(), error: error.clone() },
            None => connect(error),
        })
    }

    async fn talk(
        &self,
        stream: TlsStream,
        method: Method,
        path: &str,
        body: Vec<u8>,
    ) -> Result<(StatusCode, Bytes), ControlError> {
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| self.broken(&error))?;
        let once = self.once.as_ref().filter(|_| method == Method::POST);
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, &self.address)
            .header(CONTENT_TYPE, "application/json")
            .header("Claviger-Request", "1");
        let request = match &self.expected {
            Some(expected) => request.header(IF_MATCH, expected),
            None => request,
        };
        let request = match once {
            Some(key) => request.header("Idempotency-Key", key),
            None => request,
        };
        let request = request.body(Full::new(Bytes::from(body))).map_err(|error| self.answer(&error.to_string()))?;
        // The connection is driven beside the exchange; with the answer read it is let go of.
        let exchange = async {
            let reply: http::Response<Incoming> =
                sender.send_request(request).await.map_err(|error| self.broken(&error))?;
            let status = reply.status();
            let body = Limited::new(reply.into_body(), REPLY_SIZE_MAX).collect().await;
            let body = body.map_err(|error| self.answer(&error.to_string()))?;
            Ok((status, body.to_bytes()))
        };
        tokio::pin!(connection);
        tokio::pin!(exchange);
        tokio::select! {
            biased;
            answer = &mut exchange => answer,
            ended = &mut connection => match ended {
                Ok(()) => exchange.await,
                Err(error) => Err(self.broken(&error)),
            },
        }
    }

    fn parse<R: DeserializeOwned>(&self, body: &[u8]) -> Result<R, ControlError> {
        // The cause tells a place only: its text could quote what came.
        serde_json::from_slice(body)
            .map_err(|error| self.answer(&format!("line {}, column {}", error.line(), error.column())))
    }

    fn answer(&self, what: &str) -> ControlError {
        ControlError::Answer { address: self.address.clone(), what: what.to_owned() }
    }

    fn refused(&self, alert: AlertDescription) -> ControlError {
        ControlError::ClientCertificate { address: self.address.clone(), alert }
    }

    /// In TLS 1.3 a client's certificate is refused after its handshake is over, so that the first read or write tells.
    fn broken(&self, error: &hyper::Error) -> ControlError {
        let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
        while let Some(current) = cause {
            let io = current.downcast_ref::<io::Error>();
            if let Some(rustls::Error::AlertReceived(alert)) = io.and_then(tls_error) {
                return self.refused(*alert);
            }
            cause = current.source();
        }
        ControlError::Broken { address: self.address.clone(), error: error.to_string() }
    }
}

type TlsStream = tokio_rustls::client::TlsStream<TcpStream>;

fn tls_config(credentials: Credentials) -> Result<ClientConfig, rustls::Error> {
    let mut roots = RootCertStore::empty();
    for authority in credentials.server_authorities {
        roots.add(authority)?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(roots)
        .with_client_auth_cert(credentials.certificate_chain, credentials.private_key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn tls_error(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

fn server_name(address: &str) -> Result<ServerName<'static>, InvalidDnsNameError> {
    let (host, port) = address.rsplit_once(':').ok_or(InvalidDnsNameError)?;
    port.parse::<u16>().map_err(|_| InvalidDnsNameError)?;
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    ServerName::try_from(host.to_owned())
}

fn path(parts: &[&str]) -> String {
    let mut path = String::from("/v1");
    for part in parts {
        path.push('/');
        push_encoded(&mut path, part);
    }
    path
}

fn paged(path: &str, after: Option<&str>) -> String {
    let mut path = path.to_owned();
    if let Some(after) = after {
        path.push_str("?after=");
        push_encoded(&mut path, after);
    }
    path
}

/// Percent-encoding (RFC 3986 section 2.1) of everything but unreserved characters: what a person types cannot leave its place in a path.
fn push_encoded(out: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_~.".contains(&byte) && !is_dots(text) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
}

/// A part of only dots would be taken for a step in the path.
fn is_dots(text: &str) -> bool {
    text.bytes().all(|byte| byte == b'.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_person_types_stays_in_its_place_of_the_path() {
        for (typed, expected) in [
            ("payments", "/v1/stores/payments"),
            ("a/b", "/v1/stores/a%2Fb"),
            ("..", "/v1/stores/%2E%2E"),
            ("a?b#c d", "/v1/stores/a%3Fb%23c%20d"),
            ("ä", "/v1/stores/%C3%A4"),
            ("a.b", "/v1/stores/a.b"),
        ] {
            assert_eq!(path(&["stores", typed]), expected);
        }
        assert_eq!(paged("/v1/stores", Some("a&b")), "/v1/stores?after=a%26b");
    }

    #[test]
    fn addresses_need_a_host_and_a_port() {
        for good in ["localhost:7701", "127.0.0.1:7701", "[::1]:7701", "kms.example.org:443"] {
            assert!(server_name(good).is_ok(), "{good}");
        }
        for bad in ["", "localhost", ":7701", "localhost:", "localhost:99999", "a b:1", "::1"] {
            assert!(server_name(bad).is_err(), "{bad}");
        }
    }
}
