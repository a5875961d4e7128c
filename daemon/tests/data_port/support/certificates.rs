//! Authorities and certificates, good and bad.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    SanType,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// A certificate authority of a key store, or of the server.
pub(crate) struct Authority {
    pub(crate) certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and a private key, which is usually its own.
pub(crate) struct Credential {
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) private_key: PrivateKeyDer<'static>,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = named(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let certificate = params.self_signed(&key).unwrap().der().clone();
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    pub(crate) fn private_key(&self) -> Vec<u8> {
        self.issuer.key().serialized_der().to_vec()
    }

    /// The authority itself as a client.
    pub(crate) fn as_credential(&self) -> Credential {
        credential(vec![self.certificate.clone()], self.issuer.key())
    }

    /// A certificate as the control port issues it.
    pub(crate) fn client(&self, name: &str) -> Credential {
        self.issue(&client_params(name))
    }

    /// A client of this authority that acts as if it were one.
    pub(crate) fn client_as_issuer(&self, name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let params = client_params(name);
        let certificate = params.signed_by(&key, &self.issuer).unwrap().der().clone();
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    /// A certificate for a server on this machine.
    pub(crate) fn server(&self) -> Credential {
        let mut params = named("server");
        params.subject_alt_names = vec![SanType::IpAddress([127, 0, 0, 1].into())];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.issue(&params)
    }

    /// Any certificate.
    pub(crate) fn issue(&self, params: &CertificateParams) -> Credential {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        credential(vec![certificate.der().clone()], &key)
    }
}

/// What the control port puts into a client's certificate.
pub(crate) fn client_params(name: &str) -> CertificateParams {
    let mut params = named(name);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params
}

/// A certificate that nobody but its own key has signed.
pub(crate) fn self_signed(params: &CertificateParams) -> Credential {
    let key = KeyPair::generate().unwrap();
    credential(vec![params.self_signed(&key).unwrap().der().clone()], &key)
}

fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

fn credential(chain: Vec<CertificateDer<'static>>, key: &KeyPair) -> Credential {
    Credential { chain, private_key: PrivatePkcs8KeyDer::from(key.serialize_der()).into() }
}
