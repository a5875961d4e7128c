//! Who asks: taken from the client certificate that the handshake has checked.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_lc_rs::digest::{SHA256, digest};
use claviger_engine::Engine;
use claviger_engine::key::text::is_shown;
use claviger_engine::person::{Person, PublicKeyHash};
use claviger_engine::transfer::Requester;
use rustls_pki_types::CertificateDer;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::problem::{Kind, Problem};
use crate::pem;

/// Who makes a request, by his certificate. What he may do is looked up for each request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    name: String,
    fingerprint: [u8; 32],
    key: PublicKeyHash,
    is_administrator: bool,
    not_before: SystemTime,
    not_after: SystemTime,
}

impl Caller {
    /// The administrator by configuration of a certificate that has been checked against the administrators' authorities; `None` if it cannot be
    /// read, or is not for client authentication (RFC 5280 section 4.2.1.12).
    #[must_use]
    pub fn administrator(certificate: &CertificateDer<'_>) -> Option<Self> {
        Some(Self { is_administrator: true, ..Self::holder(certificate)? })
    }

    /// The holder of a certificate, whoever issued it: a person, if one is known by its public key. `None` as for [`Caller::administrator`].
    #[must_use]
    pub fn holder(certificate: &CertificateDer<'_>) -> Option<Self> {
        let (rest, parsed) = X509Certificate::from_der(certificate).ok()?;
        // Path validation takes a certificate that names no purpose for any purpose.
        if !rest.is_empty() || !parsed.extended_key_usage().ok()??.value.client_auth {
            return None;
        }
        let name = parsed.subject().iter_common_name().next().and_then(|name| name.as_str().ok());
        Some(Self {
            // Control and format characters would let a name forge lines of the log.
            name: name.unwrap_or("(no name)").chars().filter(|character| is_shown(*character)).collect(),
            fingerprint: sha256(certificate),
            key: PublicKeyHash(sha256(parsed.public_key().raw)),
            is_administrator: false,
            not_before: pem::not_before(certificate)?,
            not_after: pem::not_after(certificate)?,
        })
    }

    /// Who asked for something that is done now, because it was approved: whoever is known by the key now, whatever has become of the certificate.
    pub(super) fn who_asked(name: String, fingerprint: [u8; 32], key: PublicKeyHash) -> Self {
        let not_before = SystemTime::UNIX_EPOCH;
        let not_after = not_before.checked_add(FAR).unwrap_or(not_before);
        Self { name, fingerprint, key, is_administrator: false, not_before, not_after }
    }

    /// What [`Caller::who_asked`] takes.
    pub(super) fn parts(&self) -> (String, [u8; 32], [u8; 32]) {
        (self.name.clone(), self.fingerprint, self.key.0)
    }

    /// Common name of the certificate's subject.
    #[must_use]
    pub fn common_name(&self) -> &str {
        &self.name
    }

    /// The public key of the certificate.
    #[must_use]
    pub const fn key(&self) -> PublicKeyHash {
        self.key
    }

    /// The first and the last moment at which the certificate is valid.
    #[must_use]
    pub const fn validity(&self) -> (SystemTime, SystemTime) {
        (self.not_before, self.not_after)
    }

    /// Whether the certificate is that of an administrator by configuration, who may do everything.
    #[must_use]
    pub const fn is_administrator(&self) -> bool {
        self.is_administrator
    }

    /// What tells the caller apart from everybody else: the SHA-256 of his certificate.
    #[must_use]
    pub const fn requester(&self) -> Requester {
        Requester(self.fingerprint)
    }

    /// The person who is known by the certificate now; none for an administrator by configuration.
    ///
    /// # Errors
    /// The problem to answer if he is nobody, or kept out.
    pub fn person(&self, engine: &Engine) -> Result<Option<Arc<Person>>, Problem> {
        if self.is_administrator {
            return Ok(None);
        }
        match engine.person_by_key(&self.key) {
            Some(person) if !person.record.is_disabled => Ok(Some(person)),
            Some(_) => Err(Problem::new(Kind::NotPermitted, "you are disabled: a system administrator enables you")),
            None => {
                let detail = format!(
                    "nobody is known by the public key {} of your certificate: a system administrator adds it (`claviger person certificate add`)",
                    self.key
                );
                Err(Problem::new(Kind::NotPermitted, detail))
            }
        }
    }

    /// Who it is, for the log: a person by his name and id, or an administrator by his certificate.
    #[must_use]
    pub fn actor(&self, engine: &Engine) -> String {
        match engine.person_by_key(&self.key).filter(|_| !self.is_administrator) {
            Some(person) => format!("person {} ({})", person.record.name, person.record.id),
            None => self.to_string(),
        }
    }

    /// Refuses a caller whose certificate has ended since he connected.
    ///
    /// # Errors
    /// The problem to answer.
    pub fn check_end(&self, now: SystemTime) -> Result<(), Problem> {
        if now > self.not_after {
            let detail = "your certificate has ended since you connected: connect with a new one";
            return Err(Problem::new(Kind::NotPermitted, detail));
        }
        Ok(())
    }
}

impl fmt::Display for Caller {
    /// The name, which a certificate may share with others, and enough of the fingerprint to tell them apart.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fingerprint = self.requester().to_string();
        write!(f, "{} ({})", self.name, fingerprint.get(..FINGERPRINT_DIGITS).unwrap_or_default())
    }
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, bytes).as_ref());
    hash
}

const FINGERPRINT_DIGITS: usize = 16;

/// Until when somebody has asked for something: longer than anything waits.
const FAR: Duration = Duration::from_hours(1_000 * 365 * 24);

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, KeyPair};

    use super::*;

    fn certificate(purposes: &[ExtendedKeyUsagePurpose], key: &KeyPair) -> CertificateDer<'static> {
        let mut params = CertificateParams::new([]).unwrap();
        params.extended_key_usages = purposes.to_vec();
        params.self_signed(key).unwrap().der().clone()
    }

    // R-O1, R-A8
    #[test]
    fn only_a_certificate_for_client_authentication_makes_a_caller() {
        use ExtendedKeyUsagePurpose::{Any, ClientAuth, ServerAuth};
        let key = KeyPair::generate().unwrap();
        for purposes in [vec![], vec![ServerAuth], vec![Any]] {
            assert_eq!(Caller::administrator(&certificate(&purposes, &key)), None, "{purposes:?}");
            assert_eq!(Caller::holder(&certificate(&purposes, &key)), None, "{purposes:?}");
        }
        assert_eq!(Caller::administrator(&CertificateDer::from(vec![0x30, 0])), None);
        for purposes in [vec![ClientAuth], vec![ServerAuth, ClientAuth]] {
            let certificate = certificate(&purposes, &key);
            assert!(Caller::administrator(&certificate).unwrap().is_administrator(), "{purposes:?}");
            assert!(!Caller::holder(&certificate).unwrap().is_administrator(), "{purposes:?}");
            let mut longer = certificate.to_vec();
            longer.push(0);
            assert_eq!(Caller::holder(&longer.into()), None);
        }
    }

    // R-A8
    #[test]
    fn another_certificate_for_the_same_key_is_the_same_public_key() {
        let (key, other) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let holder = |key| Caller::holder(&certificate(&[ExtendedKeyUsagePurpose::ClientAuth], key)).unwrap();
        let (one, again, another) = (holder(&key), holder(&key), holder(&other));
        assert_eq!(one.key(), again.key());
        assert_ne!(one.key(), another.key());
    }
}
