//! Algorithms as the cryptographic library has them: to do in process what a daemon does, to make what it is asked for, and to check its answers.

use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hmac;
use aws_lc_rs::rsa::{KeySize, OAEP_SHA256_MGF1SHA256, OaepPublicEncryptingKey, PublicEncryptingKey};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1, ECDSA_P384_SHA384_ASN1_SIGNING,
    ECDSA_P521_SHA512_ASN1, ECDSA_P521_SHA512_ASN1_SIGNING, ED25519, EcdsaSigningAlgorithm, ML_DSA_44,
    ML_DSA_44_SIGNING, ML_DSA_65, ML_DSA_65_SIGNING, ML_DSA_87, ML_DSA_87_SIGNING, PqdsaSigningAlgorithm,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RSA_PSS_2048_8192_SHA256, RSA_PSS_SHA256, RsaEncoding,
    VerificationAlgorithm,
};
use claviger_algorithm::{Algorithm, Curve, Hash, MlDsaParameters, Primitive, RsaPadding, RsaSize};

/// How signatures of `algorithm` are verified; `None` if it makes none.
pub(crate) fn verification(algorithm: Algorithm) -> Option<&'static dyn VerificationAlgorithm> {
    Some(match algorithm.row().primitive {
        Primitive::Ed25519 => &ED25519,
        Primitive::Ecdsa(Curve::P256) => &ECDSA_P256_SHA256_ASN1,
        Primitive::Ecdsa(Curve::P384) => &ECDSA_P384_SHA384_ASN1,
        Primitive::Ecdsa(Curve::P521) => &ECDSA_P521_SHA512_ASN1,
        Primitive::MlDsa(MlDsaParameters::MlDsa44) => &ML_DSA_44,
        Primitive::MlDsa(MlDsaParameters::MlDsa65) => &ML_DSA_65,
        Primitive::MlDsa(MlDsaParameters::MlDsa87) => &ML_DSA_87,
        Primitive::RsaSignature(_, RsaPadding::Pkcs1) => &RSA_PKCS1_2048_8192_SHA256,
        Primitive::RsaSignature(_, RsaPadding::Pss) => &RSA_PSS_2048_8192_SHA256,
        Primitive::Value
        | Primitive::Xaes256Gcm
        | Primitive::Aes256Gcm
        | Primitive::Hmac(_)
        | Primitive::RsaOaep(_) => return None,
    })
}

/// What signs by ECDSA on `curve`.
pub(crate) const fn ecdsa(curve: Curve) -> &'static EcdsaSigningAlgorithm {
    match curve {
        Curve::P256 => &ECDSA_P256_SHA256_ASN1_SIGNING,
        Curve::P384 => &ECDSA_P384_SHA384_ASN1_SIGNING,
        Curve::P521 => &ECDSA_P521_SHA512_ASN1_SIGNING,
    }
}

/// What signs by ML-DSA with `parameters`.
pub(crate) const fn ml_dsa(parameters: MlDsaParameters) -> &'static PqdsaSigningAlgorithm {
    match parameters {
        MlDsaParameters::MlDsa44 => &ML_DSA_44_SIGNING,
        MlDsaParameters::MlDsa65 => &ML_DSA_65_SIGNING,
        MlDsaParameters::MlDsa87 => &ML_DSA_87_SIGNING,
    }
}

/// How signatures by RSA are padded.
pub(crate) fn rsa_encoding(padding: RsaPadding) -> &'static dyn RsaEncoding {
    match padding {
        RsaPadding::Pkcs1 => &RSA_PKCS1_SHA256,
        RsaPadding::Pss => &RSA_PSS_SHA256,
    }
}

pub(crate) const fn rsa_key_size(size: RsaSize) -> KeySize {
    match size {
        RsaSize::Bits2048 => KeySize::Rsa2048,
        RsaSize::Bits3072 => KeySize::Rsa3072,
        RsaSize::Bits4096 => KeySize::Rsa4096,
    }
}

/// HMAC with `hash`.
pub(crate) const fn hmac(hash: Hash) -> hmac::Algorithm {
    match hash {
        Hash::Sha256 => hmac::HMAC_SHA256,
        Hash::Sha384 => hmac::HMAC_SHA384,
        Hash::Sha512 => hmac::HMAC_SHA512,
    }
}

/// `plaintext`, encrypted to a public key by RSAES-OAEP.
///
/// # Errors
/// If the plaintext is too long for the key.
pub(crate) fn encrypt_to(
    public_key: PublicEncryptingKey,
    label: &[u8],
    plaintext: &[u8],
) -> Result<Vec<u8>, Unspecified> {
    let key = OaepPublicEncryptingKey::new(public_key)?;
    let mut ciphertext = vec![0; key.ciphertext_size()];
    key.encrypt(&OAEP_SHA256_MGF1SHA256, plaintext, &mut ciphertext, Some(label))?;
    Ok(ciphertext)
}
