//! The ciphertext vectors of the protocol's specification, which were written apart from this code.
//!
//! `protocol/tests/vectors/README.md` describes the files.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests may be blunt: a panic is the report"
)]

#[allow(dead_code, reason = "the reader of the vectors is shared with the codec's tests, which use all of it")]
#[path = "../../protocol/tests/vector/mod.rs"]
mod vector;

use std::path::Path;

use claviger_algorithm::Algorithm;
use claviger_engine::ciphertext::{Purpose, seal_overhead};
use claviger_engine::crypto::burst::SealBurst;
use claviger_engine::crypto::opener::OpenFailed;
use claviger_engine::crypto::random::{EntropyError, Random};
use claviger_engine::crypto::symmetric::SymmetricKey;
use claviger_engine::key::id::KeyId;
use claviger_engine::key::material::{KeyMaterial, SecretBytes};
use claviger_engine::key::version::KeyVersion;
use vector::Vector;

// R-K3, R-K19
#[test]
fn vectors_open_or_fail_as_they_say_and_are_sealed_to_the_same_bytes() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../protocol/tests/vectors");
    let (mut opened, mut refused) = (0, 0);
    for vector in vector::all(&root).unwrap().into_iter().filter(|vector| vector.area() == "ciphertext") {
        let case = Case(&vector);
        match vector.expected_error.as_deref() {
            None => {
                assert_eq!(case.open().as_ref(), Ok(&case.bytes("plaintext")), "{vector}");
                assert_eq!(case.seal(), vector.bytes, "{vector}");
                opened += 1;
            }
            Some("DecryptionFailed") => {
                assert_eq!(case.open(), Err(OpenFailed), "{vector}");
                refused += 1;
            }
            other => panic!("{vector} expects {other:?}"),
        }
    }
    assert!(opened >= 21 && refused >= 79, "vectors went missing: {opened} that open, {refused} that fail");
}

struct Case<'v>(&'v Vector);

impl Case<'_> {
    fn field(&self, name: &str) -> &str {
        self.optional_field(name).unwrap()
    }

    fn optional_field(&self, name: &str) -> Option<&str> {
        self.0.fields.iter().find(|(field, _)| field == name).map(|(_, value)| &**value)
    }

    fn algorithm(&self) -> Algorithm {
        Algorithm::from_name(self.optional_field("algorithm").unwrap_or("XAES-256-GCM")).unwrap()
    }

    fn bytes(&self, name: &str) -> Vec<u8> {
        vector::from_hex(self.field(name)).unwrap()
    }

    fn number(&self, name: &str) -> u32 {
        self.field(name).parse().unwrap()
    }

    fn key(&self) -> SymmetricKey {
        let material = KeyMaterial::import(self.algorithm(), SecretBytes::from(self.bytes("key"))).unwrap();
        SymmetricKey::new(&material).unwrap()
    }

    fn id(&self) -> KeyId {
        KeyId(self.bytes("key_id").try_into().unwrap())
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
        let mut out = vec![0; self.0.bytes.len().saturating_sub(seal_overhead(self.algorithm()))];
        let (key, context) = (self.key(), self.bytes("context"));
        key.open(self.id(), self.version(), self.purpose(), &context, &self.0.bytes, &mut out)?;
        Ok(out)
    }

    fn seal(&self) -> Vec<u8> {
        let random = GivenNonce(self.bytes("nonce"));
        let mut burst = SealBurst::begin(&self.key(), self.id(), self.version(), &random).unwrap();
        let plaintext = self.bytes("plaintext");
        let mut out = vec![0; plaintext.len() + seal_overhead(self.algorithm())];
        burst.seal(self.purpose(), &self.bytes("context"), &plaintext, &mut out).unwrap();
        out
    }
}

/// The nonce of the first item; others may be drawn with it.
struct GivenNonce(Vec<u8>);

impl Random for GivenNonce {
    fn fill(&self, out: &mut [u8]) -> Result<(), EntropyError> {
        out[..self.0.len()].copy_from_slice(&self.0);
        Ok(())
    }
}
