//! Message authentication codes: HMAC-SHA-256 (FIPS 198-1, RFC 2104).

use aws_lc_rs::hmac;

use crate::crypto::signature::{InputError, SignError, VerifyFailed};
use crate::key::algorithm::Algorithm;
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
