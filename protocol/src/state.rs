//! States of keys and of their versions, as Describe key tells them. `SPEC.md` sections 11.6 and 11.7.

/// State of a key. The discriminant is its code on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum KeyState {
    /// Every operation of its kind is done.
    Available = 1,
    /// Nothing is done with it; it is resolved, described, and shows its public key.
    Disabled = 2,
    /// As disabled, and deleted once the wait is over, unless that is cancelled.
    DeletionRequested = 3,
    /// Its material is gone for good; it is described.
    Deleted = 4,
}

/// State of one version of a key. The discriminant is its code on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum KeyVersionState {
    /// The version that encrypts and signs.
    Current = 1,
    /// Decrypts and verifies, no longer encrypts or signs.
    Active = 2,
    /// As if it were not there, until it is made active again.
    Disabled = 3,
    /// Its material is gone for good.
    Destroyed = 4,
}

impl KeyState {
    /// All states of version 1, by ascending code.
    pub const ALL: [Self; 4] = [Self::Available, Self::Disabled, Self::DeletionRequested, Self::Deleted];

    /// The state's code on the wire.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The state of this code, or nothing if version 1 has none.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.code() == code)
    }

    /// The state's name in `SPEC.md`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Available => "Available",
            Self::Disabled => "Disabled",
            Self::DeletionRequested => "DeletionRequested",
            Self::Deleted => "Deleted",
        }
    }
}

impl KeyVersionState {
    /// All states of version 1, by ascending code.
    pub const ALL: [Self; 4] = [Self::Current, Self::Active, Self::Disabled, Self::Destroyed];

    /// The state's code on the wire.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The state of this code, or nothing if version 1 has none.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.code() == code)
    }

    /// The state's name in `SPEC.md`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Current => "Current",
            Self::Active => "Active",
            Self::Disabled => "Disabled",
            Self::Destroyed => "Destroyed",
        }
    }
}
