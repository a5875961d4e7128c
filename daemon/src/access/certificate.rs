//! The certificate that a client shows: what is read from it once, and whether an authority has issued it.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::server::WebPkiClientVerifier;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, UnixTime};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::limits::REFUSAL_MS;
use crate::pem;

/// A certificate with those that lead from it to an authority.
pub(crate) struct ShownCertificate {
    /// Its own first.
    chain: Vec<CertificateDer<'static>>,
    /// SHA-256 of its public key (`SubjectPublicKeyInfo`, DER).
    pub(crate) public_key_sha256: [u8; SHA256_OUTPUT_LEN],
    /// Its serial number as it writes it.
    pub(crate) serial: Vec<u8>,
    /// From when on it is valid, in milliseconds since 1970.
    pub(crate) begins_ms: u64,
    /// Until when it is valid, in milliseconds since 1970.
    pub(crate) ends_ms: u64,
    /// Whether it says that it is for clients; `None`: it does not say what for.
    pub(crate) client_auth: Option<bool>,
}

/// What path validation to one authority has said, for as long as that holds.
pub(crate) struct Path {
    authority: Arc<[u8]>,
    /// When the authority ends, in milliseconds since 1970; `None`: the certificate is none of its.
    ends_ms: Option<u64>,
    judged_ms: u64,
}

impl ShownCertificate {
    /// What a chain shows; `None` if it is empty or its first certificate cannot be read.
    pub(crate) fn of(chain: Vec<CertificateDer<'static>>) -> Option<Self> {
        let (_, parsed) = X509Certificate::from_der(chain.first()?).ok()?;
        // One that cannot be read is as if it said another purpose.
        let client_auth = match parsed.extended_key_usage() {
            Ok(usage) => usage.map(|usage| usage.value.client_auth),
            Err(_) => Some(false),
        };
        Some(Self {
            public_key_sha256: sha256(parsed.public_key().raw),
            serial: parsed.raw_serial().to_vec(),
            begins_ms: milliseconds(parsed.validity().not_before.timestamp()),
            ends_ms: milliseconds(parsed.validity().not_after.timestamp()),
            client_auth,
            chain,
        })
    }

    /// What certificates in PEM show, its own first; `None` if it is not that, or more than a handshake takes.
    pub(crate) fn from_pem(text: &str) -> Option<Self> {
        let chain = CertificateDer::pem_slice_iter(text.as_bytes()).collect::<Result<Vec<_>, _>>().ok()?;
        let (own, intermediates) = chain.split_first()?;
        if pem::are_bounded(own, intermediates) { Self::of(chain) } else { None }
    }

    /// When the authority ends that has issued it, in milliseconds since 1970, if it has (full path validation, RFC 5280 section 6) and the certificate is valid at `now_ms`.
    /// What was found out before is in `path`, and counts while it holds.
    pub(crate) fn issued_by(
        &self,
        authority: &Arc<[u8]>,
        provider: &Arc<CryptoProvider>,
        path: &mut Option<Path>,
        now_ms: u64,
    ) -> Option<u64> {
        let holds = |path: &&Path| match path.ends_ms {
            Some(ends_ms) => (path.judged_ms..ends_ms.min(self.ends_ms)).contains(&now_ms),
            // It may only begin to be valid.
            None => now_ms.abs_diff(path.judged_ms) < REFUSAL_MS,
        };
        let known = path.as_ref().filter(|path| path.authority == *authority).filter(holds);
        if let Some(known) = known {
            return known.ends_ms;
        }
        let ends_ms = self.validate(authority, provider, now_ms);
        *path = Some(Path { authority: Arc::clone(authority), ends_ms, judged_ms: now_ms });
        ends_ms
    }

    #[cold]
    fn validate(&self, authority: &[u8], provider: &Arc<CryptoProvider>, now_ms: u64) -> Option<u64> {
        let (end_entity, intermediates) = self.chain.split_first()?;
        let authority = CertificateDer::from(authority);
        let (_, parsed_authority) = X509Certificate::from_der(&authority).ok()?;
        let mut roots = RootCertStore::empty();
        roots.add(authority.clone()).ok()?;
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider)).build().ok()?;
        let now = UnixTime::since_unix_epoch(Duration::from_millis(now_ms));
        verifier.verify_client_cert(end_entity, intermediates, now).ok()?;
        Some(milliseconds(parsed_authority.validity().not_after.timestamp()))
    }
}

pub(crate) fn sha256(bytes: &[u8]) -> [u8; SHA256_OUTPUT_LEN] {
    let mut out = [0; SHA256_OUTPUT_LEN];
    // Both have the size of the algorithm's output.
    out.copy_from_slice(digest(&SHA256, bytes).as_ref());
    out
}

fn milliseconds(seconds: i64) -> u64 {
    u64::try_from(seconds).unwrap_or(0).saturating_mul(1_000)
}
