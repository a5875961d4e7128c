//! TLS of the control port: version 1.3 only (RFC 8446), a certificate of an administrators' authority required.

use std::sync::Arc;

use anyhow::Context;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};

use super::ControlSettings;

/// The configuration of the control port's TLS.
pub(super) fn config(settings: &ControlSettings) -> anyhow::Result<Arc<ServerConfig>> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    for authority in &settings.administrators {
        roots.add(authority.clone()).context("[control] administrators holds a certificate that is no authority")?;
    }
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build()?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(verifier)
        .with_single_cert(settings.credential.certificate_chain.clone(), settings.credential.private_key.clone_key())
        .context("[control] certificate and key do not belong together")?;
    config.alpn_protocols = vec![HTTP2.to_vec(), b"http/1.1".to_vec()];
    // A session that is resumed would not be checked against the authorities anew.
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    Ok(Arc::new(config))
}

/// Name of HTTP/2 in the handshake (RFC 9113 section 3.1).
pub(super) const HTTP2: &[u8] = b"h2";
