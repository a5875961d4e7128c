//! The same operation in process: the cryptographic library called with a prepared key, on one core. This is the limit that a daemon is
//! measured against, in the same run, because absolute times differ from machine to machine and from minute to minute.

mod sampling;

use std::hint::black_box;
use std::ops::Range;
use std::time::Instant;

use anyhow::anyhow;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, PrivateDecryptingKey};
use aws_lc_rs::signature::{
    EcdsaKeyPair, Ed25519KeyPair, KeyPair, ParsedPublicKey, PqdsaKeyPair, RsaEncoding, RsaKeyPair,
};
use aws_lc_rs::{cmac, hmac, rand};
use claviger_algorithm::{Algorithm, Primitive};

use crate::cpus::Cpus;
use crate::library;
use crate::limits::{IN_PROCESS_ROUND, IN_PROCESS_ROUNDS};
use crate::task::{Operation, Task};
use crate::workload::{CONTEXT, input};

/// An operation ready to be repeated.
#[derive(Default)]
pub(crate) struct InProcess {
    /// `None` for what has no meaning in process.
    operation: Option<Repeated>,
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

    /// Measures some rounds on `cpus`, or wherever this thread runs: where nothing can be measured beside the run, because what it loads has no processor of its own. To be called
    /// before a run and after it.
    ///
    /// # Errors
    /// If the library fails, or there are no such processors.
    pub(crate) fn measure(&mut self, cpus: Option<&Cpus>) -> anyhow::Result<()> {
        match cpus {
            Some(cpus) => cpus.visit(|| self.measure_here())?,
            None => self.measure_here(),
        }
    }

    /// Measures a little of it now and then while something else is measured in `window`, on the same processor: one whose core others use as well, perhaps another virtual machine, is
    /// slower by half for seconds, and what is measured before and after does not show it.
    ///
    /// # Errors
    /// If the library fails, or there are no such processors.
    pub(crate) fn sample(&mut self, cpus: &Cpus, window: &Range<Instant>) -> anyhow::Result<()> {
        let Some(operation) = &mut self.operation else { return Ok(()) };
        let sampled = cpus.visit(|| sampling::sample(operation, window))?;
        self.rounds.extend(sampled.map_err(|_| failed())?);
        Ok(())
    }

    fn measure_here(&mut self) -> anyhow::Result<()> {
        let Some(operation) = &mut self.operation else { return Ok(()) };
        for _ in 0..IN_PROCESS_ROUNDS {
            let round = round(operation).map_err(|_| failed())?;
            self.rounds.push(round);
        }
        Ok(())
    }

    /// Nanoseconds of one item: the median of all rounds.
    pub(crate) fn nanoseconds(&self) -> Option<f64> {
        median(self.rounds.clone())
    }
}

fn failed() -> anyhow::Error {
    anyhow!("the cryptographic library failed")
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
fn round(operation: &mut Repeated) -> Result<f64, Unspecified> {
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

type Repeated = Box<dyn FnMut() -> Result<(), Unspecified> + Send>;

fn operation(task: &Task) -> Result<Option<Repeated>, Unspecified> {
    let message = input(0, task.size);
    Ok(Some(match task.operation {
        Operation::Encrypt | Operation::WrapDataKey => seal(message)?,
        Operation::Decrypt | Operation::UnwrapDataKey => open(&message)?,
        Operation::DecryptBursts => open_burst(&message)?,
        Operation::Reencrypt => one_after_the_other(open(&message)?, seal(message)?),
        Operation::GenerateDataKey => one_after_the_other(random(message.clone()), seal(message)?),
        Operation::Sign => {
            let key = SigningKey::generate(task.algorithm)?;
            Box::new(move || key.sign(&message).map(|signature| drop(black_box(signature))))
        }
        Operation::Verify => {
            let key = SigningKey::generate(task.algorithm)?;
            let (public_key, signature) = (key.public_key(task.algorithm)?, key.sign(&message)?);
            Box::new(move || public_key.verify_sig(&message, &signature))
        }
        Operation::AsymmetricDecrypt => decrypt(task.algorithm, &message)?,
        Operation::Mac => {
            let key = mac_key(task.algorithm)?;
            Box::new(move || {
                black_box(hmac::sign(&key, &message));
                Ok(())
            })
        }
        Operation::VerifyMac => {
            let key = mac_key(task.algorithm)?;
            let mac = hmac::sign(&key, &message);
            Box::new(move || hmac::verify(&key, &message, mac.as_ref()))
        }
        Operation::Random => random(message),
        // Nothing is computed.
        Operation::ReadSecret | Operation::ReadPublicKey | Operation::Ping => return Ok(None),
    }))
}

fn one_after_the_other(mut first: Repeated, mut second: Repeated) -> Repeated {
    Box::new(move || {
        first()?;
        second()
    })
}

fn random(mut out: Vec<u8>) -> Repeated {
    Box::new(move || rand::fill(&mut out))
}

fn mac_key(algorithm: Algorithm) -> Result<hmac::Key, Unspecified> {
    let Primitive::Hmac(hash) = algorithm.row().primitive else { return Err(Unspecified) };
    hmac::Key::generate(library::hmac(hash), &SystemRandom::new())
}

/// OAEP, with one parsed private key, of one ciphertext again and again.
fn decrypt(algorithm: Algorithm, plaintext: &[u8]) -> Result<Repeated, Unspecified> {
    let Primitive::RsaOaep(size) = algorithm.row().primitive else { return Err(Unspecified) };
    let key = PrivateDecryptingKey::generate(library::rsa_key_size(size))?;
    let ciphertext = library::encrypt_to(key.public_key(), CONTEXT, plaintext)?;
    let key = OaepPrivateDecryptingKey::new(key)?;
    let mut out = vec![0; key.min_output_size()];
    Ok(Box::new(move || {
        black_box(key.decrypt(&OAEP_SHA256_MGF1SHA256, &ciphertext, &mut out, Some(CONTEXT))?);
        Ok(())
    }))
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

/// The same where nothing is shared with the item before: its key is derived and prepared, and its commitment made, by keys that are prepared.
fn open_burst(plaintext: &[u8]) -> Result<Repeated, Unspecified> {
    let mut material = [0; 32];
    rand::fill(&mut material)?;
    let derivation = cmac::Key::new(cmac::AES_256, &material)?;
    let commitment = hmac::Key::new(hmac::HMAC_SHA256, &material);
    let derive = move |burst: u64| -> Result<LessSafeKey, Unspecified> {
        let mut input = [0; 16];
        input[8..].copy_from_slice(&burst.to_be_bytes());
        let mut derived = [0; 32];
        let (first, second) = derived.split_at_mut(16);
        for (counter, half) in [(1, first), (2, second)] {
            input[1] = counter;
            cmac::sign_to_buffer(&derivation, &input, half)?;
        }
        UnboundKey::new(&AES_256_GCM, &derived).map(LessSafeKey::new)
    };
    let mut ciphertext = vec![0; plaintext.len()];
    let mut tag = [0; TAG_SIZE];
    let mut committed = [0; COMMITTED_SIZE];
    derive(0)?.seal_out_of_place_scatter(nonce(1), Aad::empty(), plaintext, &mut ciphertext, &[], &mut tag)?;
    let mut out = vec![0; plaintext.len()];
    Ok(Box::new(move || {
        // The library cannot know that it is the same burst again.
        let burst = black_box(0_u64);
        committed[COMMITTED_SIZE - 8..].copy_from_slice(&burst.to_be_bytes());
        black_box(hmac::sign(&commitment, &committed));
        derive(burst)?.open_separate_gather(nonce(1), Aad::empty(), &ciphertext, &tag, &mut out)?;
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
    Rsa(Box<RsaKeyPair>, &'static dyn RsaEncoding),
    MlDsa(PqdsaKeyPair),
}

impl SigningKey {
    fn generate(algorithm: Algorithm) -> Result<Self, Unspecified> {
        match algorithm.row().primitive {
            Primitive::Ed25519 => Ed25519KeyPair::generate().map(Self::Ed25519),
            Primitive::Ecdsa(curve) => EcdsaKeyPair::generate(library::ecdsa(curve)).map(Self::Ecdsa),
            Primitive::MlDsa(parameters) => PqdsaKeyPair::generate(library::ml_dsa(parameters)).map(Self::MlDsa),
            Primitive::RsaSignature(size, padding) => {
                let key = RsaKeyPair::generate(library::rsa_key_size(size))?;
                Ok(Self::Rsa(Box::new(key), library::rsa_encoding(padding)))
            }
            Primitive::Value
            | Primitive::Xaes256Gcm
            | Primitive::Aes256Gcm
            | Primitive::Hmac(_)
            | Primitive::RsaOaep(_) => Err(Unspecified),
        }
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Unspecified> {
        let random = SystemRandom::new();
        match self {
            Self::Ed25519(key) => Ok(key.sign(message).as_ref().to_vec()),
            Self::Ecdsa(key) => Ok(key.sign(&random, message)?.as_ref().to_vec()),
            Self::Rsa(key, padding) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(*padding, &random, message, &mut signature)?;
                Ok(signature)
            }
            Self::MlDsa(key) => {
                let mut signature = vec![0; key.algorithm().signature_len()];
                let size = key.sign(message, &mut signature)?;
                signature.truncate(size);
                Ok(signature)
            }
        }
    }

    fn public_key(&self, algorithm: Algorithm) -> Result<ParsedPublicKey, Unspecified> {
        let bytes: &[u8] = match self {
            Self::Ed25519(key) => key.public_key().as_ref(),
            Self::Ecdsa(key) => key.public_key().as_ref(),
            Self::Rsa(key, _) => key.public_key().as_ref(),
            Self::MlDsa(key) => key.public_key().as_ref(),
        };
        let verification = library::verification(algorithm).ok_or(Unspecified)?;
        ParsedPublicKey::new(verification, bytes).map_err(|_| Unspecified)
    }
}

/// Bytes that a commitment binds: label, format, algorithm, version, key id and half a nonce.
const COMMITTED_SIZE: usize = 51;

/// Bytes of an authentication tag.
const TAG_SIZE: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum;
    use claviger_algorithm::Generation;

    fn task(operation: Operation, algorithm: Algorithm) -> Task {
        Task { operation, algorithm, size: operation.size_default(), batch: 1 }
    }

    #[test]
    fn every_operation_that_computes_something_can_be_repeated_by_every_algorithm_that_does_it() {
        // Longer RSA keys take seconds to make.
        let takes_long = |algorithm: Algorithm| {
            algorithm.row().generation == Generation::Slow && !algorithm.name().starts_with("RSA-2048")
        };
        for &kind in Operation::value_variants() {
            let algorithms = Algorithm::ALL.iter().copied().filter(|algorithm| kind.is_done_by(*algorithm));
            for algorithm in algorithms.filter(|algorithm| !takes_long(*algorithm)) {
                match operation(&task(kind, algorithm)).unwrap() {
                    Some(mut repeated) => (0..3).for_each(|_| repeated().unwrap()),
                    None => assert!(kind.is_alone(), "{kind:?}"),
                }
            }
        }
    }

    #[test]
    fn signatures_are_verified_and_those_of_other_messages_not() {
        for algorithm in
            [Algorithm::Ed25519, Algorithm::EcdsaP384Sha384, Algorithm::MlDsa44, Algorithm::Rsa2048PssSha256]
        {
            let key = SigningKey::generate(algorithm).unwrap();
            let (signature, public_key) = (key.sign(b"message").unwrap(), key.public_key(algorithm).unwrap());
            public_key.verify_sig(b"message", &signature).unwrap();
            assert!(public_key.verify_sig(b"messagf", &signature).is_err());
        }
    }

    #[test]
    fn ping_has_no_time_in_process_and_others_have() {
        let nanoseconds = |operation: Operation| {
            let mut in_process = InProcess::prepare(&task(operation, operation.algorithm_default())).unwrap();
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
