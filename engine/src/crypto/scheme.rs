//! Signature algorithms as the cryptographic library knows them, and their private keys.

use aws_lc_rs::digest::{self, Digest};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, ED25519, EcdsaKeyPair, EcdsaSigningAlgorithm,
    Ed25519KeyPair, KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RSA_PSS_2048_8192_SHA256,
    RSA_PSS_SHA256, RsaEncoding, RsaKeyPair, RsaParameters, RsaSubjectPublicKey, VerificationAlgorithm,
};
use claviger_algorithm::Algorithm;

use crate::crypto::random::{EntropyError, Random};
use crate::key::material::{MaterialError, SecretBytes, SecretKey};

/// How the library signs and verifies by one algorithm.
pub(crate) struct Scheme {
    /// Makes and parses private keys.
    pub(crate) key_type: KeyType,
    /// Verifies.
    pub(crate) verification: &'static dyn VerificationAlgorithm,
    /// Hashes messages, and is what a caller's digest must be of.
    pub(crate) digest: Option<&'static digest::Algorithm>,
}

/// Which private keys an algorithm takes, and how they sign.
#[derive(Clone, Copy)]
pub(crate) enum KeyType {
    /// Ed25519.
    Ed25519,
    /// ECDSA on one curve with one hash.
    Ecdsa(&'static EcdsaSigningAlgorithm),
    /// RSA with one modulus size and one padding.
    Rsa(RsaSize, &'static dyn RsaEncoding),
}

/// A modulus size that keys may have; no other one is accepted.
#[derive(Clone, Copy)]
pub(crate) enum RsaSize {
    Bits2048,
    Bits3072,
    Bits4096,
}

/// A private key, parsed once. The library wipes it on drop.
pub(crate) enum KeyPair {
    Ed25519(Ed25519KeyPair),
    Ecdsa(EcdsaKeyPair),
    Rsa(RsaKeyPair, &'static dyn RsaEncoding),
}

/// The signature scheme of `algorithm`, or `None` if it does not sign.
pub(crate) fn scheme(algorithm: Algorithm) -> Option<Scheme> {
    let rsa_pkcs1 = |size| Scheme {
        key_type: KeyType::Rsa(size, &RSA_PKCS1_SHA256),
        verification: &RSA_PKCS1_2048_8192_SHA256,
        digest: Some(&digest::SHA256),
    };
    let rsa_pss = |size| Scheme {
        key_type: KeyType::Rsa(size, &RSA_PSS_SHA256),
        verification: &RSA_PSS_2048_8192_SHA256,
        digest: Some(&digest::SHA256),
    };
    match algorithm {
        Algorithm::Opaque | Algorithm::Xaes256Gcm | Algorithm::HmacSha256 => None,
        Algorithm::Ed25519 => Some(Scheme { key_type: KeyType::Ed25519, verification: &ED25519, digest: None }),
        Algorithm::EcdsaP256Sha256 => Some(Scheme {
            key_type: KeyType::Ecdsa(&ECDSA_P256_SHA256_ASN1_SIGNING),
            verification: &ECDSA_P256_SHA256_ASN1,
            digest: Some(&digest::SHA256),
        }),
        Algorithm::Rsa2048Pkcs1Sha256 => Some(rsa_pkcs1(RsaSize::Bits2048)),
        Algorithm::Rsa2048PssSha256 => Some(rsa_pss(RsaSize::Bits2048)),
        Algorithm::Rsa3072Pkcs1Sha256 => Some(rsa_pkcs1(RsaSize::Bits3072)),
        Algorithm::Rsa3072PssSha256 => Some(rsa_pss(RsaSize::Bits3072)),
        Algorithm::Rsa4096Pkcs1Sha256 => Some(rsa_pkcs1(RsaSize::Bits4096)),
        Algorithm::Rsa4096PssSha256 => Some(rsa_pss(RsaSize::Bits4096)),
    }
}

/// A new private key for `algorithm`, as PKCS#8.
///
/// # Errors
/// If there are no random bytes, or the algorithm has no private keys.
pub(crate) fn generate(algorithm: Algorithm, random: &dyn Random) -> Result<SecretBytes, EntropyError> {
    let scheme = scheme(algorithm).ok_or(EntropyError)?;
    match scheme.key_type {
        KeyType::Ed25519 => {
            let mut seed = SecretKey::zeroed();
            random.fill(seed.expose_mut())?;
            let pair = Ed25519KeyPair::from_seed_unchecked(seed.expose()).map_err(|_| EntropyError)?;
            let pkcs8 = pair.to_pkcs8v1().map_err(|_| EntropyError)?;
            Ok(SecretBytes::copy_of(pkcs8.as_ref()))
        }
        KeyType::Ecdsa(signing) => {
            let pkcs8 = EcdsaKeyPair::generate(signing).and_then(|pair| pair.to_pkcs8v1());
            Ok(SecretBytes::copy_of(pkcs8.map_err(|_| EntropyError)?.as_ref()))
        }
        KeyType::Rsa(size, _) => {
            let pair = RsaKeyPair::generate(size.key_size()).map_err(|_| EntropyError)?;
            let pkcs8 = AsDer::<Pkcs8V1Der<'_>>::as_der(&pair).map_err(|_| EntropyError)?;
            Ok(SecretBytes::copy_of(pkcs8.as_ref()))
        }
    }
}

impl KeyPair {
    /// The private key in `pkcs8`, checked to be consistent and of `algorithm`.
    ///
    /// # Errors
    /// [`MaterialError`].
    pub(crate) fn parse(algorithm: Algorithm, pkcs8: &[u8]) -> Result<Self, MaterialError> {
        let scheme = scheme(algorithm).ok_or(MaterialError::OtherAlgorithm(algorithm))?;
        let malformed = |_| MaterialError::Malformed(algorithm);
        if !is_one_der_sequence(pkcs8) {
            return Err(MaterialError::Malformed(algorithm));
        }
        let pair = match scheme.key_type {
            KeyType::Ed25519 => Self::Ed25519(Ed25519KeyPair::from_pkcs8(pkcs8).map_err(malformed)?),
            KeyType::Ecdsa(signing) => Self::Ecdsa(EcdsaKeyPair::from_pkcs8(signing, pkcs8).map_err(malformed)?),
            KeyType::Rsa(size, padding) => {
                let pair = RsaKeyPair::from_pkcs8(pkcs8).map_err(malformed)?;
                if !size.is_of(pair.public_key()) {
                    return Err(MaterialError::Malformed(algorithm));
                }
                Self::Rsa(pair, padding)
            }
        };
        Ok(pair)
    }

    /// Hashes and signs `message`; writes the signature to the beginning of `out` and gives its size.
    ///
    /// # Errors
    /// If the library has no random bytes or memory.
    pub(crate) fn sign_message(&self, message: &[u8], out: &mut [u8]) -> Result<usize, Unspecified> {
        // The library draws from its own generator whatever is given here.
        let random = SystemRandom::new();
        match self {
            Self::Ed25519(pair) => copy_to(out, pair.try_sign(message)?.as_ref()),
            Self::Ecdsa(pair) => copy_to(out, pair.sign(&random, message)?.as_ref()),
            Self::Rsa(pair, padding) => {
                let out = out.get_mut(..pair.public_modulus_len()).ok_or(Unspecified)?;
                pair.sign(*padding, &random, message, out).map(|()| out.len())
            }
        }
    }

    /// Signs `digest`; writes the signature to the beginning of `out` and gives its size.
    ///
    /// # Errors
    /// If the library has no random bytes or memory, or the algorithm signs whole messages only.
    pub(crate) fn sign_digest(&self, digest: &Digest, out: &mut [u8]) -> Result<usize, Unspecified> {
        match self {
            Self::Ed25519(_) => Err(Unspecified),
            Self::Ecdsa(pair) => copy_to(out, pair.sign_digest(digest)?.as_ref()),
            Self::Rsa(pair, padding) => {
                let out = out.get_mut(..pair.public_modulus_len()).ok_or(Unspecified)?;
                pair.sign_digest(*padding, digest, out).map(|()| out.len())
            }
        }
    }

    /// The public half as SubjectPublicKeyInfo DER (RFC 5280 section 4.1).
    pub(crate) fn public_key_der(&self) -> Result<PublicKeyX509Der<'static>, Unspecified> {
        match self {
            Self::Ed25519(pair) => pair.public_key().as_der(),
            Self::Ecdsa(pair) => pair.public_key().as_der(),
            Self::Rsa(pair, _) => pair.public_key().as_der(),
        }
    }
}

/// Whether `bytes` are one DER SEQUENCE (ITU-T X.690 sections 8.1 and 10.1) and nothing after it, which the library
/// does not check. What is inside, it does.
fn is_one_der_sequence(bytes: &[u8]) -> bool {
    let size = match bytes {
        [0x30, size @ ..=0x7f, rest @ ..] => Some((usize::from(*size), rest)),
        [0x30, 0x81, size, rest @ ..] => Some((usize::from(*size), rest)),
        [0x30, 0x82, high, low, rest @ ..] => Some((usize::from(u16::from_be_bytes([*high, *low])), rest)),
        _ => None,
    };
    size.is_some_and(|(size, rest)| size == rest.len())
}

fn copy_to(out: &mut [u8], signature: &[u8]) -> Result<usize, Unspecified> {
    out.get_mut(..signature.len()).ok_or(Unspecified)?.copy_from_slice(signature);
    Ok(signature.len())
}

impl RsaSize {
    /// Modulus size, in bits.
    const fn bits(self) -> u32 {
        match self {
            Self::Bits2048 => 2_048,
            Self::Bits3072 => 3_072,
            Self::Bits4096 => 4_096,
        }
    }

    const fn key_size(self) -> KeySize {
        match self {
            Self::Bits2048 => KeySize::Rsa2048,
            Self::Bits3072 => KeySize::Rsa3072,
            Self::Bits4096 => KeySize::Rsa4096,
        }
    }

    /// Whether the modulus of `public_key` has exactly this size.
    pub(crate) fn is_of(self, public_key: &RsaSubjectPublicKey) -> bool {
        RsaParameters::public_modulus_len(public_key.as_ref()) == Ok(self.bits())
    }
}
