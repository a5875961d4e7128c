//! TLS over TCP: one byte stream a connection.

use crate::addresses::connect_to_any;
use crate::config::ClientConfig;
use crate::error::Error;
use crate::limits::RECEIVE_BUFFER_SIZE;
use crate::tls::{ALPN, server_name, tls_config};
use rustls::AlertDescription;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::BufReader;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A byte stream over TLS over TCP. The TLS library reads 4 KiB at a time; the buffer below it makes that few system
/// calls.
pub(crate) type TcpByteStream = TlsStream<BufReader<TcpStream>>;

/// Makes connections to one server.
pub(crate) struct TcpConnector {
    tls: TlsConnector,
}

impl TcpConnector {
    pub(crate) fn new(config: &ClientConfig) -> Result<Self, Error> {
        Ok(Self { tls: TlsConnector::from(Arc::new(tls_config(config)?)) })
    }

    /// Connects and shakes hands.
    pub(crate) async fn connect(&self, config: &ClientConfig) -> Result<TcpByteStream, Error> {
        let connect = |socket_address| {
            let address = config.address.clone();
            async move {
                connect_to(socket_address)
                    .await
                    .map_err(|source| Error::Unreachable { address, source: Arc::new(source) })
            }
        };
        let stream = connect_to_any(config, connect).await?;
        self.shake_hands(config, stream).await
    }

    async fn shake_hands(&self, config: &ClientConfig, stream: TcpStream) -> Result<TcpByteStream, Error> {
        let stream = BufReader::with_capacity(RECEIVE_BUFFER_SIZE, stream);
        let mut stream = self.tls.connect(server_name(config)?, stream).await.map_err(|error| {
            let address = config.address.clone();
            match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
                Some(
                    rustls::Error::NoApplicationProtocol
                    | rustls::Error::AlertReceived(AlertDescription::NoApplicationProtocol),
                ) => Error::OtherProtocol { address },
                Some(reason) => Error::Untrusted { address, reason: reason.to_string() },
                None => Error::Unreachable { address, source: Arc::new(error) },
            }
        })?;
        let (_, session) = stream.get_mut();
        if session.alpn_protocol() != Some(ALPN) {
            return Err(Error::OtherProtocol { address: config.address.clone() });
        }
        // What is to be written is bounded by the writer; a second bound would only make it wait.
        session.set_buffer_limit(None);
        Ok(stream)
    }
}

async fn connect_to(socket_address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(socket_address).await?;
    // Frames are written whole; waiting for more would only delay them.
    stream.set_nodelay(true)?;
    Ok(stream)
}
