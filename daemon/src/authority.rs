//! Certificate authorities and the certificates that they issue (X.509, RFC 5280).
//!
//! Each port, the administrators, and each key store have an authority of their own, so that a certificate of one is worth nothing to another.
//! An authority signs certificates of servers and clients and nothing else: path length 0, one purpose a certificate.

mod key;

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use claviger_engine::crypto::random::{EntropyError, Random};
use claviger_engine::key::text::is_shown;
use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SanType, SerialNumber,
};
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use zeroize::Zeroizing;

use self::key::{WipedKeyPair, requested_key};
use crate::limits::{AUTHORITY_LIFETIME, CLOCK_SKEW, COMMON_NAME_SIZE_MAX};
use crate::pem;

/// A certificate authority: ECDSA on P-256 with SHA-256.
pub struct Authority {
    certificate: CertificateDer<'static>,
    not_after: SystemTime,
    issuer: Issuer<'static, WipedKeyPair>,
}

/// What a certificate is for.
pub enum Purpose<'a> {
    /// A server that is reached by these names and addresses; at least one.
    Server(&'a [String]),
    /// A client.
    Client,
}

/// Whose key a certificate is for.
pub enum Subject<'a> {
    /// The key of a signing request (PKCS#10, RFC 2986, in PEM). Its private key stays where it is; nothing but the key is taken from the request.
    Request(&'a str),
    /// A key that is made here and handed out with the certificate.
    Generated,
}

/// A certificate that has been issued.
pub struct Issued {
    /// The certificate.
    pub certificate: CertificateDer<'static>,
    /// Its private key (PKCS#8 in PEM) if it was made here.
    pub private_key: Option<Zeroizing<String>>,
    /// The last moment at which it is valid, in whole seconds.
    pub not_after: SystemTime,
}

/// Why no certificate was issued, or an authority cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    // The requester can act.
    /// The name of the subject cannot stand in a certificate.
    #[error("a common name is 1 to {COMMON_NAME_SIZE_MAX} bytes of printable text")]
    CommonName,
    /// A name of a server is neither a host name nor an address.
    #[error("{0:?} is neither a host name nor an address")]
    ServerName(String),
    /// A server without a name.
    #[error("a server certificate needs at least one host name or address")]
    NoServerName,
    /// The signing request cannot be read.
    #[error("the signing request is not a PKCS#10 request in PEM: make one with `openssl req -new`")]
    Request,
    /// The signing request does not prove possession of its key.
    #[error(
        "the signing request is not signed by its own key in a way that is accepted: use ECDSA on P-256 or P-384, Ed25519, \
         or RSA of 2,048 bits and more, with SHA-256 or SHA-384"
    )]
    RequestSignature,

    // The operator can act.
    /// The certificate of the authority has ended.
    #[error("the certificate of this authority has ended: nothing can be issued any more")]
    Ended,
    /// What is stored of the authority cannot be used.
    #[error("the certificate or the private key of this authority is damaged: restore it from a backup")]
    Damaged,
    /// No random bytes for a serial number.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// The library failed.
    #[error("the certificate library failed: {0}")]
    Library(#[from] rcgen::Error),
}

impl Authority {
    /// Makes a new authority. Its subject is `name` and 16 random hexadecimal digits, so that no two are confused.
    ///
    /// # Errors
    /// [`AuthorityError::CommonName`], [`AuthorityError::Entropy`], [`AuthorityError::Library`].
    pub fn create(name: &str, now: SystemTime, random: &dyn Random) -> Result<Self, AuthorityError> {
        let mut tag = [0; 8];
        random.fill(&mut tag)?;
        let key = WipedKeyPair(KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?);
        let name = common_name(&format!("{name} {:016x}", u64::from_be_bytes(tag)))?;
        let not_after = whole_seconds(now + AUTHORITY_LIFETIME);
        let mut params = params(name, now, not_after, random)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key)?.der().clone();
        Ok(Self { certificate, not_after, issuer: Issuer::new(params, key) })
    }

    /// The authority of this certificate (DER) and private key (PKCS#8 DER).
    ///
    /// # Errors
    /// [`AuthorityError::Damaged`].
    pub fn from_der(certificate: &[u8], private_key: &[u8]) -> Result<Self, AuthorityError> {
        let key =
            KeyPair::from_pkcs8_der_and_sign_algo(&PrivatePkcs8KeyDer::from(private_key), &PKCS_ECDSA_P256_SHA256);
        let key = WipedKeyPair(key.map_err(|_| AuthorityError::Damaged)?);
        let certificate = CertificateDer::from(certificate.to_vec());
        let not_after = pem::not_after(&certificate).ok_or(AuthorityError::Damaged)?;
        let issuer = Issuer::from_ca_cert_der(&certificate, key).map_err(|_| AuthorityError::Damaged)?;
        Ok(Self { certificate, not_after, issuer })
    }

    /// Its certificate.
    #[must_use]
    pub const fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// Its private key, PKCS#8 DER. Each call is a place to review.
    #[must_use]
    pub fn private_key(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(self.issuer.key().0.serialized_der().to_vec())
    }

    /// Issues a certificate that is valid for `lifetime`, but never longer than the authority.
    ///
    /// # Errors
    /// [`AuthorityError`]: something in the request cannot be, or the authority has ended.
    pub fn issue(
        &self,
        name: &str,
        purpose: &Purpose<'_>,
        subject: &Subject<'_>,
        lifetime: Duration,
        now: SystemTime,
        random: &dyn Random,
    ) -> Result<Issued, AuthorityError> {
        if now >= self.not_after {
            return Err(AuthorityError::Ended);
        }
        let not_after = whole_seconds(now + lifetime).min(self.not_after);
        let mut params = params(common_name(name)?, now, not_after, random)?;
        params.is_ca = IsCa::ExplicitNoCa;
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = match purpose {
            Purpose::Server(names) => {
                params.subject_alt_names = server_names(names)?;
                vec![ExtendedKeyUsagePurpose::ServerAuth]
            }
            Purpose::Client => vec![ExtendedKeyUsagePurpose::ClientAuth],
        };
        let (certificate, private_key) = match subject {
            Subject::Request(request) => (params.signed_by(&requested_key(request)?, &self.issuer)?, None),
            Subject::Generated => {
                let key = WipedKeyPair(KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?);
                let text = pem::encode("PRIVATE KEY", key.0.serialized_der());
                (params.signed_by(&key, &self.issuer)?, Some(text))
            }
        };
        Ok(Issued { certificate: certificate.der().clone(), private_key, not_after })
    }
}

/// What all certificates have in common.
fn params(
    name: String,
    now: SystemTime,
    not_after: SystemTime,
    random: &dyn Random,
) -> Result<CertificateParams, AuthorityError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = whole_seconds(now - CLOCK_SKEW).into();
    params.not_after = not_after.into();
    params.serial_number = Some(serial_number(random)?);
    Ok(params)
}

/// 127 random bits, never negative (RFC 5280 section 4.1.2.2).
fn serial_number(random: &dyn Random) -> Result<SerialNumber, AuthorityError> {
    let mut serial = [0; 16];
    random.fill(&mut serial)?;
    let serial = u128::from_be_bytes(serial) >> 1;
    Ok(SerialNumber::from_slice(&serial.to_be_bytes()))
}

fn common_name(name: &str) -> Result<String, AuthorityError> {
    let printable = name.chars().all(is_shown) && name.trim() == name;
    let fits = (1..=COMMON_NAME_SIZE_MAX).contains(&name.len());
    (printable && fits).then(|| name.to_owned()).ok_or(AuthorityError::CommonName)
}

fn server_names(names: &[String]) -> Result<Vec<SanType>, AuthorityError> {
    if names.is_empty() {
        return Err(AuthorityError::NoServerName);
    }
    let san = |name: &String| match name.parse::<IpAddr>() {
        Ok(address) => Ok(SanType::IpAddress(address)),
        Err(_) => {
            let valid = rustls_pki_types::DnsName::try_from(name.as_str()).is_ok();
            let name = valid.then(|| Ia5String::try_from(name.as_str()).ok()).flatten().ok_or(name);
            name.map(SanType::DnsName).map_err(|name| AuthorityError::ServerName(name.clone()))
        }
    };
    names.iter().map(san).collect()
}

/// Certificates tell seconds.
fn whole_seconds(time: SystemTime) -> SystemTime {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    SystemTime::UNIX_EPOCH + Duration::from_secs(since.as_secs())
}

#[cfg(test)]
mod tests {
    use claviger_engine::crypto::random::SystemRandom;
    use rcgen::SignatureAlgorithm;
    use rustls_pki_types::CertificateSigningRequestDer;
    use rustls_pki_types::pem::PemObject;
    use x509_parser::certification_request::X509CertificationRequest;
    use x509_parser::prelude::{FromDer, X509Certificate, X509Version};

    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    fn authority() -> Authority {
        Authority::create("Test authority", SystemTime::now(), &SystemRandom::new()).unwrap()
    }

    fn issue(
        authority: &Authority,
        name: &str,
        purpose: &Purpose<'_>,
        subject: &Subject<'_>,
    ) -> Result<Issued, AuthorityError> {
        authority.issue(name, purpose, subject, 30 * DAY, SystemTime::now(), &SystemRandom::new())
    }

    fn request(algorithm: &'static SignatureAlgorithm) -> String {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "administrator");
        params.serialize_request(&key).unwrap().pem().unwrap()
    }

    fn parse<'a>(certificate: &'a CertificateDer<'static>) -> X509Certificate<'a> {
        X509Certificate::from_der(certificate).unwrap().1
    }

    // R-A5
    #[test]
    fn a_client_certificate_is_for_clients_only_and_signed_by_its_authority() {
        let authority = authority();
        let issued = issue(&authority, "billing", &Purpose::Client, &Subject::Generated).unwrap();
        let (parent, child) = (parse(&authority.certificate), parse(&issued.certificate));
        child.verify_signature(Some(parent.public_key())).unwrap();
        assert_eq!(child.version(), X509Version::V3);
        assert_eq!(child.subject().to_string(), "CN=billing");
        assert_eq!(child.issuer(), parent.subject());
        assert!(!child.is_ca());
        let usage = child.extended_key_usage().unwrap().unwrap().value;
        assert!(usage.client_auth && !usage.server_auth && !usage.any);
        assert!(child.subject_alternative_name().unwrap().is_none());
    }

    #[test]
    fn a_server_certificate_names_hosts_and_addresses() {
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
        let issued = issue(&authority(), "claviger", &Purpose::Server(&names), &Subject::Generated).unwrap();
        let certificate = parse(&issued.certificate);
        let names = certificate.subject_alternative_name().unwrap().unwrap().value;
        assert_eq!(names.general_names.len(), 3);
        let usage = certificate.extended_key_usage().unwrap().unwrap().value;
        assert!(usage.server_auth && !usage.client_auth);
    }

    // R-A5
    #[test]
    fn nothing_but_the_key_is_taken_from_a_signing_request() {
        for algorithm in [&PKCS_ECDSA_P256_SHA256, &rcgen::PKCS_ECDSA_P384_SHA384, &rcgen::PKCS_ED25519] {
            let request = request(algorithm);
            let issued = issue(&authority(), "billing", &Purpose::Client, &Subject::Request(&request)).unwrap();
            let certificate = parse(&issued.certificate);
            assert!(issued.private_key.is_none());
            assert_eq!(certificate.subject().to_string(), "CN=billing");
            assert!(!certificate.is_ca());
            let der = CertificateSigningRequestDer::from_pem_slice(request.as_bytes()).unwrap();
            let (_, requested) = X509CertificationRequest::from_der(&der).unwrap();
            assert_eq!(certificate.public_key().raw, requested.certification_request_info.subject_pki.raw);
        }
    }

    #[test]
    fn refuses_signing_requests_that_are_cut_altered_or_none() {
        let good = request(&PKCS_ECDSA_P256_SHA256);
        let der = CertificateSigningRequestDer::from_pem_slice(good.as_bytes()).unwrap();
        let text = |der: &[u8]| pem::encode("CERTIFICATE REQUEST", der).to_string();
        let refused = |text: &str| issue(&authority(), "billing", &Purpose::Client, &Subject::Request(text)).is_err();
        assert!(!refused(&text(&der)));
        for size in 0..der.len() {
            assert!(refused(&text(&der[..size])), "cut at {size}");
        }
        // What is signed; outside it stand encodings of the signature, some of which have a bit to spare.
        let signed = X509CertificationRequest::from_der(&der).unwrap().1.certification_request_info.raw.len();
        for index in 0..signed {
            let mut altered = der.to_vec();
            altered[index] ^= 1;
            assert!(refused(&text(&altered)), "bit 0 of byte {index}");
        }
        assert!(refused(&text(&[&der, [0].as_slice()].concat())));
        for other in ["", "hello", &authority().certificate_pem_for_tests()] {
            assert!(refused(other), "{other}");
        }
    }

    #[test]
    fn refuses_names_that_a_certificate_cannot_hold() {
        let authority = authority();
        for name in ["", " ", " a", "a\n", "a\0b", "a\u{202e}b", "a\u{200b}", &"x".repeat(COMMON_NAME_SIZE_MAX + 1)] {
            let error = issue(&authority, name, &Purpose::Client, &Subject::Generated).err().unwrap();
            assert!(matches!(error, AuthorityError::CommonName), "{name:?}");
        }
        for names in [vec![], vec![String::new()], vec!["a b".to_owned()], vec!["ä".to_owned()], vec!["a\0".to_owned()]]
        {
            assert!(issue(&authority, "claviger", &Purpose::Server(&names), &Subject::Generated).is_err(), "{names:?}");
        }
    }

    #[test]
    fn serial_numbers_are_positive_and_differ() {
        let authority = authority();
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..64 {
            let issued = issue(&authority, "a", &Purpose::Client, &Subject::Generated).unwrap();
            let serial = parse(&issued.certificate).raw_serial().to_vec();
            assert!(serial.len() <= 16 && serial[0] < 0x80);
            assert!(seen.insert(serial));
        }
    }

    #[test]
    fn an_issued_certificate_does_not_outlive_its_authority() {
        let (now, random) = (SystemTime::now(), SystemRandom::new());
        let authority = authority();
        let long = authority.issue("a", &Purpose::Client, &Subject::Generated, 2 * AUTHORITY_LIFETIME, now, &random);
        assert_eq!(long.unwrap().not_after, authority.not_after);
        let late = now + AUTHORITY_LIFETIME + DAY;
        let ended = authority.issue("a", &Purpose::Client, &Subject::Generated, DAY, late, &random);
        assert!(matches!(ended, Err(AuthorityError::Ended)));
    }

    #[test]
    fn an_authority_comes_back_from_its_stored_form() {
        let authority = authority();
        let again = Authority::from_der(&authority.certificate, &authority.private_key()).unwrap();
        assert_eq!(again.not_after, authority.not_after);
        let issued = issue(&again, "a", &Purpose::Client, &Subject::Generated).unwrap();
        parse(&issued.certificate).verify_signature(Some(parse(&authority.certificate).public_key())).unwrap();
        assert!(Authority::from_der(&authority.certificate, b"hunter2").is_err());
        assert!(Authority::from_der(b"", &authority.private_key()).is_err());
    }

    impl Authority {
        fn certificate_pem_for_tests(&self) -> String {
            pem::encode("CERTIFICATE", &self.certificate).to_string()
        }
    }
}
