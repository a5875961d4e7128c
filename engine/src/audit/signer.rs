//! The installation key: an Ed25519 key that signs checkpoints of the audit log, and where it ends. Its public half is told to auditors.

use std::fmt;
use std::str::FromStr;

use claviger_algorithm::Algorithm;
use data_encoding::HEXLOWER;

use super::AuditError;
use crate::crypto::random::Random;
use crate::crypto::signature::{PublicKey, SignInput, SigningKey};
use crate::key::material::{KeyMaterial, SecretBytes};

/// The private half.
pub(crate) struct InstallationKey {
    key: SigningKey,
    public: InstallationPublicKey,
}

/// The public half of an installation key (RFC 8032). Text form: 64 lowercase hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InstallationPublicKey([u8; PUBLIC_KEY_SIZE]);

/// A signature by an installation key.
pub(super) type Signature = [u8; SIGNATURE_SIZE];

impl InstallationKey {
    /// A new key, and its material, to be wrapped.
    ///
    /// # Errors
    /// [`AuditError::Signature`].
    pub(crate) fn generate(random: &dyn Random) -> Result<(Self, SecretBytes), AuditError> {
        let material = KeyMaterial::generate(Algorithm::Ed25519, random).map_err(|_| AuditError::Signature)?;
        Ok((Self::new(&material)?, material.into_bytes()))
    }

    /// The key of this material.
    ///
    /// # Errors
    /// [`AuditError::Signature`] if it is none.
    pub(crate) fn of(material: SecretBytes) -> Result<Self, AuditError> {
        Self::new(&KeyMaterial::import(Algorithm::Ed25519, material).map_err(|_| AuditError::Signature)?)
    }

    fn new(material: &KeyMaterial) -> Result<Self, AuditError> {
        let key = SigningKey::new(material).map_err(|_| AuditError::Signature)?;
        let raw = key.public_key_der().strip_prefix(&DER_PREFIX[..]).and_then(|raw| raw.try_into().ok());
        let public = InstallationPublicKey(raw.ok_or(AuditError::Signature)?);
        Ok(Self { key, public })
    }

    /// The public half.
    pub(crate) const fn public(&self) -> InstallationPublicKey {
        self.public
    }

    /// Signs `label` and `bytes`, one after the other.
    pub(super) fn sign(&self, label: &[u8], bytes: &[u8]) -> Result<Signature, AuditError> {
        let mut signature = [0; SIGNATURE_SIZE];
        let message = [label, bytes].concat();
        let size = self.key.sign(SignInput::Message(&message), &mut signature).map_err(|_| AuditError::Signature)?;
        if size == SIGNATURE_SIZE { Ok(signature) } else { Err(AuditError::Signature) }
    }
}

impl InstallationPublicKey {
    /// Whether `signature` is one of `label` and `bytes`.
    pub(super) fn verifies(&self, label: &[u8], bytes: &[u8], signature: &Signature) -> bool {
        let der = [&DER_PREFIX[..], &self.0].concat();
        let message = [label, bytes].concat();
        PublicKey::from_der(Algorithm::Ed25519, &der)
            .is_ok_and(|key| key.verify(SignInput::Message(&message), signature).is_ok())
    }
}

impl fmt::Display for InstallationPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        HEXLOWER.encode_display(&self.0).fmt(f)
    }
}

impl FromStr for InstallationPublicKey {
    type Err = AuditError;

    fn from_str(text: &str) -> Result<Self, AuditError> {
        let bytes = HEXLOWER.decode(text.as_bytes()).ok().and_then(|bytes| bytes.try_into().ok());
        let key = Self(bytes.ok_or(AuditError::PublicKey)?);
        let der = [&DER_PREFIX[..], &key.0].concat();
        PublicKey::from_der(Algorithm::Ed25519, &der).map(|_| key).map_err(|_| AuditError::PublicKey)
    }
}

pub(super) const SIGNATURE_SIZE: usize = 64;
const PUBLIC_KEY_SIZE: usize = 32;
/// What stands before the 32 bytes in SubjectPublicKeyInfo (RFC 8410 section 4).
const DER_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

#[cfg(test)]
mod tests {
    use static_assertions::assert_not_impl_any;

    use super::*;
    use crate::crypto::random::SystemRandom;

    assert_not_impl_any!(InstallationKey: fmt::Debug, Clone, PartialEq);

    // R-O3
    #[test]
    fn signs_for_its_public_half_and_no_other() {
        let (key, material) = InstallationKey::generate(&SystemRandom::new()).unwrap();
        let (other, _) = InstallationKey::generate(&SystemRandom::new()).unwrap();
        let signature = key.sign(b"label", b"bytes").unwrap();
        let public: InstallationPublicKey = key.public().to_string().parse().unwrap();
        assert!(public.verifies(b"label", b"bytes", &signature));
        assert!(!public.verifies(b"labe", b"bytes", &signature));
        assert!(!public.verifies(b"label", b"byte", &signature));
        assert!(!other.public().verifies(b"label", b"bytes", &signature));
        assert_eq!(InstallationKey::of(material).unwrap().public(), public);
    }

    #[test]
    fn refuses_what_is_no_public_key() {
        for bad in ["", "00", &"f".repeat(63), &"F".repeat(64), &"f".repeat(66), &"é".repeat(32)] {
            assert!(matches!(bad.parse::<InstallationPublicKey>(), Err(AuditError::PublicKey)), "{bad}");
        }
    }
}
