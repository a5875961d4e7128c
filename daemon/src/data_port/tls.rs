//! TLS 1.3 on TCP and inside QUIC, from one set of choices.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use quinn::crypto::rustls::QuicServerConfig;
use quinn::{EndpointConfig, IdleTimeout, MtuDiscoveryConfig, TransportConfig, VarInt};
use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::version::TLS13;

use super::client_certificate::AskForCertificate;
use crate::limits::{
    QUIC_CONNECTION_WINDOW, QUIC_DATAGRAM_SIZE_MAX, QUIC_KEEP_ALIVES, QUIC_SEND_WINDOW, QUIC_STREAM_WINDOW,
    QUIC_STREAMS_MAX,
};
use crate::pem::Credential;

/// The one crypto provider, with its hybrid key exchange first.
pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// The configuration of TLS over TCP.
///
/// # Errors
/// If certificate and private key do not belong together.
pub(super) fn tcp(credential: &Credential, provider: &Arc<CryptoProvider>) -> anyhow::Result<ServerConfig> {
    let mut config = ServerConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(&[&TLS13])
        .context("TLS 1.3 is not available")?
        .with_client_cert_verifier(AskForCertificate::new(Arc::clone(provider)))
        .with_single_cert(credential.certificate_chain.clone(), credential.private_key.clone_key())
        .context(
            "the certificate and the private key of the data port do not belong together: check both files in [tls]",
        )?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    // No early data: it can be replayed.
    config.max_early_data_size = 0;
    Ok(config)
}

/// The configuration of QUIC.
///
/// # Errors
/// As [`tcp`].
pub(super) fn quic(
    credential: &Credential,
    idle: Duration,
    provider: &Arc<CryptoProvider>,
) -> anyhow::Result<quinn::ServerConfig> {
    let crypto = QuicServerConfig::try_from(tcp(credential, provider)?).context("no cipher suite for QUIC")?;
    let mut config = quinn::ServerConfig::with_crypto(Arc::new(crypto));
    config.migration(false);
    config.transport_config(Arc::new(transport(idle)));
    Ok(config)
}

/// The configuration of the QUIC endpoint.
///
/// # Errors
/// If the datagram size is not one that QUIC allows.
pub(super) fn endpoint() -> anyhow::Result<EndpointConfig> {
    let mut config = EndpointConfig::default();
    config.max_udp_payload_size(QUIC_DATAGRAM_SIZE_MAX).context("the datagram size is not allowed")?;
    Ok(config)
}

fn transport(idle: Duration) -> TransportConfig {
    let mut transport = TransportConfig::default();
    let mut discovery = MtuDiscoveryConfig::default();
    discovery.upper_bound(QUIC_DATAGRAM_SIZE_MAX);
    transport
        .max_concurrent_bidi_streams(VarInt::from_u32(QUIC_STREAMS_MAX))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .datagram_receive_buffer_size(None)
        .stream_receive_window(VarInt::from_u32(QUIC_STREAM_WINDOW))
        .receive_window(VarInt::from_u32(QUIC_CONNECTION_WINDOW))
        .send_window(QUIC_SEND_WINDOW)
        .mtu_discovery_config(Some(discovery))
        .max_idle_timeout(IdleTimeout::try_from(idle).ok())
        .keep_alive_interval(Some(idle / QUIC_KEEP_ALIVES));
    transport
}

/// The protocol of the data port: required on both transports.
pub(super) const ALPN: &[u8] = b"claviger/1";
