//! Who a client is: what the server sees of it, without judging.

use std::net::{IpAddr, SocketAddr};

use claviger_engine::key::client::ClientName;
use claviger_protocol::Fact;
use rustls_pki_types::CertificateDer;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::subject::subject_text;
use crate::access::{ShownCertificate, sha256};

/// A client as the connection shows it. Trust is decided for each key store: see `admission`.
pub(crate) struct ClientIdentity {
    address: IpAddr,
    /// The certificate that the client showed, if it showed one. It has proved to hold its private key.
    certificate: Option<ShownCertificate>,
    /// As statistics of use remember it.
    name: ClientName,
    /// What Whoami answers of the connection, put together once: whoever asks again and again costs nothing more.
    facts: Vec<(Fact, Vec<u8>)>,
}

/// What carries a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Tcp = 1,
    Quic = 2,
}

impl Transport {
    /// Both.
    pub(crate) const ALL: [Self; 2] = [Self::Tcp, Self::Quic];

    /// Its name among the metrics.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Quic => "quic",
        }
    }
}

impl ClientIdentity {
    /// What the connection shows: the peer address of the socket, what carries it, and the certificates.
    pub(crate) fn new(address: SocketAddr, transport: Transport, certificates: Vec<CertificateDer<'static>>) -> Self {
        let ip = match address.ip() {
            IpAddr::V4(address) => address.to_ipv6_mapped(),
            IpAddr::V6(address) => address,
        };
        let mut facts = vec![
            (Fact::Address, ip.octets().to_vec()),
            (Fact::Port, address.port().to_be_bytes().to_vec()),
            (Fact::Transport, vec![transport as u8]),
        ];
        let mut name = ClientName::address(address.ip());
        if let Some(certificate) = certificates.first() {
            let certificate_digest = sha256(certificate);
            name = ClientName::certificate("", certificate_digest);
            facts.push((Fact::CertificateDigest, certificate_digest.to_vec()));
            // The handshake has parsed it already; facts that cannot be read are left out all the same.
            if let Ok((_, parsed)) = X509Certificate::from_der(certificate) {
                name = ClientName::certificate(common_name(&parsed), certificate_digest);
                facts.push((Fact::PublicKeyDigest, sha256(parsed.public_key().raw).to_vec()));
                if let Some(subject) = subject_text(parsed.subject()) {
                    facts.push((Fact::CertificateSubject, subject.into_bytes()));
                }
                facts.push((Fact::CertificateEnd, end_ms(&parsed).to_be_bytes().to_vec()));
            }
        }
        Self { address: address.ip().to_canonical(), certificate: ShownCertificate::of(certificates), name, facts }
    }

    /// The peer address of the socket.
    pub(crate) const fn address(&self) -> IpAddr {
        self.address
    }

    /// The certificate that the client showed, if it showed one.
    pub(crate) const fn certificate(&self) -> Option<&ShownCertificate> {
        self.certificate.as_ref()
    }

    /// As statistics of use remember it.
    pub(crate) const fn name(&self) -> &ClientName {
        &self.name
    }

    /// The facts of Whoami, as number and value.
    pub(crate) fn facts(&self) -> &[(Fact, Vec<u8>)] {
        &self.facts
    }
}

/// When a certificate ends, in milliseconds since 1970.
pub(crate) fn end_ms(certificate: &X509Certificate<'_>) -> u64 {
    u64::try_from(certificate.validity().not_after.timestamp()).unwrap_or(0).saturating_mul(1_000)
}

/// The common name of its subject, the first if there are several; empty if it has none.
fn common_name<'a>(certificate: &'a X509Certificate<'_>) -> &'a str {
    let name = certificate.subject().iter_common_name().next();
    name.and_then(|name| name.as_str().ok()).unwrap_or_default()
}
