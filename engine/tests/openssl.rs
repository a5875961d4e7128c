//! Signatures and keys of OpenSSL's making, by its program: taken here, and altered ones refused. `cli/tests/data/signatures.rs` has the reverse.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::path::Path;
use std::process::Command;
use std::{fs, str};

use claviger_algorithm::{Algorithm, Operation, Primitive};
use claviger_engine::crypto::signature::{PublicKey, SignInput, SigningKey, VerifyFailed};
use claviger_engine::key::material::{KeyMaterial, SecretBytes};
use tempfile::TempDir;

/// How OpenSSL makes a key of an algorithm, and how it signs by it.
struct Row {
    algorithm: Algorithm,
    generate: &'static [&'static str],
    sign: Sign,
}

enum Sign {
    /// The whole message.
    Message,
    /// With this hash, and these options.
    Hash(&'static str, &'static [&'static str]),
}

const fn row(algorithm: Algorithm, generate: &'static [&'static str], sign: Sign) -> Row {
    Row { algorithm, generate, sign }
}

const RSA_2048: &[&str] = &["RSA", "-pkeyopt", "rsa_keygen_bits:2048"];
const RSA_3072: &[&str] = &["RSA", "-pkeyopt", "rsa_keygen_bits:3072"];
const RSA_4096: &[&str] = &["RSA", "-pkeyopt", "rsa_keygen_bits:4096"];
const P256: &[&str] = &["EC", "-pkeyopt", "ec_paramgen_curve:P-256"];
const P384: &[&str] = &["EC", "-pkeyopt", "ec_paramgen_curve:P-384"];
const P521: &[&str] = &["EC", "-pkeyopt", "ec_paramgen_curve:P-521"];
const PKCS1: Sign = Sign::Hash("sha256", &[]);
const PSS: Sign = Sign::Hash("sha256", &["rsa_padding_mode:pss", "rsa_pss_saltlen:32"]);

const ROWS: [Row; 13] = [
    row(Algorithm::Ed25519, &["ED25519"], Sign::Message),
    row(Algorithm::EcdsaP256Sha256, P256, Sign::Hash("sha256", &[])),
    row(Algorithm::EcdsaP384Sha384, P384, Sign::Hash("sha384", &[])),
    row(Algorithm::EcdsaP521Sha512, P521, Sign::Hash("sha512", &[])),
    row(Algorithm::MlDsa44, &["ML-DSA-44"], Sign::Message),
    row(Algorithm::MlDsa65, &["ML-DSA-65"], Sign::Message),
    row(Algorithm::MlDsa87, &["ML-DSA-87"], Sign::Message),
    row(Algorithm::Rsa2048Pkcs1Sha256, RSA_2048, PKCS1),
    row(Algorithm::Rsa2048PssSha256, RSA_2048, PSS),
    row(Algorithm::Rsa3072Pkcs1Sha256, RSA_3072, PKCS1),
    row(Algorithm::Rsa3072PssSha256, RSA_3072, PSS),
    row(Algorithm::Rsa4096Pkcs1Sha256, RSA_4096, PKCS1),
    row(Algorithm::Rsa4096PssSha256, RSA_4096, PSS),
];

const MESSAGE: &[u8] = b"a message that OpenSSL signs";

/// The rows whose algorithm this OpenSSL has: before version 3.5 it has no ML-DSA.
fn rows() -> impl Iterator<Item = &'static Row> {
    let listed = Command::new("openssl").args(["list", "-signature-algorithms"]).output().unwrap().stdout;
    let listed = String::from_utf8(listed).unwrap();
    ROWS.iter().filter(move |row| {
        let is_there = !row.is_ml_dsa() || listed.contains(row.algorithm.name());
        if !is_there {
            println!("left out: this OpenSSL has no {}", row.algorithm);
        }
        is_there
    })
}

impl Row {
    const fn is_ml_dsa(&self) -> bool {
        matches!(self.algorithm.row().primitive, Primitive::MlDsa(_))
    }
}

/// A folder with a key that OpenSSL has made, and the message.
struct OpensslKey<'r> {
    row: &'r Row,
    folder: TempDir,
}

impl<'r> OpensslKey<'r> {
    fn generate(row: &'r Row) -> Self {
        let key = Self { row, folder: TempDir::new().unwrap() };
        fs::write(key.path("message"), MESSAGE).unwrap();
        key.openssl(&[&["genpkey", "-out", "key.pem", "-algorithm"], row.generate].concat());
        key
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    fn openssl(&self, arguments: &[&str]) {
        assert!(openssl(self.folder.path(), arguments), "openssl {arguments:?}");
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    fn public_key(&self) -> PublicKey {
        self.openssl(&["pkey", "-in", "key.pem", "-pubout", "-outform", "DER", "-out", "public.der"]);
        PublicKey::from_der(self.row.algorithm, &self.read("public.der")).unwrap()
    }

    fn private_key(&self) -> SigningKey {
        // Private keys of ML-DSA are taken in the seed form only; OpenSSL writes the expanded form as well.
        let form: &[_] = if self.row.is_ml_dsa() { &["-provparam", "ml-dsa.output_formats=seed-only"] } else { &[] };
        let to_der = ["pkcs8", "-topk8", "-nocrypt", "-in", "key.pem", "-outform", "DER", "-out", "key.der"];
        self.openssl(&[&to_der[..], form].concat());
        let material = KeyMaterial::import(self.row.algorithm, SecretBytes::from(self.read("key.der"))).unwrap();
        SigningKey::new(&material).unwrap()
    }

    /// A signature of the message by OpenSSL.
    fn sign(&self) -> Vec<u8> {
        let mut arguments = match self.row.sign {
            Sign::Message => vec!["pkeyutl", "-sign", "-rawin", "-inkey", "key.pem", "-in", "message"],
            Sign::Hash(hash, _) => {
                vec!["pkeyutl", "-sign", "-rawin", "-inkey", "key.pem", "-in", "message", "-digest", hash]
            }
        };
        arguments.extend(self.options());
        arguments.extend(["-out", "signature"]);
        self.openssl(&arguments);
        self.read("signature")
    }

    /// Whether OpenSSL takes this as a signature of the message.
    fn verify(&self, signature: &[u8]) -> bool {
        fs::write(self.path("signature"), signature).unwrap();
        let mut arguments = vec!["pkeyutl", "-verify", "-rawin", "-inkey", "key.pem", "-in", "message"];
        if let Sign::Hash(hash, _) = self.row.sign {
            arguments.extend(["-digest", hash]);
        }
        arguments.extend(self.options());
        arguments.extend(["-sigfile", "signature"]);
        openssl(self.folder.path(), &arguments)
    }

    fn options(&self) -> impl Iterator<Item = &'static str> {
        let options = if let Sign::Hash(_, options) = self.row.sign { options } else { &[] };
        options.iter().flat_map(|option| ["-pkeyopt", option])
    }
}

fn openssl(folder: &Path, arguments: &[&str]) -> bool {
    let command = Command::new("openssl").current_dir(folder).args(arguments).output();
    let output = command.unwrap_or_else(|error| panic!("openssl: {error}; `cargo xtask test --install` installs it"));
    if !output.status.success() {
        eprintln!("{}", str::from_utf8(&output.stderr).unwrap_or_default());
    }
    output.status.success()
}

// R-K4
#[test]
fn every_algorithm_that_signs_has_a_row() {
    let signing = Algorithm::ALL.iter().copied().filter(|algorithm| algorithm.row().does(Operation::Sign));
    assert!(signing.eq(ROWS.iter().map(|row| row.algorithm)));
}

// R-K4
#[test]
fn signatures_of_openssl_verify_and_altered_ones_do_not() {
    for row in rows() {
        let theirs = OpensslKey::generate(row);
        let (public_key, signature) = (theirs.public_key(), theirs.sign());
        let verify = |message, signature: &[u8]| public_key.verify(SignInput::Message(message), signature);
        assert_eq!(verify(MESSAGE, &signature), Ok(()), "{}", row.algorithm);
        let refused = Err(VerifyFailed::Signature);
        assert_eq!(verify(&MESSAGE[1..], &signature), refused, "{}", row.algorithm);
        assert_eq!(verify(MESSAGE, &signature[1..]), refused, "{}", row.algorithm);
        for at in [0, signature.len() / 2, signature.len() - 1] {
            let mut altered = signature.clone();
            altered[at] ^= 1;
            assert_eq!(verify(MESSAGE, &altered), refused, "{} byte {at}", row.algorithm);
        }
    }
}

// R-K4
#[test]
fn keys_of_openssl_sign_what_openssl_verifies() {
    for row in rows() {
        let theirs = OpensslKey::generate(row);
        let key = theirs.private_key();
        assert_eq!(key.public_key_der(), theirs.public_key().der(), "{}", row.algorithm);
        let mut signature = vec![0; key.signature_size_max()];
        let size = key.sign(SignInput::Message(MESSAGE), &mut signature).unwrap();
        signature.truncate(size);
        assert!(theirs.verify(&signature), "{}", row.algorithm);
        let middle = signature.len() / 2;
        signature[middle] ^= 1;
        assert!(!theirs.verify(&signature), "{}", row.algorithm);
    }
}

// R-K1, R-K4
#[test]
fn keys_of_openssl_are_taken_for_their_own_algorithm_only() {
    // The smallest RSA key stands for all: larger ones are slow to make. Two paddings have the same keys.
    let rows = rows().filter(|row| ![RSA_3072, RSA_4096].contains(&row.generate));
    for theirs in rows.map(OpensslKey::generate) {
        let der = theirs.public_key().der().to_vec();
        for row in &ROWS {
            let taken = PublicKey::from_der(row.algorithm, &der);
            let takes = row.generate == theirs.row.generate;
            assert_eq!(taken.is_ok(), takes, "{} of {}", row.algorithm, theirs.row.algorithm);
        }
    }
}
