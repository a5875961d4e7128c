//! A server that does what a test tells it, frame by frame, over real TLS/TCP and QUIC: for failures that a good server
//! never shows. How a client works with the daemon is tested with the daemon.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a panic is how a test reports")]
#![allow(dead_code, reason = "each test file uses its own part")]

use claviger_client::{Client, ClientConfig, Coalescing, Key, ServerCa, Status, Transport};
use claviger_protocol::deframer::{self, Step};
use claviger_protocol::message::{HelloReply, LimitValue, ReplyMessage, Request, Resolved};
use claviger_protocol::{KeyId, Limit, Opcode, OutputBuffer, RequestHeader, StoreId};
use quinn::crypto::rustls::QuicServerConfig;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use std::net::Ipv4Addr;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// Listens on a free port of this machine.
pub(crate) struct TestServer {
    listener: Listener,
    ca_pem: String,
}

enum Listener {
    Tcp { listener: TcpListener, tls: TlsAcceptor },
    Quic(quinn::Endpoint),
}

/// One byte stream of a client, seen from the server.
pub(crate) struct Peer {
    reader: Box<dyn AsyncRead + Send + Unpin>,
    writer: Box<dyn AsyncWrite + Send + Unpin>,
    unread: Vec<u8>,
    /// Keeps a QUIC connection alive.
    connection: Option<quinn::Connection>,
}

/// One request as it came.
pub(crate) struct Received {
    pub(crate) header: RequestHeader,
    pub(crate) opcode: Opcode,
    pub(crate) body: Vec<u8>,
}

/// A client with a MAC key, and the server's end of its only byte stream.
pub(crate) async fn connected(limits: &[(Limit, u64)], coalescing: Coalescing) -> (TestServer, Key, Peer) {
    let server = TestServer::start(Transport::Tcp).await;
    let mut config = server.config();
    config.coalescing = coalescing;
    let (client, mut peer) = tokio::join!(Client::connect(config), server.accept_with(limits));
    let client = client.unwrap();
    let (key, ()) = tokio::join!(client.key("store", "mac"), resolve(&mut peer));
    (server, key.unwrap(), peer)
}

/// Answers Resolve for the one key.
pub(crate) async fn resolve(peer: &mut Peer) {
    let request = peer.request().await;
    assert_eq!(request.opcode, Opcode::Resolve);
    peer.results(&request, &[Ok(&KEY.encode())]).await;
}

impl TestServer {
    pub(crate) async fn start(transport: Transport) -> Self {
        Self::start_with_protocol(transport, b"claviger/1").await
    }

    pub(crate) async fn start_with_protocol(transport: Transport, protocol: &[u8]) -> Self {
        let ca_key = KeyPair::generate().unwrap();
        let mut ca_params = CertificateParams::default();
        ca_params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca_certificate = ca_params.self_signed(&ca_key).unwrap();
        let ca = Issuer::new(ca_params, ca_key);
        let key = KeyPair::generate().unwrap();
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &ca).unwrap();

        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let private_key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let mut tls = rustls::ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], private_key)
            .unwrap();
        tls.alpn_protocols = vec![protocol.to_vec()];

        let address = (Ipv4Addr::LOCALHOST, 0);
        let listener = match transport {
            Transport::Tcp => Listener::Tcp {
                listener: TcpListener::bind(address).await.unwrap(),
                tls: TlsAcceptor::from(Arc::new(tls)),
            },
            Transport::Quic => {
                let crypto = QuicServerConfig::try_from(tls).unwrap();
                let config = quinn::ServerConfig::with_crypto(Arc::new(crypto));
                Listener::Quic(quinn::Endpoint::server(config, address.into()).unwrap())
            }
        };
        Self { listener, ca_pem: ca_certificate.pem() }
    }

    /// Settings of a client of this server.
    pub(crate) fn config(&self) -> ClientConfig {
        let (transport, address) = match &self.listener {
            Listener::Tcp { listener, .. } => (Transport::Tcp, listener.local_addr().unwrap()),
            Listener::Quic(endpoint) => (Transport::Quic, endpoint.local_addr().unwrap()),
        };
        let ca = ServerCa::from_pem(self.ca_pem.as_bytes()).unwrap();
        let mut config = ClientConfig::new(address.to_string(), ca, None);
        config.transport = transport;
        config.streams = 1;
        config
    }

    /// The first byte stream of the next connection, greeted.
    pub(crate) async fn accept(&self) -> Peer {
        self.accept_with(&[]).await
    }

    /// The first byte stream of the next connection, greeted with these limits.
    pub(crate) async fn accept_with(&self, limits: &[(Limit, u64)]) -> Peer {
        let mut peer = self.accept_ungreeted().await.unwrap_or_else(|| panic!("the handshake failed"));
        peer.greet(limits).await;
        peer
    }

    /// The first byte stream of the next connection; nothing if the client breaks the handshake off.
    pub(crate) async fn accept_ungreeted(&self) -> Option<Peer> {
        match &self.listener {
            Listener::Tcp { listener, tls } => {
                let (stream, _) = listener.accept().await.unwrap();
                let (reader, writer) = tokio::io::split(tls.accept(stream).await.ok()?);
                Some(Peer::new(reader, writer, None))
            }
            Listener::Quic(endpoint) => {
                let connection = endpoint.accept().await.unwrap().await.ok()?;
                let (writer, reader) = connection.accept_bi().await.ok()?;
                Some(Peer::new(reader, writer, Some(connection)))
            }
        }
    }
}

impl Peer {
    fn new(
        reader: impl AsyncRead + Send + Unpin + 'static,
        writer: impl AsyncWrite + Send + Unpin + 'static,
        connection: Option<quinn::Connection>,
    ) -> Self {
        let (reader, writer) = (Box::new(reader), Box::new(writer));
        Self { reader, writer, unread: Vec::new(), connection }
    }

    /// Another byte stream of the same QUIC connection, greeted.
    pub(crate) async fn next_stream(&self) -> Self {
        let mut peer = self.next_stream_ungreeted().await;
        peer.greet(&[]).await;
        peer
    }

    /// Another byte stream of the same QUIC connection.
    pub(crate) async fn next_stream_ungreeted(&self) -> Self {
        let connection = self.connection.clone().unwrap();
        let (writer, reader) = connection.accept_bi().await.unwrap();
        Self::new(reader, writer, Some(connection))
    }

    pub(crate) async fn greet(&mut self, limits: &[(Limit, u64)]) {
        let hello = self.request().await;
        assert_eq!(hello.opcode, Opcode::Hello);
        let limits = limits.iter().map(|&(limit, value)| LimitValue { limit: limit.code(), value });
        self.reply(&hello, HelloReply { version: 1, limits }).await;
    }

    /// The next request.
    pub(crate) async fn request(&mut self) -> Received {
        self.try_request().await.unwrap_or_else(|| panic!("the client has ended its direction"))
    }

    /// The next request, or nothing when the client has ended its direction or is gone.
    pub(crate) async fn try_request(&mut self) -> Option<Received> {
        loop {
            match deframer::request(&self.unread) {
                Step::Frame(frame) => {
                    let opcode = frame.header.operation(true).unwrap();
                    let received = Received { header: frame.header, opcode, body: frame.body.to_vec() };
                    let size = frame.size;
                    self.unread.drain(..size);
                    return Some(received);
                }
                Step::Need(_) => {
                    if self.reader.read_buf(&mut self.unread).await.ok()? == 0 {
                        return None;
                    }
                }
                Step::Fault(fault) => panic!("the client sent a fault: {}", fault.status),
            }
        }
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.writer.write_all(bytes).await.unwrap();
        self.writer.flush().await.unwrap();
    }

    pub(crate) async fn reply(&mut self, to: &Received, message: impl ReplyMessage) {
        let mut output = OutputBuffer::new();
        output.reply_with(&to.header, message).unwrap();
        self.send(output.as_bytes()).await;
    }

    pub(crate) async fn status(&mut self, to: &Received, status: Status, retry_ms: u32) {
        let mut output = OutputBuffer::new();
        output.status_reply(&to.header, status, retry_ms);
        self.send(output.as_bytes()).await;
    }

    pub(crate) async fn results(&mut self, to: &Received, results: &[Result<&[u8], Status>]) {
        let mut output = OutputBuffer::new();
        let mut batch = output.reply(&to.header).batch(results.len());
        for result in results {
            match result {
                Ok(bytes) => batch.result(bytes),
                Err(status) => batch.status(*status),
            };
        }
        batch.finish().unwrap();
        self.send(output.as_bytes()).await;
    }

    /// Answers MACs with what tells them apart: the message itself.
    pub(crate) async fn echo_macs(&mut self, to: &Received) {
        let macs: Vec<_> = to.messages().iter().map(|message| [&7_u32.to_be_bytes(), &message[..]].concat()).collect();
        let results: Vec<_> = macs.iter().map(|mac| Ok(mac.as_slice())).collect();
        self.results(to, &results).await;
    }
}

impl Received {
    pub(crate) fn request(&self) -> Request<'_> {
        Request::decode(self.opcode, &self.body).unwrap()
    }

    /// The messages of Make MAC.
    pub(crate) fn messages(&self) -> Vec<Vec<u8>> {
        let Request::MakeMac(request) = self.request() else { panic!("{} is not Make MAC", self.opcode) };
        request.items.map(|item| item.message.to_vec()).collect()
    }
}

/// What the key store of the test server says of its key.
const KEY: Resolved = Resolved { key_id: KeyId([1; 16]), store_id: StoreId([2; 16]), kind: 3, algorithm: 32 };
