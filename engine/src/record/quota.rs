//! Quotas of a key store: how much work its clients may have done.

use std::fmt;

use super::codec::{Reader, Writer};
use crate::limits::{QUOTA_BURST_MAX, QUOTA_RATE_MAX};

/// A bound of work, in cost units: a unit is a microsecond of one core, by the table of algorithms. It is a bucket that is filled at a steady rate and holds a burst: whoever
/// has used less for a while may use more at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    units_per_second: u32,
    burst: u32,
}

/// The quotas of a key store; none unless they are set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quotas {
    /// Of all its clients together.
    pub store: Option<Quota>,
    /// Of each client.
    pub client: Option<Quota>,
}

impl Quota {
    /// So many units in each second, 1..=1,000,000,000, and so many at once, 1..=1,000,000,000; `None` if one of them is out of bounds: nothing at all is no quota,
    /// that is a disabled key store.
    #[must_use]
    pub fn new(units_per_second: u32, burst: u32) -> Option<Self> {
        let fits = (1..=QUOTA_RATE_MAX).contains(&units_per_second) && (1..=QUOTA_BURST_MAX).contains(&burst);
        fits.then_some(Self { units_per_second, burst })
    }

    /// Units that come in each second.
    #[must_use]
    pub const fn units_per_second(self) -> u32 {
        self.units_per_second
    }

    /// Units that are there if none was used for a while.
    #[must_use]
    pub const fn burst(self) -> u32 {
        self.burst
    }

    fn encode(&self, out: &mut Writer) {
        out.u32(self.units_per_second).u32(self.burst);
    }

    fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        Self::new(reader.u32()?, reader.u32()?)
    }
}

impl Quotas {
    pub(super) fn encode(&self, out: &mut Writer) {
        for quota in [&self.store, &self.client] {
            out.optional(quota.as_ref(), |out, quota| quota.encode(out));
        }
    }

    pub(super) fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        Some(Self { store: reader.optional(Quota::decode)?, client: reader.optional(Quota::decode)? })
    }
}

impl fmt::Display for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} units/s, {} at once", self.units_per_second, self.burst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // R-A11
    #[test]
    fn a_quota_of_nothing_or_of_more_than_a_thousand_cores_is_none() {
        let max = QUOTA_RATE_MAX;
        for (rate, burst) in [(0, 0), (0, 1), (1, 0), (max + 1, 1), (1, QUOTA_BURST_MAX + 1), (u32::MAX, u32::MAX)] {
            assert_eq!(Quota::new(rate, burst), None, "{rate}, {burst}");
        }
        let quota = Quota::new(max, 1).unwrap();
        assert_eq!((quota.units_per_second(), quota.burst()), (max, 1));
    }

    // R-A11
    #[test]
    fn quotas_are_read_as_they_were_written_and_none_of_nothing_is() {
        let some = Quota::new(500_000, 1_000_000);
        for quotas in [(None, None), (some, None), (None, some), (some, Quota::new(1, 1))] {
            let quotas = Quotas { store: quotas.0, client: quotas.1 };
            let mut out = Writer::default();
            quotas.encode(&mut out);
            let bytes = out.finish();
            assert_eq!(Quotas::decode(&mut Reader::new(&bytes)), Some(quotas));
            assert_eq!(Quotas::decode(&mut Reader::new(&bytes[..bytes.len() - 1])), None);
        }
        assert_eq!(Quotas::decode(&mut Reader::new(&[1, 0, 0, 0, 0, 0, 0, 0, 1, 0])), None);
    }
}
