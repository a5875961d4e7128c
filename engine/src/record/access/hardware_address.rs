//! Hardware (MAC) addresses.

use std::fmt;
use std::str::FromStr;

use super::InvalidAccessData;

/// A hardware address of 48 bits (EUI-48) of one machine: not that of a group, and not zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HardwareAddress([u8; 6]);

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

/// In the first byte of a hardware address: it is that of a group (IEEE 802, section 8.2).
const GROUP_BIT: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;

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
}
