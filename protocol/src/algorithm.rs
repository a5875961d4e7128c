//! Algorithms and their codes. `SPEC.md` section 11.3.

use crate::kind::Kind;
use std::fmt;

/// Algorithm of a key, fixed when it is created. The discriminant is its code on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Algorithm {
    /// None: the value of a secret.
    Opaque = 1,
    /// C2SP XAES-256-GCM, with the commitment of `SPEC.md` section 9.
    Xaes256Gcm = 16,
    /// FIPS 198-1.
    HmacSha256 = 32,
    /// RFC 8032.
    Ed25519 = 48,
    /// FIPS 186-5.
    EcdsaP256Sha256 = 49,
    /// RFC 8017 section 8.2.
    Rsa2048Pkcs1Sha256 = 64,
    /// RFC 8017 section 8.1.
    Rsa2048PssSha256 = 65,
    /// RFC 8017 section 8.2.
    Rsa3072Pkcs1Sha256 = 66,
    /// RFC 8017 section 8.1.
    Rsa3072PssSha256 = 67,
    /// RFC 8017 section 8.2.
    Rsa4096Pkcs1Sha256 = 68,
    /// RFC 8017 section 8.1.
    Rsa4096PssSha256 = 69,
}

/// What version 1 says of one algorithm: a row of the table in `SPEC.md` section 11.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AlgorithmRow {
    /// The algorithm's name in `SPEC.md`.
    pub name: &'static str,
    /// The kind of its keys.
    pub kind: Kind,
    /// Bytes of a digest that the client may make itself; nothing if the algorithm takes whole messages only.
    pub digest_size: Option<usize>,
}

impl Algorithm {
    /// All algorithms of version 1, by ascending code.
    pub const ALL: [Self; 11] = [
        Self::Opaque,
        Self::Xaes256Gcm,
        Self::HmacSha256,
        Self::Ed25519,
        Self::EcdsaP256Sha256,
        Self::Rsa2048Pkcs1Sha256,
        Self::Rsa2048PssSha256,
        Self::Rsa3072Pkcs1Sha256,
        Self::Rsa3072PssSha256,
        Self::Rsa4096Pkcs1Sha256,
        Self::Rsa4096PssSha256,
    ];

    /// The algorithm's code on the wire.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The algorithm of this code, or nothing if version 1 has none.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.code() == code)
    }

    /// The algorithm's row of the table.
    #[must_use]
    pub const fn row(self) -> AlgorithmRow {
        const SHA256_SIZE: Option<usize> = Some(32);
        const fn row(name: &'static str, kind: Kind, digest_size: Option<usize>) -> AlgorithmRow {
            AlgorithmRow { name, kind, digest_size }
        }
        match self {
            Self::Opaque => row("OPAQUE", Kind::Secret, None),
            Self::Xaes256Gcm => row("XAES-256-GCM", Kind::Symmetric, None),
            Self::HmacSha256 => row("HMAC-SHA-256", Kind::Mac, None),
            Self::Ed25519 => row("Ed25519", Kind::Asymmetric, None),
            Self::EcdsaP256Sha256 => row("ECDSA-P256-SHA256", Kind::Asymmetric, SHA256_SIZE),
            Self::Rsa2048Pkcs1Sha256 => row("RSA-2048-PKCS1-SHA256", Kind::Asymmetric, SHA256_SIZE),
            Self::Rsa2048PssSha256 => row("RSA-2048-PSS-SHA256", Kind::Asymmetric, SHA256_SIZE),
            Self::Rsa3072Pkcs1Sha256 => row("RSA-3072-PKCS1-SHA256", Kind::Asymmetric, SHA256_SIZE),
            Self::Rsa3072PssSha256 => row("RSA-3072-PSS-SHA256", Kind::Asymmetric, SHA256_SIZE),
            Self::Rsa4096Pkcs1Sha256 => row("RSA-4096-PKCS1-SHA256", Kind::Asymmetric, SHA256_SIZE),
            Self::Rsa4096PssSha256 => row("RSA-4096-PSS-SHA256", Kind::Asymmetric, SHA256_SIZE),
        }
    }

    /// The algorithm's name in `SPEC.md`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.row().name
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}
