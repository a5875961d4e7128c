//! Decryption of what others encrypt to a public key: RSAES-OAEP with SHA-256 for label and mask (RFC 8017 section 7.1).
//! Ciphertexts are the plain bytes of that standard, so that other tools make them.

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::{OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, PrivateDecryptingKey};
use claviger_algorithm::{Primitive, RsaSize};
use zeroize::Zeroizing;

use crate::crypto::random::EntropyError;
use crate::crypto::scheme::{is_one_der_sequence, rsa_key_size};
use crate::key::material::{KeyMaterial, MaterialError, SecretBytes};

/// One version of an asymmetric key that decrypts. Parsed once, never per request; wiped by the library on drop.
pub struct DecryptingKey {
    size: RsaSize,
    private_key: OaepPrivateDecryptingKey,
    public_key_der: Box<[u8]>,
}

/// A ciphertext that was not decrypted. One error whatever is wrong: telling padding, label and key apart lets an
/// attacker decrypt by asking (Manger, Crypto 2001).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("decryption failed")]
pub struct DecryptionFailed;

/// A new private key, as PKCS#8. Its public exponent is 65,537.
///
/// # Errors
/// If the library has no random bytes.
pub(crate) fn generate(size: RsaSize) -> Result<SecretBytes, EntropyError> {
    let key = PrivateDecryptingKey::generate(rsa_key_size(size)).map_err(|_| EntropyError)?;
    let pkcs8 = AsDer::<Pkcs8V1Der<'_>>::as_der(&key).map_err(|_| EntropyError)?;
    Ok(SecretBytes::copy_of(pkcs8.as_ref()))
}

/// The private key in `pkcs8`; `None` unless it is consistent, has exactly this modulus size, and nothing follows it.
pub(crate) fn parse(size: RsaSize, pkcs8: &[u8]) -> Option<PrivateDecryptingKey> {
    let key = PrivateDecryptingKey::from_pkcs8(pkcs8).ok().filter(|_| is_one_der_sequence(pkcs8))?;
    (key.key_size_bits() == usize::try_from(size.bits()).ok()?).then_some(key)
}

impl DecryptingKey {
    /// A key from its material.
    ///
    /// # Errors
    /// [`MaterialError`] if the material is not of an algorithm that decrypts by a private key.
    pub fn new(material: &KeyMaterial) -> Result<Self, MaterialError> {
        let algorithm = material.algorithm();
        let Primitive::RsaOaep(size) = algorithm.row().primitive else {
            return Err(MaterialError::OtherAlgorithm(algorithm));
        };
        let malformed = MaterialError::Malformed(algorithm);
        let private_key = parse(size, material.expose()).ok_or(malformed)?;
        let public_key: PublicKeyX509Der<'_> = private_key.public_key().as_der().map_err(|_| malformed)?;
        let public_key_der = public_key.as_ref().into();
        let private_key = OaepPrivateDecryptingKey::new(private_key).map_err(|_| malformed)?;
        Ok(Self { size, private_key, public_key_der })
    }

    /// Decrypts `ciphertext`, which was made with `label`; writes the plaintext to the beginning of `out` and gives its
    /// size.
    ///
    /// `out`: at least [`DecryptingKey::plaintext_size_max`] bytes. It is not written to unless all is well.
    ///
    /// # Errors
    /// [`DecryptionFailed`].
    pub fn decrypt(&self, label: &[u8], ciphertext: &[u8], out: &mut [u8]) -> Result<usize, DecryptionFailed> {
        if ciphertext.len() != self.size.bytes() {
            return Err(DecryptionFailed);
        }
        // The library asks for room as large as the modulus, which no plaintext needs.
        let mut room = Zeroizing::new([0; RsaSize::Bits4096.bytes()]);
        let decrypted = self.private_key.decrypt(&OAEP_SHA256_MGF1SHA256, ciphertext, &mut *room, Some(label));
        let plaintext = decrypted.map_err(|_| DecryptionFailed)?;
        out.get_mut(..plaintext.len()).ok_or(DecryptionFailed)?.copy_from_slice(plaintext);
        Ok(plaintext.len())
    }

    /// Most bytes of a plaintext.
    pub const fn plaintext_size_max(&self) -> usize {
        self.size.oaep_plaintext_size_max()
    }

    /// The public half as SubjectPublicKeyInfo in DER (RFC 5280 section 4.1).
    pub fn public_key_der(&self) -> &[u8] {
        &self.public_key_der
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::rsa::{
        OAEP_SHA1_MGF1SHA1, OAEP_SHA384_MGF1SHA384, OaepAlgorithm, OaepPublicEncryptingKey, Pkcs1PublicEncryptingKey,
        PublicEncryptingKey,
    };
    use claviger_algorithm::{Algorithm, KeyKind};
    use static_assertions::assert_not_impl_any;

    use super::*;
    use crate::crypto::random::SystemRandom;

    assert_not_impl_any!(DecryptingKey: std::fmt::Debug, Clone, PartialEq);

    /// The smallest size stands for all: larger keys take seconds to make, and are parsed by the same code.
    const ALGORITHM: Algorithm = Algorithm::Rsa2048OaepSha256;
    const SIZE: usize = RsaSize::Bits2048.bytes();
    const PLAINTEXT_SIZE_MAX: usize = RsaSize::Bits2048.oaep_plaintext_size_max();

    fn material() -> KeyMaterial {
        KeyMaterial::generate(ALGORITHM, &SystemRandom::new()).unwrap()
    }

    fn generate() -> DecryptingKey {
        DecryptingKey::new(&material()).unwrap()
    }

    fn public_key(key: &DecryptingKey) -> PublicEncryptingKey {
        PublicEncryptingKey::from_der(key.public_key_der()).unwrap()
    }

    fn encrypt_by(algorithm: &'static OaepAlgorithm, key: &DecryptingKey, label: &[u8], plaintext: &[u8]) -> Vec<u8> {
        let key = OaepPublicEncryptingKey::new(public_key(key)).unwrap();
        let mut ciphertext = vec![0; key.ciphertext_size()];
        key.encrypt(algorithm, plaintext, &mut ciphertext, Some(label)).unwrap();
        ciphertext
    }

    fn encrypt(key: &DecryptingKey, label: &[u8], plaintext: &[u8]) -> Vec<u8> {
        encrypt_by(&OAEP_SHA256_MGF1SHA256, key, label, plaintext)
    }

    fn decrypt(key: &DecryptingKey, label: &[u8], ciphertext: &[u8]) -> Result<Vec<u8>, DecryptionFailed> {
        let mut out = vec![0xa5; key.plaintext_size_max()];
        let decrypted = key.decrypt(label, ciphertext, &mut out);
        let written = decrypted.unwrap_or(0);
        assert!(out[written..].iter().all(|byte| *byte == 0xa5), "nothing is written behind the plaintext, or at all");
        out.truncate(written);
        decrypted.map(|_| out)
    }

    // R-K4
    #[test]
    fn plaintexts_of_every_size_come_back() {
        let key = generate();
        assert_eq!((key.plaintext_size_max(), PLAINTEXT_SIZE_MAX), (190, 190), "RFC 8017 section 7.1.1");
        for size in [0, 1, 32, PLAINTEXT_SIZE_MAX] {
            for label in [&b""[..], b"label", &[7; 4_096]] {
                let plaintext = vec![b'p'; size];
                assert_eq!(decrypt(&key, label, &encrypt(&key, label, &plaintext)), Ok(plaintext));
            }
        }
    }

    // R-K4
    #[test]
    fn another_label_or_key_is_the_one_failure() {
        let (key, other) = (generate(), generate());
        let ciphertext = encrypt(&key, b"label", b"plaintext");
        for label in [&b""[..], b"labe", b"label\0", b"Label"] {
            assert_eq!(decrypt(&key, label, &ciphertext), Err(DecryptionFailed), "{label:?}");
        }
        assert_eq!(decrypt(&other, b"label", &ciphertext), Err(DecryptionFailed));
        assert_eq!(decrypt(&key, b"label", &encrypt(&key, b"", b"plaintext")), Err(DecryptionFailed));
    }

    // R-K4
    #[test]
    fn altered_cut_and_longer_ciphertexts_are_the_one_failure() {
        let key = generate();
        let good = encrypt(&key, b"", b"plaintext");
        for at in (0..SIZE).step_by(17).chain([SIZE - 1]) {
            let mut altered = good.clone();
            altered[at] ^= 1;
            assert_eq!(decrypt(&key, b"", &altered), Err(DecryptionFailed), "byte {at}");
        }
        let sizes = [&[][..], &good[1..], &good[..SIZE - 1], &[&good[..], &[0]].concat(), &[&[0], &good[..]].concat()];
        for ciphertext in sizes {
            assert_eq!(decrypt(&key, b"", ciphertext), Err(DecryptionFailed), "{} bytes", ciphertext.len());
        }
        // Not below the modulus.
        assert_eq!(decrypt(&key, b"", &[0xff; SIZE]), Err(DecryptionFailed));
        assert_eq!(decrypt(&key, b"", &[0; SIZE]), Err(DecryptionFailed));
    }

    // R-K1, R-K4
    #[test]
    fn other_paddings_and_hashes_are_the_one_failure() {
        let key = generate();
        for algorithm in [&OAEP_SHA1_MGF1SHA1, &OAEP_SHA384_MGF1SHA384] {
            assert_eq!(decrypt(&key, b"", &encrypt_by(algorithm, &key, b"", b"plaintext")), Err(DecryptionFailed));
        }
        let pkcs1 = Pkcs1PublicEncryptingKey::new(public_key(&key)).unwrap();
        let mut ciphertext = [0; SIZE];
        pkcs1.encrypt(b"plaintext", &mut ciphertext).unwrap();
        assert_eq!(decrypt(&key, b"", &ciphertext), Err(DecryptionFailed));
    }

    #[test]
    fn too_little_room_is_a_failure_and_no_panic() {
        let key = generate();
        let ciphertext = encrypt(&key, b"", b"plaintext");
        let mut out = [0xa5; 8];
        assert_eq!(key.decrypt(b"", &ciphertext, &mut out), Err(DecryptionFailed));
        assert_eq!(out, [0xa5; 8]);
    }

    // R-K6
    #[test]
    fn the_public_key_is_the_one_that_a_signing_key_of_the_same_material_has() {
        let material = material();
        let bytes = SecretBytes::copy_of(material.expose());
        let signing = KeyMaterial::import(Algorithm::Rsa2048PssSha256, bytes).unwrap();
        let signing = crate::crypto::signature::SigningKey::new(&signing).unwrap();
        assert_eq!(DecryptingKey::new(&material).unwrap().public_key_der(), signing.public_key_der());
    }

    #[test]
    fn refuses_private_keys_of_another_size_cut_or_with_something_behind() {
        let material = material();
        let good = material.expose();
        let import = |algorithm, bytes: &[u8]| KeyMaterial::import(algorithm, SecretBytes::copy_of(bytes)).err();
        assert_eq!(import(ALGORITHM, good), None);
        for other in [Algorithm::Rsa3072OaepSha256, Algorithm::Rsa4096OaepSha256] {
            assert_eq!(import(other, good), Some(MaterialError::Malformed(other)));
        }
        let malformed = Some(MaterialError::Malformed(ALGORITHM));
        for size in (0..good.len()).step_by(37).chain([good.len() - 1]) {
            assert_eq!(import(ALGORITHM, &good[..size]), malformed, "cut at {size}");
        }
        assert_eq!(import(ALGORITHM, &[good, &[0]].concat()), malformed);
        let ed25519 = KeyMaterial::generate(Algorithm::Ed25519, &SystemRandom::new()).unwrap();
        assert_eq!(import(ALGORITHM, ed25519.expose()), malformed);
    }

    // R-K1
    #[test]
    fn keys_of_other_algorithms_do_not_decrypt() {
        for algorithm in Algorithm::ALL.iter().copied().filter(|other| other.row().kind != KeyKind::Asymmetric) {
            let size = algorithm.row().key_size.unwrap_or(32);
            let material = KeyMaterial::import(algorithm, SecretBytes::copy_of(&vec![7; size])).unwrap();
            assert_eq!(DecryptingKey::new(&material).err(), Some(MaterialError::OtherAlgorithm(algorithm)));
        }
        let bytes = SecretBytes::copy_of(material().expose());
        let signing = KeyMaterial::import(Algorithm::Rsa2048PssSha256, bytes).unwrap();
        let expected = MaterialError::OtherAlgorithm(Algorithm::Rsa2048PssSha256);
        assert_eq!(DecryptingKey::new(&signing).err(), Some(expected));
    }
}
