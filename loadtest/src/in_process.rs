//! The same operation in process: the cryptographic library called with a prepared key, on one core. This is the limit that a daemon is
//! measured against, in the same run, because absolute times differ from machine to machine and from minute to minute.

use std::hint::black_box;
use std::time::Instant;

use anyhow::anyhow;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, ED25519, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
    ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RSA_PSS_2048_8192_SHA256, RSA_PSS_SHA256,
    RsaEncoding, RsaKeyPair, VerificationAlgorithm,
};
use aws_lc_rs::{hmac, rand};
use claviger_protocol::Algorithm;

use crate::cpus::Cpus;
use crate::limits::{IN_PROCESS_ROUND, IN_PROCESS_ROUNDS};
use crate::task::{Operation, Task};
use crate::workload::input;

/// An operation ready to be repeated.
pub(crate) struct InProcess {
    /// `None` for what has no meaning in process.
    operation: Option<Box<dyn FnMut() -> Result<(), Unspecified>>>,
    /// Nanoseconds of one item, by round.
    rounds: Vec<f64>,
}

impl InProcess {
    /// Prepares key, input and output.
    ///
    /// # Errors
    /// If the library makes no key.
    pub(crate) fn prepare(task: &Task) -> anyhow::Result<Self> {
        let operation =
            operation(task).map_err(|_| anyhow!("the cryptographic library made no key of {}", task.algorithm))?;
        Ok(Self { operation, rounds: Vec::new() })
    }

    /// Measures some rounds on `cpus`, or wherever this thread runs. To be called before a run and after it, so that a machine which changes its speed shows in both.
    ///
    /// # Errors
    /// If the library fails, or there are no such processors.
    pub(crate) fn measure(&mut self, cpus: Option<&Cpus>) -> anyhow::Result<()> {
        match cpus {
            Some(cpus) => cpus.visit(|| self.measure_here())?,
            None => self.measure_here(),
        }
    }

    fn measure_here(&mut self) -> anyhow::Result<()> {
        let Some(operation) = &mut self.operation else { return Ok(()) };
        for _ in 0..IN_PROCESS_ROUNDS {
            let round = round(operation).map_err(|_| anyhow!("the cryptographic library failed"))?;
            self.rounds.push(round);
        }
        Ok(())
    }

    /// Nanoseconds of one item: the median of all rounds.
    pub(crate) fn nanoseconds(&self) -> Option<f64> {
        median(self.rounds.clone())
    }
}

/// The middle one, or the mean of the middle two.
pub(crate) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    let lower = if values.len().is_multiple_of(2) { *values.get(middle.checked_sub(1)?)? } else { upper };
    Some(f64::midpoint(lower, upper))
}

/// Nanoseconds of one call, over as many calls as fill a round.
fn round(operation: &mut dyn FnMut() -> Result<(), Unspecified>) -> Result<f64, Unspecified> {
    let begin = Instant::now();
    let mut calls = 0_u32;
    // The clock is read once for a handful of calls: a reading costs as much as sealing a hundred bytes.
    let mut between_readings = 1;
    loop {
        for _ in 0..between_readings {
            operation()?;
        }
        calls += between_readings;
        let time = begin.elapsed();
        if time >= IN_PROCESS_ROUND {
            return Ok(time.as_secs_f64() * 1e9 / f64::from(calls));
        }
        if time < IN_PROCESS_ROUND / 1_000 {
            between_readings *= 2;
        }
    }
}

type Repeated = Box<dyn FnMut() -> Result<(), Unspecified>>;

fn operation(task: &Task) -> Result<Option<Repeated>, Unspecified> {
    let message = input(0, task.size);
    Ok(match task.operation {
        Operation::Encrypt => Some(seal(message)?),
        Operation::Decrypt => Some(open(&message)?),
        Operation::Sign => {
            let key = SigningKey::generate(task.algorithm)?;
            Some(Box::new(move || key.sign(&message).map(|signature| drop(black_box(signature)))))
        }
        Operation::Verify => {
            let key = SigningKey::generate(task.algorithm)?;
            let (public_key, signature) = (key.public_key()?, key.sign(&message)?);
            Some(Box::new(move || public_key.verify_sig(&message, &signature)))
        }
        Operation::Mac => {
            let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new())?;
            Some(Box::new(move || {
                black_box(hmac::sign(&key, &message));
                Ok(())
            }))
        }
        Operation::Random => {
            let mut out = message;
            Some(Box::new(move || rand::fill(&mut out)))
        }
        Operation::Ping => None,
    })
}

/// AES-256-GCM with one prepared key and a counted nonce, from one buffer into another.
fn seal(plaintext: Vec<u8>) -> Result<Repeated, Unspecified> {
    let key = aes_key()?;
    let mut out = vec![0; plaintext.len()];
    let mut tag = [0; TAG_SIZE];
    let mut count = 0_u64;
    Ok(Box::new(move || {
        count += 1;
        key.seal_out_of_place_scatter(nonce(count), Aad::empty(), &plaintext, &mut out, &[], &mut tag)?;
        black_box((&mut out, &mut tag));
        Ok(())
    }))
}

/// The reverse, of one ciphertext again and again.
fn open(plaintext: &[u8]) -> Result<Repeated, Unspecified> {
    let key = aes_key()?;
    let mut ciphertext = vec![0; plaintext.len()];
    let mut tag = [0; TAG_SIZE];
    key.seal_out_of_place_scatter(nonce(1), Aad::empty(), plaintext, &mut ciphertext, &[], &mut tag)?;
    let mut out = vec![0; plaintext.len()];
    Ok(Box::new(move || {
        key.open_separate_gather(nonce(1), Aad::empty(), &ciphertext, &tag, &mut out)?;
        black_box(&mut out);
        Ok(())
    }))
}

fn aes_key() -> Result<LessSafeKey, Unspecified> {
    let mut key = [0; 32];
    rand::fill(&mut key)?;
    UnboundKey::new(&AES_256_GCM, &key).map(LessSafeKey::new)
}

fn nonce(count: u64) -> Nonce {
    let [a, b, c, d, e, f, g, h] = count.to_be_bytes();
    Nonce::assume_unique_for_key([0, 0, 0, 0, a, b, c, d, e, f, g, h])
}

/// A private key of one of the algorithms of signatures.
enum SigningKey {
    Ed25519(Ed25519KeyPair),
    Ecdsa(EcdsaKeyPair),
    Rsa(Box<RsaKeyPair>, &'static dyn RsaEncoding, &'static dyn VerificationAlgorithm),
}

impl SigningKey {
    fn generate(algorithm: Algorithm) -> Result<Self, Unspecified> {
        let rsa = |size, padding, verification| {
            RsaKeyPair::generate(size).map(|key| Self::Rsa(Box::new(key), padding, verification))
        };
        let pkcs1 = |size| rsa(size, &RSA_PKCS1_SHA256, &RSA_PKCS1_2048_8192_SHA256);
        let pss = |size| rsa(size, &RSA_PSS_SHA256, &RSA_PSS_2048_8192_SHA256);
        match algorithm {
            Algorithm::Ed25519 => Ed25519KeyPair::generate().map(Self::Ed25519),
            Algorithm::EcdsaP256Sha256 => EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).map(Self::Ecdsa),
            Algorithm::Rsa2048Pkcs1Sha256 => pkcs1(KeySize::Rsa2048),
            Algorithm::Rsa2048PssSha256 => pss(KeySize::Rsa2048),
            Algorithm::Rsa3072Pkcs1Sha256 => pkcs1(KeySize::Rsa3072),
            Algorithm::Rsa3072PssSha256 => pss(KeySize::Rsa3072),
            Algorithm::Rsa4096Pkcs1Sha256 => pkcs1(KeySize::Rsa4096),
            Algorithm::Rsa4096PssSha256 => pss(KeySize::Rsa4096),
            _ => Err(Unspecified),
        }
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Unspecified> {
        let random = SystemRandom::new();
        match self {
            Self::Ed25519(key) => Ok(key.sign(message).as_ref().to_vec()),
            Self::Ecdsa(key) => Ok(key.sign(&random, message)?.as_ref().to_vec()),
            Self::Rsa(key, padding, _) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(*padding, &random, message, &mut signature)?;
                Ok(signature)
            }
        }
    }

    fn public_key(&self) -> Result<ParsedPublicKey, Unspecified> {
        let (algorithm, bytes): (&'static dyn VerificationAlgorithm, &[u8]) = match self {
            Self::Ed25519(key) => (&ED25519, key.public_key().as_ref()),
            Self::Ecdsa(key) => (&ECDSA_P256_SHA256_ASN1, key.public_key().as_ref()),
            Self::Rsa(key, _, verification) => (*verification, key.public_key().as_ref()),
        };
        ParsedPublicKey::new(algorithm, bytes).map_err(|_| Unspecified)
    }
}

/// Bytes of an authentication tag.
const TAG_SIZE: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum;

    use crate::task::SignatureAlgorithm;

    fn task(operation: Operation, signature: SignatureAlgorithm) -> Task {
        Task { operation, algorithm: operation.algorithm(signature), size: 64, batch: 1 }
    }

    #[test]
    fn every_operation_but_ping_can_be_repeated() {
        for &kind in Operation::value_variants() {
            match operation(&task(kind, SignatureAlgorithm::Rsa2048Pss)).unwrap() {
                Some(mut repeated) => (0..3).for_each(|_| repeated().unwrap()),
                None => assert_eq!(kind, Operation::Ping),
            }
        }
    }

    #[test]
    fn every_algorithm_signs_what_its_public_key_verifies() {
        // Longer RSA keys take seconds to make.
        for algorithm in [SignatureAlgorithm::Ed25519, SignatureAlgorithm::P256, SignatureAlgorithm::Rsa2048] {
            let key = SigningKey::generate(task(Operation::Sign, algorithm).algorithm).unwrap();
            let (signature, public_key) = (key.sign(b"message").unwrap(), key.public_key().unwrap());
            public_key.verify_sig(b"message", &signature).unwrap();
            assert!(public_key.verify_sig(b"messagf", &signature).is_err());
        }
    }

    #[test]
    fn ping_has_no_time_in_process_and_others_have() {
        let nanoseconds = |operation| {
            let mut in_process = InProcess::prepare(&task(operation, SignatureAlgorithm::P256)).unwrap();
            in_process.measure(None).unwrap();
            in_process.nanoseconds()
        };
        assert_eq!(nanoseconds(Operation::Ping), None);
        assert!(nanoseconds(Operation::Encrypt).is_some_and(|nanoseconds| nanoseconds > 0.0));
    }

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(Vec::new()), None);
        assert_eq!(median(vec![3.0]), Some(3.0));
        assert_eq!(median(vec![9.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![9.0, 1.0, 2.0, 4.0]), Some(3.0));
    }
}
