//! Which algorithms there are and what each may do: one table, read by every other part.
//!
//! A new algorithm is a new row here, and a file in `crypto/` if its primitive is new too.

use std::fmt;

use super::operation::{Operation, Operations};
use crate::ciphertext::SEAL_OVERHEAD;
use crate::limits::SECRET_SIZE_MAX;

/// Everything the engine knows about an algorithm.
#[derive(Clone, Copy, Debug)]
pub struct AlgorithmRow {
    /// Whose row this is.
    pub algorithm: Algorithm,
    /// The name that people and files use.
    pub name: &'static str,
    /// What a key of this algorithm is for.
    pub kind: KeyKind,
    /// What may be asked of it.
    pub operations: Operations,
    /// How many bytes one item yields when it is sealed, signed, given a MAC or read.
    pub output_size: OutputSize,
    /// Size in bytes of a digest that the caller may make himself; `None` where only whole messages are taken.
    pub digest_size: Option<usize>,
    /// Time of one item on one core. Chooses the lane and counts against quotas.
    pub cost: Cost,
    /// How long making a key of it takes.
    pub generation: Generation,
}

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
    /// Signs and verifies; has a public key.
    Asymmetric = 4,
}

/// How many bytes one item yields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputSize {
    /// Always so many.
    Fixed(usize),
    /// Any number up to this one.
    AtMost(usize),
    /// So many more than the plaintext has.
    PlaintextPlus(usize),
}

/// Time of one item on one core, in nanoseconds: that of an empty item, and what each KiB of message adds.
///
/// Measured with one prepared key and one thread. What counts is the ratio between rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// To seal, sign, make a MAC or hand out a value.
    pub make_nanoseconds: u32,
    /// To open or verify.
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

/// Makes the enum, its list and its rows from one text, so that none of them can miss an algorithm.
macro_rules! algorithms {
    ($($(#[$documentation:meta])* $variant:ident = $id:literal { $($field:ident: $value:expr),* $(,)? })*) => {
        /// The algorithm of a key, with the padding where there is a choice; fixed when the key is created.
        ///
        /// The number of a variant is its id on the wire, in records and in ciphertexts. It is never given to
        /// another algorithm.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Algorithm {
            $($(#[$documentation])* $variant = $id,)*
        }

        impl Algorithm {
            /// Every algorithm, by id.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// What the engine knows about this algorithm.
            pub const fn row(self) -> &'static AlgorithmRow {
                match self {
                    $(Self::$variant => const { &AlgorithmRow { algorithm: Self::$variant, $($field: $value),* } },)*
                }
            }
        }
    };
}

algorithms! {
    /// An opaque value, kept and handed out: the algorithm of secrets.
    Opaque = 1 {
        name: "OPAQUE",
        kind: KeyKind::Secret,
        operations: Operations::of(&[Operation::ReadSecret]),
        output_size: OutputSize::AtMost(SECRET_SIZE_MAX),
        digest_size: None,
        cost: Cost { make_nanoseconds: 50, check_nanoseconds: 0, kibibyte_nanoseconds: 30 },
        generation: Generation::Fast,
    }
    /// AES-256-GCM with 192-bit nonces (C2SP XAES-256-GCM), committed to its key.
    Xaes256Gcm = 16 {
        name: "XAES-256-GCM",
        kind: KeyKind::Symmetric,
        operations: Operations::SYMMETRIC,
        output_size: OutputSize::PlaintextPlus(SEAL_OVERHEAD),
        digest_size: None,
        // Opening: as if each item came from another burst, with a derivation and a commitment of its own.
        cost: Cost { make_nanoseconds: 110, check_nanoseconds: 600, kibibyte_nanoseconds: 55 },
        generation: Generation::Fast,
    }
    /// HMAC with SHA-256 (FIPS 198-1), never truncated.
    HmacSha256 = 32 {
        name: "HMAC-SHA-256",
        kind: KeyKind::Mac,
        operations: Operations::MAC,
        output_size: OutputSize::Fixed(32),
        digest_size: None,
        cost: Cost { make_nanoseconds: 240, check_nanoseconds: 240, kibibyte_nanoseconds: 600 },
        generation: Generation::Fast,
    }
    /// Ed25519 (RFC 8032 section 5.1), of whole messages only.
    Ed25519 = 48 {
        name: "Ed25519",
        kind: KeyKind::Asymmetric,
        operations: Operations::SIGNATURE,
        output_size: OutputSize::Fixed(64),
        digest_size: None,
        cost: Cost { make_nanoseconds: 6_300, check_nanoseconds: 27_400, kibibyte_nanoseconds: 1_500 },
        generation: Generation::Fast,
    }
    /// ECDSA on P-256 with SHA-256 (FIPS 186-5 section 6); signatures in DER (RFC 3279 section 2.2.3).
    EcdsaP256Sha256 = 49 {
        name: "ECDSA-P256-SHA256",
        kind: KeyKind::Asymmetric,
        operations: Operations::SIGNATURE,
        output_size: OutputSize::AtMost(72),
        digest_size: Some(32),
        cost: Cost { make_nanoseconds: 13_200, check_nanoseconds: 38_900, kibibyte_nanoseconds: 600 },
        generation: Generation::Fast,
    }
    /// RSASSA-PKCS1-v1_5 with SHA-256, modulus of 2,048 bits (RFC 8017 section 8.2).
    Rsa2048Pkcs1Sha256 = 64 {
        name: "RSA-2048-PKCS1-SHA256",
        kind: KeyKind::Asymmetric,
        operations: Operations::SIGNATURE,
        output_size: OutputSize::Fixed(256),
        digest_size: Some(32),
        cost: Cost::RSA_2048,
        generation: Generation::Slow,
    }
    /// RSASSA-PSS with SHA-256 and a salt of 32 bytes, modulus of 2,048 bits (RFC 8017 section 8.1).
    Rsa2048PssSha256 = 65 {
        name: "RSA-2048-PSS-SHA256",
        kind: KeyKind::Asymmetric,
        operations: Operations::SIGNATURE,
        output_size: OutputSize::Fixed(256),
        digest_size: Some(32),
        cost: Cost::RSA_2048,
        generation: Generation::Slow,
    }
    /// RSASSA-PKCS1-v1_5 with SHA-256, modulus of 3,072 bits.
    Rsa3072Pkcs1Sha256 = 66 {
        name: "RSA-3072-PKCS1-SHA256",
        kind: KeyKind::Asymmetric,
        operations: Operations::SIGNATURE,
        output_size: OutputSize::Fixed(384),
        digest_size: Some(32),
        cost: Cost::RSA_3072,
        generation: Generation::Slow,
    }
    /// RSASSA-PSS with SHA-256 and a salt of 32 bytes, modulus of 3,072 bits.
    Rsa3072PssSha256 = 67 {
        name: "RSA-3072-PSS-SHA256",
        kind: KeyKind::Asymmetric,
        operations: Operations::SIGNATURE,
        output_size: OutputSize::Fixed(384),
        digest_size: Some(32),
        cost: Cost::RSA_3072,
        generation: Generation::Slow,
    }
    /// RSASSA-PKCS1-v1_5 with SHA-256, modulus of 4,096 bits.
    Rsa4096Pkcs1Sha256 = 68 {
        name: "RSA-4096-PKCS1-SHA256",
        kind: KeyKind::Asymmetric,
        operations: Operations::SIGNATURE,
        output_size: OutputSize::Fixed(512),
        digest_size: Some(32),
        cost: Cost::RSA_4096,
        generation: Generation::Slow,
    }
    /// RSASSA-PSS with SHA-256 and a salt of 32 bytes, modulus of 4,096 bits.
    Rsa4096PssSha256 = 69 {
        name: "RSA-4096-PSS-SHA256",
        kind: KeyKind::Asymmetric,
        operations: Operations::SIGNATURE,
        output_size: OutputSize::Fixed(512),
        digest_size: Some(32),
        cost: Cost::RSA_4096,
        generation: Generation::Slow,
    }
}

impl Algorithm {
    /// The id on the wire, in records and in ciphertexts.
    pub const fn id(self) -> u8 {
        self as u8
    }

    /// The algorithm with this id, or `None`.
    pub fn from_id(id: u8) -> Option<Self> {
        Self::ALL.iter().copied().find(|algorithm| algorithm.id() == id)
    }

    /// The algorithm with exactly this name, or `None`.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|algorithm| algorithm.row().name == name)
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.row().name)
    }
}

impl KeyKind {
    /// Every kind, by id.
    pub const ALL: [Self; 4] = [Self::Secret, Self::Symmetric, Self::Mac, Self::Asymmetric];

    /// The id on the wire and in records.
    pub const fn id(self) -> u8 {
        self as u8
    }

    /// The kind with this id, or `None`.
    pub fn from_id(id: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.id() == id)
    }
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Secret => "secret",
            Self::Symmetric => "symmetric key",
            Self::Mac => "MAC key",
            Self::Asymmetric => "asymmetric key",
        })
    }
}

impl OutputSize {
    /// Most bytes that an item with `plaintext_size` bytes of plaintext yields.
    pub const fn max(self, plaintext_size: usize) -> usize {
        match self {
            Self::Fixed(size) | Self::AtMost(size) => size,
            Self::PlaintextPlus(overhead) => plaintext_size.saturating_add(overhead),
        }
    }
}

impl Cost {
    // Verification with the public exponent 65537 grows with the square of the modulus size: the figures for 3,072 and
    // 4,096 bits are scaled from the one measured at 2,048. Padding is not seen beside them.
    const RSA_2048: Self = Self { make_nanoseconds: 246_000, check_nanoseconds: 13_900, kibibyte_nanoseconds: 600 };
    const RSA_3072: Self = Self { make_nanoseconds: 714_000, check_nanoseconds: 31_300, kibibyte_nanoseconds: 600 };
    const RSA_4096: Self = Self { make_nanoseconds: 1_441_000, check_nanoseconds: 55_600, kibibyte_nanoseconds: 600 };
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ids_and_names_lead_back_to_one_algorithm() {
        for algorithm in Algorithm::ALL.iter().copied() {
            assert_eq!(algorithm.row().algorithm, algorithm);
            assert_eq!(Algorithm::from_id(algorithm.id()), Some(algorithm));
            assert_eq!(Algorithm::from_name(algorithm.row().name), Some(algorithm));
        }
        let ids: BTreeSet<_> = Algorithm::ALL.iter().map(|algorithm| algorithm.id()).collect();
        assert_eq!(ids.into_iter().collect::<Vec<_>>(), [1, 16, 32, 48, 49, 64, 65, 66, 67, 68, 69]);
    }

    #[test]
    fn unknown_ids_and_names_lead_nowhere() {
        for id in [0, 2, 15, 17, 70, 255] {
            assert_eq!(Algorithm::from_id(id), None);
        }
        for name in ["", "xaes-256-gcm", "XAES-256-GCM ", "AES-128-GCM"] {
            assert_eq!(Algorithm::from_name(name), None);
        }
        assert_eq!(KeyKind::from_id(0), None);
        assert_eq!(KeyKind::from_id(5), None);
    }

    // R-K1
    #[test]
    fn kinds_never_share_an_operation() {
        for one in Algorithm::ALL.iter().map(|algorithm| algorithm.row()) {
            assert!(one.operations.iter().next().is_some(), "{}", one.name);
            for other in Algorithm::ALL.iter().map(|algorithm| algorithm.row()) {
                let shared = one.operations.iter().any(|operation| other.operations.contains(operation));
                assert_eq!(shared, one.kind == other.kind, "{} and {}", one.name, other.name);
            }
        }
    }
}
