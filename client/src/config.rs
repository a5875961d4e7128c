//! Settings of a client.

use crate::error::{CertificateError, Error};
use crate::hardware_address::HardwareAddress;
use crate::limits::{CONNECTIONS_MAX, NAMES_REMEMBERED_FOR};
use claviger_protocol::limits::STREAMS_PER_CONNECTION_MAX;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::sync::Arc;
use std::time::Duration;

/// Settings of a client. [`ClientConfig::new`] fills in all but three; change what you need.
#[derive(Clone)]
#[non_exhaustive]
pub struct ClientConfig {
    /// Where the data port is: `host:port`, the host being a name or an address (`[::1]:7700` for IPv6). 7700 is the
    /// default port of servers.
    pub address: String,
    /// Name or address that the server's certificate must be for. Default: the host of `address`.
    pub server_name: String,
    /// The CA that issued the server's certificate; no other is trusted.
    pub server_ca: ServerCa,
    /// The client's own certificate and private key. Default: none, which most key stores refuse.
    pub identity: Option<Identity>,
    /// The hardware address that the client says it has: for key stores that take its word for it, and servers behind a
    /// router, which do not see it. Default: none.
    pub hardware_address: Option<HardwareAddress>,
    /// Default: TLS over TCP.
    pub transport: Transport,
    /// Connections held, 1 to 256. Default: 1. More help where one core of the server is not enough.
    pub connections: usize,
    /// QUIC: streams opened on each connection and kept, 1 to 16, or as many as the server allows. Default: 4. TCP has
    /// one byte stream a connection.
    pub streams: usize,
    /// Time for one call, attempts and waits together; at most 10 minutes. Default: 30 s. See
    /// [`crate::Client::with_deadline`].
    pub deadline: Duration,
    /// How long the key that a name stands for is remembered before the server is asked again: so long may an alias that was moved lead to the key before. Zero asks each
    /// time. Default: 60 s.
    pub names_for: Duration,
    /// Time for connecting, handshake and greeting. Default: 10 s.
    pub connect_timeout: Duration,
    /// Default: [`Coalescing::default`].
    pub coalescing: Coalescing,
    /// Default: [`Reconnect::default`].
    pub reconnect: Reconnect,
}

/// What carries the byte streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Transport {
    /// TLS 1.3 over TCP: the faster one on good networks.
    #[default]
    Tcp,
    /// QUIC: several byte streams that do not wait for each other's lost packets.
    Quic,
}

/// Whether single calls for the same key and operation travel together in one frame, and how many. Nothing waits for
/// company: only calls that are waiting anyway, because the connection is busy, are put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Coalescing {
    /// Calls in one frame; 1 switches it off. Default: 256.
    pub items_max: usize,
    /// Bytes of one such frame. Default: 65,536.
    pub frame_size_max: usize,
    /// Bytes of one call that may travel in company; larger ones gain nothing. Default: 8,192.
    pub item_size_max: usize,
}

/// How a lost connection is made anew. Only calls make it: an idle client stays disconnected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reconnect {
    /// Wait after the first failed attempt; it doubles with each. Default: 50 ms.
    pub wait_first: Duration,
    /// Longest wait between attempts. Default: 5 s.
    pub wait_max: Duration,
    /// Attempts of one call, if its deadline does not come first. Default: 8.
    pub attempts_max: u32,
}

/// A certificate of the CA that is trusted to name servers.
#[derive(Clone, Debug)]
pub struct ServerCa(pub(crate) Vec<CertificateDer<'static>>);

/// A client certificate with its chain, and its private key. No `Debug`, on purpose.
#[derive(Clone)]
pub struct Identity {
    pub(crate) certificates: Vec<CertificateDer<'static>>,
    pub(crate) private_key: Arc<PrivateKeyDer<'static>>,
}

impl ClientConfig {
    /// Settings with all defaults.
    #[must_use]
    pub fn new(address: impl Into<String>, server_ca: ServerCa, identity: Option<Identity>) -> Self {
        let address = address.into();
        Self {
            server_name: host_of(&address).to_owned(),
            address,
            server_ca,
            identity,
            hardware_address: None,
            transport: Transport::default(),
            connections: 1,
            streams: 4,
            deadline: Duration::from_secs(30),
            names_for: NAMES_REMEMBERED_FOR,
            connect_timeout: Duration::from_secs(10),
            coalescing: Coalescing::default(),
            reconnect: Reconnect::default(),
        }
    }

    /// Checks what types cannot.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let refuse = |setting, reason| Err(Error::Setting { setting, reason });
        match self {
            _ if !(1..=CONNECTIONS_MAX).contains(&self.connections) => refuse("connections", "it is 1 to 256"),
            _ if !(1..=STREAMS_PER_CONNECTION_MAX).contains(&self.streams) => refuse("streams", "it is 1 to 16"),
            _ if self.deadline.is_zero() => refuse("deadline", "it is more than zero"),
            _ if self.connect_timeout.is_zero() => refuse("connect_timeout", "it is more than zero"),
            _ if self.coalescing.items_max == 0 => refuse("coalescing.items_max", "it is at least 1, which is off"),
            _ if self.reconnect.attempts_max == 0 => refuse("reconnect.attempts_max", "it is at least 1"),
            _ => Ok(()),
        }
    }
}

impl Coalescing {
    /// Every call travels alone.
    pub const OFF: Self = Self { items_max: 1, frame_size_max: 0, item_size_max: 0 };
}

impl Default for Coalescing {
    fn default() -> Self {
        Self { items_max: 256, frame_size_max: 65_536, item_size_max: 8_192 }
    }
}

impl Default for Reconnect {
    fn default() -> Self {
        Self { wait_first: Duration::from_millis(50), wait_max: Duration::from_secs(5), attempts_max: 8 }
    }
}

impl ServerCa {
    /// Reads one or more certificates in PEM form.
    ///
    /// # Errors
    /// [`Error::Certificate`].
    pub fn from_pem(pem: &[u8]) -> Result<Self, Error> {
        certificates(pem).map(Self).map_err(|error| certificate_error("the server's CA certificate", error))
    }

    /// Takes one certificate in DER form; it is looked at when the client is made.
    #[must_use]
    pub fn from_der(der: Vec<u8>) -> Self {
        Self(vec![der.into()])
    }
}

impl Identity {
    /// Reads the certificate, its chain after it if there is one, and the private key (PKCS#8, SEC1 or PKCS#1), in PEM
    /// form.
    ///
    /// # Errors
    /// [`Error::Certificate`].
    pub fn from_pem(certificates_pem: &[u8], private_key_pem: &[u8]) -> Result<Self, Error> {
        let private_key = PrivateKeyDer::from_pem_slice(private_key_pem)
            .map_err(|error| certificate_error("the client's private key", error))?;
        let certificates =
            certificates(certificates_pem).map_err(|error| certificate_error("the client certificate", error))?;
        Ok(Self { certificates, private_key: Arc::new(private_key) })
    }

    /// Takes the certificate, its chain after it if there is one, and the private key (PKCS#8), in DER form.
    ///
    /// # Errors
    /// [`Error::Certificate`] if the private key is none.
    pub fn from_der(certificates: Vec<Vec<u8>>, private_key: Vec<u8>) -> Result<Self, Error> {
        let refuse = |what| certificate_error(what, CertificateError::Missing);
        let private_key = PrivateKeyDer::try_from(private_key).map_err(|_| refuse("the client's private key"))?;
        if certificates.is_empty() {
            return Err(refuse("the client certificate"));
        }
        let certificates = certificates.into_iter().map(CertificateDer::from).collect();
        Ok(Self { certificates, private_key: Arc::new(private_key) })
    }
}

pub(crate) fn certificate_error(what: &'static str, error: impl Into<CertificateError>) -> Error {
    Error::Certificate { what, source: Arc::new(error.into()) }
}

/// All certificates of a PEM text, at least one.
fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let certificates = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>()?;
    if certificates.is_empty() { Err(CertificateError::Missing) } else { Ok(certificates) }
}

/// The host in `host:port`, without the brackets of an IPv6 address.
fn host_of(address: &str) -> &str {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    static_assertions::assert_not_impl_any!(Identity: std::fmt::Debug, PartialEq);
    static_assertions::assert_not_impl_any!(ClientConfig: std::fmt::Debug, PartialEq);

    fn config() -> ClientConfig {
        ClientConfig::new("keys.example:7700", ServerCa::from_der(Vec::new()), None)
    }

    #[test]
    fn server_name_is_the_host_of_the_address() {
        for (address, host) in [("a.example:7700", "a.example"), ("[::1]:7700", "::1"), ("10.0.0.1:1", "10.0.0.1")] {
            assert_eq!(ClientConfig::new(address, config().server_ca, None).server_name, host);
        }
    }

    #[test]
    fn refuses_settings_outside_their_bounds_by_name() {
        let refused = |change: fn(&mut ClientConfig)| {
            let mut config = config();
            change(&mut config);
            match config.check() {
                Err(Error::Setting { setting, .. }) => setting,
                _ => panic!("taken"),
            }
        };
        assert!(config().check().is_ok());
        assert_eq!(refused(|config| config.connections = 0), "connections");
        assert_eq!(refused(|config| config.connections = 257), "connections");
        assert_eq!(refused(|config| config.streams = 17), "streams");
        assert_eq!(refused(|config| config.deadline = Duration::ZERO), "deadline");
        assert_eq!(refused(|config| config.connect_timeout = Duration::ZERO), "connect_timeout");
        assert_eq!(refused(|config| config.coalescing.items_max = 0), "coalescing.items_max");
        assert_eq!(refused(|config| config.reconnect.attempts_max = 0), "reconnect.attempts_max");
    }

    #[test]
    fn refuses_certificates_that_are_none() {
        let what = |result: Result<ServerCa, Error>| result.unwrap_err().to_string();
        assert!(what(ServerCa::from_pem(b"")).starts_with("the server's CA certificate cannot be used"));
        let half = b"-----BEGIN CERTIFICATE-----\nAAAA\n";
        assert!(what(ServerCa::from_pem(half)).contains("not in PEM form"));
        let identity = Identity::from_pem(b"", b"-----BEGIN NOTHING-----");
        assert!(identity.err().unwrap().to_string().starts_with("the client's private key cannot be used"));
        assert!(Identity::from_der(vec![vec![0x30]], vec![1, 2, 3]).is_err());
    }
}
