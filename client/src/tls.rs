//! TLS as the protocol asks for it. `SPEC.md` section 1.

use crate::config::{ClientConfig, certificate_error};
use crate::error::Error;
use rustls::RootCertStore;
use rustls::crypto::aws_lc_rs;
use rustls_pki_types::ServerName;
use std::sync::Arc;

/// TLS 1.3 only, hybrid key exchange preferred, the configured CA and no other, ALPN `claviger/1`, no early data.
pub(crate) fn tls_config(config: &ClientConfig) -> Result<rustls::ClientConfig, Error> {
    let refuse = |what| move |error: rustls::Error| certificate_error(what, error);
    let mut roots = RootCertStore::empty();
    for certificate in &config.server_ca.0 {
        roots.add(certificate.clone()).map_err(refuse("the server's CA certificate"))?;
    }
    let builder = rustls::ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(refuse("TLS 1.3"))?
        .with_root_certificates(roots);
    let mut tls = match &config.identity {
        Some(identity) => builder
            .with_client_auth_cert(identity.certificates.clone(), identity.private_key.clone_key())
            .map_err(refuse("the client certificate or its private key"))?,
        None => builder.with_no_client_auth(),
    };
    tls.alpn_protocols = vec![ALPN.to_vec()];
    tls.enable_early_data = false;
    Ok(tls)
}

/// The name or address that the server's certificate must be for.
pub(crate) fn server_name(config: &ClientConfig) -> Result<ServerName<'static>, Error> {
    ServerName::try_from(config.server_name.clone())
        .map_err(|_| Error::Setting { setting: "server_name", reason: "it is a host name or an IP address" })
}

/// Application protocol of the data port (RFC 7301).
pub(crate) const ALPN: &[u8] = b"claviger/1";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ServerCa;
    use rustls::NamedGroup;

    // R-P5
    #[test]
    fn hybrid_key_exchange_is_preferred() {
        let provider = aws_lc_rs::default_provider();
        assert_eq!(provider.kx_groups.first().map(|group| group.name()), Some(NamedGroup::X25519MLKEM768));
    }

    #[test]
    fn refuses_a_ca_certificate_and_a_server_name_that_are_none() {
        let mut config = ClientConfig::new("localhost:7700", ServerCa::from_der(vec![1, 2, 3]), None);
        assert!(matches!(tls_config(&config), Err(Error::Certificate { .. })));
        config.server_name = "not a name".to_owned();
        assert!(matches!(server_name(&config), Err(Error::Setting { setting: "server_name", .. })));
    }
}
