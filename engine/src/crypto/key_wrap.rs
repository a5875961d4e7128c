//! Key material on its way from one system to another: wrapped by AES-256 with padding (RFC 5649), under a key that is used once and itself encrypted to the
//! receiver's RSA key with OAEP-SHA-256 (RFC 8017 section 7.1). PKCS#11 calls it CKM_RSA_AES_KEY_WRAP, others RSA_AES_KEY_WRAP:
//!
//! ```text
//! wrapped  OAEP ciphertext of the AES key [modulus size] | AES-KWP of the material [8 more than a multiple of 8]
//! ```

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::key_wrap::{AES_256, KeyEncryptionKey, KeyWrapPadded};
use aws_lc_rs::rsa::{OAEP_SHA256_MGF1SHA256, OaepPublicEncryptingKey, PublicEncryptingKey};
use claviger_algorithm::RsaSize;
use zeroize::Zeroizing;

use crate::crypto::der::{self, EXPONENT_65537};
use crate::crypto::oaep::DecryptingKey;
use crate::crypto::random::{EntropyError, Random};
use crate::key::material::{SecretBytes, SecretKey};
use crate::limits::{EXPORT_MODULUS_BITS_MAX, EXPORT_MODULUS_BITS_MIN, IMPORT_WRAPPED_SIZE_MAX};

/// The public key of whoever shall receive key material.
#[derive(Debug)]
pub struct ReceiverKey {
    key: OaepPublicEncryptingKey,
    fingerprint: [u8; 32],
}

/// A public key that no key material is given to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the public key is not one that key material is wrapped to: give an RSA key of {EXPORT_MODULUS_BITS_MIN} to {EXPORT_MODULUS_BITS_MAX} bits with the exponent 65537"
)]
pub struct UnsuitableReceiver;

/// Bytes that were not wrapped to this key in this form. One error whatever is wrong: telling padding, sizes and content apart lets an attacker ask
/// for what he has recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the wrapped key cannot be unwrapped")]
pub struct UnwrapFailed;

impl ReceiverKey {
    /// The key of this SubjectPublicKeyInfo (RFC 5280 section 4.1), which is RSA with 3,072 to 8,192 bits and the exponent 65,537.
    ///
    /// # Errors
    /// [`UnsuitableReceiver`].
    pub fn from_der(der: &[u8]) -> Result<Self, UnsuitableReceiver> {
        let key = PublicEncryptingKey::from_der(der).map_err(|_| UnsuitableReceiver)?;
        let own_form: PublicKeyX509Der<'_> = key.as_der().map_err(|_| UnsuitableReceiver)?;
        let exponent = der::subject_public_key(own_form.as_ref()).and_then(der::rsa_exponent);
        let has_size = (EXPORT_MODULUS_BITS_MIN..=EXPORT_MODULUS_BITS_MAX).contains(&key.key_size_bits());
        // Another encoding of the same key would have another fingerprint.
        if !has_size || exponent != Some(EXPONENT_65537) || own_form.as_ref() != der {
            return Err(UnsuitableReceiver);
        }
        let mut fingerprint = [0; 32];
        fingerprint.copy_from_slice(digest(&SHA256, der).as_ref());
        Ok(Self { key: OaepPublicEncryptingKey::new(key).map_err(|_| UnsuitableReceiver)?, fingerprint })
    }

    /// SHA-256 of its SubjectPublicKeyInfo.
    #[must_use]
    pub const fn fingerprint(&self) -> [u8; 32] {
        self.fingerprint
    }

    /// Wraps `material`, 1 byte at least, to this key.
    ///
    /// # Errors
    /// [`EntropyError`], if the library has no random bytes or memory, too.
    pub(crate) fn wrap(&self, material: &[u8], random: &dyn Random) -> Result<Vec<u8>, EntropyError> {
        let mut wrapping_key = SecretKey::zeroed();
        random.fill(wrapping_key.expose_mut())?;
        let oaep_size = self.key.ciphertext_size();
        let mut wrapped = vec![0; oaep_size + material.len() + KWP_OVERHEAD_MAX];
        let (oaep, kwp) = wrapped.split_at_mut(oaep_size);
        let encrypted = self.key.encrypt(&OAEP_SHA256_MGF1SHA256, wrapping_key.expose(), oaep, None);
        encrypted.map_err(|_| EntropyError)?;
        let key = KeyEncryptionKey::new(&AES_256, wrapping_key.expose()).map_err(|_| EntropyError)?;
        let kwp_size = key.wrap_with_padding(material, kwp).map_err(|_| EntropyError)?.len();
        wrapped.truncate(oaep_size + kwp_size);
        Ok(wrapped)
    }
}

/// Whether so many bytes can have been wrapped to an RSA-4096 key: that much a sender may be told.
pub(crate) const fn is_wrapped_size(size: usize) -> bool {
    size >= OAEP_SIZE + KWP_SIZE_MIN && size <= IMPORT_WRAPPED_SIZE_MAX && (size - OAEP_SIZE).is_multiple_of(8)
}

/// The material in `wrapped`, which was wrapped to `key`, an RSA-4096 key.
///
/// # Errors
/// [`UnwrapFailed`], whatever the cause.
pub(crate) fn unwrap(key: &DecryptingKey, wrapped: &[u8]) -> Result<SecretBytes, UnwrapFailed> {
    if !is_wrapped_size(wrapped.len()) {
        return Err(UnwrapFailed);
    }
    let (oaep, kwp) = wrapped.split_at_checked(OAEP_SIZE).ok_or(UnwrapFailed)?;
    let mut room = Zeroizing::new([0; RsaSize::Bits4096.oaep_plaintext_size_max()]);
    let size = key.decrypt(&[], oaep, &mut *room).map_err(|_| UnwrapFailed)?;
    let wrapping_key = room.get(..size).and_then(SecretKey::copy_of).ok_or(UnwrapFailed)?;
    let wrapping_key = KeyEncryptionKey::new(&AES_256, wrapping_key.expose()).map_err(|_| UnwrapFailed)?;
    let mut material = SecretBytes::zeroed(kwp.len());
    let size = wrapping_key.unwrap_with_padding(kwp, material.expose_mut()).map_err(|_| UnwrapFailed)?.len();
    material.truncate(size);
    Ok(material)
}

/// What AES-KWP adds at most: a block of 8 bytes, and up to 7 of padding.
pub const KWP_OVERHEAD_MAX: usize = 15;

/// Size of the OAEP ciphertext of an RSA-4096 key.
pub const OAEP_SIZE: usize = RsaSize::Bits4096.bytes();

/// Size of AES-KWP of the smallest material.
const KWP_SIZE_MIN: usize = 16;

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use aws_lc_rs::rsa::{KeySize, OAEP_SHA1_MGF1SHA1, OaepAlgorithm, PrivateDecryptingKey};
    use claviger_algorithm::Algorithm;
    use proptest::prelude::*;

    use super::*;
    use crate::crypto::random::SystemRandom;
    use crate::key::material::KeyMaterial;
    use crate::limits::SECRET_SIZE_MAX;

    /// One key for all tests: it takes a second to make.
    static KEY: LazyLock<DecryptingKey> = LazyLock::new(|| {
        DecryptingKey::new(&KeyMaterial::generate(Algorithm::Rsa4096OaepSha256, &SystemRandom::new()).unwrap()).unwrap()
    });

    fn wrap(material: &[u8]) -> Vec<u8> {
        ReceiverKey::from_der(KEY.public_key_der()).unwrap().wrap(material, &SystemRandom::new()).unwrap()
    }

    fn unwrapped(wrapped: &[u8]) -> Result<Vec<u8>, UnwrapFailed> {
        unwrap(&KEY, wrapped).map(|material| material.expose().to_vec())
    }

    fn encrypt(algorithm: &'static OaepAlgorithm, plaintext: &[u8], label: Option<&[u8]>) -> Vec<u8> {
        let key = OaepPublicEncryptingKey::new(PublicEncryptingKey::from_der(KEY.public_key_der()).unwrap()).unwrap();
        let mut ciphertext = vec![0; OAEP_SIZE];
        key.encrypt(algorithm, plaintext, &mut ciphertext, label).unwrap();
        ciphertext
    }

    fn kwp(key: &[u8; 32], material: &[u8]) -> Vec<u8> {
        let mut out = vec![0; material.len() + KWP_OVERHEAD_MAX];
        let size = KeyEncryptionKey::new(&AES_256, key).unwrap().wrap_with_padding(material, &mut out).unwrap().len();
        out.truncate(size);
        out
    }

    // R-K18, R-K6
    #[test]
    fn material_of_every_size_comes_back_and_no_two_wraps_are_alike() {
        for size in (1..=33).chain([64, 1_000, 2_400, SECRET_SIZE_MAX - 1, SECRET_SIZE_MAX]) {
            let material = vec![0xa5; size];
            let wrapped = wrap(&material);
            assert_eq!(wrapped.len(), OAEP_SIZE + size.next_multiple_of(8) + 8);
            assert!(is_wrapped_size(wrapped.len()), "{size}");
            assert_eq!(unwrapped(&wrapped), Ok(material));
        }
        assert_ne!(wrap(&[7; 32])[..OAEP_SIZE], wrap(&[7; 32])[..OAEP_SIZE]);
        assert_ne!(wrap(&[7; 32])[OAEP_SIZE..], wrap(&[7; 32])[OAEP_SIZE..]);
    }

    // R-K18
    #[test]
    fn what_was_altered_cut_or_lengthened_is_the_one_failure() {
        let good = wrap(&[7; 32]);
        for at in (0..good.len()).step_by(29).chain([OAEP_SIZE - 1, OAEP_SIZE, good.len() - 1]) {
            let mut altered = good.clone();
            altered[at] ^= 1;
            assert_eq!(unwrapped(&altered), Err(UnwrapFailed), "byte {at}");
        }
        for size in (0..good.len()).step_by(37).chain([OAEP_SIZE, good.len() - 8, good.len() - 1]) {
            assert_eq!(unwrapped(&good[..size]), Err(UnwrapFailed), "{size} bytes");
        }
        for behind in [1, 8, 16] {
            assert_eq!(unwrapped(&[&good[..], &vec![0; behind]].concat()), Err(UnwrapFailed));
        }
        assert_eq!(
            unwrapped(&[&good[OAEP_SIZE..], &good[..OAEP_SIZE]].concat()),
            Err(UnwrapFailed),
            "the other way round"
        );
        let other = wrap(&[7; 32]);
        assert_eq!(unwrapped(&[&good[..OAEP_SIZE], &other[OAEP_SIZE..]].concat()), Err(UnwrapFailed), "of two wraps");
    }

    // R-K18
    #[test]
    fn other_paddings_labels_and_sizes_of_the_wrapping_key_are_the_one_failure() {
        let key = [9; 32];
        let block = kwp(&key, &[7; 32]);
        let with = |oaep: Vec<u8>| unwrapped(&[&oaep[..], &block].concat());
        assert!(with(encrypt(&OAEP_SHA256_MGF1SHA256, &key, None)).is_ok());
        assert!(with(encrypt(&OAEP_SHA256_MGF1SHA256, &key, Some(b""))).is_ok(), "no label is the empty one");
        assert_eq!(with(encrypt(&OAEP_SHA1_MGF1SHA1, &key, None)), Err(UnwrapFailed));
        assert_eq!(with(encrypt(&OAEP_SHA256_MGF1SHA256, &key, Some(b"label"))), Err(UnwrapFailed));
        for size in [0, 16, 24, 31, 33, 64] {
            assert_eq!(with(encrypt(&OAEP_SHA256_MGF1SHA256, &vec![9; size], None)), Err(UnwrapFailed), "{size}");
        }
    }

    // R-K18
    #[test]
    fn key_wrap_without_padding_is_the_one_failure() {
        use aws_lc_rs::key_wrap::KeyWrap;
        let key = [9; 32];
        let mut block = [0; 40];
        KeyEncryptionKey::new(&AES_256, &key).unwrap().wrap(&[7; 32], &mut block).unwrap();
        let oaep = encrypt(&OAEP_SHA256_MGF1SHA256, &key, None);
        assert_eq!(unwrapped(&[&oaep[..], &block].concat()), Err(UnwrapFailed), "RFC 3394");
    }

    proptest! {
        // R-K18
        #[test]
        fn random_bytes_are_the_one_failure(bytes in prop::collection::vec(any::<u8>(), 0..1_024)) {
            prop_assert_eq!(unwrapped(&bytes), Err(UnwrapFailed));
        }

        // R-K18
        #[test]
        fn random_bytes_behind_a_good_block_are_the_one_failure(bytes in prop::collection::vec(any::<u8>(), 16..512)) {
            static OAEP: LazyLock<Vec<u8>> = LazyLock::new(|| encrypt(&OAEP_SHA256_MGF1SHA256, &[9; 32], None));
            prop_assert_eq!(unwrapped(&[&OAEP[..], &bytes].concat()), Err(UnwrapFailed));
        }
    }

    // R-K6
    #[test]
    fn receivers_are_rsa_keys_of_3072_bits_and_more() {
        for (size, is_taken) in [(KeySize::Rsa2048, false), (KeySize::Rsa3072, true), (KeySize::Rsa4096, true)] {
            let key = PrivateDecryptingKey::generate(size).unwrap().public_key();
            let der: PublicKeyX509Der<'_> = key.as_der().unwrap();
            assert_eq!(ReceiverKey::from_der(der.as_ref()).is_ok(), is_taken, "{size:?}");
            for bad in [&[][..], &der.as_ref()[1..], &[der.as_ref(), &[0]].concat()] {
                assert_eq!(ReceiverKey::from_der(bad).err(), Some(UnsuitableReceiver), "{size:?}");
            }
        }
        let ed25519 = KeyMaterial::generate(Algorithm::Ed25519, &SystemRandom::new()).unwrap();
        let ed25519 = crate::crypto::signature::SigningKey::new(&ed25519).unwrap();
        assert_eq!(ReceiverKey::from_der(ed25519.public_key_der()).err(), Some(UnsuitableReceiver));
    }

    // R-K6
    #[test]
    fn the_fingerprint_is_the_hash_of_the_public_key() {
        let receiver = ReceiverKey::from_der(KEY.public_key_der()).unwrap();
        assert_eq!(receiver.fingerprint(), digest(&SHA256, KEY.public_key_der()).as_ref());
    }
}
