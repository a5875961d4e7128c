//! One byte stream without a queue or tasks of its own: frames in, frames out, reused buffers. For load tests and for
//! tests of the wire; [`crate::Client`] is built on it.

use crate::config::{ClientConfig, Transport};
use crate::error::Error;
use crate::hardware_address::HardwareAddress;
use crate::limits::{Limits, RECEIVE_BUFFER_SIZE};
use crate::quic::{QuicConnector, open_stream};
use crate::receive_buffer::ReceiveBuffer;
use crate::tcp::TcpConnector;
use claviger_protocol::deframer::{self, Frame, Step};
use claviger_protocol::limits::{HEADER_SIZE, HELLO_OPTION_HARDWARE_ADDRESS};
use claviger_protocol::message::{Hello, HelloOption, Reply};
use claviger_protocol::{OutputBuffer, ReplyHeader, RequestHeader};
use std::io;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::task::JoinSet;

/// One byte stream on which Hello has been answered.
pub struct RawConnection {
    sender: RawSender,
    receiver: RawReceiver,
    limits: Limits,
}

/// The client's direction of a byte stream.
pub struct RawSender {
    stream: Box<dyn AsyncWrite + Send + Unpin>,
}

/// The server's direction of a byte stream.
pub struct RawReceiver {
    stream: Box<dyn AsyncRead + Send + Unpin>,
    buffer: ReceiveBuffer,
    /// Bytes of the frame that was lent last; they go when the next one is asked for.
    lent: usize,
}

impl RawConnection {
    /// Connects, shakes hands and greets: one byte stream, on a connection of its own.
    ///
    /// # Errors
    /// Those of the settings, the network, the handshake and the greeting.
    pub async fn connect(config: &ClientConfig) -> Result<Self, Error> {
        let mut connections = Self::connect_streams(config, 1).await?;
        connections.pop().ok_or(Error::Disconnected)
    }

    /// Connects, shakes hands and greets: `streams` byte streams of one QUIC connection, fewer if the server allows
    /// fewer; or the one that a TCP connection has, whatever `streams` says.
    ///
    /// # Errors
    /// Those of the settings, the network, the handshake and the greeting.
    pub async fn connect_streams(config: &ClientConfig, streams: usize) -> Result<Vec<Self>, Error> {
        let config = ClientConfig { streams, ..config.clone() };
        config.check()?;
        Connector::new(&config)?.connect(&config).await
    }

    /// Greets on a byte stream that is there already, and says the hardware address that the client has, if one is given.
    ///
    /// # Errors
    /// [`Error::Disconnected`], [`Error::BadReply`], and [`Error::Refused`] if there is no common version.
    pub async fn greet(
        reader: impl AsyncRead + Send + Unpin + 'static,
        writer: impl AsyncWrite + Send + Unpin + 'static,
        hardware_address: Option<HardwareAddress>,
    ) -> Result<Self, Error> {
        let mut sender = RawSender { stream: Box::new(writer) };
        let mut receiver =
            RawReceiver { stream: Box::new(reader), buffer: ReceiveBuffer::new(RECEIVE_BUFFER_SIZE), lent: 0 };
        let mut hello = OutputBuffer::new();
        let declared = hardware_address.map(HardwareAddress::bytes);
        let options =
            declared.iter().map(|value| HelloOption { option: HELLO_OPTION_HARDWARE_ADDRESS, value: value.as_slice() });
        hello.request(RequestHeader::new(0), Hello { version_min: 1, version_max: 1, options })?;
        sender.send(hello.as_bytes()).await?;
        let frame = receiver.receive().await?;
        let retry_ms = frame.header.retry_ms;
        let limits = match frame.decode() {
            Ok(Ok(Reply::Hello(reply))) if reply.version == 1 => Limits::announced(reply.limits),
            Ok(Err(status)) => return Err(Error::refused(status, retry_ms)),
            _ => return Err(Error::BadReply),
        };
        Ok(Self { sender, receiver, limits })
    }

    /// What the server announced.
    #[must_use]
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// [`RawSender::send`].
    ///
    /// # Errors
    /// [`Error::Disconnected`].
    pub async fn send(&mut self, frames: &[u8]) -> Result<(), Error> {
        self.sender.send(frames).await
    }

    /// [`RawReceiver::receive`].
    ///
    /// # Errors
    /// [`Error::Disconnected`], [`Error::BadReply`].
    pub async fn receive(&mut self) -> Result<Frame<'_, ReplyHeader>, Error> {
        self.receiver.receive().await
    }

    /// Both directions apart, so that one can wait while the other works.
    #[must_use]
    pub fn split(self) -> (RawSender, RawReceiver) {
        (self.sender, self.receiver)
    }
}

impl RawSender {
    /// Sends bytes as they are: whole frames, unless a server is to be tried.
    ///
    /// # Errors
    /// [`Error::Disconnected`].
    pub async fn send(&mut self, frames: &[u8]) -> Result<(), Error> {
        let sent = async {
            self.stream.write_all(frames).await?;
            self.stream.flush().await
        };
        sent.await.map_err(|error| disconnected(&error))
    }

    /// Ends the client's direction: the server answers what it has read, then ends its own.
    ///
    /// # Errors
    /// [`Error::Disconnected`].
    pub async fn finish(mut self) -> Result<(), Error> {
        self.stream.shutdown().await.map_err(|error| disconnected(&error))
    }
}

impl RawReceiver {
    /// The next frame; it is lent until the next call. May be cancelled at any time without losing a frame.
    ///
    /// # Errors
    /// [`Error::Disconnected`] at the end of the stream, [`Error::BadReply`] if the bytes are no frame of a server.
    pub async fn receive(&mut self) -> Result<Frame<'_, ReplyHeader>, Error> {
        self.buffer.consume(std::mem::take(&mut self.lent));
        let (header, size) = loop {
            match deframer::reply(self.buffer.unread()) {
                Step::Frame(frame) => break (frame.header, frame.size),
                Step::Fault(_) => return Err(Error::BadReply),
                Step::Need(size) => {
                    let room = self.buffer.room(size);
                    let size = self.stream.read(room).await.map_err(|error| disconnected(&error))?;
                    if size == 0 {
                        return Err(Error::Disconnected);
                    }
                    self.buffer.add(size);
                }
            }
        };
        self.lent = size;
        let body = self.buffer.unread().get(HEADER_SIZE..size).unwrap_or_default();
        Ok(Frame { header, body, size })
    }
}

/// Makes byte streams to one server.
pub(crate) enum Connector {
    Tcp(TcpConnector),
    Quic(QuicConnector),
}

impl Connector {
    /// Reads the certificates once.
    pub(crate) fn new(config: &ClientConfig) -> Result<Self, Error> {
        match config.transport {
            Transport::Tcp => TcpConnector::new(config).map(Self::Tcp),
            Transport::Quic => QuicConnector::new(config).map(Self::Quic),
        }
    }

    /// All byte streams of one new connection.
    pub(crate) async fn connect(&self, config: &ClientConfig) -> Result<Vec<RawConnection>, Error> {
        match tokio::time::timeout(config.connect_timeout, self.connect_untimed(config)).await {
            Ok(result) => result,
            Err(_) => Err(Error::Unreachable {
                address: config.address.clone(),
                source: Arc::new(io::Error::from(io::ErrorKind::TimedOut)),
            }),
        }
    }

    async fn connect_untimed(&self, config: &ClientConfig) -> Result<Vec<RawConnection>, Error> {
        match self {
            Self::Tcp(connector) => {
                let (reader, writer) = tokio::io::split(connector.connect(config).await?);
                Ok(vec![RawConnection::greet(reader, writer, config.hardware_address).await?])
            }
            Self::Quic(connector) => {
                let connection = connector.connect(config).await?;
                let (writer, reader) = open_stream(config, &connection).await?;
                // Its greeting says how many others there may be; they greet at once.
                let first = RawConnection::greet(reader, writer, config.hardware_address).await?;
                let mut greetings = JoinSet::new();
                for _ in 1..config.streams.min(first.limits.streams) {
                    let (writer, reader) = open_stream(config, &connection).await?;
                    greetings.spawn(RawConnection::greet(reader, writer, config.hardware_address));
                }
                let mut streams = vec![first];
                while let Some(greeted) = greetings.join_next().await {
                    streams.push(greeted.map_err(|_| Error::Disconnected)??);
                }
                Ok(streams)
            }
        }
    }
}

/// How a connection ended is the operator's affair; the caller's is that it did.
fn disconnected(error: &io::Error) -> Error {
    tracing::debug!(%error, "the connection ended");
    Error::Disconnected
}
