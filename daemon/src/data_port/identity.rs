//! Who a client is: what the server sees of it, without judging.

use std::net::SocketAddr;

use aws_lc_rs::digest::{SHA256, digest};
use claviger_protocol::Fact;
use rustls_pki_types::CertificateDer;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::subject::subject_text;

/// A client as the connection shows it. Trust is decided for each key store: see `admission`.
pub(crate) struct ClientIdentity {
    /// The certificates that the client showed, its own first, if it showed any. It has proved to hold the private key of the first.
    pub(crate) certificates: Vec<CertificateDer<'static>>,
    /// What Whoami answers, put together once: whoever asks again and again costs nothing more.
    facts: Vec<(Fact, Vec<u8>)>,
}

/// What carries a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Tcp = 1,
    Quic = 2,
}

impl ClientIdentity {
    /// What the connection shows: the peer address of the socket, what carries it, and the certificates.
    pub(crate) fn new(address: SocketAddr, transport: Transport, certificates: Vec<CertificateDer<'static>>) -> Self {
        let ip = match address.ip() {
            std::net::IpAddr::V4(address) => address.to_ipv6_mapped(),
            std::net::IpAddr::V6(address) => address,
        };
        let mut facts = vec![
            (Fact::Address, ip.octets().to_vec()),
            (Fact::Port, address.port().to_be_bytes().to_vec()),
            (Fact::Transport, vec![transport as u8]),
        ];
        if let Some(certificate) = certificates.first() {
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
        Self { certificates, facts }
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

fn sha256(bytes: &[u8]) -> Vec<u8> {
    digest(&SHA256, bytes).as_ref().to_vec()
}
