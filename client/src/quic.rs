//! QUIC: a few long byte streams on one connection.

use crate::addresses::connect_to_any;
use crate::config::ClientConfig;
use crate::error::Error;
use crate::limits::{QUIC_CONNECTION_WINDOW, QUIC_DATAGRAM_SIZE_MAX, QUIC_STREAM_WINDOW};
use crate::tls::tls_config;
use claviger_protocol::limits::IDLE_MS_MAX;
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{
    ConnectError, Connection, ConnectionError, Endpoint, EndpointConfig, MtuDiscoveryConfig, RecvStream, SendStream,
    TokioRuntime, TransportConfig, VarInt,
};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

/// Makes connections to one server.
pub(crate) struct QuicConnector {
    client: quinn::ClientConfig,
}

impl QuicConnector {
    pub(crate) fn new(config: &ClientConfig) -> Result<Self, Error> {
        let crypto = QuicClientConfig::try_from(tls_config(config)?)
            .map_err(|_| Error::Setting { setting: "transport", reason: "QUIC needs TLS_AES_128_GCM_SHA256" })?;
        let mut client = quinn::ClientConfig::new(Arc::new(crypto));
        client.transport_config(Arc::new(transport_config()));
        Ok(Self { client })
    }

    /// Connects and shakes hands. The connection lives as long as a stream of it.
    pub(crate) async fn connect(&self, config: &ClientConfig) -> Result<Connection, Error> {
        let connect = |socket_address| connect_to(self.client.clone(), config.clone(), socket_address);
        connect_to_any(config, connect).await
    }
}

async fn connect_to(
    client: quinn::ClientConfig,
    config: ClientConfig,
    socket_address: SocketAddr,
) -> Result<Connection, Error> {
    let address = || config.address.clone();
    let endpoint = endpoint(socket_address).map_err(|source| unreachable(address(), source))?;
    let connecting = endpoint
        .connect_with(client, socket_address, &config.server_name)
        .map_err(|error| connect_error(address(), error))?;
    connecting.await.map_err(|error| connection_error(address(), error))
}

/// Opens one byte stream.
pub(crate) async fn open_stream(
    config: &ClientConfig,
    connection: &Connection,
) -> Result<(SendStream, RecvStream), Error> {
    connection.open_bi().await.map_err(|error| connection_error(config.address.clone(), error))
}

/// A socket of any free port, of the family of the server's address.
fn endpoint(server: SocketAddr) -> io::Result<Endpoint> {
    let any = match server {
        SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
    };
    let mut config = EndpointConfig::default();
    // Only a value below 1,200 is refused.
    config.max_udp_payload_size(QUIC_DATAGRAM_SIZE_MAX).map_err(io::Error::other)?;
    Endpoint::new(config, None, UdpSocket::bind(any)?, Arc::new(TokioRuntime))
}

/// Bounded windows, no streams and datagrams from the server.
fn transport_config() -> TransportConfig {
    let mut discovery = MtuDiscoveryConfig::default();
    discovery.upper_bound(QUIC_DATAGRAM_SIZE_MAX);
    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(VarInt::from_u32(0))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .datagram_receive_buffer_size(None)
        .stream_receive_window(VarInt::from_u32(QUIC_STREAM_WINDOW))
        .receive_window(VarInt::from_u32(QUIC_CONNECTION_WINDOW))
        .send_window(u64::from(QUIC_CONNECTION_WINDOW))
        .mtu_discovery_config(Some(discovery))
        // The server's idle time decides; an idle client is to stay connected as long as the server likes.
        .max_idle_timeout(Duration::from_millis(u64::from(IDLE_MS_MAX)).try_into().ok());
    transport
}

fn connect_error(address: String, error: ConnectError) -> Error {
    match error {
        ConnectError::InvalidServerName(_) => {
            Error::Setting { setting: "server_name", reason: "it is a host name or an IP address" }
        }
        error => unreachable(address, error),
    }
}

/// Tells apart what the handshake refused from what the network did.
fn connection_error(address: String, error: ConnectionError) -> Error {
    match &error {
        ConnectionError::TransportError(reason) => handshake_error(address, u64::from(reason.code), &error),
        ConnectionError::ConnectionClosed(close) => handshake_error(address, u64::from(close.error_code), &error),
        _ => unreachable(address, error),
    }
}

/// RFC 9001 section 4.8: an alert of TLS is transport error 0x100 plus its number.
fn handshake_error(address: String, code: u64, error: &ConnectionError) -> Error {
    match code.checked_sub(CRYPTO_ERROR) {
        Some(ALERT_NO_APPLICATION_PROTOCOL) => Error::OtherProtocol { address },
        Some(0..=0xFF) => Error::Untrusted { address, reason: error.to_string() },
        _ => unreachable(address, error.to_string()),
    }
}

fn unreachable(address: String, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::Unreachable { address, source: Arc::new(io::Error::other(error)) }
}

/// First of the transport errors that carry an alert of TLS (RFC 9000 section 20.1).
const CRYPTO_ERROR: u64 = 0x100;

/// Alert `no_application_protocol` (RFC 7301 section 3.2).
const ALERT_NO_APPLICATION_PROTOCOL: u64 = 120;
