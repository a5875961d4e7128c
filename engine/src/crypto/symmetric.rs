//! One version of a symmetric key, and opening what it sealed.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use aws_lc_rs::error::Unspecified;
use claviger_algorithm::Algorithm;
use subtle::ConstantTimeEq;

use crate::ciphertext::{AadBuffer, COMMITMENT_SIZE, Ciphertext, FORMAT, Header, Purpose};
use crate::crypto::commitment::{CommitmentKey, Committed};
use crate::crypto::xaes::{self, DerivedKey, Prefix};
use crate::key::id::KeyId;
use crate::key::material::{KeyMaterial, MaterialError, SecretKey};
use crate::key::version::KeyVersion;
use crate::limits::{CONTEXT_SIZE_MAX, OPEN_CACHE_SLOTS};

/// Material of one version of a symmetric key (XAES-256-GCM), ready for bursts.
///
/// Keeps 64 secret bytes, not prepared objects, which would take 30 times as much memory; and, once it has opened
/// something, the bytes of the keys derived for it. All are wiped when the key is dropped.
pub struct SymmetricKey {
    material: SecretKey,
    commitment_key: CommitmentKey,
    opened: [ArcSwapOption<OpenedPrefix>; OPEN_CACHE_SLOTS],
}

/// Opens the items of one read under one key version; made anew for each read of a socket.
///
/// Items that were sealed in one burst share the derived key. No allocation per item after the first.
pub struct Opener<'key> {
    key: &'key SymmetricKey,
    id: KeyId,
    version: KeyVersion,
    aad: AadBuffer,
    current: Option<CurrentPrefix>,
}

/// Every failed opening: wrong key, wrong context, altered or malformed bytes.
///
/// Carries no cause: telling these apart helps an attacker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("decryption failed")]
pub struct OpenFailed;

/// What was derived for one nonce prefix, remembered because a ciphertext with it has been opened.
struct OpenedPrefix {
    prefix: Prefix,
    commitment: [u8; COMMITMENT_SIZE],
    derived: SecretKey,
}

/// The prefix that an opener is at.
struct CurrentPrefix {
    entry: Arc<OpenedPrefix>,
    derived_key: DerivedKey,
    is_remembered: bool,
}

impl SymmetricKey {
    /// A key from its material.
    ///
    /// # Errors
    /// [`MaterialError`] if the material is not of XAES-256-GCM.
    pub fn new(material: &KeyMaterial) -> Result<Self, MaterialError> {
        let material = material.to_secret_key(Algorithm::Xaes256Gcm)?;
        let commitment_key = CommitmentKey::new(material.expose());
        Ok(Self { material, commitment_key, opened: Default::default() })
    }

    /// An opener for one read of ciphertexts of this key, which is version `version` of key `id`.
    pub fn opener(&self, id: KeyId, version: KeyVersion) -> Opener<'_> {
        let aad = AadBuffer::new(Algorithm::Xaes256Gcm, version, id);
        Opener { key: self, id, version, aad, current: None }
    }

    /// Opens one ciphertext; see [`Opener::open`]. An [`Opener`] does the same for many at less cost.
    ///
    /// # Errors
    /// [`OpenFailed`].
    pub fn open(
        &self,
        id: KeyId,
        version: KeyVersion,
        purpose: Purpose,
        context: &[u8],
        ciphertext: &[u8],
        out: &mut [u8],
    ) -> Result<usize, OpenFailed> {
        self.opener(id, version).open(purpose, context, ciphertext, out)
    }

    /// The commitment of ciphertexts that version `version` of key `id` seals with `prefix`.
    pub(crate) fn commit(&self, id: KeyId, version: KeyVersion, prefix: &Prefix) -> [u8; COMMITMENT_SIZE] {
        self.commitment_key.commit(Committed {
            format: FORMAT,
            algorithm: Algorithm::Xaes256Gcm.id(),
            version: version.get(),
            id: id.0,
            prefix,
        })
    }

    /// Derives the key for `prefix`.
    pub(crate) fn derive(&self, prefix: &Prefix) -> Result<SecretKey, Unspecified> {
        let mut derived = SecretKey::zeroed();
        xaes::derive(self.material.expose(), prefix, derived.expose_mut())?;
        Ok(derived)
    }

    /// Recalls or derives the key for `prefix`, and prepares it.
    fn prepare(&self, header: &Header<'_>, prefix: &Prefix) -> Result<CurrentPrefix, OpenFailed> {
        let (entry, is_remembered) = match self.recall(prefix) {
            Some(entry) => (entry, true),
            None => (Arc::new(self.derive_committed(header, prefix)?), false),
        };
        let derived_key = DerivedKey::new(entry.derived.expose()).map_err(|_| OpenFailed)?;
        Ok(CurrentPrefix { entry, derived_key, is_remembered })
    }

    /// Derives the key for `prefix`, but nothing for a header that does not commit to this key.
    fn derive_committed(&self, header: &Header<'_>, prefix: &Prefix) -> Result<OpenedPrefix, OpenFailed> {
        let commitment = self.commit(header.key_id, header.version, prefix);
        if !bool::from(header.commitment.ct_eq(&commitment)) {
            return Err(OpenFailed);
        }
        let derived = self.derive(prefix).map_err(|_| OpenFailed)?;
        Ok(OpenedPrefix { prefix: *prefix, commitment, derived })
    }

    /// What is remembered for `prefix`, if anything is. Wait-free.
    fn recall(&self, prefix: &Prefix) -> Option<Arc<OpenedPrefix>> {
        self.slot(prefix)?.load().as_ref().filter(|entry| entry.prefix == *prefix).cloned()
    }

    /// Remembers `entry` in place of whatever had its slot.
    fn remember(&self, entry: &Arc<OpenedPrefix>) {
        if let Some(slot) = self.slot(&entry.prefix) {
            slot.store(Some(Arc::clone(entry)));
        }
    }

    /// Prefixes are random, so that their last byte spreads them evenly.
    fn slot(&self, prefix: &Prefix) -> Option<&ArcSwapOption<OpenedPrefix>> {
        let [.., last] = prefix;
        self.opened.get(usize::from(*last) % OPEN_CACHE_SLOTS)
    }
}

impl Opener<'_> {
    /// Opens `ciphertext` into `out`, gives the size of the plaintext, and leaves `out` zero on failure.
    ///
    /// `ciphertext`: what [`crate::crypto::burst::SealBurst::seal`] wrote for the same key id, version, purpose and
    /// context. `out`: exactly [`crate::ciphertext::SEAL_OVERHEAD`] bytes shorter. The header is compared with the key,
    /// and the commitment in constant time, before anything is decrypted.
    ///
    /// # Errors
    /// [`OpenFailed`], whatever the cause.
    pub fn open(
        &mut self,
        purpose: Purpose,
        context: &[u8],
        ciphertext: &[u8],
        out: &mut [u8],
    ) -> Result<usize, OpenFailed> {
        let opened = self.open_parts(purpose, context, ciphertext, out);
        if opened.is_err() {
            out.fill(0);
        }
        opened
    }

    fn open_parts(
        &mut self,
        purpose: Purpose,
        context: &[u8],
        ciphertext: &[u8],
        out: &mut [u8],
    ) -> Result<usize, OpenFailed> {
        let Ciphertext { header, body, tag } = Ciphertext::parse(ciphertext).map_err(|_| OpenFailed)?;
        let is_of_this_key =
            header.algorithm == Algorithm::Xaes256Gcm && header.version == self.version && header.key_id == self.id;
        if !is_of_this_key || context.len() > CONTEXT_SIZE_MAX {
            return Err(OpenFailed);
        }
        let (prefix, position) = xaes::split_nonce(header.nonce);
        let current = match &mut self.current {
            Some(current) if current.entry.prefix == prefix => current,
            current => current.insert(self.key.prepare(&header, &prefix)?),
        };
        if !bool::from(header.commitment.ct_eq(&current.entry.commitment)) {
            return Err(OpenFailed);
        }
        let aad = self.aad.fill(purpose, context);
        current.derived_key.open(position, aad, body, tag, out).map_err(|_| OpenFailed)?;
        if !current.is_remembered {
            self.key.remember(&current.entry);
            current.is_remembered = true;
        }
        Ok(body.len())
    }
}

#[cfg(test)]
mod tests {
    use static_assertions::assert_not_impl_any;

    use super::*;
    use crate::ciphertext::{HEADER_SIZE, SEAL_OVERHEAD};
    use crate::crypto::burst::SealBurst;
    use crate::crypto::random::SystemRandom;
    use crate::key::material::{KeyMaterial, SecretBytes};

    assert_not_impl_any!(SymmetricKey: std::fmt::Debug, Clone, PartialEq);
    assert_not_impl_any!(Opener<'static>: std::fmt::Debug, Clone);

    const ID: KeyId = KeyId([0x11; 16]);
    const VERSION: KeyVersion = KeyVersion::FIRST;
    const CONTEXT: &[u8] = b"invoice=42";
    const PLAINTEXT: &[u8] = b"4111 1111";

    fn key(byte: u8) -> SymmetricKey {
        let material = KeyMaterial::import(Algorithm::Xaes256Gcm, SecretBytes::copy_of(&[byte; 32])).unwrap();
        SymmetricKey::new(&material).unwrap()
    }

    fn seal_items(key: &SymmetricKey, count: usize) -> Vec<Vec<u8>> {
        let mut burst = SealBurst::begin(key, ID, VERSION, &SystemRandom::new()).unwrap();
        let seal = |_| {
            let mut out = vec![0; PLAINTEXT.len() + SEAL_OVERHEAD];
            burst.seal(Purpose::Data, CONTEXT, PLAINTEXT, &mut out).unwrap();
            out
        };
        (0..count).map(seal).collect()
    }

    fn seal(key: &SymmetricKey) -> Vec<u8> {
        seal_items(key, 1).remove(0)
    }

    fn open(key: &SymmetricKey, ciphertext: &[u8]) -> Result<Vec<u8>, OpenFailed> {
        let mut out = vec![0xff; ciphertext.len().saturating_sub(SEAL_OVERHEAD)];
        let opened = key.open(ID, VERSION, Purpose::Data, CONTEXT, ciphertext, &mut out);
        assert!(opened.is_ok() || out.iter().all(|byte| *byte == 0), "a failure leaves nothing behind");
        opened.map(|size| {
            assert_eq!(size, out.len());
            out
        })
    }

    fn remembered(key: &SymmetricKey) -> usize {
        key.opened.iter().filter(|slot| slot.load().is_some()).count()
    }

    // R-K3, R-K19
    #[test]
    fn opens_what_it_sealed() {
        let key = key(7);
        let sealed = seal_items(&key, 3);
        let mut opener = key.opener(ID, VERSION);
        for ciphertext in &sealed {
            let mut out = [0; PLAINTEXT.len()];
            assert_eq!(opener.open(Purpose::Data, CONTEXT, ciphertext, &mut out), Ok(PLAINTEXT.len()));
            assert_eq!(out, PLAINTEXT);
        }
    }

    // R-K3, R-K19
    #[test]
    fn every_flipped_bit_is_the_one_failure() {
        let key = key(7);
        let good = seal(&key);
        for warm in [false, true] {
            if warm {
                open(&key, &good).unwrap();
            }
            for bit in 0..good.len() * 8 {
                let mut bad = good.clone();
                bad[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(open(&key, &bad), Err(OpenFailed), "bit {bit}, derived key remembered: {warm}");
            }
        }
    }

    #[test]
    fn every_cut_and_every_added_byte_is_the_one_failure() {
        let key = key(7);
        let good = seal(&key);
        for size in 0..good.len() {
            assert_eq!(open(&key, &good[..size]), Err(OpenFailed), "cut at {size}");
        }
        assert_eq!(open(&key, &[&good[..], &[0]].concat()), Err(OpenFailed));
        assert_eq!(open(&key, &[&[0], &good[..]].concat()), Err(OpenFailed));
    }

    // R-K19
    #[test]
    fn moved_ciphertexts_do_not_open() {
        let key = key(7);
        let good = seal(&key);
        let mut out = [0; PLAINTEXT.len()];
        let (other_id, other_version) = (KeyId([0x12; 16]), KeyVersion::new(2).unwrap());
        let mut open = |id, version, purpose, context| key.open(id, version, purpose, context, &good, &mut out);
        assert_eq!(open(other_id, VERSION, Purpose::Data, CONTEXT), Err(OpenFailed));
        assert_eq!(open(ID, other_version, Purpose::Data, CONTEXT), Err(OpenFailed));
        assert_eq!(open(ID, VERSION, Purpose::DataKey, CONTEXT), Err(OpenFailed));
        for context in [&b""[..], b"invoice=4", b"invoice=43", b"invoice=42\0", &[0; CONTEXT_SIZE_MAX + 1]] {
            assert_eq!(open(ID, VERSION, Purpose::Data, context), Err(OpenFailed));
        }
        assert_eq!(open(ID, VERSION, Purpose::Data, CONTEXT), Ok(PLAINTEXT.len()));
    }

    #[test]
    fn headers_rewritten_for_another_key_do_not_open_there() {
        let key = key(7);
        let good = seal(&key);
        let (other_id, other_version) = (KeyId([0x12; 16]), KeyVersion::new(2).unwrap());
        let mut out = [0; PLAINTEXT.len()];
        let mut bad = good.clone();
        bad[6..22].copy_from_slice(&other_id.0);
        assert_eq!(key.open(other_id, VERSION, Purpose::Data, CONTEXT, &bad, &mut out), Err(OpenFailed));
        let mut bad = good.clone();
        bad[2..6].copy_from_slice(&2_u32.to_be_bytes());
        assert_eq!(key.open(ID, other_version, Purpose::Data, CONTEXT, &bad, &mut out), Err(OpenFailed));
    }

    #[test]
    fn another_key_with_the_same_id_does_not_open_it() {
        assert_eq!(open(&key(8), &seal(&key(7))), Err(OpenFailed));
    }

    #[test]
    fn a_room_of_another_size_is_the_one_failure() {
        let key = key(7);
        let good = seal(&key);
        for size in [0, PLAINTEXT.len() - 1, PLAINTEXT.len() + 1] {
            let mut out = vec![0; size];
            assert_eq!(key.open(ID, VERSION, Purpose::Data, CONTEXT, &good, &mut out), Err(OpenFailed));
        }
    }

    #[test]
    fn only_a_successful_opening_is_remembered() {
        let key = key(7);
        let good = seal(&key);
        let mut bad = good.clone();
        bad[HEADER_SIZE] ^= 1;
        assert_eq!(open(&key, &bad), Err(OpenFailed));
        assert_eq!(remembered(&key), 0);
        open(&key, &good).unwrap();
        assert_eq!(remembered(&key), 1);
        open(&key, &good).unwrap();
        assert_eq!(remembered(&key), 1);
    }

    #[test]
    fn an_opener_that_has_failed_goes_on_with_the_next_item() {
        let key = key(7);
        let (one, other) = (seal_items(&key, 2), seal(&key));
        let mut opener = key.opener(ID, VERSION);
        let mut out = [0; PLAINTEXT.len()];
        let mut bad_body = one[0].clone();
        bad_body[HEADER_SIZE] ^= 1;
        let mut bad_commitment = other.clone();
        bad_commitment[50] ^= 1;
        let items = [(&bad_body, false), (&one[0], true), (&bad_commitment, false), (&other, true), (&one[1], true)];
        for (item, opens) in items {
            assert_eq!(opener.open(Purpose::Data, CONTEXT, item, &mut out).is_ok(), opens);
        }
    }

    #[test]
    fn what_is_remembered_is_bounded_and_never_wrong() {
        let key = key(7);
        let sealed: Vec<_> = (0..64).map(|_| seal(&key)).collect();
        for ciphertext in sealed.iter().chain(sealed.iter().rev()) {
            assert_eq!(open(&key, ciphertext).unwrap(), PLAINTEXT);
            assert!(remembered(&key) <= OPEN_CACHE_SLOTS);
        }
    }

    #[test]
    fn an_idle_key_takes_at_most_256_bytes() {
        // The two boxes of 32 bytes take 48 each in common allocators.
        assert!(size_of::<SymmetricKey>() + 2 * 48 <= 256);
    }

    #[test]
    fn refuses_material_of_another_algorithm() {
        for (algorithm, size) in [(Algorithm::HmacSha256, 32), (Algorithm::Opaque, 32), (Algorithm::Opaque, 0)] {
            let material = KeyMaterial::import(algorithm, SecretBytes::copy_of(&vec![7; size])).unwrap();
            assert_eq!(SymmetricKey::new(&material).err(), Some(MaterialError::OtherAlgorithm(algorithm)));
        }
    }
}
