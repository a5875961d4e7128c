//! When certificates end, so that somebody is told before.

use std::time::SystemTime;

use claviger_engine::Engine;
use rustls_pki_types::CertificateDer;

use crate::limits::CERTIFICATE_WARNING;
use crate::pem;

/// When what a port shows or believes ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CertificateEnd {
    /// `data`, `control` (what the port shows) or `administrators` (whom the control port believes).
    pub of: &'static str,
    /// The soonest end of its certificates.
    pub end: SystemTime,
}

impl CertificateEnd {
    /// The soonest end of these certificates; `None` if none can be read.
    #[must_use]
    pub fn of(of: &'static str, certificates: &[CertificateDer<'_>]) -> Option<Self> {
        certificates.iter().filter_map(pem::not_after).min().map(|end| Self { of, end })
    }

    fn warning(&self, now: SystemTime) -> Option<String> {
        let remedy = match self.of {
            "data" => "put a new one at [tls] certificate and key, and send the daemon SIGHUP",
            "control" => "put a new one at [control] certificate and key, and send the daemon SIGHUP",
            _ => {
                "add the next one to the file of [control] administrators, send the daemon SIGHUP, and give administrators certificates of it"
            }
        };
        let what = match self.of {
            "data" => "the certificate of the data port",
            "control" => "the certificate of the control port",
            _ => "an authority of administrators",
        };
        Some(format!("{what} {}: {remedy}", ends(self.end, now)?))
    }
}

/// The ends of the authorities of all key stores, in the order of their names. Authorities that cannot be read are left out: nobody comes in by them.
pub(super) fn of_stores(engine: &Engine) -> Vec<(String, SystemTime)> {
    let end = |authority: &[u8]| pem::not_after(&CertificateDer::from(authority));
    let stores = engine.stores().into_iter();
    stores.filter_map(|store| Some((store.policy().name.to_string(), end(&store.policy().authority)?))).collect()
}

/// What to tell of certificates that end soon or have ended.
pub(super) fn warnings(ends_of_ports: &[CertificateEnd], engine: &Engine, now: SystemTime) -> Vec<String> {
    let stores = of_stores(engine).into_iter().filter_map(|(store, end)| {
        Some(format!(
            "the authority of key store {store} {}: with it end all certificates that it issued",
            ends(end, now)?
        ))
    });
    ends_of_ports.iter().filter_map(|end| end.warning(now)).chain(stores).collect()
}

/// How soon, if it is soon enough to be told.
fn ends(end: SystemTime, now: SystemTime) -> Option<String> {
    match end.duration_since(now) {
        Ok(left) if left > CERTIFICATE_WARNING => None,
        Ok(left) => Some(format!("ends in {} days", left.as_secs() / (24 * 60 * 60))),
        Err(_) => Some("has ended".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    // R-O1
    #[test]
    fn a_certificate_is_told_of_14_days_before_it_ends_and_afterwards() {
        let now = SystemTime::UNIX_EPOCH + 20_000 * DAY;
        let said = |end| CertificateEnd { of: "data", end }.warning(now);
        assert_eq!(said(now + 14 * DAY + Duration::from_secs(1)), None);
        assert!(said(now + 14 * DAY).is_some_and(|said| said.contains("ends in 14 days: put a new one at [tls]")));
        assert!(said(now).is_some_and(|said| said.contains("ends in 0 days")));
        assert!(said(now - Duration::from_secs(1)).is_some_and(|said| said.contains("has ended")));
    }

    #[test]
    fn what_cannot_be_read_has_no_end() {
        assert_eq!(CertificateEnd::of("data", &[CertificateDer::from(vec![0x30, 0])]), None);
    }
}
