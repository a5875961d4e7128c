//! Who a client is: what the server sees of it, without judging.

use std::net::SocketAddr;

use aws_lc_rs::digest::{SHA256, digest};
use claviger_protocol::Fact;
use rustls_pki_types::CertificateDer;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::subject::subject_text;

/// A client as the connection shows it. Trust is decided for each key store: see `admission`.
pub(crate) struct ClientIdentity {
    /// The peer address of the socket.
    pub(crate) address: SocketAddr,
    /// What carries the connection.
    pub(crate) transport: Transport,
    /// The certificates that the client showed, its own first, if it showed any. It has proved to hold the private key of the first.
    pub(crate) certificates: Vec<CertificateDer<'static>>,
}

/// What carries a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Tcp = 1,
    Quic = 2,
}

impl ClientIdentity {
    /// The facts of Whoami, as number and value.
    pub(crate) fn facts(&self) -> Vec<(Fact, Vec<u8>)> {
        let address = match self.address.ip() {
            std::net::IpAddr::V4(address) => address.to_ipv6_mapped(),
            std::net::IpAddr::V6(address) => address,
        };
        let mut facts = vec![
            (Fact::Address, address.octets().to_vec()),
            (Fact::Port, self.address.port().to_be_bytes().to_vec()),
            (Fact::Transport, vec![self.transport as u8]),
        ];
        if let Some(certificate) = self.certificates.first() {
            facts.push((Fact::CertificateDigest, sha256(certificate)));
            // The handshake has parsed it already; facts that cannot be read are left out all the same.
            if let Ok((_, parsed)) = X509Certificate::from_der(certificate) {
                facts.push((Fact::PublicKeyDigest, sha256(parsed.public_key().raw)));
                if let Some(subject) = subject_text(parsed.subject()) {
                    facts.push((Fact::CertificateSubject, subject.into_bytes()));
                }
                facts.push((Fact::CertificateEnd, end_ms(&parsed).to_be_bytes().to_vec()));
            }
        }
        facts
    }
}

/// When a certificate ends, in milliseconds since 1970.
pub(crate) fn end_ms(certificate: &X509Certificate<'_>) -> u64 {
    u64::try_from(certificate.validity().not_after.timestamp()).unwrap_or(0).saturating_mul(1_000)
}

fn sha256(bytes: &[u8]) -> Vec<u8> {
    digest(&SHA256, bytes).as_ref().to_vec()
}
