//! Commitment: a ciphertext opens under one key only.
//!
//! AES-GCM accepts ciphertexts that were crafted to open under two keys, with two different plaintexts. So every
//! ciphertext carries an HMAC-SHA-256 that only one key can have made. It binds key, key id, version and nonce prefix;
//! the context is bound by the authentication tag.
//!
//! ```text
//! commitment key  HMAC-SHA-256(material, "claviger/commit-key/1")                                  once a key version
//! commitment      HMAC-SHA-256(commitment key, "claviger/commit/1" | format u8 | algorithm u8 | version u32
//!                              | id [16] | first 12 bytes of the nonce)                            once a nonce prefix
//! ```

use aws_lc_rs::hmac;

use crate::ciphertext::COMMITMENT_SIZE;
use crate::crypto::xaes::{PREFIX_SIZE, Prefix};
use crate::key::id::ID_SIZE;
use crate::key::material::SECRET_KEY_SIZE;

/// The key that makes and checks the commitments of one key version, lent by its owner.
pub(crate) struct CommitmentKey<'key>(&'key [u8; SECRET_KEY_SIZE]);

/// A commitment key, prepared. The library wipes it on drop.
// On the heap: a prepared key has more than a kilobyte.
pub(crate) struct Committer(Box<hmac::Key>);

/// What a commitment binds beside the key.
#[derive(Clone, Copy)]
pub(crate) struct Committed<'a> {
    pub(crate) format: u8,
    pub(crate) algorithm: u8,
    pub(crate) version: u32,
    /// Id of the key, or of the installation for keys that wrap keys.
    pub(crate) id: [u8; ID_SIZE],
    pub(crate) prefix: &'a Prefix,
}

impl<'key> CommitmentKey<'key> {
    /// Writes the commitment key that belongs to `material` into `key`, where it stays, so that no copy is left on the stack, and lends it.
    pub(crate) fn derive(material: &[u8; SECRET_KEY_SIZE], key: &'key mut [u8; SECRET_KEY_SIZE]) -> Self {
        hmac_sha256(material, b"claviger/commit-key/1", key);
        Self(key)
    }

    /// The commitment key that [`CommitmentKey::derive`] wrote.
    pub(crate) const fn derived(key: &'key [u8; SECRET_KEY_SIZE]) -> Self {
        Self(key)
    }

    /// The commitment of every ciphertext whose header says `committed`.
    pub(crate) fn commit(&self, committed: Committed<'_>) -> [u8; COMMITMENT_SIZE] {
        let mut commitment = [0; COMMITMENT_SIZE];
        hmac_sha256(self.0, &committed.to_bytes(), &mut commitment);
        commitment
    }

    /// The key, prepared for many commitments.
    pub(crate) fn prepare(&self) -> Committer {
        Committer(Box::new(hmac::Key::new(hmac::HMAC_SHA256, self.0)))
    }
}

impl Committer {
    /// As [`CommitmentKey::commit`].
    pub(crate) fn commit(&self, committed: Committed<'_>) -> [u8; COMMITMENT_SIZE] {
        let mut commitment = [0; COMMITMENT_SIZE];
        tag(&self.0, &committed.to_bytes(), &mut commitment);
        commitment
    }
}

impl Committed<'_> {
    fn to_bytes(self) -> [u8; COMMITTED_SIZE] {
        let mut bytes = [0; COMMITTED_SIZE];
        bytes[..17].copy_from_slice(LABEL);
        bytes[17] = self.format;
        bytes[18] = self.algorithm;
        bytes[19..23].copy_from_slice(&self.version.to_be_bytes());
        bytes[23..39].copy_from_slice(&self.id);
        bytes[39..].copy_from_slice(self.prefix);
        bytes
    }
}

/// Writes the HMAC-SHA-256 of `message` to where it stays, because it may be a key.
fn hmac_sha256(key: &[u8; SECRET_KEY_SIZE], message: &[u8], out: &mut [u8; COMMITMENT_SIZE]) {
    tag(&hmac::Key::new(hmac::HMAC_SHA256, key), message, out);
}

#[expect(clippy::expect_used, reason = "the only error of the library is an output shorter than the tag")]
fn tag(key: &hmac::Key, message: &[u8], out: &mut [u8; COMMITMENT_SIZE]) {
    hmac::sign_to_buffer(key, message, out).expect("32 bytes take a tag of HMAC-SHA-256");
}

const LABEL: &[u8; 17] = b"claviger/commit/1";
const COMMITTED_SIZE: usize = LABEL.len() + 1 + 1 + 4 + ID_SIZE + PREFIX_SIZE;
