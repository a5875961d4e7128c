//! What an algorithm is made of, so that one piece of code serves all algorithms that differ in a parameter only.

/// The primitive of an algorithm, with its parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Primitive {
    /// None: a value that is kept and handed out.
    Value,
    /// AES-256-GCM with 192-bit nonces (C2SP XAES-256-GCM), committed to its key.
    Xaes256Gcm,
    /// AES-256-GCM with random 96-bit nonces (NIST SP 800-38D section 8.2.2), committed to its key.
    Aes256Gcm,
    /// HMAC (FIPS 198-1), never truncated.
    Hmac(Hash),
    /// Ed25519 (RFC 8032 section 5.1), of whole messages only.
    Ed25519,
    /// ECDSA with the hash of its curve's strength (FIPS 186-5 section 6); signatures in DER (RFC 3279 section 2.2.3).
    Ecdsa(Curve),
    /// RSA signatures with SHA-256 (RFC 8017 section 8).
    RsaSignature(RsaSize, RsaPadding),
    /// RSAES-OAEP with SHA-256 for label and mask (RFC 8017 section 7.1).
    RsaOaep(RsaSize),
    /// ML-DSA (FIPS 204 section 5.2), of whole messages only, with an empty context string.
    MlDsa(MlDsaParameters),
}

/// A hash of FIPS 180-4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hash {
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

/// A curve of NIST SP 800-186.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Curve {
    /// P-256, with SHA-256.
    P256,
    /// P-384, with SHA-384.
    P384,
    /// P-521, with SHA-512.
    P521,
}

/// Size of an RSA modulus; no other one is accepted. The public exponent of keys made here is 65,537.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RsaSize {
    /// 2,048 bits.
    Bits2048,
    /// 3,072 bits.
    Bits3072,
    /// 4,096 bits.
    Bits4096,
}

/// Padding of RSA signatures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RsaPadding {
    /// RSASSA-PKCS1-v1_5 (RFC 8017 section 8.2).
    Pkcs1,
    /// RSASSA-PSS with a salt as long as the hash (RFC 8017 section 8.1).
    Pss,
}

/// A parameter set of FIPS 204 section 4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MlDsaParameters {
    /// ML-DSA-44.
    MlDsa44,
    /// ML-DSA-65.
    MlDsa65,
    /// ML-DSA-87.
    MlDsa87,
}

impl Hash {
    /// Size of a digest, in bytes.
    #[must_use]
    pub const fn size(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }
}

impl Curve {
    /// The hash that goes with the curve.
    #[must_use]
    pub const fn hash(self) -> Hash {
        match self {
            Self::P256 => Hash::Sha256,
            Self::P384 => Hash::Sha384,
            Self::P521 => Hash::Sha512,
        }
    }

    /// Most bytes of a signature: a DER sequence of two integers, each as long as the curve's order and a sign byte.
    #[must_use]
    pub const fn signature_size_max(self) -> usize {
        match self {
            Self::P256 => 72,
            Self::P384 => 104,
            Self::P521 => 139,
        }
    }
}

impl RsaSize {
    /// Size of the modulus, in bits.
    #[must_use]
    pub const fn bits(self) -> u32 {
        match self {
            Self::Bits2048 => 2_048,
            Self::Bits3072 => 3_072,
            Self::Bits4096 => 4_096,
        }
    }

    /// Size of the modulus, of a signature and of an OAEP ciphertext, in bytes.
    #[must_use]
    pub const fn bytes(self) -> usize {
        self.bits() as usize / 8
    }

    /// Most plaintext that OAEP with SHA-256 takes, in bytes (RFC 8017 section 7.1.1).
    #[must_use]
    pub const fn oaep_plaintext_size_max(self) -> usize {
        self.bytes() - 2 * Hash::Sha256.size() - 2
    }
}

impl MlDsaParameters {
    /// Size of a signature, in bytes (FIPS 204 table 2).
    #[must_use]
    pub const fn signature_size(self) -> usize {
        match self {
            Self::MlDsa44 => 2_420,
            Self::MlDsa65 => 3_309,
            Self::MlDsa87 => 4_627,
        }
    }
}
