//! Authorities and certificates, good and bad.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use claviger_engine::access::{NewAccess, NewPermit};
use claviger_engine::key::id::{AccessRowId, StoreId};
use claviger_engine::{AccessData, AccessRow, Engine, IssuedCertificate};
use parking_lot::Mutex;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    SanType,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::server::Server;

/// A certificate authority of a key store, or of the server.
pub(crate) struct Authority {
    pub(crate) certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
    /// The key stores that it issues for.
    stores: Mutex<Vec<(Arc<Engine>, StoreId)>>,
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
        Self { certificate, issuer: Issuer::new(params, key), stores: Mutex::default() }
    }

    /// From now on its certificates are let in to this store.
    pub(crate) fn issues_for(&self, engine: &Arc<Engine>, store: StoreId) {
        self.stores.lock().push((Arc::clone(engine), store));
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
        Self { certificate, issuer: Issuer::new(params, key), stores: Mutex::default() }
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
        let credential = self.issue_without_row(params);
        for (engine, store) in &*self.stores.lock() {
            let_in(engine, *store, &credential);
        }
        credential
    }

    /// Any certificate, of which no key store is told.
    pub(crate) fn issue_without_row(&self, params: &CertificateParams) -> Credential {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        credential(vec![certificate.der().clone()], &key)
    }
}

/// A client of the server's key store, and the row by which it comes in.
pub(crate) fn client_of(server: &Server) -> (Credential, AccessRowId) {
    let credential = server.authority.issue_without_row(&client_params("client"));
    let row = let_in(&server.engine, server.store, &credential).id;
    (credential, row)
}

/// Adds what the control port writes down of a certificate that it issues.
pub(crate) fn let_in(engine: &Engine, store: StoreId, credential: &Credential) -> AccessRow {
    let (_, parsed) = X509Certificate::from_der(&credential.chain[0]).unwrap();
    let data = AccessData::IssuedCertificate(IssuedCertificate {
        serial: parsed.raw_serial().to_vec(),
        public_key_sha256: public_key_sha256(credential),
        common_name: "client".to_owned(),
    });
    add(engine, store, data)
}

/// SHA-256 of the public key of a certificate.
pub(crate) fn public_key_sha256(credential: &Credential) -> [u8; 32] {
    let (_, parsed) = X509Certificate::from_der(&credential.chain[0]).unwrap();
    digest(&SHA256, parsed.public_key().raw).as_ref().try_into().unwrap()
}

/// A row that permits everything.
pub(crate) fn add(engine: &Engine, store: StoreId, data: AccessData) -> AccessRow {
    let new = NewAccess { data, description: String::new(), ends_ms: None, permit: NewPermit::default() };
    engine.add_access(store, new).unwrap()
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
