//! What work takes: chooses the lane, and counts against quotas.

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
}
