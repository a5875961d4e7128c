//! TLS of the control port: version 1.3 only (RFC 8446), a client certificate required.
//!
//! Who may come in is decided within the handshake, after the client has proved that it holds the private key: an administrator by configuration, whose certificate leads
//! to one of the administrators' authorities, or a person who is known by the public key. Nobody else learns who is known.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use anyhow::Context;
use claviger_engine::Engine;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, verify_tls13_signature};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore, ServerConfig, SignatureScheme,
};
use rustls_pki_types::{CertificateDer, UnixTime};

use super::ControlSettings;
use super::caller::Caller;
use crate::pem;

/// What every handshake of the control port is made with.
pub(super) struct Tls {
    provider: Arc<CryptoProvider>,
    certificate: Arc<dyn ResolvesServerCert>,
    administrators: Administrators,
    engine: Arc<Engine>,
}

/// The authorities whose certificates are administrators.
#[derive(Clone, Debug)]
pub(super) struct Administrators(Arc<dyn ClientCertVerifier>);

/// One handshake: who the client is, as far as it has come.
pub(super) struct Meeting {
    provider: Arc<CryptoProvider>,
    administrators: Administrators,
    engine: Arc<Engine>,
    shown: OnceLock<Shown>,
}

/// A well-formed certificate for clients that is valid now.
struct Shown {
    caller: Caller,
    /// Why it is not that of an administrator by configuration, if it is not.
    stranger: Option<Error>,
}

impl Tls {
    /// # Errors
    /// If certificate and key do not belong together, or an authority is no certificate.
    pub(super) fn new(settings: &ControlSettings, engine: &Arc<Engine>) -> anyhow::Result<Self> {
        let provider = provider();
        let (chain, key) = (settings.credential.certificate_chain.clone(), settings.credential.private_key.clone_key());
        let certificate = CertifiedKey::from_der(chain, key, &provider)
            .context("[control] certificate and key do not belong together")?;
        let administrators = Administrators::new(&settings.administrators, &provider)?;
        let certificate = Arc::new(SingleCertAndKey::from(certificate));
        Ok(Self { provider, certificate, administrators, engine: Arc::clone(engine) })
    }

    /// The configuration of one handshake, and what it tells of the client once it is over.
    ///
    /// # Errors
    /// If the library does not know TLS 1.3.
    pub(super) fn handshake(&self) -> Result<(Arc<ServerConfig>, Arc<Meeting>), Error> {
        let meeting = Arc::new(Meeting {
            provider: Arc::clone(&self.provider),
            administrators: self.administrators.clone(),
            engine: Arc::clone(&self.engine),
            shown: OnceLock::new(),
        });
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_client_cert_verifier(Arc::clone(&meeting) as Arc<dyn ClientCertVerifier>)
            .with_cert_resolver(Arc::clone(&self.certificate));
        config.alpn_protocols = vec![HTTP2.to_vec(), b"http/1.1".to_vec()];
        // A session that is resumed would not be checked anew.
        config.send_tls13_tickets = 0;
        config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
        Ok((Arc::new(config), meeting))
    }
}

impl Administrators {
    /// # Errors
    /// If one of them is no authority.
    pub(super) fn new(authorities: &[CertificateDer<'static>], provider: &Arc<CryptoProvider>) -> anyhow::Result<Self> {
        let mut roots = RootCertStore::empty();
        for authority in authorities {
            roots
                .add(authority.clone())
                .context("[control] administrators holds a certificate that is no authority")?;
        }
        Ok(Self(WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider)).build()?))
    }

    /// Whether this certificate, by itself, leads to one of them.
    pub(super) fn issued(&self, certificate: &CertificateDer<'_>) -> bool {
        self.0.verify_client_cert(certificate, &[], UnixTime::now()).is_ok()
    }
}

impl Meeting {
    /// Who the client is, after the handshake.
    pub(super) fn caller(&self) -> Option<Caller> {
        self.shown.get().map(|shown| shown.caller.clone())
    }
}

impl std::fmt::Debug for Meeting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Meeting")
    }
}

impl ClientCertVerifier for Meeting {
    fn client_auth_mandatory(&self) -> bool {
        true
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        // Persons come with certificates of any authority.
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        if !pem::are_bounded(end_entity, intermediates) {
            return Err(Error::InvalidCertificate(CertificateError::BadEncoding));
        }
        let checked = self.administrators.0.verify_client_cert(end_entity, intermediates, now);
        let (caller, stranger) = match checked {
            Ok(_) => (Caller::administrator(end_entity), None),
            Err(error) => (Caller::holder(end_entity), Some(error)),
        };
        let caller = caller.ok_or(Error::InvalidCertificate(CertificateError::InvalidPurpose))?;
        let (not_before, not_after) = caller.validity();
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(now.as_secs());
        if now < not_before {
            return Err(Error::InvalidCertificate(CertificateError::NotValidYet));
        }
        if now > not_after {
            return Err(Error::InvalidCertificate(CertificateError::Expired));
        }
        // Once a connection: a second certificate is none of this handshake.
        match self.shown.set(Shown { caller, stranger }) {
            Ok(()) => Ok(ClientCertVerified::assertion()),
            Err(_) => Err(Error::General("a second certificate".into())),
        }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::PeerIncompatible(rustls::PeerIncompatible::ServerDoesNotSupportTls12Or13))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        let valid = verify_tls13_signature(message, certificate, signature, algorithms)?;
        let Shown { caller, stranger } =
            self.shown.get().ok_or(Error::InvalidCertificate(CertificateError::BadEncoding))?;
        match stranger {
            Some(error) if caller.person(&self.engine).is_err() => {
                tracing::info!(%caller, public_key = %caller.key(), "control port: nobody who is let in is known by this public key");
                Err(error.clone())
            }
            _ => Ok(valid),
        }
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// The one crypto provider.
pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// Name of HTTP/2 in the handshake (RFC 9113 section 3.1).
pub(super) const HTTP2: &[u8] = b"h2";
