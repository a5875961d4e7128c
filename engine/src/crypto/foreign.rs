//! Key material that was made elsewhere: what the cryptographic library takes is narrowed to what a key made here could be, and kept in the one form that keys made here have.

use aws_lc_rs::encoding::{AsBigEndian, AsDer, EcPrivateKeyBin, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    EcdsaKeyPair, KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair, UnparsedPublicKey,
};
use claviger_algorithm::{Algorithm, KeyKind, Primitive, RsaSize};
use subtle::ConstantTimeEq;

use crate::crypto::der::{self, Der, EXPONENT_65537, INTEGER, OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE};
use crate::crypto::scheme::KeyPair;
use crate::key::material::{KeyMaterial, MaterialError, SecretBytes};

impl KeyMaterial {
    /// `bytes` that were made elsewhere as material of `algorithm`: as [`KeyMaterial::import`], and more is checked.
    ///
    /// - Symmetric and MAC keys: not one byte over and over.
    /// - Private keys: PKCS#8 (RFC 5958) whose algorithm identifier is, to the byte, the one that keys made here have: so a curve is named, not
    ///   described. Attributes and a public half may follow; the half must be that of the key. What is kept is PKCS#8 as it is made here.
    /// - RSA: public exponent 65,537; what the private key signs, its public half verifies.
    ///
    /// # Errors
    /// [`MaterialError`].
    pub(crate) fn import_foreign(algorithm: Algorithm, bytes: SecretBytes) -> Result<Self, MaterialError> {
        let row = algorithm.row();
        if row.key_size.is_some() && is_one_byte_over_and_over(bytes.expose()) {
            return Err(MaterialError::Weak(algorithm));
        }
        let material = Self::import(algorithm, bytes)?;
        if row.kind != KeyKind::Asymmetric {
            return Ok(material);
        }
        let own_form = own_form(algorithm, material.expose()).ok_or(MaterialError::Malformed(algorithm))?;
        Self::import(algorithm, own_form)
    }
}

/// The private key in `pkcs8`, which the library has taken, in the form that keys made here have; `None` if it could not be one of them.
fn own_form(algorithm: Algorithm, pkcs8: &[u8]) -> Option<SecretBytes> {
    let own = match algorithm.row().primitive {
        Primitive::RsaOaep(_) | Primitive::RsaSignature(..) => rsa(pkcs8)?,
        _ => match KeyPair::parse(algorithm, pkcs8).ok()? {
            KeyPair::Ed25519(pair) => SecretBytes::copy_of(pair.to_pkcs8v1().ok()?.as_ref()),
            // Put together anew: the library leaves a public half out that had been left out.
            KeyPair::Ecdsa(pair) => {
                let scalar: EcPrivateKeyBin<'_> = pair.private_key().as_be_bytes().ok()?;
                let point = pair.public_key().as_ref();
                let signing = pair.algorithm();
                let pair = EcdsaKeyPair::from_private_key_and_public_key(signing, scalar.as_ref(), point).ok()?;
                SecretBytes::copy_of(pair.to_pkcs8v1().ok()?.as_ref())
            }
            KeyPair::MlDsa(pair) => SecretBytes::copy_of(pair.to_pkcs8v1().ok()?.as_ref()),
            KeyPair::Rsa(..) => return None,
        },
    };
    let (given, ours) = (PrivateKeyInfo::read(pkcs8)?, PrivateKeyInfo::read(own.expose())?);
    let is_same_key = match algorithm.row().primitive {
        // It may leave its public half out, or name its curve again; the others have one form.
        Primitive::Ecdsa(_) => is_elliptic_curve_key(given.private_key, given.algorithm)?,
        _ => bool::from(given.private_key.ct_eq(ours.private_key)),
    };
    (is_same_key && given.algorithm == ours.algorithm).then_some(own)
}

/// Whether `private_key` has the fields of an ECPrivateKey (RFC 5915 section 3) and no others, and names the same curve as the algorithm identifier if any.
fn is_elliptic_curve_key(private_key: &[u8], algorithm: &[u8]) -> Option<bool> {
    let mut fields = Der::new(der::whole(private_key, SEQUENCE)?);
    fields.element(INTEGER)?;
    fields.element(OCTET_STRING)?;
    let curve = fields.optional(CURVE)?;
    fields.optional(POINT)?;
    fields.finish()?;
    Some(curve.is_none_or(|curve| curve.first() == Some(&OBJECT_IDENTIFIER) && algorithm.ends_with(curve)))
}

/// The key as it is made here, if its exponent is 65,537 and its halves belong together. That its numbers fit each other the library has checked, but not
/// that the factors are primes: if they are not, what it signs does not verify.
fn rsa(pkcs8: &[u8]) -> Option<SecretBytes> {
    let pair = RsaKeyPair::from_pkcs8(pkcs8).ok()?;
    let public_key = pair.public_key().as_ref();
    if der::rsa_exponent(public_key) != Some(EXPONENT_65537) {
        return None;
    }
    let mut signature = [0; RsaSize::Bits4096.bytes()];
    let signature = signature.get_mut(..pair.public_modulus_len())?;
    pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), PROBE, signature).ok()?;
    UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public_key).verify(PROBE, signature).ok()?;
    let own = AsDer::<Pkcs8V1Der<'_>>::as_der(&pair).ok()?;
    Some(SecretBytes::copy_of(own.as_ref()))
}

/// The fields of PKCS#8 (RFC 5958 section 2).
struct PrivateKeyInfo<'a> {
    algorithm: &'a [u8],
    private_key: &'a [u8],
}

impl<'a> PrivateKeyInfo<'a> {
    fn read(pkcs8: &'a [u8]) -> Option<Self> {
        let mut fields = Der::new(der::whole(pkcs8, SEQUENCE)?);
        fields.element(INTEGER)?;
        let info = Self { algorithm: fields.element(SEQUENCE)?, private_key: fields.element(OCTET_STRING)? };
        fields.optional(ATTRIBUTES)?;
        fields.optional(PUBLIC_KEY)?;
        fields.finish()?;
        Some(info)
    }
}

fn is_one_byte_over_and_over(bytes: &[u8]) -> bool {
    // Looks at all of them, whatever they are.
    let differences =
        bytes.iter().zip(bytes.iter().skip(1)).fold(0, |differences, (one, next)| differences | (one ^ next));
    differences == 0
}

/// What a key signs to show that it can.
const PROBE: &[u8] = b"claviger/import/1";

/// Tags of the optional fields of PKCS#8.
const ATTRIBUTES: u8 = 0xa0;
const PUBLIC_KEY: u8 = 0x81;

/// Tags of the optional fields of an ECPrivateKey.
const CURVE: u8 = 0xa0;
const POINT: u8 = 0xa1;

#[cfg(test)]
mod tests;
