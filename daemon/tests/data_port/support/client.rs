//! A client that sends whatever bytes a test likes, over TCP or QUIC.

use std::net::{Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use claviger_protocol::codec::Reader;
use claviger_protocol::deframer::{self, Step};
use claviger_protocol::message::{Hello, HelloOption, Message};
use claviger_protocol::{OutputBuffer, ReplyHeader, RequestHeader, Status};
use quinn::crypto::rustls::QuicClientConfig;
use rustls::client::ResolvesClientCert;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::TLS13;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::certificates::{Authority, Credential};
use super::server::Server;

/// What carries a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Tcp,
    Quic,
}

/// One byte stream.
pub(crate) struct Client {
    pub(crate) sender: Sender,
    pub(crate) receiver: Receiver,
    /// The connection that the stream belongs to, if it is a QUIC stream.
    pub(crate) quic: Option<QuicConnection>,
}

/// A QUIC connection with its endpoint, which ends when it is dropped.
#[derive(Clone)]
pub(crate) struct QuicConnection {
    pub(crate) connection: quinn::Connection,
    pub(crate) endpoint: quinn::Endpoint,
}

/// The direction from client to server.
pub(crate) struct Sender(WriteHalf<Box<dyn ByteStream>>);

/// The direction from server to client.
pub(crate) struct Receiver {
    stream: ReadHalf<Box<dyn ByteStream>>,
    received: Vec<u8>,
}

/// One reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) header: ReplyHeader,
    pub(crate) body: Vec<u8>,
}

/// Both directions of a byte stream.
pub(crate) trait ByteStream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> ByteStream for S {}

impl Client {
    /// A client of the server's key store that has said Hello.
    pub(crate) async fn greeted(server: &Server, transport: Transport) -> Self {
        Self::greeted_as(server, transport, &server.authority.client("client")).await
    }

    pub(crate) async fn greeted_as(server: &Server, transport: Transport, credential: &Credential) -> Self {
        let mut client = Self::connect(server, transport, Some(credential)).await.unwrap();
        client.say_hello().await;
        client
    }

    /// A connection as the specification has it, on which nothing has been said.
    pub(crate) async fn connect(
        server: &Server,
        transport: Transport,
        credential: Option<&Credential>,
    ) -> std::io::Result<Self> {
        Self::connect_with(server.address, transport, tls(&server.server_authority, credential)).await
    }

    pub(crate) async fn connect_with(
        address: SocketAddr,
        transport: Transport,
        config: ClientConfig,
    ) -> std::io::Result<Self> {
        match transport {
            Transport::Tcp => {
                let stream = TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                let name = ServerName::IpAddress(address.ip().into());
                let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
                Ok(Self::over(Box::new(stream), None))
            }
            Transport::Quic => QuicConnection::open(address, config).await?.stream().await,
        }
    }

    pub(crate) fn over(stream: Box<dyn ByteStream>, quic: Option<QuicConnection>) -> Self {
        let (read, write) = tokio::io::split(stream);
        Self { sender: Sender(write), receiver: Receiver { stream: read, received: Vec::new() }, quic }
    }

    pub(crate) async fn say_hello(&mut self) {
        self.send(&hello()).await;
        assert_eq!(self.reply().await.header.status, Status::Ok);
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.sender.send(bytes).await;
    }

    /// The next reply; it must come.
    pub(crate) async fn reply(&mut self) -> Reply {
        self.receiver.reply().await
    }

    /// Sends one request and takes the next reply.
    pub(crate) async fn call(&mut self, message: impl Message) -> Reply {
        self.send(&request(CALL, message)).await;
        let reply = self.reply().await;
        assert_eq!(reply.header.request_id, CALL);
        reply
    }
}

impl QuicConnection {
    pub(crate) async fn open(address: SocketAddr, config: ClientConfig) -> std::io::Result<Self> {
        let mut endpoint = quinn::Endpoint::client((Ipv4Addr::LOCALHOST, 0).into())?;
        let crypto = QuicClientConfig::try_from(config).unwrap();
        endpoint.set_default_client_config(quinn::ClientConfig::new(Arc::new(crypto)));
        let connection = endpoint.connect(address, &address.ip().to_string()).unwrap().await?;
        Ok(Self { connection, endpoint })
    }

    /// A new stream of the connection.
    pub(crate) async fn stream(&self) -> std::io::Result<Client> {
        let (send, receive) = self.connection.open_bi().await?;
        Ok(Client::over(Box::new(tokio::io::join(receive, send)), Some(self.clone())))
    }
}

impl Sender {
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.try_send(bytes).await.unwrap();
    }

    pub(crate) async fn try_send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        within(async {
            self.0.write_all(bytes).await?;
            self.0.flush().await
        })
        .await
    }

    /// Closes this direction: close_notify, or FIN.
    pub(crate) async fn close(&mut self) {
        within(self.0.shutdown()).await.unwrap();
    }
}

impl Receiver {
    /// The next reply; it must come.
    pub(crate) async fn reply(&mut self) -> Reply {
        self.next().await.unwrap().expect("a reply, not the end of the byte stream")
    }

    /// The next reply, or nothing if the byte stream has ended in good order.
    pub(crate) async fn next(&mut self) -> std::io::Result<Option<Reply>> {
        loop {
            match deframer::reply(&self.received) {
                Step::Frame(frame) => {
                    let (reply, size) = (Reply { header: frame.header, body: frame.body.to_vec() }, frame.size);
                    self.received.drain(..size);
                    return Ok(Some(reply));
                }
                Step::Fault(fault) => panic!("not a reply: {fault:?}"),
                Step::Need(_) => {}
            }
            let mut part = vec![0; 64 * 1024];
            match within(self.stream.read(&mut part)).await? {
                0 => {
                    assert!(self.received.is_empty(), "a part of a reply");
                    return Ok(None);
                }
                size => self.received.extend_from_slice(&part[..size]),
            }
        }
    }

    /// Makes sure that nothing comes any more but the end, in whatever way.
    pub(crate) async fn ended(&mut self) {
        if let Ok(Some(reply)) = self.next().await {
            panic!("a reply after the end: {reply:?}");
        }
    }

    /// Makes sure that nothing comes any more but the end in good order: close_notify, or FIN.
    pub(crate) async fn ended_regularly(&mut self) {
        assert_eq!(self.next().await.unwrap(), None);
    }
}

impl Reply {
    pub(crate) const fn status(&self) -> Status {
        self.header.status
    }

    /// Statuses and results of a batch.
    pub(crate) fn items(&self) -> Vec<(Status, Vec<u8>)> {
        assert_eq!(self.status(), Status::Ok);
        let mut reader = Reader::new(&self.body);
        let count = reader.u16().unwrap();
        let items = (0..count).map(|_| (Status::from_code(reader.u8().unwrap()), reader.bytes32().unwrap().to_vec()));
        let items = items.collect();
        reader.finish().unwrap();
        items
    }

    /// Results of a batch that has done every item.
    pub(crate) fn results(&self) -> Vec<Vec<u8>> {
        let done = |(status, result)| {
            assert_eq!(status, Status::Ok);
            result
        };
        self.items().into_iter().map(done).collect()
    }

    /// The result of a batch of one item.
    pub(crate) fn only(&self) -> Vec<u8> {
        let [result] = <[_; 1]>::try_from(self.results()).unwrap();
        result
    }
}

/// What a client needs for TLS: the server's authority, the protocol, and a certificate if it has one.
pub(crate) fn tls(server: &Authority, credential: Option<&Credential>) -> ClientConfig {
    tls_of(aws_lc_rs::default_provider(), server, credential)
}

pub(crate) fn tls_of(provider: CryptoProvider, server: &Authority, credential: Option<&Credential>) -> ClientConfig {
    let provider = Arc::new(provider);
    let mut roots = RootCertStore::empty();
    roots.add(server.certificate.clone()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match credential {
        None => builder.with_no_client_auth(),
        Some(credential) => {
            // Put together unchecked: a test may show a certificate whose private key it does not have.
            let key = provider.key_provider.load_private_key(credential.private_key.clone_key()).unwrap();
            let certified = CertifiedKey::new(credential.chain.clone(), key);
            let resolver: Arc<dyn ResolvesClientCert> = Arc::new(SingleCertAndKey::from(certified));
            builder.with_client_cert_resolver(resolver)
        }
    };
    config.alpn_protocols = vec![ALPN.to_vec()];
    config
}

/// The bytes of a request.
pub(crate) fn request(id: u64, message: impl Message) -> Vec<u8> {
    request_with(RequestHeader::new(id), message)
}

pub(crate) fn request_with(header: RequestHeader, message: impl Message) -> Vec<u8> {
    let mut output = OutputBuffer::new();
    output.request(header, message).unwrap();
    output.as_bytes().to_vec()
}

/// The bytes of a Hello without options.
pub(crate) fn hello() -> Vec<u8> {
    request(CALL, Hello { version_min: 1, version_max: 1, options: [] as [HelloOption<'_>; 0] })
}

/// Bounds a wait, so that a test whose answer never comes fails instead of hanging.
pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.expect("something that must happen does not")
}

/// What a future gives if it does not have to wait.
pub(crate) fn if_ready<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

/// After this long, something that must come will not come.
const PATIENCE: Duration = Duration::from_secs(30);

/// The protocol's name in the handshake.
pub(crate) const ALPN: &[u8] = b"claviger/1";

/// Request id where one request is sent at a time.
pub(crate) const CALL: u64 = 0xCA11;
