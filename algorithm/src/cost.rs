//! What work takes: chooses the lane, and counts against quotas.

use std::fmt;

/// Time of one item on one core, in nanoseconds: that of an empty item, and what each KiB of message adds.
///
/// Measured with one prepared key and one thread. What counts is the ratio between rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// To seal, sign, make a MAC or hand out a value.
    pub make_nanoseconds: u32,
    /// To open, verify, or decrypt by an asymmetric key.
    pub check_nanoseconds: u32,
    /// What each 1,024 bytes of plaintext or message add.
    pub kibibyte_nanoseconds: u32,
}

/// How dear one item is, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CostClass {
    /// Below a microsecond.
    Light,
    /// Up to 50 microseconds.
    Medium,
    /// More: worked on apart from everything else, so that it holds up nobody.
    Heavy,
}

/// How long making a key takes on one core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Generation {
    /// Well below a millisecond: random bytes, and at most a multiplication on a curve.
    Fast,
    /// Up to seconds: a search for large primes.
    Slow,
}

impl Cost {
    /// In the order of the fields.
    pub(crate) const fn new(make_nanoseconds: u32, check_nanoseconds: u32, kibibyte_nanoseconds: u32) -> Self {
        Self { make_nanoseconds, check_nanoseconds, kibibyte_nanoseconds }
    }

    /// The class of the dearer of both directions.
    #[must_use]
    pub fn class(self) -> CostClass {
        match self.make_nanoseconds.max(self.check_nanoseconds) {
            ..LIGHT_COST_NANOSECONDS => CostClass::Light,
            LIGHT_COST_NANOSECONDS..=MEDIUM_COST_NANOSECONDS => CostClass::Medium,
            _ => CostClass::Heavy,
        }
    }
}

impl fmt::Display for CostClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Light => "light",
            Self::Medium => "medium",
            Self::Heavy => "heavy",
        })
    }
}

/// What an item of light cost takes less than.
const LIGHT_COST_NANOSECONDS: u32 = 1_000;

/// What an item of medium cost takes at most.
pub const MEDIUM_COST_NANOSECONDS: u32 = 50_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dearer_direction_decides_the_class() {
        for (make, check, class) in [
            (0, 0, CostClass::Light),
            (999, 1, CostClass::Light),
            (1, 1_000, CostClass::Medium),
            (50_000, 0, CostClass::Medium),
            (0, 50_001, CostClass::Heavy),
            (u32::MAX, 0, CostClass::Heavy),
        ] {
            assert_eq!(Cost::new(make, check, 0).class(), class, "{make}, {check}");
        }
    }
}
