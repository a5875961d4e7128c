//! Kinds of key.

use std::fmt;

/// What a key is for, in the words of the life cycle. The number is its id on the wire and in records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum KeyKind {
    /// Confidential data, read by those who may.
    Secret = 1,
    /// Encrypts and decrypts, wraps and unwraps data keys.
    Symmetric = 2,
    /// Makes and verifies message authentication codes.
    Mac = 3,
    /// Signs and verifies, or decrypts what was encrypted to it; has a public key.
    Asymmetric = 4,
}

impl KeyKind {
    /// Every kind, by id.
    pub const ALL: [Self; 4] = [Self::Secret, Self::Symmetric, Self::Mac, Self::Asymmetric];

    /// The id on the wire and in records.
    #[must_use]
    pub const fn id(self) -> u8 {
        self as u8
    }

    /// The kind with this id, or `None`.
    #[must_use]
    pub fn from_id(id: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.id() == id)
    }

    /// The name in the specification of the protocol.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Secret => "Secret",
            Self::Symmetric => "Symmetric",
            Self::Mac => "Mac",
            Self::Asymmetric => "Asymmetric",
        }
    }
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_lead_back_to_one_kind_and_others_nowhere() {
        for kind in KeyKind::ALL {
            assert_eq!(KeyKind::from_id(kind.id()), Some(kind));
        }
        for id in [0, 5, 255] {
            assert_eq!(KeyKind::from_id(id), None);
        }
    }
}
