//! Signing and verifying. Signatures are the plain bytes of their standards, so that other tools read them.

use aws_lc_rs::digest::Digest;
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::signature::{ParsedPublicKey, RsaSubjectPublicKey};
use claviger_algorithm::Algorithm;

use crate::crypto::scheme::{KeyPair, KeyType, scheme};
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
    /// `out`: at least [`SigningKey::signature_size_max`] bytes. Ed25519 (64 bytes) and RSA (size of the modulus) have
    /// signatures of one size; ECDSA is DER of at most 72 bytes.
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
            if !size.is_of(&rsa) {
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
mod tests {
    use aws_lc_rs::digest::{SHA256, digest};
    use claviger_algorithm::{KeyKind, OutputSize};
    use static_assertions::assert_not_impl_any;

    use super::*;
    use crate::crypto::random::SystemRandom;
    use crate::key::material::SecretBytes;

    assert_not_impl_any!(SigningKey: std::fmt::Debug, Clone, PartialEq);

    const MESSAGE: SignInput<'static> = SignInput::Message(b"message");

    fn generate(algorithm: Algorithm) -> SigningKey {
        SigningKey::new(&KeyMaterial::generate(algorithm, &SystemRandom::new()).unwrap()).unwrap()
    }

    /// One key of each kind of signature; RSA at its smallest size, because larger ones take seconds to make.
    fn keys() -> Vec<SigningKey> {
        let algorithms = [
            Algorithm::Ed25519,
            Algorithm::EcdsaP256Sha256,
            Algorithm::Rsa2048Pkcs1Sha256,
            Algorithm::Rsa2048PssSha256,
        ];
        algorithms.map(generate).into()
    }

    fn sign(key: &SigningKey, input: SignInput<'_>) -> Vec<u8> {
        let mut out = vec![0; key.signature_size_max() + 5];
        let size = key.sign(input, &mut out).unwrap();
        assert!(out[size..].iter().all(|byte| *byte == 0), "nothing is written behind the signature");
        out.truncate(size);
        out
    }

    // R-K4
    #[test]
    fn signs_and_verifies_messages() {
        for key in keys() {
            let algorithm = key.public_key().algorithm();
            for size in [0, 1, MESSAGE_SIZE_MAX] {
                let message = vec![b'm'; size];
                let signature = sign(&key, SignInput::Message(&message));
                assert_eq!(key.verify(SignInput::Message(&message), &signature), Ok(()), "{algorithm}");
                match algorithm.row().output_size {
                    OutputSize::Fixed(size) => assert_eq!(signature.len(), size),
                    OutputSize::AtMost(most) => assert!(signature.len() <= most),
                    OutputSize::PlaintextPlus(_) => panic!("a signature does not grow with its message"),
                }
            }
        }
    }

    // R-K4
    #[test]
    fn a_digest_stands_for_its_message() {
        let hash = digest(&SHA256, b"message");
        let input = SignInput::Digest(hash.as_ref());
        for key in keys().iter().filter(|key| key.public_key().algorithm() != Algorithm::Ed25519) {
            assert_eq!(key.verify(MESSAGE, &sign(key, input)), Ok(()));
            assert_eq!(key.verify(input, &sign(key, MESSAGE)), Ok(()));
        }
    }

    // R-K4
    #[test]
    fn refuses_digests_of_another_size_and_for_ed25519_all() {
        for key in keys() {
            let algorithm = key.public_key().algorithm();
            for size in [0, 20, 31, 33, 48, 64] {
                let input = vec![1; size];
                let expected = match algorithm.row().digest_size {
                    None => InputError::DigestRefused(algorithm),
                    Some(_) => InputError::DigestSize(algorithm),
                };
                let mut out = [0; 512];
                assert_eq!(key.sign(SignInput::Digest(&input), &mut out), Err(SignError::Input(expected)));
                assert_eq!(key.verify(SignInput::Digest(&input), &out), Err(VerifyFailed::Input(expected)));
            }
        }
    }

    #[test]
    fn refuses_messages_over_the_limit_and_too_little_room() {
        let message = vec![1; MESSAGE_SIZE_MAX + 1];
        let input = SignInput::Message(&message);
        for key in keys() {
            let mut out = vec![0; key.signature_size_max()];
            assert_eq!(key.sign(input, &mut out), Err(SignError::Input(InputError::MessageTooLong)));
            assert_eq!(key.verify(input, &out), Err(VerifyFailed::Input(InputError::MessageTooLong)));
            out.pop();
            assert_eq!(key.sign(MESSAGE, &mut out), Err(SignError::OutputSize));
        }
    }

    // R-K4
    #[test]
    fn refuses_every_other_signature() {
        let keys = keys();
        for key in &keys {
            let good = sign(key, MESSAGE);
            let failed = Err(VerifyFailed::Signature);
            assert_eq!(key.verify(SignInput::Message(b"messagf"), &good), failed);
            assert_eq!(key.verify(MESSAGE, &[]), failed);
            assert_eq!(key.verify(MESSAGE, &good[1..]), failed);
            assert_eq!(key.verify(MESSAGE, &good[..good.len() - 1]), failed);
            assert_eq!(key.verify(MESSAGE, &[&good[..], &[0]].concat()), failed);
            for at in 0..good.len() {
                let mut bad = good.clone();
                bad[at] ^= 1;
                assert_eq!(key.verify(MESSAGE, &bad), failed, "{} byte {at}", key.public_key().algorithm());
            }
            for other in keys.iter().filter(|other| !std::ptr::eq(*other, key)) {
                assert_eq!(other.verify(MESSAGE, &good), failed);
            }
        }
    }

    // R-K1
    #[test]
    fn one_rsa_key_does_not_verify_the_other_padding() {
        let material = KeyMaterial::generate(Algorithm::Rsa2048Pkcs1Sha256, &SystemRandom::new()).unwrap();
        let pss = KeyMaterial::import(Algorithm::Rsa2048PssSha256, SecretBytes::copy_of(material.expose())).unwrap();
        let (pkcs1, pss) = (SigningKey::new(&material).unwrap(), SigningKey::new(&pss).unwrap());
        assert_eq!(pkcs1.public_key_der(), pss.public_key_der());
        assert_eq!(pss.verify(MESSAGE, &sign(&pkcs1, MESSAGE)), Err(VerifyFailed::Signature));
        assert_eq!(pkcs1.verify(MESSAGE, &sign(&pss, MESSAGE)), Err(VerifyFailed::Signature));
    }

    #[test]
    fn the_public_key_alone_verifies() {
        for key in keys() {
            let public_key = PublicKey::from_der(key.public_key().algorithm(), key.public_key_der()).unwrap();
            assert_eq!(public_key.der(), key.public_key_der());
            assert_eq!(public_key.verify(MESSAGE, &sign(&key, MESSAGE)), Ok(()));
        }
    }

    #[test]
    fn refuses_public_keys_that_are_not_the_one_encoding_of_the_algorithm() {
        for key in keys() {
            let algorithm = key.public_key().algorithm();
            let der = key.public_key_der();
            for size in 0..der.len() {
                assert!(PublicKey::from_der(algorithm, &der[..size]).is_err(), "{algorithm} cut at {size}");
            }
            assert!(PublicKey::from_der(algorithm, &[der, &[0]].concat()).is_err());
            assert!(PublicKey::from_der(Algorithm::Rsa3072PssSha256, der).is_err());
            let other = PublicKey::from_der(Algorithm::Xaes256Gcm, der);
            assert_eq!(other.err(), Some(MaterialError::OtherAlgorithm(Algorithm::Xaes256Gcm)));
        }
        let raw = generate(Algorithm::Ed25519).public_key_der()[12..].to_vec();
        assert_eq!(raw.len(), 32);
        let raw = PublicKey::from_der(Algorithm::Ed25519, &raw);
        assert_eq!(raw.err(), Some(MaterialError::Malformed(Algorithm::Ed25519)), "raw bytes are another encoding");
    }

    // R-K6
    #[test]
    fn debug_output_of_a_public_key_holds_nothing_of_the_private_one() {
        let material = KeyMaterial::generate(Algorithm::Ed25519, &SystemRandom::new()).unwrap();
        let seed: String = material.expose()[16..48].iter().map(|byte| format!("{byte:02x}")).collect();
        let shown = format!("{:?}", SigningKey::new(&material).unwrap().public_key());
        assert!(!shown.contains(&seed) && shown.contains("Ed25519"));
    }

    #[test]
    fn other_kinds_of_keys_do_not_sign() {
        for algorithm in Algorithm::ALL.iter().copied().filter(|other| other.row().kind != KeyKind::Asymmetric) {
            let material = KeyMaterial::import(algorithm, SecretBytes::copy_of(&[7; 32])).unwrap();
            assert_eq!(SigningKey::new(&material).err(), Some(MaterialError::OtherAlgorithm(algorithm)));
        }
    }
}
