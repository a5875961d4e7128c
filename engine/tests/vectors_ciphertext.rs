//! The ciphertext vectors of the protocol's specification, which were written apart from this code.
//!
//! `protocol/tests/vectors/README.md` describes the files.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests may be blunt: a panic is the report"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use claviger_algorithm::Algorithm;
use claviger_engine::ciphertext::{NONCE_SIZE, Purpose, SEAL_OVERHEAD};
use claviger_engine::crypto::burst::SealBurst;
use claviger_engine::crypto::random::{EntropyError, Random};
use claviger_engine::crypto::symmetric::{OpenFailed, SymmetricKey};
use claviger_engine::key::id::KeyId;
use claviger_engine::key::material::{KeyMaterial, SecretBytes};
use claviger_engine::key::version::KeyVersion;

// R-K3, R-K19
#[test]
fn vectors_open_or_fail_as_they_say_and_are_sealed_to_the_same_bytes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../protocol/tests/vectors/ciphertext");
    let (mut opened, mut refused) = (0, 0);
    for entry in fs::read_dir(&folder).expect("the folder of vectors") {
        let path = entry.unwrap().path();
        let vector = Vector::parse(&fs::read_to_string(&path).unwrap());
        let case = path.file_stem().unwrap().to_string_lossy();
        match vector.lines["expect"].as_str() {
            "ok" => {
                assert_eq!(vector.open().as_ref(), Ok(&vector.field("plaintext")), "{case}");
                assert_eq!(vector.seal(), vector.ciphertext, "{case}");
                opened += 1;
            }
            "error DecryptionFailed" => {
                assert_eq!(vector.open(), Err(OpenFailed), "{case}");
                refused += 1;
            }
            other => panic!("{case} expects {other:?}"),
        }
    }
    assert!(opened >= 16 && refused >= 58, "vectors went missing: {opened} that open, {refused} that fail");
}

struct Vector {
    /// Header lines other than fields, by name.
    lines: BTreeMap<String, String>,
    fields: BTreeMap<String, String>,
    ciphertext: Vec<u8>,
}

impl Vector {
    fn parse(text: &str) -> Self {
        let (head, bytes) = text.split_once("\n\n").unwrap_or((text, ""));
        let (mut lines, mut fields) = (BTreeMap::new(), BTreeMap::new());
        for line in head.lines() {
            if let Some((name, value)) = line.strip_prefix("field: ").and_then(|field| field.split_once(" =")) {
                fields.insert(name.to_owned(), value.trim().to_owned());
            } else if let Some((name, value)) = line.split_once(": ") {
                lines.insert(name.to_owned(), value.to_owned());
            }
        }
        Self { lines, fields, ciphertext: bytes.lines().flat_map(parse_bytes).collect() }
    }

    fn field(&self, name: &str) -> Vec<u8> {
        parse_bytes(&self.fields[name])
    }

    fn number(&self, name: &str) -> u32 {
        self.fields[name].parse().unwrap()
    }

    fn key(&self) -> SymmetricKey {
        let material = KeyMaterial::import(Algorithm::Xaes256Gcm, SecretBytes::from(self.field("key"))).unwrap();
        SymmetricKey::new(&material).unwrap()
    }

    fn id(&self) -> KeyId {
        KeyId(self.field("key_id").try_into().unwrap())
    }

    fn version(&self) -> KeyVersion {
        KeyVersion::new(self.number("key_version")).unwrap()
    }

    fn purpose(&self) -> Purpose {
        match self.number("purpose") {
            1 => Purpose::Data,
            2 => Purpose::DataKey,
            other => panic!("purpose {other}"),
        }
    }

    fn open(&self) -> Result<Vec<u8>, OpenFailed> {
        let mut out = vec![0; self.ciphertext.len().saturating_sub(SEAL_OVERHEAD)];
        let (key, context) = (self.key(), self.field("context"));
        key.open(self.id(), self.version(), self.purpose(), &context, &self.ciphertext, &mut out)?;
        Ok(out)
    }

    fn seal(&self) -> Vec<u8> {
        let random = GivenNonce(self.field("nonce").try_into().unwrap());
        let mut burst = SealBurst::begin(&self.key(), self.id(), self.version(), &random).unwrap();
        let plaintext = self.field("plaintext");
        let mut out = vec![0; plaintext.len() + SEAL_OVERHEAD];
        burst.seal(self.purpose(), &self.field("context"), &plaintext, &mut out).unwrap();
        out
    }
}

struct GivenNonce([u8; NONCE_SIZE]);

impl Random for GivenNonce {
    fn fill(&self, out: &mut [u8]) -> Result<(), EntropyError> {
        out.copy_from_slice(&self.0);
        Ok(())
    }
}

/// Hex digits up to a `#`, or `repeat COUNT DIGITS`.
fn parse_bytes(line: &str) -> Vec<u8> {
    if let Some((count, digits)) = line.strip_prefix("repeat ").and_then(|rest| rest.split_once(' ')) {
        return parse_bytes(digits).repeat(count.parse().unwrap());
    }
    let digits = line.split('#').next().unwrap_or_default().trim();
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}
