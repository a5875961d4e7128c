//! Signature algorithms as the cryptographic library knows them, and their private keys.

use aws_lc_rs::digest::{self, Digest};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1, ECDSA_P384_SHA384_ASN1_SIGNING,
    ECDSA_P521_SHA512_ASN1, ECDSA_P521_SHA512_ASN1_SIGNING, ED25519, EcdsaKeyPair, EcdsaSigningAlgorithm,
    EcdsaVerificationAlgorithm, Ed25519KeyPair, KeyPair as _, PqdsaKeyPair, PqdsaSigningAlgorithm,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RSA_PSS_2048_8192_SHA256, RSA_PSS_SHA256, RsaEncoding, RsaKeyPair,
    RsaParameters, RsaSubjectPublicKey, VerificationAlgorithm,
};
use claviger_algorithm::{Algorithm, Curve, Hash, Primitive, RsaPadding, RsaSize};

use crate::crypto::ml_dsa;
use crate::crypto::random::{EntropyError, Random};
use crate::key::material::{MaterialError, SecretBytes, SecretKey};

/// How the library signs and verifies by one algorithm.
pub(crate) struct Scheme {
    /// Makes and parses private keys.
    pub(crate) key_type: KeyType,
    /// Verifies.
    pub(crate) verification: &'static dyn VerificationAlgorithm,
    /// Hashes messages, and is what a caller's digest must be of; `None` where only whole messages are taken.
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
    /// ML-DSA with one parameter set.
    MlDsa(&'static PqdsaSigningAlgorithm),
}

/// A private key, parsed once. The library wipes it on drop.
pub(crate) enum KeyPair {
    Ed25519(Ed25519KeyPair),
    Ecdsa(EcdsaKeyPair),
    Rsa(RsaKeyPair, &'static dyn RsaEncoding),
    MlDsa(PqdsaKeyPair),
}

/// The signature scheme of `algorithm`, or `None` if it does not sign.
pub(crate) fn scheme(algorithm: Algorithm) -> Option<Scheme> {
    match algorithm.row().primitive {
        Primitive::Value
        | Primitive::Xaes256Gcm
        | Primitive::Aes256Gcm
        | Primitive::Hmac(_)
        | Primitive::RsaOaep(_) => None,
        Primitive::Ed25519 => Some(Scheme { key_type: KeyType::Ed25519, verification: &ED25519, digest: None }),
        Primitive::Ecdsa(curve) => {
            let (signing, verification) = ecdsa(curve);
            let digest = Some(digest_of(curve.hash()));
            Some(Scheme { key_type: KeyType::Ecdsa(signing), verification, digest })
        }
        Primitive::RsaSignature(size, padding) => {
            let (encoding, verification) = rsa(padding);
            let digest = Some(digest_of(Hash::Sha256));
            Some(Scheme { key_type: KeyType::Rsa(size, encoding), verification, digest })
        }
        Primitive::MlDsa(parameters) => {
            let (signing, verification) = ml_dsa::algorithms(parameters);
            Some(Scheme { key_type: KeyType::MlDsa(signing), verification, digest: None })
        }
    }
}

const fn ecdsa(curve: Curve) -> (&'static EcdsaSigningAlgorithm, &'static EcdsaVerificationAlgorithm) {
    match curve {
        Curve::P256 => (&ECDSA_P256_SHA256_ASN1_SIGNING, &ECDSA_P256_SHA256_ASN1),
        Curve::P384 => (&ECDSA_P384_SHA384_ASN1_SIGNING, &ECDSA_P384_SHA384_ASN1),
        Curve::P521 => (&ECDSA_P521_SHA512_ASN1_SIGNING, &ECDSA_P521_SHA512_ASN1),
    }
}

fn rsa(padding: RsaPadding) -> (&'static dyn RsaEncoding, &'static RsaParameters) {
    match padding {
        RsaPadding::Pkcs1 => (&RSA_PKCS1_SHA256, &RSA_PKCS1_2048_8192_SHA256),
        RsaPadding::Pss => (&RSA_PSS_SHA256, &RSA_PSS_2048_8192_SHA256),
    }
}

const fn digest_of(hash: Hash) -> &'static digest::Algorithm {
    match hash {
        Hash::Sha256 => &digest::SHA256,
        Hash::Sha384 => &digest::SHA384,
        Hash::Sha512 => &digest::SHA512,
    }
}

/// A new private key for `algorithm`, as PKCS#8.
///
/// # Errors
/// If there are no random bytes, or the algorithm does not sign.
pub(crate) fn generate(algorithm: Algorithm, random: &dyn Random) -> Result<SecretBytes, EntropyError> {
    let scheme = scheme(algorithm).ok_or(EntropyError)?;
    match scheme.key_type {
        KeyType::Ed25519 => {
            let pair = Ed25519KeyPair::from_seed_unchecked(random_seed(random)?.expose());
            let pkcs8 = pair.map_err(|_| EntropyError)?.to_pkcs8v1();
            Ok(SecretBytes::copy_of(pkcs8.map_err(|_| EntropyError)?.as_ref()))
        }
        KeyType::Ecdsa(signing) => {
            let pkcs8 = EcdsaKeyPair::generate(signing).and_then(|pair| pair.to_pkcs8v1());
            Ok(SecretBytes::copy_of(pkcs8.map_err(|_| EntropyError)?.as_ref()))
        }
        KeyType::Rsa(size, _) => {
            let pair = RsaKeyPair::generate(rsa_key_size(size)).map_err(|_| EntropyError)?;
            let pkcs8 = AsDer::<Pkcs8V1Der<'_>>::as_der(&pair).map_err(|_| EntropyError)?;
            Ok(SecretBytes::copy_of(pkcs8.as_ref()))
        }
        KeyType::MlDsa(signing) => {
            let pair = PqdsaKeyPair::from_seed(signing, random_seed(random)?.expose());
            let pkcs8 = pair.map_err(|_| EntropyError)?.to_pkcs8v1();
            Ok(SecretBytes::copy_of(pkcs8.map_err(|_| EntropyError)?.as_ref()))
        }
    }
}

/// The 32 bytes that a key of Ed25519 (RFC 8032 section 5.1.5) or ML-DSA (FIPS 204 section 5.1) is derived from.
fn random_seed(random: &dyn Random) -> Result<SecretKey, EntropyError> {
    let mut seed = SecretKey::zeroed();
    random.fill(seed.expose_mut())?;
    Ok(seed)
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
                if !has_size(pair.public_key(), size) {
                    return Err(MaterialError::Malformed(algorithm));
                }
                Self::Rsa(pair, padding)
            }
            KeyType::MlDsa(signing) => {
                Self::MlDsa(ml_dsa::parse(signing, pkcs8).ok_or(MaterialError::Malformed(algorithm))?)
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
            Self::MlDsa(pair) => pair.sign(message, out),
        }
    }

    /// Signs `digest`; writes the signature to the beginning of `out` and gives its size.
    ///
    /// # Errors
    /// If the library has no random bytes or memory, or the algorithm signs whole messages only.
    pub(crate) fn sign_digest(&self, digest: &Digest, out: &mut [u8]) -> Result<usize, Unspecified> {
        match self {
            Self::Ed25519(_) | Self::MlDsa(_) => Err(Unspecified),
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
            Self::MlDsa(pair) => pair.public_key().as_der(),
        }
    }
}

/// Whether `bytes` are one DER SEQUENCE (ITU-T X.690 sections 8.1 and 10.1) and nothing after it, which the library
/// does not check. What is inside, it does.
pub(crate) fn is_one_der_sequence(bytes: &[u8]) -> bool {
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

/// Whether the modulus of `public_key` has exactly this size.
pub(crate) fn has_size(public_key: &RsaSubjectPublicKey, size: RsaSize) -> bool {
    RsaParameters::public_modulus_len(public_key.as_ref()) == Ok(size.bits())
}

/// The library's name for a modulus size.
pub(crate) const fn rsa_key_size(size: RsaSize) -> KeySize {
    match size {
        RsaSize::Bits2048 => KeySize::Rsa2048,
        RsaSize::Bits3072 => KeySize::Rsa3072,
        RsaSize::Bits4096 => KeySize::Rsa4096,
    }
}
