//! Authentication data: what a client must show to pass one access method. Each has one form, so that equal ones are equal bytes.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use data_encoding::HEXLOWER;

use super::super::codec::{Reader, Writer};
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

/// A network, or a single address: IPv4 or IPv6, its host bits zero. An IPv6 address that stands for an IPv4 one (RFC 4291 section 2.5.5.2) is that IPv4 address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Network {
    address: IpAddr,
    /// 0..=32 or 0..=128 bits.
    prefix: u8,
}

/// A hardware address of 48 bits (EUI-48) of one machine: not that of a group, and not zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HardwareAddress([u8; 6]);

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
            Self::Network(Network { address: IpAddr::V4(address), prefix }) => {
                out.u8(IPV4).bytes(&address.octets()).u8(*prefix)
            }
            Self::Network(Network { address: IpAddr::V6(address), prefix }) => {
                out.u8(IPV6).bytes(&address.octets()).u8(*prefix)
            }
            Self::HardwareAddress(HardwareAddress(address)) => out.u8(HARDWARE_ADDRESS).bytes(address),
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
                Self::Network(Some(network).filter(|network| network.address.is_ipv6())?)
            }
            HARDWARE_ADDRESS => Self::HardwareAddress(HardwareAddress::new(reader.array()?)?),
            ISSUED => Self::IssuedCertificate(IssuedCertificate {
                serial: reader.sized()?.to_vec(),
                public_key_sha256: reader.array()?,
                common_name: std::str::from_utf8(reader.sized()?).ok()?.to_owned(),
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

impl Network {
    /// The network of `prefix` bits that begins at `address`; `None` if it has other bits, or more than an address.
    #[must_use]
    pub fn new(address: IpAddr, prefix: u8) -> Option<Self> {
        let (address, prefix) = match (address, address.to_canonical()) {
            // As many bits as are left of the part that stands for IPv4.
            (IpAddr::V6(_), canonical @ IpAddr::V4(_)) => (canonical, prefix.checked_sub(MAPPED_BITS)?),
            (_, canonical) => (canonical, prefix),
        };
        let network = Self { address, prefix };
        (prefix <= bits(address) && network.first() == address).then_some(network)
    }

    /// The network of this address alone.
    #[must_use]
    pub fn single(address: IpAddr) -> Self {
        let address = address.to_canonical();
        Self { address, prefix: bits(address) }
    }

    /// Its first address.
    #[must_use]
    pub const fn address(self) -> IpAddr {
        self.address
    }

    /// How many bits its addresses have in common.
    #[must_use]
    pub const fn prefix(self) -> u8 {
        self.prefix
    }

    /// Whether an address lies in it.
    #[must_use]
    pub fn contains(self, address: IpAddr) -> bool {
        Self::around(address, self.prefix) == Some(self)
    }

    /// The network of so many bits that an address lies in; `None` if addresses of its kind do not have so many.
    #[must_use]
    pub fn around(address: IpAddr, prefix: u8) -> Option<Self> {
        let address = address.to_canonical();
        (prefix <= bits(address)).then(|| Self { address: Self { address, prefix }.first(), prefix })
    }

    fn first(self) -> IpAddr {
        match self.address {
            IpAddr::V4(address) => {
                let mask = u32::MAX.checked_shl(u32::from(32_u8.saturating_sub(self.prefix))).unwrap_or(0);
                Ipv4Addr::from_bits(address.to_bits() & mask).into()
            }
            IpAddr::V6(address) => {
                let mask = u128::MAX.checked_shl(u32::from(128_u8.saturating_sub(self.prefix))).unwrap_or(0);
                Ipv6Addr::from_bits(address.to_bits() & mask).into()
            }
        }
    }
}

impl FromStr for Network {
    type Err = InvalidAccessData;

    fn from_str(text: &str) -> Result<Self, InvalidAccessData> {
        let no_address = || InvalidAccessData::Address(text.to_owned());
        let Some((address, prefix)) = text.split_once('/') else {
            return text.parse().map(Self::single).map_err(|_| no_address());
        };
        let address: IpAddr = address.parse().map_err(|_| no_address())?;
        let no_prefix = || InvalidAccessData::Prefix(text.to_owned());
        // One text for one number: no sign, no zeros before it.
        let digits = prefix.bytes().all(|byte| byte.is_ascii_digit()) && (prefix == "0" || !prefix.starts_with('0'));
        let prefix: u8 = prefix.parse().ok().filter(|_| digits).ok_or_else(no_prefix)?;
        Self::new(address, prefix).ok_or_else(|| {
            let is_mapped = address.is_ipv6() && address.to_canonical().is_ipv4();
            let prefix = if is_mapped { prefix.checked_sub(MAPPED_BITS) } else { Some(prefix) };
            match prefix.and_then(|prefix| Self::around(address, prefix)) {
                Some(meant) => InvalidAccessData::HostBits { given: text.to_owned(), meant: meant.to_string() },
                None => no_prefix(),
            }
        })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.prefix == bits(self.address) {
            self.address.fmt(f)
        } else {
            write!(f, "{}/{}", self.address, self.prefix)
        }
    }
}

impl HardwareAddress {
    /// The address of these bytes, in the order in which they are sent; `None` if it is that of a group, or zero.
    #[must_use]
    pub fn new(bytes: [u8; 6]) -> Option<Self> {
        let [first, ..] = bytes;
        (first & GROUP_BIT == 0 && bytes != [0; 6]).then_some(Self(bytes))
    }

    /// Its bytes.
    #[must_use]
    pub const fn bytes(self) -> [u8; 6] {
        self.0
    }
}

impl FromStr for HardwareAddress {
    type Err = InvalidAccessData;

    fn from_str(text: &str) -> Result<Self, InvalidAccessData> {
        let refused = || InvalidAccessData::HardwareAddress(text.to_owned());
        let mut bytes = [0; 6];
        let mut pairs = text.split(if text.contains('-') { '-' } else { ':' });
        for byte in &mut bytes {
            let pair = pairs.next().filter(|pair| pair.len() == 2 && pair.bytes().all(|byte| byte.is_ascii_hexdigit()));
            *byte = pair.and_then(|pair| u8::from_str_radix(pair, 16).ok()).ok_or_else(refused)?;
        }
        if pairs.next().is_some() {
            return Err(refused());
        }
        Self::new(bytes).ok_or_else(refused)
    }
}

impl fmt::Display for HardwareAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// Bits of an address of this kind.
const fn bits(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

/// Bits of an IPv6 address before the IPv4 address that it stands for.
const MAPPED_BITS: u8 = 96;
/// In the first byte of a hardware address: it is that of a group (IEEE 802, section 8.2).
const GROUP_BIT: u8 = 1;

const IPV4: u8 = 1;
const IPV6: u8 = 2;
const HARDWARE_ADDRESS: u8 = 3;
const ISSUED: u8 = 4;
const PINNED: u8 = 5;

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Network {
        text.parse().unwrap()
    }

    // R-A3
    #[test]
    fn a_network_has_one_form() {
        for (text, canonical) in [
            ("192.0.2.7", "192.0.2.7"),
            ("192.0.2.7/32", "192.0.2.7"),
            ("192.0.2.0/24", "192.0.2.0/24"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("::ffff:c000:207/128", "192.0.2.7"),
            ("::ffff:192.0.2.0/120", "192.0.2.0/24"),
            ("::ffff:0:0/96", "0.0.0.0/0"),
            ("::/0", "::/0"),
            ("2001:DB8:0::/32", "2001:db8::/32"),
            ("2001:db8::7/128", "2001:db8::7"),
        ] {
            assert_eq!(network(text).to_string(), canonical);
            assert_eq!(network(canonical), network(text));
        }
    }

    // R-A3
    #[test]
    fn text_that_is_no_network_is_refused_with_the_one_that_was_meant() {
        for bad in
            ["", "a", "192.0.2", "192.0.2.7/", "192.0.2.256", "192.0.2.07", "fe80::1%eth0", " ::1", "1.2.3.4/8/8"]
        {
            bad.parse::<Network>().unwrap_err();
        }
        for bad in
            ["192.0.2.0/33", "192.0.2.0/-1", "192.0.2.0/024", "192.0.2.0/+24", "::/129", "::ffff:0:0/95", "::/256"]
        {
            assert!(matches!(bad.parse::<Network>(), Err(InvalidAccessData::Prefix(_))), "{bad}");
        }
        for (given, meant) in [
            ("192.0.2.7/24", "192.0.2.0/24"),
            ("192.0.2.7/0", "0.0.0.0/0"),
            ("::ffff:192.0.2.7/120", "192.0.2.0/24"),
            ("2001:db8::7/64", "2001:db8::/64"),
            ("::1/0", "::/0"),
        ] {
            let (given, meant) = (given.to_owned(), meant.to_owned());
            assert_eq!(given.parse::<Network>(), Err(InvalidAccessData::HostBits { given, meant }));
        }
    }

    // R-A3
    #[test]
    fn an_address_lies_in_its_networks_and_in_no_other() {
        let lies = |address: &str, of: &str| network(of).contains(address.parse().unwrap());
        for (address, of) in [
            ("192.0.2.7", "192.0.2.7"),
            ("192.0.2.7", "192.0.2.0/29"),
            ("::ffff:192.0.2.7", "192.0.2.0/24"),
            ("192.0.2.7", "0.0.0.0/0"),
            ("2001:db8::7", "2001:db8::/125"),
            ("2001:db8::7", "::/0"),
        ] {
            assert!(lies(address, of), "{address} in {of}");
        }
        for (address, of) in [
            ("192.0.2.8", "192.0.2.7"),
            ("192.0.2.8", "192.0.2.0/29"),
            ("192.0.3.0", "192.0.2.0/24"),
            ("192.0.2.7", "::/0"),
            ("::ffff:192.0.2.7", "::/0"),
            ("::192.0.2.7", "0.0.0.0/0"),
            ("2001:db8::8", "2001:db8::/125"),
        ] {
            assert!(!lies(address, of), "{address} in {of}");
        }
    }

    // R-A4
    #[test]
    fn a_hardware_address_is_six_pairs_of_one_machine() {
        for text in ["02:00:5e:10:00:01", "02-00-5E-10-00-01"] {
            assert_eq!(text.parse::<HardwareAddress>().unwrap().to_string(), "02:00:5e:10:00:01");
        }
        for bad in [
            "",
            "02:00:5e:10:00",
            "02:00:5e:10:00:01:02",
            "02:00:5e:10:00:1",
            "02:00:5e:10:00:+1",
            "02005e100001",
            "02:00-5e:10:00:01",
            "00:00:00:00:00:00",
            "ff:ff:ff:ff:ff:ff",
            "01:00:5e:10:00:01",
            "02:00:5e:10:00:0g",
        ] {
            bad.parse::<HardwareAddress>().unwrap_err();
        }
    }

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
