//! Message authentication codes: HMAC (FIPS 198-1, RFC 2104), never truncated.

use aws_lc_rs::hmac;
use claviger_algorithm::{Hash, Primitive};

use crate::crypto::signature::{InputError, SignError, VerifyFailed};
use crate::key::material::{KeyMaterial, MaterialError};
use crate::limits::MESSAGE_SIZE_MAX;

/// One version of a MAC key, prepared once. The library wipes it on drop.
pub struct MacKey {
    key: hmac::Key,
    hash: Hash,
}

impl MacKey {
    /// A key from its material.
    ///
    /// # Errors
    /// [`MaterialError::OtherAlgorithm`] if the material is not of HMAC.
    pub fn new(material: &KeyMaterial) -> Result<Self, MaterialError> {
        let algorithm = material.algorithm();
        let Primitive::Hmac(hash) = algorithm.row().primitive else {
            return Err(MaterialError::OtherAlgorithm(algorithm));
        };
        Ok(Self { key: hmac::Key::new(hmac_of(hash), material.expose()), hash })
    }

    /// Size of a MAC, in bytes: that of the hash. Truncated ones are neither made nor accepted.
    pub const fn mac_size(&self) -> usize {
        self.hash.size()
    }

    /// Writes the MAC of `message` (0..=[`MESSAGE_SIZE_MAX`] bytes) to the beginning of `out` and gives its size,
    /// always [`MacKey::mac_size`].
    ///
    /// # Errors
    /// [`SignError`] if the message is too long or `out` too short.
    pub fn make(&self, message: &[u8], out: &mut [u8]) -> Result<usize, SignError> {
        check_message(message)?;
        let out = out.get_mut(..self.mac_size()).ok_or(SignError::OutputSize)?;
        hmac::sign_to_buffer(&self.key, message, out).map_err(|_| SignError::Failed)?;
        Ok(self.mac_size())
    }

    /// Checks in constant time that `mac`, whole, is the one of `message`.
    ///
    /// # Errors
    /// [`VerifyFailed`] if it is not, or the message is too long.
    pub fn verify(&self, message: &[u8], mac: &[u8]) -> Result<(), VerifyFailed> {
        check_message(message)?;
        hmac::verify(&self.key, message, mac).map_err(|_| VerifyFailed::Signature)
    }
}

const fn hmac_of(hash: Hash) -> hmac::Algorithm {
    match hash {
        Hash::Sha256 => hmac::HMAC_SHA256,
        Hash::Sha384 => hmac::HMAC_SHA384,
        Hash::Sha512 => hmac::HMAC_SHA512,
    }
}

fn check_message(message: &[u8]) -> Result<(), InputError> {
    if message.len() > MESSAGE_SIZE_MAX { Err(InputError::MessageTooLong) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use claviger_algorithm::{Algorithm, KeyKind};
    use static_assertions::assert_not_impl_any;

    use super::*;
    use crate::key::material::SecretBytes;

    assert_not_impl_any!(MacKey: std::fmt::Debug, Clone, PartialEq);

    const FAILED: Result<(), VerifyFailed> = Err(VerifyFailed::Signature);

    fn algorithms() -> impl Iterator<Item = Algorithm> {
        Algorithm::ALL.iter().copied().filter(|algorithm| algorithm.row().kind == KeyKind::Mac)
    }

    fn material(algorithm: Algorithm, byte: u8) -> KeyMaterial {
        let bytes = vec![byte; algorithm.row().key_size.unwrap_or(32)];
        KeyMaterial::import(algorithm, SecretBytes::from(bytes)).unwrap()
    }

    fn key(algorithm: Algorithm, byte: u8) -> MacKey {
        MacKey::new(&material(algorithm, byte)).unwrap()
    }

    fn make(key: &MacKey, message: &[u8]) -> Vec<u8> {
        let mut out = vec![0xa5; key.mac_size() + 5];
        assert_eq!(key.make(message, &mut out), Ok(key.mac_size()));
        assert_eq!(out.split_off(key.mac_size()), [0xa5; 5], "nothing is written behind the MAC");
        out
    }

    // R-K5
    #[test]
    fn verifies_what_it_made() {
        for algorithm in algorithms() {
            let key = key(algorithm, 7);
            for size in [0, 1, 64, 128, MESSAGE_SIZE_MAX] {
                let message = vec![1; size];
                let mac = make(&key, &message);
                assert_eq!(algorithm.row().output_size.max(0), mac.len());
                assert_eq!(key.verify(&message, &mac), Ok(()), "{algorithm}");
            }
        }
    }

    // R-K5
    #[test]
    fn refuses_every_other_mac() {
        for algorithm in algorithms() {
            let key = key(algorithm, 7);
            let mac = make(&key, b"message");
            assert_eq!(key.verify(b"messagf", &mac), FAILED);
            assert_eq!(self::key(algorithm, 8).verify(b"message", &mac), FAILED);
            for size in 0..mac.len() {
                assert_eq!(key.verify(b"message", &mac[..size]), FAILED, "{algorithm} truncated to {size}");
            }
            assert_eq!(key.verify(b"message", &[&mac[..], &[0]].concat()), FAILED);
            for bit in 0..mac.len() * 8 {
                let mut bad = mac.clone();
                bad[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(key.verify(b"message", &bad), FAILED, "{algorithm} bit {bit}");
            }
        }
    }

    // R-K5
    #[test]
    fn refuses_macs_by_another_hash_whole_and_cut_to_its_size() {
        for (algorithm, other) in algorithms().flat_map(|one| algorithms().map(move |other| (one, other))) {
            if algorithm != other {
                let (key, mac) = (key(algorithm, 7), make(&key(other, 7), b"message"));
                assert_eq!(key.verify(b"message", &mac), FAILED, "{other} as {algorithm}");
                let cut = &mac[..mac.len().min(key.mac_size())];
                assert_eq!(key.verify(b"message", cut), FAILED, "{other} as {algorithm}");
            }
        }
    }

    #[test]
    fn refuses_what_exceeds_the_limits() {
        let message = vec![1; MESSAGE_SIZE_MAX + 1];
        let too_long = InputError::MessageTooLong;
        for key in algorithms().map(|algorithm| key(algorithm, 7)) {
            let mut out = vec![0; key.mac_size()];
            assert_eq!(key.make(&message, &mut out), Err(SignError::Input(too_long)));
            assert_eq!(key.verify(&message, &out), Err(VerifyFailed::Input(too_long)));
            out.pop();
            assert_eq!(key.make(b"message", &mut out), Err(SignError::OutputSize));
        }
    }

    // R-K1
    #[test]
    fn refuses_material_of_another_kind() {
        for algorithm in [Algorithm::Opaque, Algorithm::Xaes256Gcm] {
            let refused = MacKey::new(&material(algorithm, 7));
            assert_eq!(refused.err(), Some(MaterialError::OtherAlgorithm(algorithm)));
        }
    }
}
