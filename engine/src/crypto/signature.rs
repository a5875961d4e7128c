//! Signing and verifying. Signatures are the plain bytes of their standards, so that other tools read them.

use aws_lc_rs::digest::Digest;
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::signature::{ParsedPublicKey, RsaSubjectPublicKey};
use claviger_algorithm::Algorithm;

use crate::crypto::scheme::{KeyPair, KeyType, has_size, scheme};
use crate::key::material::{KeyMaterial, MaterialError};
use crate::limits::MESSAGE_SIZE_MAX;

/// One version of an asymmetric key: signs and verifies. Parsed once, never per request; wiped by the library on drop.
pub struct SigningKey {
    pair: KeyPair,
    public_key: PublicKey,
}

/// The public half of an asymmetric key: verifies only.
#[derive(Debug)]
pub struct PublicKey {
    algorithm: Algorithm,
    der: Box<[u8]>,
    parsed: ParsedPublicKey,
}

/// What is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignInput<'a> {
    /// A whole message, 0..=[`MESSAGE_SIZE_MAX`] bytes, hashed here.
    Message(&'a [u8]),
    /// A digest that the caller made with the hash of the algorithm; for RSA and ECDSA only.
    ///
    /// Nothing else is signed unhashed: raw input would forge the other forms.
    Digest(&'a [u8]),
}

/// An input that the algorithm does not take. The caller can put it right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InputError {
    /// The message exceeds [`MESSAGE_SIZE_MAX`].
    #[error("message longer than {MESSAGE_SIZE_MAX} bytes: sign its digest where the algorithm takes one")]
    MessageTooLong,
    /// This algorithm signs whole messages only.
    #[error("{0} takes whole messages, no digests")]
    DigestRefused(Algorithm),
    /// The digest is not one of the algorithm's hash.
    #[error("{0} takes digests of its own hash size only")]
    DigestSize(Algorithm),
}

/// Why nothing was signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// The input cannot be signed by this algorithm.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The room for the signature is smaller than the algorithm's largest one.
    #[error("no room for the signature")]
    OutputSize,
    /// The cryptographic library failed, for want of random bytes or memory.
    #[error("the cryptographic library could not sign")]
    Failed,
}

/// Why an input does not verify.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyFailed {
    /// The input cannot have been signed by this algorithm.
    #[error(transparent)]
    Input(#[from] InputError),
    /// Not the signature, or MAC, of this input under this key.
    #[error("the signature is not valid")]
    Signature,
}

impl SigningKey {
    /// A key from its material.
    ///
    /// # Errors
    /// [`MaterialError`] if the material is not of an asymmetric algorithm.
    pub fn new(material: &KeyMaterial) -> Result<Self, MaterialError> {
        let algorithm = material.algorithm();
        let pair = KeyPair::parse(algorithm, material.expose())?;
        let der = pair.public_key_der().map_err(|_| MaterialError::Malformed(algorithm))?;
        let public_key = PublicKey::from_der(algorithm, der.as_ref())?;
        Ok(Self { pair, public_key })
    }

    /// Writes the signature of `input` to the beginning of `out` and gives its size.
    ///
    /// `out`: at least [`SigningKey::signature_size_max`] bytes. ECDSA signatures are DER of varying size; all others are
    /// always that long.
    ///
    /// # Errors
    /// [`SignError`].
    pub fn sign(&self, input: SignInput<'_>, out: &mut [u8]) -> Result<usize, SignError> {
        let input = self.public_key.check(input)?;
        let out = out.get_mut(..self.signature_size_max()).ok_or(SignError::OutputSize)?;
        let size = match input {
            CheckedInput::Message(message) => self.pair.sign_message(message, out),
            CheckedInput::Digest(digest) => self.pair.sign_digest(&digest, out),
        };
        size.map_err(|_| SignError::Failed)
    }

    /// Most bytes of a signature.
    pub fn signature_size_max(&self) -> usize {
        self.public_key.algorithm.row().output_size.max(0)
    }

    /// Checks that `signature` is one of `input` under this key.
    ///
    /// # Errors
    /// [`VerifyFailed`].
    pub fn verify(&self, input: SignInput<'_>, signature: &[u8]) -> Result<(), VerifyFailed> {
        self.public_key.verify(input, signature)
    }

    /// The public half.
    pub fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    /// The public half as SubjectPublicKeyInfo in DER (RFC 5280 section 4.1).
    pub fn public_key_der(&self) -> &[u8] {
        self.public_key.der()
    }
}

impl PublicKey {
    /// A key from SubjectPublicKeyInfo in DER. One key has one encoding: every other one is refused.
    ///
    /// # Errors
    /// [`MaterialError::Malformed`] if it is none, of another algorithm, curve or modulus size, or not on its curve;
    /// [`MaterialError::OtherAlgorithm`] if `algorithm` has no public keys.
    pub fn from_der(algorithm: Algorithm, der: &[u8]) -> Result<Self, MaterialError> {
        let scheme = scheme(algorithm).ok_or(MaterialError::OtherAlgorithm(algorithm))?;
        let malformed = MaterialError::Malformed(algorithm);
        let parsed = ParsedPublicKey::new(scheme.verification, der).map_err(|_| malformed)?;
        if let KeyType::Rsa(size, _) = scheme.key_type {
            let rsa = RsaSubjectPublicKey::from_der(der).map_err(|_| malformed)?;
            if !has_size(&rsa, size) {
                return Err(malformed);
            }
        }
        let canonical = parsed.as_der().map_err(|_| malformed)?;
        if canonical.as_ref() != der {
            return Err(malformed);
        }
        Ok(Self { algorithm, der: der.into(), parsed })
    }

    /// The algorithm that this key verifies.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// SubjectPublicKeyInfo in DER (RFC 5280 section 4.1).
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Checks that `signature` is one of `input` under this key.
    ///
    /// # Errors
    /// [`VerifyFailed`].
    pub fn verify(&self, input: SignInput<'_>, signature: &[u8]) -> Result<(), VerifyFailed> {
        let verified = match self.check(input)? {
            CheckedInput::Message(message) => self.parsed.verify_sig(message, signature),
            CheckedInput::Digest(digest) => self.parsed.verify_digest_sig(&digest, signature),
        };
        verified.map_err(|_| VerifyFailed::Signature)
    }

    fn check<'a>(&self, input: SignInput<'a>) -> Result<CheckedInput<'a>, InputError> {
        match input {
            SignInput::Message(message) if message.len() > MESSAGE_SIZE_MAX => Err(InputError::MessageTooLong),
            SignInput::Message(message) => Ok(CheckedInput::Message(message)),
            SignInput::Digest(digest) => {
                let refused = InputError::DigestRefused(self.algorithm);
                let hash = scheme(self.algorithm).and_then(|scheme| scheme.digest).ok_or(refused)?;
                let digest = Digest::import_less_safe(digest, hash);
                digest.map(CheckedInput::Digest).map_err(|_| InputError::DigestSize(self.algorithm))
            }
        }
    }
}

/// An input that the algorithm takes.
enum CheckedInput<'a> {
    Message(&'a [u8]),
    Digest(Digest),
}

#[cfg(test)]
mod tests;
