//! Who uses keys: what is remembered of a client.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use data_encoding::HEXLOWER;

use super::text::is_shown;
use crate::limits::CLIENT_NAME_SIZE_MAX;

/// A client as statistics of use remember it: by its certificate, or by its address if it shows none. Not confidential. Not proof of anything either: what a
/// certificate is worth, the key store that admits it decides.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientName(Shown);

/// What the client has shown.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Shown {
    /// A certificate.
    Certificate {
        /// 0..=64 bytes of UTF-8 without control characters, each shown as itself ([`is_shown`]) where it comes in.
        common_name: String,
        /// Of the whole certificate, DER.
        sha256: [u8; SHA256_SIZE],
    },
    /// Nothing but where it comes from; IPv4 as mapped to IPv6 (RFC 4291 section 2.5.5.2).
    Address(Ipv6Addr),
}

impl ClientName {
    /// The client that holds the certificate with this SHA-256, whose subject has this common name. Of a longer name the first 64 bytes are kept, control and format
    /// characters become `?`.
    #[must_use]
    pub fn certificate(common_name: &str, sha256: [u8; SHA256_SIZE]) -> Self {
        let mut kept = String::new();
        for character in common_name.chars().map(|character| if is_shown(character) { character } else { '?' }) {
            if kept.len() + character.len_utf8() > CLIENT_NAME_SIZE_MAX {
                break;
            }
            kept.push(character);
        }
        Self(Shown::Certificate { common_name: kept, sha256 })
    }

    /// The client at this address.
    #[must_use]
    pub const fn address(address: IpAddr) -> Self {
        Self(Shown::Address(match address {
            IpAddr::V4(address) => address.to_ipv6_mapped(),
            IpAddr::V6(address) => address,
        }))
    }

    /// The common name of its certificate, if it has shown one.
    #[must_use]
    pub fn common_name(&self) -> Option<&str> {
        match &self.0 {
            Shown::Certificate { common_name, .. } => Some(common_name),
            Shown::Address(_) => None,
        }
    }

    /// The SHA-256 of its certificate, if it has shown one, as 64 lowercase hexadecimal digits.
    #[must_use]
    pub fn certificate_sha256(&self) -> Option<String> {
        match &self.0 {
            Shown::Certificate { sha256, .. } => Some(HEXLOWER.encode(sha256)),
            Shown::Address(_) => None,
        }
    }

    /// Its address, if it has shown no certificate.
    #[must_use]
    pub const fn ip_address(&self) -> Option<IpAddr> {
        match &self.0 {
            Shown::Certificate { .. } => None,
            Shown::Address(address) => Some(address.to_canonical()),
        }
    }

    /// Whether both have shown certificates with the same common name: one client that has renewed its certificate, or several that nothing else tells apart.
    pub(crate) fn has_name_of(&self, other: &Self) -> bool {
        self.common_name().is_some_and(|name| other.common_name() == Some(name))
    }

    /// What it has shown.
    pub(crate) const fn shown(&self) -> &Shown {
        &self.0
    }

    /// A name as it was stored; `None` if it is none that could have been. Which other characters are seen is asked where they come in, and may be answered otherwise since.
    pub(crate) fn from_shown(shown: Shown) -> Option<Self> {
        match &shown {
            Shown::Certificate { common_name, .. }
                if common_name.len() > CLIENT_NAME_SIZE_MAX || common_name.chars().any(char::is_control) =>
            {
                None
            }
            _ => Some(Self(shown)),
        }
    }
}

impl fmt::Display for ClientName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Shown::Certificate { common_name, sha256 } => {
                write!(f, "\"{common_name}\" (certificate {})", HEXLOWER.encode_display(sha256))
            }
            Shown::Address(address) => address.to_canonical().fmt(f),
        }
    }
}

/// Bytes of a SHA-256.
pub(crate) const SHA256_SIZE: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    // R-K20
    #[test]
    fn a_common_name_is_cut_and_has_no_control_characters() {
        let kept = |name: &str| ClientName::certificate(name, [1; 32]).common_name().unwrap().to_owned();
        assert_eq!(kept("billing"), "billing");
        assert_eq!(kept(""), "");
        assert_eq!(kept("a\nb\u{9b}31m"), "a?b?31m");
        assert_eq!(kept("\u{202e}gnillib"), "?gnillib");
        assert_eq!(kept(&"x".repeat(1_000)), "x".repeat(CLIENT_NAME_SIZE_MAX));
        // Never in the middle of a character.
        assert_eq!(kept(&format!("{}é", "x".repeat(CLIENT_NAME_SIZE_MAX - 1))), "x".repeat(CLIENT_NAME_SIZE_MAX - 1));
    }

    // R-K20
    #[test]
    fn an_address_has_one_form() {
        let mapped = ClientName::address("::ffff:192.0.2.1".parse().unwrap());
        assert_eq!(mapped, ClientName::address("192.0.2.1".parse().unwrap()));
        assert_eq!(mapped.to_string(), "192.0.2.1");
        assert_eq!(mapped.ip_address(), Some("192.0.2.1".parse().unwrap()));
        assert_eq!((mapped.common_name(), mapped.certificate_sha256()), (None, None));
    }

    #[test]
    fn a_stored_name_that_could_not_have_been_made_is_refused() {
        let stored =
            |name: &str| ClientName::from_shown(Shown::Certificate { common_name: name.to_owned(), sha256: [1; 32] });
        for bad in ["a\nb", "\u{9b}31m", &"x".repeat(CLIENT_NAME_SIZE_MAX + 1)] {
            assert_eq!(stored(bad), None);
        }
        assert_eq!(stored("\u{202e}gnillib").unwrap().common_name(), Some("\u{202e}gnillib"));
    }
}
