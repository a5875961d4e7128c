//! Message authentication codes: HMAC-SHA-256 (FIPS 198-1, RFC 2104).

use aws_lc_rs::hmac;
use claviger_algorithm::Algorithm;

use crate::crypto::signature::{InputError, SignError, VerifyFailed};
use crate::key::material::{KeyMaterial, MaterialError};
use crate::limits::MESSAGE_SIZE_MAX;

/// Size of a MAC, in bytes. Truncated ones are neither made nor accepted.
pub const MAC_SIZE: usize = 32;

/// One version of a MAC key, prepared once. The library wipes it on drop.
pub struct MacKey(hmac::Key);

impl MacKey {
    /// A key from its material.
    ///
    /// # Errors
    /// [`MaterialError`] if the material is not of HMAC-SHA-256.
    pub fn new(material: &KeyMaterial) -> Result<Self, MaterialError> {
        let secret = material.to_secret_key(Algorithm::HmacSha256)?;
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, secret.expose())))
    }

    /// Writes the MAC of `message` (0..=[`MESSAGE_SIZE_MAX`] bytes) to the beginning of `out` and gives its size,
    /// always [`MAC_SIZE`].
    ///
    /// # Errors
    /// [`SignError`] if the message is too long or `out` too short.
    pub fn make(&self, message: &[u8], out: &mut [u8]) -> Result<usize, SignError> {
        check_message(message)?;
        let out = out.get_mut(..MAC_SIZE).ok_or(SignError::OutputSize)?;
        hmac::sign_to_buffer(&self.0, message, out).map_err(|_| SignError::Failed)?;
        Ok(MAC_SIZE)
    }

    /// Checks in constant time that `mac`, whole, is the one of `message`.
    ///
    /// # Errors
    /// [`VerifyFailed`] if it is not, or the message is too long.
    pub fn verify(&self, message: &[u8], mac: &[u8]) -> Result<(), VerifyFailed> {
        check_message(message)?;
        hmac::verify(&self.0, message, mac).map_err(|_| VerifyFailed::Signature)
    }
}

fn check_message(message: &[u8]) -> Result<(), InputError> {
    if message.len() > MESSAGE_SIZE_MAX { Err(InputError::MessageTooLong) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use static_assertions::assert_not_impl_any;

    use super::*;
    use crate::key::material::SecretBytes;

    assert_not_impl_any!(MacKey: std::fmt::Debug, Clone, PartialEq);

    fn key(byte: u8) -> MacKey {
        MacKey::new(&KeyMaterial::import(Algorithm::HmacSha256, SecretBytes::copy_of(&[byte; 32])).unwrap()).unwrap()
    }

    // R-K5
    #[test]
    fn verifies_what_it_made() {
        for size in [0, 1, 64, MESSAGE_SIZE_MAX] {
            let message = vec![1; size];
            let mut out = [0; MAC_SIZE];
            assert_eq!(key(7).make(&message, &mut out), Ok(MAC_SIZE));
            assert_eq!(key(7).verify(&message, &out), Ok(()));
        }
    }

    // R-K5
    #[test]
    fn refuses_every_other_mac() {
        let mut mac = [0; MAC_SIZE];
        key(7).make(b"message", &mut mac).unwrap();
        let failed = Err(VerifyFailed::Signature);
        assert_eq!(key(7).verify(b"messagf", &mac), failed);
        assert_eq!(key(8).verify(b"message", &mac), failed);
        for size in 0..MAC_SIZE {
            assert_eq!(key(7).verify(b"message", &mac[..size]), failed, "truncated to {size}");
        }
        assert_eq!(key(7).verify(b"message", &[&mac[..], &[0]].concat()), failed);
        for bit in 0..MAC_SIZE * 8 {
            let mut bad = mac;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(key(7).verify(b"message", &bad), failed, "bit {bit}");
        }
    }

    #[test]
    fn refuses_what_exceeds_the_limits() {
        let message = vec![1; MESSAGE_SIZE_MAX + 1];
        let too_long = InputError::MessageTooLong;
        assert_eq!(key(7).make(&message, &mut [0; MAC_SIZE]), Err(SignError::Input(too_long)));
        assert_eq!(key(7).verify(&message, &[0; MAC_SIZE]), Err(VerifyFailed::Input(too_long)));
        assert_eq!(key(7).make(b"message", &mut [0; MAC_SIZE - 1]), Err(SignError::OutputSize));
    }

    #[test]
    fn refuses_material_of_another_algorithm() {
        let material = KeyMaterial::import(Algorithm::Xaes256Gcm, SecretBytes::copy_of(&[7; 32])).unwrap();
        assert_eq!(MacKey::new(&material).err(), Some(MaterialError::OtherAlgorithm(Algorithm::Xaes256Gcm)));
    }
}
