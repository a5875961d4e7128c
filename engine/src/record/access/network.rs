//! Networks of IPv4 and IPv6 addresses, in one form each.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use super::InvalidAccessData;

/// A network, or a single address: IPv4 or IPv6, its host bits zero. An IPv6 address that stands for an IPv4 one (RFC 4291 section 2.5.5.2) is that IPv4 address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Network {
    address: IpAddr,
    /// 0..=32 or 0..=128 bits.
    prefix: u8,
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

/// Bits of an address of this kind.
const fn bits(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

/// Bits of an IPv6 address before the IPv4 address that it stands for.
const MAPPED_BITS: u8 = 96;

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
}
