//! What can be asked of a key.

use std::fmt;

/// What can be asked of a key on the data port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Operation {
    /// Encrypt the caller's data.
    Encrypt = 0,
    /// Decrypt the caller's data.
    Decrypt = 1,
    /// Wrap a data key: the caller's own, or one generated for him.
    WrapDataKey = 2,
    /// Unwrap a data key.
    UnwrapDataKey = 3,
    /// Sign a message or a digest.
    Sign = 4,
    /// Verify a signature.
    Verify = 5,
    /// Decrypt what was encrypted to the public half of an asymmetric key.
    AsymmetricDecrypt = 6,
    /// Make a message authentication code.
    MakeMac = 7,
    /// Verify a message authentication code.
    VerifyMac = 8,
    /// Read the value of a secret.
    ReadSecret = 9,
    /// Read the public half of an asymmetric key.
    ReadPublicKey = 10,
}

/// A set of operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operations(u16);

impl Operation {
    /// Every operation, in the order of their numbers.
    pub const ALL: [Self; 11] = [
        Self::Encrypt,
        Self::Decrypt,
        Self::WrapDataKey,
        Self::UnwrapDataKey,
        Self::Sign,
        Self::Verify,
        Self::AsymmetricDecrypt,
        Self::MakeMac,
        Self::VerifyMac,
        Self::ReadSecret,
        Self::ReadPublicKey,
    ];
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Encrypt => "encrypt",
            Self::Decrypt => "decrypt",
            Self::WrapDataKey => "wrap data key",
            Self::UnwrapDataKey => "unwrap data key",
            Self::Sign => "sign",
            Self::Verify => "verify",
            Self::AsymmetricDecrypt => "asymmetric decrypt",
            Self::MakeMac => "make MAC",
            Self::VerifyMac => "verify MAC",
            Self::ReadSecret => "read secret",
            Self::ReadPublicKey => "read public key",
        })
    }
}

impl Operations {
    /// What a symmetric key does.
    pub(crate) const SYMMETRIC: Self =
        Self::of(&[Operation::Encrypt, Operation::Decrypt, Operation::WrapDataKey, Operation::UnwrapDataKey]);
    /// What a MAC key does.
    pub(crate) const MAC: Self = Self::of(&[Operation::MakeMac, Operation::VerifyMac]);
    /// What an asymmetric key does that decrypts.
    pub(crate) const DECRYPTION: Self = Self::of(&[Operation::AsymmetricDecrypt, Operation::ReadPublicKey]);
    /// What an asymmetric key does that signs.
    pub(crate) const SIGNATURE: Self = Self::of(&[Operation::Sign, Operation::Verify, Operation::ReadPublicKey]);

    /// The set of exactly these operations.
    #[must_use]
    pub const fn of(operations: &[Operation]) -> Self {
        let mut bits = 0;
        let mut rest = operations;
        while let [operation, others @ ..] = rest {
            bits |= 1 << *operation as u8;
            rest = others;
        }
        Self(bits)
    }

    /// Whether `operation` is in the set.
    #[must_use]
    pub const fn contains(self, operation: Operation) -> bool {
        self.0 & 1 << operation as u8 != 0
    }

    /// The operations in the set, in the order of their numbers.
    pub fn iter(self) -> impl Iterator<Item = Operation> {
        Operation::ALL.into_iter().filter(move |operation| self.contains(*operation))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_has_a_bit_of_its_own() {
        for operation in Operation::ALL {
            assert_eq!(Operations::of(&[operation]).iter().collect::<Vec<_>>(), [operation]);
        }
        assert_eq!(Operations::of(&Operation::ALL).iter().count(), Operation::ALL.len());
    }
}
