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
    /// As disabled, until the deadline of its deletion; the deletion can be cancelled until then.
    DeletionRequested = 3,
    /// Its material is gone for good. What it was can be described for a year.
    Deleted = 4,
}

impl KeyState {
    /// The state of this number, as records and the wire write it.
    #[must_use]
    pub const fn from_id(id: u8) -> Option<Self> {
        match id {
            1 => Some(Self::Available),
            2 => Some(Self::Disabled),
            3 => Some(Self::DeletionRequested),
            4 => Some(Self::Deleted),
            _ => None,
        }
    }

    /// The number of this state.
    #[must_use]
    pub const fn id(self) -> u8 {
        self as u8
    }

    /// What makes a key in this state do its operations.
    pub(crate) const fn remedy(self) -> &'static str {
        match self {
            Self::Available => "ask again",
            Self::Disabled => "enable it first",
            Self::DeletionRequested => "cancel its deletion first, then enable it",
            Self::Deleted => "it does not come back",
        }
    }
}

impl fmt::Display for KeyState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Available => "available",
            Self::Disabled => "disabled",
            Self::DeletionRequested => "deletion requested",
            Self::Deleted => "deleted",
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
    /// Does nothing, until it is made active again. Its material is not even in memory.
    Disabled = 3,
    /// Its material is gone for good; its number stays taken.
    Destroyed = 4,
}

impl VersionState {
    /// The state of this number, as records and the wire write it.
    #[must_use]
    pub const fn from_id(id: u8) -> Option<Self> {
        match id {
            1 => Some(Self::Current),
            2 => Some(Self::Active),
            3 => Some(Self::Disabled),
            4 => Some(Self::Destroyed),
            _ => None,
        }
    }

    /// The number of this state.
    #[must_use]
    pub const fn id(self) -> u8 {
        self as u8
    }

    /// Whether a version in this state does anything: then its material is kept in memory.
    pub(crate) const fn is_usable(self) -> bool {
        matches!(self, Self::Current | Self::Active)
    }

    /// Why a version in this state does not change to the one asked for.
    pub(crate) const fn obstacle(self) -> &'static str {
        match self {
            Self::Current => "rotate the key first, so that another version is current",
            Self::Active | Self::Disabled => {
                "a version is made current by rotation alone, and destroyed by its own command"
            }
            Self::Destroyed => "it does not come back",
        }
    }
}

impl fmt::Display for VersionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Current => "current",
            Self::Active => "active",
            Self::Disabled => "disabled",
            Self::Destroyed => "destroyed",
        })
    }
}
