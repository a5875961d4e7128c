//! Keys of subjects and authorities: those that are made here, and those of signing requests.

use rcgen::{KeyPair, PublicKeyData, SignatureAlgorithm, SigningKey, SubjectPublicKeyInfo};
use rustls_pki_types::CertificateSigningRequestDer;
use rustls_pki_types::pem::PemObject;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::oid_registry::{OID_PKCS1_SHA1WITHRSA, OID_SHA1_WITH_RSA};
use x509_parser::prelude::FromDer;
use zeroize::Zeroize;

use super::AuthorityError;

/// The public key of a signing request, once the request has proved possession of the private one.
pub(super) fn requested_key(request: &str) -> Result<SubjectPublicKeyInfo, AuthorityError> {
    let der = CertificateSigningRequestDer::from_pem_slice(request.as_bytes()).map_err(|_| AuthorityError::Request)?;
    let (rest, parsed) = X509CertificationRequest::from_der(&der).map_err(|_| AuthorityError::Request)?;
    if !rest.is_empty() {
        return Err(AuthorityError::Request);
    }
    let sha1 = [OID_PKCS1_SHA1WITHRSA, OID_SHA1_WITH_RSA];
    if sha1.contains(&parsed.signature_algorithm.algorithm) || parsed.verify_signature().is_err() {
        return Err(AuthorityError::RequestSignature);
    }
    // Taken from the key itself: the algorithm of the signature does not tell the curve of the key.
    SubjectPublicKeyInfo::from_der(parsed.certification_request_info.subject_pki.raw)
        .map_err(|_| AuthorityError::RequestSignature)
}

/// A key pair whose serialized form is wiped on drop; the library wipes its own form.
pub(super) struct WipedKeyPair(pub(super) KeyPair);

impl Drop for WipedKeyPair {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl PublicKeyData for WipedKeyPair {
    fn der_bytes(&self) -> &[u8] {
        self.0.der_bytes()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        self.0.algorithm()
    }
}

impl SigningKey for WipedKeyPair {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        self.0.sign(message)
    }
}
