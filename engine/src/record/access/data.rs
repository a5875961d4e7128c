//! Authentication data: what a client must show to pass one access method. Each has one form, so that equal ones are equal bytes.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use data_encoding::HEXLOWER;

use super::super::codec::{Reader, Writer};
use super::{HardwareAddress, Network};
use crate::key::client::SHA256_SIZE;
use crate::key::text::is_shown;
use crate::limits::{CLIENT_NAME_SIZE_MAX, SERIAL_SIZE_MAX};

/// What a client must show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessData {
    /// That it comes from an address of this network.
    Network(Network),
    /// That it has this hardware address.
    HardwareAddress(HardwareAddress),
    /// A certificate that the authority of the store has issued.
    IssuedCertificate(IssuedCertificate),
    /// A certificate, whoever has issued it, whose public key (`SubjectPublicKeyInfo`, DER) has this SHA-256.
    PinnedKey([u8; SHA256_SIZE]),
}

/// A method by which a key store finds out whether it lets a client in. The discriminant is its bit in a set of methods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum AccessMethod {
    /// A client certificate: of the store's own authority, or pinned.
    ClientCertificate = 1,
    /// The address that the client comes from.
    Address = 2,
    /// The hardware (MAC) address of the client: a hint, no proof.
    HardwareAddress = 4,
}

/// Which certificate the authority of a store has issued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuedCertificate {
    /// Its serial number as the certificate writes it: 1..=20 bytes.
    pub serial: Vec<u8>,
    /// SHA-256 of its public key (`SubjectPublicKeyInfo`, DER).
    pub public_key_sha256: [u8; SHA256_SIZE],
    /// The common name of its subject: 1..=64 bytes of UTF-8 without control and format characters.
    pub common_name: String,
}

/// Why text or bytes are no authentication data.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAccessData {
    /// No address.
    #[error("{0:?} is no IPv4 or IPv6 address: write 192.0.2.7, 192.0.2.0/24, 2001:db8::7 or 2001:db8::/32")]
    Address(String),
    /// A network with more bits than its addresses have.
    #[error("the network {0:?} has a prefix of 0 to 32 bits for IPv4, of 0 to 128 for IPv6: write 192.0.2.0/24")]
    Prefix(String),
    /// An address that is not the first one of its network.
    #[error("{given} is not the first address of its network: write {meant} if that network is meant")]
    HostBits {
        /// What was given.
        given: String,
        /// The network that it lies in.
        meant: String,
    },
    /// No hardware address.
    #[error("{0:?} is no hardware address of one machine: write six pairs of hexadecimal digits as 02:00:5e:10:00:01")]
    HardwareAddress(String),
    /// A serial number or a name that no certificate issued here has.
    #[error(
        "a certificate issued here has a serial number of 1 to {SERIAL_SIZE_MAX} bytes, and a name of 1 to {CLIENT_NAME_SIZE_MAX} bytes of printable text"
    )]
    Certificate,
}

impl AccessMethod {
    /// Every method.
    pub const ALL: [Self; 3] = [Self::ClientCertificate, Self::Address, Self::HardwareAddress];

    /// Its bit.
    pub(crate) const fn bit(self) -> u8 {
        self as u8
    }
}

impl fmt::Display for AccessMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ClientCertificate => "client certificate",
            Self::Address => "address",
            Self::HardwareAddress => "hardware address",
        })
    }
}

impl AccessData {
    /// The method that it is for.
    #[must_use]
    pub const fn method(&self) -> AccessMethod {
        match self {
            Self::Network(_) => AccessMethod::Address,
            Self::HardwareAddress(_) => AccessMethod::HardwareAddress,
            Self::IssuedCertificate(_) | Self::PinnedKey(_) => AccessMethod::ClientCertificate,
        }
    }

    /// Whether it is such that it may be stored.
    pub(crate) fn check(&self) -> Result<(), InvalidAccessData> {
        self.check_with(is_shown)
    }

    /// As [`AccessData::check`], with another rule for characters.
    fn check_with(&self, is_allowed: impl Fn(char) -> bool) -> Result<(), InvalidAccessData> {
        match self {
            Self::IssuedCertificate(IssuedCertificate { serial, common_name, .. }) => {
                let is_name =
                    (1..=CLIENT_NAME_SIZE_MAX).contains(&common_name.len()) && common_name.chars().all(is_allowed);
                let is_serial = (1..=SERIAL_SIZE_MAX).contains(&serial.len());
                if is_name && is_serial { Ok(()) } else { Err(InvalidAccessData::Certificate) }
            }
            // By their types.
            Self::Network(_) | Self::HardwareAddress(_) | Self::PinnedKey(_) => Ok(()),
        }
    }

    /// Whether a store that has one must not have the other as well: then ending one would not end what it lets in. A key may have several certificates, each of which is ended by itself.
    pub(crate) fn excludes(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::IssuedCertificate(one), Self::IssuedCertificate(other)) => one.serial == other.serial,
            (Self::IssuedCertificate(issued), Self::PinnedKey(pinned))
            | (Self::PinnedKey(pinned), Self::IssuedCertificate(issued)) => issued.public_key_sha256 == *pinned,
            (one, other) => one == other,
        }
    }

    pub(super) fn encode(&self, out: &mut Writer) {
        match self {
            Self::Network(network) => match network.address() {
                IpAddr::V4(address) => out.u8(IPV4).bytes(&address.octets()),
                IpAddr::V6(address) => out.u8(IPV6).bytes(&address.octets()),
            }
            .u8(network.prefix()),
            Self::HardwareAddress(address) => out.u8(HARDWARE_ADDRESS).bytes(&address.bytes()),
            Self::IssuedCertificate(IssuedCertificate { serial, public_key_sha256, common_name }) => {
                out.u8(ISSUED).sized(serial).bytes(public_key_sha256).sized(common_name.as_bytes())
            }
            Self::PinnedKey(sha256) => out.u8(PINNED).bytes(sha256),
        };
    }

    pub(super) fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        let data = match reader.u8()? {
            IPV4 => Self::Network(Network::new(Ipv4Addr::from(reader.array::<4>()?).into(), reader.u8()?)?),
            IPV6 => {
                let network = Network::new(Ipv6Addr::from(reader.array::<16>()?).into(), reader.u8()?)?;
                // One that stands for IPv4 is written as that.
                Self::Network(Some(network).filter(|network| network.address().is_ipv6())?)
            }
            HARDWARE_ADDRESS => Self::HardwareAddress(HardwareAddress::new(reader.array()?)?),
            ISSUED => Self::IssuedCertificate(IssuedCertificate {
                serial: reader.sized()?.to_vec(),
                public_key_sha256: reader.array()?,
                common_name: reader.text()?,
            }),
            PINNED => Self::PinnedKey(reader.array()?),
            _ => return None,
        };
        // Which characters are seen is asked where they come in, and may be answered otherwise since.
        data.check_with(|character| !character.is_control()).ok().map(|()| data)
    }
}

impl fmt::Display for AccessData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(network) => write!(f, "network {network}"),
            Self::HardwareAddress(address) => write!(f, "hardware address {address}"),
            Self::IssuedCertificate(IssuedCertificate { serial, common_name, .. }) => {
                write!(f, "certificate {} issued to {common_name:?}", HEXLOWER.encode(serial))
            }
            Self::PinnedKey(sha256) => write!(f, "pinned key with SHA-256 {}", HEXLOWER.encode(sha256)),
        }
    }
}

const IPV4: u8 = 1;
const IPV6: u8 = 2;
const HARDWARE_ADDRESS: u8 = 3;
const ISSUED: u8 = 4;
const PINNED: u8 = 5;

#[cfg(test)]
mod tests {
    use super::*;

    // R-A3, R-A4
    #[test]
    fn stored_data_that_are_not_in_their_one_form_are_refused() {
        let v4 = |octets: [u8; 4], prefix| [&[IPV4][..], &octets, &[prefix]].concat();
        let v6 = |octets: [u8; 16], prefix| [&[IPV6][..], &octets, &[prefix]].concat();
        let mapped = "::ffff:192.0.2.0".parse::<Ipv6Addr>().unwrap().octets();
        let read = |bytes: &[u8]| {
            let mut reader = Reader::new(bytes);
            let data = AccessData::decode(&mut reader)?;
            reader.finish().map(|()| data)
        };
        assert!(read(&v4([192, 0, 2, 0], 24)).is_some());
        assert!(read(&v6([0; 16], 0)).is_some());
        for bad in [
            v4([192, 0, 2, 7], 24),
            v4([192, 0, 2, 0], 33),
            v6(mapped, 120),
            v6([1; 16], 64),
            v6([0; 16], 129),
            vec![HARDWARE_ADDRESS, 0, 0, 0, 0, 0, 0],
            vec![HARDWARE_ADDRESS, 1, 0, 0, 0, 0, 1],
            [&[ISSUED, 0, 0, 0, 0][..], &[1; 32], &[0, 0, 0, 1, b'a']].concat(),
            [&[ISSUED, 0, 0, 0, 1, 1][..], &[1; 32], &[0, 0, 0, 0]].concat(),
            [&[ISSUED, 0, 0, 0, 1, 1][..], &[1; 32], &[0, 0, 0, 1, b'\n']].concat(),
            vec![0],
            vec![6],
        ] {
            assert_eq!(read(&bad), None, "{bad:?}");
        }
    }
}
