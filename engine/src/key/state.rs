//! States of a key and of its versions (R-K7, R-K8).

use std::fmt;

/// State of a key; it covers all its versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum KeyState {
    /// Does its operations.
    Available = 1,
    /// Every crypto operation is refused; describe and public key still answer.
    Disabled = 2,
}

impl KeyState {
    /// The state of this number, as records and the wire write it.
    #[must_use]
    pub const fn from_id(id: u8) -> Option<Self> {
        match id {
            1 => Some(Self::Available),
            2 => Some(Self::Disabled),
            _ => None,
        }
    }

    /// The number of this state.
    #[must_use]
    pub const fn id(self) -> u8 {
        self as u8
    }
}

impl fmt::Display for KeyState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Available => "available",
            Self::Disabled => "disabled",
        })
    }
}

/// State of one version of a key, kept apart from the state of the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum VersionState {
    /// The one version that encrypts, signs and makes MACs.
    Current = 1,
    /// Decrypts and verifies only.
    Active = 2,
}

impl VersionState {
    /// The state of this number, as records and the wire write it.
    #[must_use]
    pub const fn from_id(id: u8) -> Option<Self> {
        match id {
            1 => Some(Self::Current),
            2 => Some(Self::Active),
            _ => None,
        }
    }

    /// The number of this state.
    #[must_use]
    pub const fn id(self) -> u8 {
        self as u8
    }
}

impl fmt::Display for VersionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Current => "current",
            Self::Active => "active",
        })
    }
}
