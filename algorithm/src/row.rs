//! One row of the table: what is written in it, and what follows from its primitive.

use std::fmt;

use crate::cost::{Cost, Generation};
use crate::kind::KeyKind;
use crate::operation::{Operation, Operations};
use crate::primitive::Primitive;
use crate::table::Algorithm;

/// Everything that is known about an algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AlgorithmRow {
    /// Whose row this is.
    pub algorithm: Algorithm,
    /// The name that people and files use.
    pub name: &'static str,
    /// What it is made of.
    pub primitive: Primitive,
    /// What a key of this algorithm is for.
    pub kind: KeyKind,
    /// What may be asked of it.
    pub operations: Operations,
    /// Bytes of key material that is random bytes; `None` for values, and for private keys, which have a structure.
    pub key_size: Option<usize>,
    /// How many bytes one item yields when it is sealed, signed, given a MAC, decrypted by a private key, or read.
    pub output_size: OutputSize,
    /// Size in bytes of a digest that the caller may make himself; `None` where only whole messages are taken.
    pub digest_size: Option<usize>,
    /// How many items one version of a key may seal; `None` where there is no number that anyone reaches.
    pub use_limit: Option<u64>,
    /// Time of one item on one core. Chooses the lane and counts against quotas.
    pub cost: Cost,
    /// How long making a key of it takes.
    pub generation: Generation,
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

impl AlgorithmRow {
    /// The row of `algorithm`: the rest follows from its primitive.
    pub(crate) const fn new(algorithm: Algorithm, name: &'static str, primitive: Primitive, cost: Cost) -> Self {
        Self {
            algorithm,
            name,
            primitive,
            kind: kind(primitive),
            operations: operations(primitive),
            key_size: key_size(primitive),
            output_size: output_size(primitive),
            digest_size: digest_size(primitive),
            use_limit: use_limit(primitive),
            cost,
            generation: generation(primitive),
        }
    }

    /// Whether `operation` may be asked of keys of this algorithm.
    #[must_use]
    pub const fn does(&self, operation: Operation) -> bool {
        self.operations.contains(operation)
    }
}

impl OutputSize {
    /// Most bytes that an item with `plaintext_size` bytes of plaintext yields.
    #[must_use]
    pub const fn max(self, plaintext_size: usize) -> usize {
        match self {
            Self::Fixed(size) | Self::AtMost(size) => size,
            Self::PlaintextPlus(overhead) => plaintext_size.saturating_add(overhead),
        }
    }
}

/// As the specification and the tools write it.
impl fmt::Display for OutputSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(size) => write!(f, "{size}"),
            Self::AtMost(size) => write!(f, "at most {size}"),
            Self::PlaintextPlus(overhead) => write!(f, "plaintext + {overhead}"),
        }
    }
}

const fn kind(primitive: Primitive) -> KeyKind {
    match primitive {
        Primitive::Value => KeyKind::Secret,
        Primitive::Xaes256Gcm | Primitive::Aes256Gcm => KeyKind::Symmetric,
        Primitive::Hmac(_) => KeyKind::Mac,
        Primitive::Ed25519
        | Primitive::Ecdsa(_)
        | Primitive::RsaSignature(..)
        | Primitive::RsaOaep(_)
        | Primitive::MlDsa(_) => KeyKind::Asymmetric,
    }
}

const fn operations(primitive: Primitive) -> Operations {
    match primitive {
        Primitive::Value => Operations::of(&[Operation::ReadSecret]),
        Primitive::Xaes256Gcm | Primitive::Aes256Gcm => Operations::SYMMETRIC,
        Primitive::Hmac(_) => Operations::MAC,
        Primitive::Ed25519 | Primitive::Ecdsa(_) | Primitive::RsaSignature(..) | Primitive::MlDsa(_) => {
            Operations::SIGNATURE
        }
        Primitive::RsaOaep(_) => Operations::DECRYPTION,
    }
}

const fn key_size(primitive: Primitive) -> Option<usize> {
    match primitive {
        Primitive::Xaes256Gcm | Primitive::Aes256Gcm => Some(32),
        // As long as the hash: shorter keys are weaker, longer ones are not stronger (NIST SP 800-107r1 section 5.3.4).
        Primitive::Hmac(hash) => Some(hash.size()),
        _ => None,
    }
}

const fn output_size(primitive: Primitive) -> OutputSize {
    match primitive {
        Primitive::Value => OutputSize::AtMost(SECRET_SIZE_MAX),
        Primitive::Xaes256Gcm => OutputSize::PlaintextPlus(CIPHERTEXT_FIXED_SIZE + 24),
        Primitive::Aes256Gcm => OutputSize::PlaintextPlus(CIPHERTEXT_FIXED_SIZE + 12),
        Primitive::Hmac(hash) => OutputSize::Fixed(hash.size()),
        Primitive::Ed25519 => OutputSize::Fixed(64),
        Primitive::Ecdsa(curve) => OutputSize::AtMost(curve.signature_size_max()),
        Primitive::RsaSignature(size, _) => OutputSize::Fixed(size.bytes()),
        Primitive::RsaOaep(size) => OutputSize::AtMost(size.oaep_plaintext_size_max()),
        Primitive::MlDsa(parameters) => OutputSize::Fixed(parameters.signature_size()),
    }
}

const fn digest_size(primitive: Primitive) -> Option<usize> {
    match primitive {
        Primitive::Ecdsa(curve) => Some(curve.hash().size()),
        Primitive::RsaSignature(..) => Some(32),
        _ => None,
    }
}

const fn use_limit(primitive: Primitive) -> Option<u64> {
    match primitive {
        // Beyond it, the risk that two of the random nonces are equal exceeds 2^-32 (NIST SP 800-38D section 8.3).
        Primitive::Aes256Gcm => Some(1 << 32),
        _ => None,
    }
}

const fn generation(primitive: Primitive) -> Generation {
    match primitive {
        Primitive::RsaSignature(..) | Primitive::RsaOaep(_) => Generation::Slow,
        _ => Generation::Fast,
    }
}

/// Most bytes of the value of a secret.
const SECRET_SIZE_MAX: usize = 32_768;

/// What a ciphertext has beside body and nonce, in bytes: format, algorithm, version, key id, commitment and tag.
const CIPHERTEXT_FIXED_SIZE: usize = 1 + 1 + 4 + 16 + 32 + 16;
