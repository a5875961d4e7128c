//! The number of one generation of key material.

use std::fmt;
use std::num::NonZeroU32;

/// Number of a key version: starts at 1 and only grows. Zero never names one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyVersion(NonZeroU32);

impl KeyVersion {
    /// The version that a key is created with.
    pub const FIRST: Self = Self(NonZeroU32::MIN);

    /// `number` as a version, or `None` for zero, which the wire uses for "the current one".
    pub const fn new(number: u32) -> Option<Self> {
        match NonZeroU32::new(number) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }

    /// The number, 1 or more.
    pub const fn get(self) -> u32 {
        self.0.get()
    }

    /// The version after this one, or `None` after the last number there is.
    pub fn next(self) -> Option<Self> {
        self.0.checked_add(1).map(Self)
    }
}

impl fmt::Display for KeyVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_is_no_version() {
        assert_eq!(KeyVersion::new(0), None);
    }

    #[test]
    fn versions_only_grow_and_end() {
        assert_eq!(KeyVersion::FIRST.get(), 1);
        assert_eq!(KeyVersion::FIRST.next(), KeyVersion::new(2));
        assert_eq!(KeyVersion::new(u32::MAX).and_then(KeyVersion::next), None);
    }
}
