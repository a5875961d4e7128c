//! Who asks: taken from the client certificate that the handshake has checked.

use std::fmt;
use std::time::SystemTime;

use aws_lc_rs::digest::{SHA256, digest};
use claviger_engine::transfer::Requester;
use rustls_pki_types::CertificateDer;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::problem::{Kind, Problem};
use crate::pem;

/// What a caller may do. Each route names the role that it asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Administers the installation and everything in it: a certificate of an administrators' authority.
    SystemAdministrator,
}

impl Role {
    /// Its name in the API description.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::SystemAdministrator => "system administrator",
        }
    }
}

/// Who makes a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    name: String,
    fingerprint: [u8; 32],
    role: Role,
    not_after: SystemTime,
}

impl Caller {
    /// The administrator of a certificate that has been checked against the administrators' authorities; `None` if it cannot be
    /// read, or is not for client authentication (RFC 5280 section 4.2.1.12).
    #[must_use]
    pub fn administrator(certificate: &CertificateDer<'_>) -> Option<Self> {
        let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
        // Path validation takes a certificate that names no purpose for any purpose.
        if !parsed.extended_key_usage().ok()??.value.client_auth {
            return None;
        }
        let name = parsed.subject().iter_common_name().next().and_then(|name| name.as_str().ok());
        let mut fingerprint = [0; 32];
        fingerprint.copy_from_slice(digest(&SHA256, certificate).as_ref());
        Some(Self {
            // Control characters would let a name forge lines of the log.
            name: name.unwrap_or("(no name)").chars().filter(|c| !c.is_control()).collect(),
            fingerprint,
            role: Role::SystemAdministrator,
            not_after: pem::not_after(certificate)?,
        })
    }

    /// What tells the caller apart from everybody else: the SHA-256 of his certificate.
    #[must_use]
    pub const fn requester(&self) -> Requester {
        Requester(self.fingerprint)
    }

    /// Lets the caller pass if he has `role` and his certificate is still valid.
    ///
    /// # Errors
    /// The problem to answer.
    pub fn authorise(&self, role: Role, now: SystemTime) -> Result<(), Problem> {
        if now > self.not_after {
            let detail = "your certificate has ended since you connected: connect with a new one";
            return Err(Problem::new(Kind::NotPermitted, detail));
        }
        if self.role != role {
            return Err(Problem::new(Kind::NotPermitted, format!("this needs the role {}", role.name())));
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

const FINGERPRINT_DIGITS: usize = 16;

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, KeyPair};

    use super::*;

    fn certificate(purposes: &[ExtendedKeyUsagePurpose]) -> CertificateDer<'static> {
        let mut params = CertificateParams::new([]).unwrap();
        params.extended_key_usages = purposes.to_vec();
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone()
    }

    // R-O1
    #[test]
    fn only_a_certificate_for_client_authentication_makes_an_administrator() {
        use ExtendedKeyUsagePurpose::{Any, ClientAuth, ServerAuth};
        for purposes in [vec![], vec![ServerAuth], vec![Any]] {
            assert_eq!(Caller::administrator(&certificate(&purposes)), None, "{purposes:?}");
        }
        assert_eq!(Caller::administrator(&CertificateDer::from(vec![0x30, 0])), None);
        for purposes in [vec![ClientAuth], vec![ServerAuth, ClientAuth]] {
            assert!(Caller::administrator(&certificate(&purposes)).is_some(), "{purposes:?}");
        }
    }
}
