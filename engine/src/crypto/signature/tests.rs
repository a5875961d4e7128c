//! What signing takes, gives and refuses.

use aws_lc_rs::digest::digest;
use claviger_algorithm::{Generation, KeyKind, Operation, OutputSize, Primitive};
use static_assertions::assert_not_impl_any;

use super::*;
use crate::crypto::random::SystemRandom;
use crate::key::material::SecretBytes;

assert_not_impl_any!(SigningKey: std::fmt::Debug, Clone, PartialEq);

const MESSAGE: SignInput<'static> = SignInput::Message(b"message");

fn generate(algorithm: Algorithm) -> SigningKey {
    SigningKey::new(&KeyMaterial::generate(algorithm, &SystemRandom::new()).unwrap()).unwrap()
}

/// Every algorithm that signs, but RSA at its smallest size only: larger keys take seconds to make.
fn signing() -> impl Iterator<Item = Algorithm> {
    let all = Algorithm::ALL.iter().copied().filter(|algorithm| algorithm.row().does(Operation::Sign));
    let is_small = |algorithm: &Algorithm| algorithm.row().output_size == OutputSize::Fixed(256);
    all.filter(move |algorithm| algorithm.row().generation == Generation::Fast || is_small(algorithm))
}

fn keys() -> Vec<SigningKey> {
    signing().map(generate).collect()
}

/// The digest of the message, for algorithms that take one.
fn digest_for(algorithm: Algorithm) -> Option<Digest> {
    Some(digest(scheme(algorithm)?.digest?, b"message"))
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
    let mut sizes = Vec::new();
    for key in keys() {
        let Some(hash) = digest_for(key.public_key().algorithm()) else { continue };
        let input = SignInput::Digest(hash.as_ref());
        assert_eq!(key.verify(MESSAGE, &sign(&key, input)), Ok(()));
        assert_eq!(key.verify(input, &sign(&key, MESSAGE)), Ok(()));
        sizes.push(hash.as_ref().len());
    }
    sizes.sort_unstable();
    assert_eq!(sizes, [32, 32, 32, 48, 64], "P-256, RSA with either padding, P-384, P-521");
}

// R-K4
#[test]
fn refuses_digests_of_another_size_and_for_some_algorithms_all() {
    for key in keys() {
        let algorithm = key.public_key().algorithm();
        assert_eq!(digest_for(algorithm).map(|hash| hash.as_ref().len()), algorithm.row().digest_size);
        let (takes, sizes) = (algorithm.row().digest_size, [0, 20, 28, 31, 32, 33, 47, 48, 49, 63, 64, 65, 128]);
        for size in sizes.into_iter().filter(|size| takes != Some(*size)) {
            let input = vec![1; size];
            let expected = match takes {
                None => InputError::DigestRefused(algorithm),
                Some(_) => InputError::DigestSize(algorithm),
            };
            let mut out = vec![0; key.signature_size_max()];
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
        // Every byte of small signatures, some 500 of large ones, and the last one: there ML-DSA has its hints.
        for at in (0..good.len()).step_by(1 + good.len() / 500).chain([good.len() - 1]) {
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
        let malformed = Some(MaterialError::Malformed(algorithm));
        for size in 0..der.len() {
            assert_eq!(PublicKey::from_der(algorithm, &der[..size]).err(), malformed, "{algorithm} cut at {size}");
        }
        assert_eq!(PublicKey::from_der(algorithm, &[der, &[0]].concat()).err(), malformed, "{algorithm}");
        for other in [Algorithm::Opaque, Algorithm::Xaes256Gcm, Algorithm::HmacSha256] {
            assert_eq!(PublicKey::from_der(other, der).err(), Some(MaterialError::OtherAlgorithm(other)));
        }
    }
}

// R-K1
#[test]
fn refuses_public_keys_of_every_other_algorithm() {
    let is_rsa = |algorithm: Algorithm| matches!(algorithm.row().primitive, Primitive::RsaSignature(..));
    for key in keys() {
        let of = key.public_key().algorithm();
        let others = signing().filter(|other| *other != of && !(is_rsa(of) && is_rsa(*other)));
        for other in others.chain([Algorithm::Rsa3072Pkcs1Sha256, Algorithm::Rsa4096PssSha256]) {
            let taken = PublicKey::from_der(other, key.public_key_der());
            assert_eq!(taken.err(), Some(MaterialError::Malformed(other)), "{of} as {other}");
        }
    }
}

#[test]
fn refuses_public_keys_as_raw_bytes_which_are_another_encoding() {
    // What stands before the raw key in SubjectPublicKeyInfo: RFC 8410 section 4 and RFC 9881 section 4.
    let prefix_size = |algorithm: Algorithm| match algorithm.row().primitive {
        Primitive::Ed25519 => Some(12),
        Primitive::MlDsa(_) => Some(22),
        _ => None,
    };
    let mut raw_sizes = Vec::new();
    for algorithm in signing() {
        let Some(prefix_size) = prefix_size(algorithm) else { continue };
        let raw = generate(algorithm).public_key_der()[prefix_size..].to_vec();
        let taken = PublicKey::from_der(algorithm, &raw);
        assert_eq!(taken.err(), Some(MaterialError::Malformed(algorithm)));
        raw_sizes.push(raw.len());
    }
    assert_eq!(raw_sizes, [32, 1_312, 1_952, 2_592], "RFC 8032 section 5.1.5, FIPS 204 table 2");
}

// R-K6
#[test]
fn debug_output_of_a_public_key_holds_nothing_of_the_private_one() {
    // Where the seed stands in PKCS#8: RFC 8410 section 7 and RFC 9881 section 6.
    for (algorithm, seed) in [(Algorithm::Ed25519, 16..48), (Algorithm::MlDsa44, 22..54)] {
        let material = KeyMaterial::generate(algorithm, &SystemRandom::new()).unwrap();
        let seed: String = material.expose()[seed].iter().map(|byte| format!("{byte:02x}")).collect();
        let shown = format!("{:?}", SigningKey::new(&material).unwrap().public_key());
        assert!(!shown.contains(&seed) && shown.contains(&format!("{algorithm:?}")));
    }
}

#[test]
fn other_kinds_of_keys_do_not_sign() {
    for algorithm in Algorithm::ALL.iter().copied().filter(|other| other.row().kind != KeyKind::Asymmetric) {
        let bytes = vec![7; algorithm.row().key_size.unwrap_or(32)];
        let material = KeyMaterial::import(algorithm, SecretBytes::from(bytes)).unwrap();
        assert_eq!(SigningKey::new(&material).err(), Some(MaterialError::OtherAlgorithm(algorithm)));
    }
}
