//! Kinds of key and what each can do. `SPEC.md` section 11.2.

use crate::opcode::Opcode;
use std::fmt;

/// Kind of a key, fixed when it is created. The discriminant is its code on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// An opaque value that is given out as it is.
    Secret = 1,
    /// Encrypts, decrypts, and wraps data keys.
    Symmetric = 2,
    /// Makes and verifies message authentication codes.
    Mac = 3,
    /// Signs and verifies.
    Asymmetric = 4,
}

impl Kind {
    /// All kinds of version 1, by ascending code.
    pub const ALL: [Self; 4] = [Self::Secret, Self::Symmetric, Self::Mac, Self::Asymmetric];

    /// The kind's code on the wire.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The kind of this code, or nothing if version 1 has none.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }

    /// The kind's name in `SPEC.md`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Secret => "Secret",
            Self::Symmetric => "Symmetric",
            Self::Mac => "Mac",
            Self::Asymmetric => "Asymmetric",
        }
    }

    /// The operations that a key of this kind does; describing is open to all kinds and not listed.
    #[must_use]
    pub const fn operations(self) -> &'static [Opcode] {
        match self {
            Self::Secret => &[Opcode::ReadSecret],
            Self::Symmetric => &[
                Opcode::Encrypt,
                Opcode::Decrypt,
                Opcode::Reencrypt,
                Opcode::GenerateDataKey,
                Opcode::WrapDataKey,
                Opcode::UnwrapDataKey,
            ],
            Self::Mac => &[Opcode::MakeMac, Opcode::VerifyMac],
            Self::Asymmetric => &[Opcode::Sign, Opcode::Verify, Opcode::ReadPublicKey],
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}
