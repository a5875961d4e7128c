//! Keys that protect other keys: each root key wraps system keys, each system key wraps all key material.
//!
//! Neither is used raw. HKDF-SHA-256 (RFC 5869, no salt) with one label each makes the keys that are used; and the key
//! that wraps one record is derived once more, from its address and, where there is one, its shred secret, without
//! which the wrap is worth nothing:
//!
//! ```text
//! wrapping key         HKDF(system key, "claviger/system-key/wrapping/1")
//! record key           HKDF(system key, "claviger/system-key/record/1")
//! journal keys         HKDF(system key, "claviger/system-key/journal/1" to wrap, "claviger/system-key/journal-record/1" to authenticate)
//! audit key            HKDF(system key, "claviger/system-key/audit/1")
//! key for one record   HKDF(wrapping key | shred secret, address)
//! ```
//!
//! A wrap is XAES-256-GCM with a fresh nonce, committed to its key as callers' ciphertexts are
//! ([`crate::ciphertext`]), with the installation in place of the key id and the version of the wrapping key:
//!
//! ```text
//! wrapped  format u8 | nonce [24] | commitment [32] | body | tag [16]
//! aad      "claviger/wrap/1" | installation [16] | record type u8 | address size u64 | address | wrapping version u32
//! ```

use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use aws_lc_rs::hmac;
use claviger_algorithm::Algorithm;
use subtle::ConstantTimeEq;

use crate::ciphertext::{COMMITMENT_SIZE, TAG_SIZE};
use crate::crypto::commitment::{CommitmentKey, Committed};
use crate::crypto::gcm::GcmKey;
use crate::crypto::random::{EntropyError, Random};
use crate::crypto::record_key::{AuditKey, RecordKey};
use crate::crypto::xaes::{self, Deriver, NONCE_SIZE, Prefix};
use crate::key::material::{SECRET_KEY_SIZE, SecretBytes, SecretKey};

/// A key at the head of others, from which they are derived: a system key, or a root key that is held in memory.
pub struct SystemKey(SecretKey);

/// Wraps keys, each bound to its place. Wiped on drop.
pub struct WrappingKey(SecretKey);

/// The place of a wrapped key. Whatever is unwrapped must stand where it was wrapped for.
#[derive(Clone, Copy)]
pub struct WrapContext<'a> {
    /// Id of the installation.
    pub installation: [u8; 16],
    /// Type of the record that holds the wrap. Kinds of keys that share a wrapping key differ in it.
    pub record_type: u8,
    /// Address of the record, of any size.
    pub address: &'a [u8],
    /// Version of the wrapping key.
    pub wrapping_version: u32,
    /// The shred secret of the key that the record is of; `None` for what is no key's.
    pub shred_secret: Option<&'a [u8; SHRED_SECRET_SIZE]>,
}

/// Size of a shred secret, in bytes.
pub const SHRED_SECRET_SIZE: usize = 32;

/// A wrap that this key, in this place, has not made; or bytes that are no wrap. Carries no cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the wrapped key does not open with this key in this place")]
pub struct UnwrapFailed;

impl SystemKey {
    /// A key from its 32 secret bytes, which are copied. Whoever owns them wipes them.
    pub fn new(key: &[u8; SECRET_KEY_SIZE]) -> Self {
        let mut copy = SecretKey::zeroed();
        copy.expose_mut().copy_from_slice(key);
        Self(copy)
    }

    /// The key that wraps.
    pub fn wrapping_key(&self) -> WrappingKey {
        WrappingKey(hkdf_sha256(self.0.expose(), b"claviger/system-key/wrapping/1"))
    }

    /// The key that authenticates records.
    pub fn record_key(&self) -> RecordKey {
        let key = hkdf_sha256(self.0.expose(), b"claviger/system-key/record/1");
        RecordKey(hmac::Key::new(hmac::HMAC_SHA256, key.expose()))
    }

    /// The keys of the journal and of backups: what seals their records, and what authenticates what must be told before one is opened.
    pub fn journal_keys(&self) -> (WrappingKey, RecordKey) {
        let wrapping = hkdf_sha256(self.0.expose(), b"claviger/system-key/journal/1");
        let record = hkdf_sha256(self.0.expose(), b"claviger/system-key/journal-record/1");
        (WrappingKey(wrapping), RecordKey(hmac::Key::new(hmac::HMAC_SHA256, record.expose())))
    }

    /// The key that authenticates the audit log.
    pub fn audit_key(&self) -> AuditKey {
        let key = hkdf_sha256(self.0.expose(), b"claviger/system-key/audit/1");
        AuditKey(hmac::Key::new(hmac::HMAC_SHA256, key.expose()))
    }
}

impl WrappingKey {
    /// Wraps `key` for the place in `context`: 73 bytes more than `key` has.
    ///
    /// # Errors
    /// [`EntropyError`].
    pub fn wrap(&self, context: &WrapContext<'_>, key: &[u8], random: &dyn Random) -> Result<Vec<u8>, EntropyError> {
        let mut nonce = [0; NONCE_SIZE];
        random.fill(&mut nonce)?;
        let (prefix, position) = xaes::split_nonce(&nonce);
        let record_wrapping_key = self.for_record(context);
        let derived_key = derive(&record_wrapping_key, &prefix).map_err(|_| EntropyError)?;
        let mut body = vec![0; key.len()];
        let mut tag = [0; TAG_SIZE];
        derived_key.seal(position, &context.aad(), key, &mut body, &mut tag).map_err(|_| EntropyError)?;
        Ok([&[FORMAT][..], &nonce, &context.commit(&record_wrapping_key, &prefix), &body, &tag].concat())
    }

    /// The key in `wrapped`, if [`WrappingKey::wrap`] made it for the same place.
    ///
    /// # Errors
    /// [`UnwrapFailed`], whatever the cause.
    pub fn unwrap(&self, context: &WrapContext<'_>, wrapped: &[u8]) -> Result<SecretBytes, UnwrapFailed> {
        let parts = Wrapped::parse(wrapped).ok_or(UnwrapFailed)?;
        let (prefix, position) = xaes::split_nonce(parts.nonce);
        let record_wrapping_key = self.for_record(context);
        let commitment = context.commit(&record_wrapping_key, &prefix);
        if !bool::from(commitment.ct_eq(parts.commitment)) {
            return Err(UnwrapFailed);
        }
        let derived_key = derive(&record_wrapping_key, &prefix).map_err(|_| UnwrapFailed)?;
        let mut key = SecretBytes::zeroed(parts.body.len());
        let opened = derived_key.open(position, &context.aad(), parts.body, parts.tag, key.expose_mut());
        opened.map(|()| key).map_err(|_| UnwrapFailed)
    }

    /// The key that wraps the one record in `context`.
    fn for_record(&self, context: &WrapContext<'_>) -> SecretKey {
        let shred_secret = context.shred_secret.map_or(&[][..], |secret| secret);
        let mut both = SecretBytes::zeroed(SECRET_KEY_SIZE + shred_secret.len());
        let (first, second) = both.expose_mut().split_at_mut(SECRET_KEY_SIZE);
        first.copy_from_slice(self.0.expose());
        second.copy_from_slice(shred_secret);
        hkdf_sha256(both.expose(), context.address)
    }
}

impl WrapContext<'_> {
    fn aad(&self) -> Vec<u8> {
        [
            b"claviger/wrap/1",
            &self.installation[..],
            &[self.record_type],
            &(self.address.len() as u64).to_be_bytes(),
            self.address,
            &self.wrapping_version.to_be_bytes(),
        ]
        .concat()
    }

    fn commit(&self, record_wrapping_key: &SecretKey, prefix: &Prefix) -> [u8; COMMITMENT_SIZE] {
        let mut key = SecretKey::zeroed();
        CommitmentKey::derive(record_wrapping_key.expose(), key.expose_mut()).commit(Committed {
            format: FORMAT,
            algorithm: Algorithm::Xaes256Gcm.id(),
            version: self.wrapping_version,
            id: self.installation,
            prefix,
        })
    }
}

/// A wrap, cut into its parts.
struct Wrapped<'a> {
    nonce: &'a [u8; NONCE_SIZE],
    commitment: &'a [u8; COMMITMENT_SIZE],
    body: &'a [u8],
    tag: &'a [u8; TAG_SIZE],
}

impl<'a> Wrapped<'a> {
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let rest = bytes.strip_prefix(&[FORMAT])?;
        let (nonce, rest) = rest.split_first_chunk()?;
        let (commitment, rest) = rest.split_first_chunk()?;
        let (body, tag) = rest.split_last_chunk()?;
        Some(Self { nonce, commitment, body, tag })
    }
}

fn derive(record_wrapping_key: &SecretKey, prefix: &Prefix) -> Result<GcmKey, aws_lc_rs::error::Unspecified> {
    let mut derived = SecretKey::zeroed();
    Deriver::new(record_wrapping_key.expose())?.derive(prefix, derived.expose_mut())?;
    GcmKey::new(derived.expose())
}

/// HKDF-SHA-256 without salt (RFC 5869): 32 bytes for `info` from the secret bytes `key`.
#[expect(clippy::expect_used, reason = "32 bytes are within the 8,160 that HKDF-SHA-256 gives")]
fn hkdf_sha256(key: &[u8], info: &[u8]) -> SecretKey {
    let mut derived = SecretKey::zeroed();
    let pseudorandom_key = Salt::none(HKDF_SHA256).extract(key);
    let output = pseudorandom_key.expand(&[info], HKDF_SHA256).and_then(|output| output.fill(derived.expose_mut()));
    output.expect("HKDF-SHA-256 gives 32 bytes");
    derived
}

/// The one format there is.
const FORMAT: u8 = 1;

#[cfg(test)]
mod tests {
    use static_assertions::assert_not_impl_any;

    use super::*;
    use crate::crypto::random::SystemRandom;

    assert_not_impl_any!(SystemKey: std::fmt::Debug, Clone, PartialEq);
    assert_not_impl_any!(WrappingKey: std::fmt::Debug, Clone, PartialEq);

    const CONTEXT: WrapContext<'static> = WrapContext {
        installation: [1; 16],
        record_type: 3,
        address: b"address",
        wrapping_version: 1,
        shred_secret: None,
    };

    fn wrapping_key() -> WrappingKey {
        SystemKey::new(&[7; 32]).wrapping_key()
    }

    fn wrap(context: &WrapContext<'_>, key: &[u8]) -> Vec<u8> {
        wrapping_key().wrap(context, key, &SystemRandom::new()).unwrap()
    }

    fn unwrap(context: &WrapContext<'_>, wrapped: &[u8]) -> Option<Vec<u8>> {
        wrapping_key().unwrap(context, wrapped).ok().map(|key| key.expose().to_vec())
    }

    // R-H1
    #[test]
    fn unwraps_what_it_wrapped() {
        for size in [0, 1, 32, 2_400, 32_768] {
            let key = vec![9; size];
            let wrapped = wrap(&CONTEXT, &key);
            assert_eq!(wrapped.len(), size + 73);
            assert_eq!(unwrap(&CONTEXT, &wrapped), Some(key));
        }
    }

    // R-H1
    #[test]
    fn a_wrap_cannot_be_moved() {
        let wrapped = wrap(&CONTEXT, &[9; 32]);
        let places = [
            WrapContext { installation: [2; 16], ..CONTEXT },
            WrapContext { record_type: 4, ..CONTEXT },
            WrapContext { address: b"addresS", ..CONTEXT },
            WrapContext { address: b"address\0", ..CONTEXT },
            WrapContext { address: b"", ..CONTEXT },
            WrapContext { wrapping_version: 2, ..CONTEXT },
            WrapContext { shred_secret: Some(&[0; 32]), ..CONTEXT },
        ];
        for place in places {
            assert_eq!(unwrap(&place, &wrapped), None);
        }
    }

    // R-K11
    #[test]
    fn a_wrap_needs_its_shred_secret() {
        let shredded = WrapContext { shred_secret: Some(&[5; 32]), ..CONTEXT };
        let wrapped = wrap(&shredded, &[9; 32]);
        assert_eq!(unwrap(&shredded, &wrapped), Some(vec![9; 32]));
        assert_eq!(unwrap(&WrapContext { shred_secret: Some(&[6; 32]), ..CONTEXT }, &wrapped), None);
        assert_eq!(unwrap(&CONTEXT, &wrapped), None);
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_the_one_failure() {
        let good = wrap(&CONTEXT, b"key");
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(unwrap(&CONTEXT, &bad), None, "bit {bit}");
        }
        for size in 0..good.len() {
            assert_eq!(unwrap(&CONTEXT, &good[..size]), None, "cut at {size}");
        }
        assert_eq!(unwrap(&CONTEXT, &[&good[..], &[0]].concat()), None);
    }

    #[test]
    fn another_wrapping_key_does_not_unwrap() {
        let wrapped = wrap(&CONTEXT, &[9; 32]);
        assert_eq!(SystemKey::new(&[8; 32]).wrapping_key().unwrap(&CONTEXT, &wrapped).err(), Some(UnwrapFailed));
    }

    #[test]
    fn two_wraps_of_one_key_differ_in_every_part() {
        let (one, other) = (wrap(&CONTEXT, &[9; 32]), wrap(&CONTEXT, &[9; 32]));
        for part in [1..25, 25..57, 57..89, 89..105] {
            assert_ne!(one[part.clone()], other[part]);
        }
    }

    #[test]
    fn additional_authenticated_data_has_the_documented_bytes() {
        let mut expected = b"claviger/wrap/1".to_vec();
        expected.extend([1; 16]);
        expected.extend(b"\x03\x00\x00\x00\x00\x00\x00\x00\x07address\x00\x00\x00\x01");
        assert_eq!(CONTEXT.aad(), expected);
    }

    /// RFC 5869 appendix A.3: SHA-256 with neither salt nor info, of which the first 32 bytes are taken.
    #[test]
    fn derives_as_rfc_5869_does() {
        let expected = [
            0x8d, 0xa4, 0xe7, 0x75, 0xa5, 0x63, 0xc1, 0x8f, 0x71, 0x5f, 0x80, 0x2a, 0x06, 0x3c, 0x5a, 0x31, 0xb8, 0xa1,
            0x1f, 0x5c, 0x5e, 0xe1, 0x87, 0x9e, 0xc3, 0x45, 0x4e, 0x5f, 0x3c, 0x73, 0x8d, 0x2d,
        ];
        assert!(hkdf_sha256(&[0x0b; 22], b"").expose() == &expected);
    }

    // R-H1
    #[test]
    fn keys_of_one_system_key_are_of_no_use_for_each_other() {
        let system_key = SystemKey::new(&[7; 32]);
        let record_key = hkdf_sha256(&[7; 32], b"claviger/system-key/record/1");
        assert!(system_key.wrapping_key().0.expose() != record_key.expose());
        assert!(system_key.wrapping_key().0.expose() != &[7; 32]);
        let (wrapping, record) = system_key.journal_keys();
        assert!(system_key.wrapping_key().0.expose() != wrapping.0.expose());
        assert_ne!(system_key.record_key().tag(b"address", b"bytes"), record.tag(b"address", b"bytes"));
        let plain = RecordKey(system_key.audit_key().0).tag(b"address", b"bytes");
        assert_ne!(system_key.record_key().tag(b"address", b"bytes"), plain);
    }
}
