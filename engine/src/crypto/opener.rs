//! Opening what was sealed, item by item; what items of one burst have in common is done once.

use std::sync::Arc;

use claviger_algorithm::Primitive;
use subtle::ConstantTimeEq;

use crate::ciphertext::{AadBuffer, COMMITMENT_SIZE, Ciphertext, Header, Purpose};
use crate::crypto::commitment::Committer;
use crate::crypto::gcm::{GcmKey, Position};
use crate::crypto::nonces::Binding;
use crate::crypto::symmetric::{OpenedPrefix, SymmetricKey};
use crate::crypto::xaes::{Prefix, split_nonce};
use crate::key::id::KeyId;
use crate::key::version::KeyVersion;
use crate::limits::CONTEXT_SIZE_MAX;

/// Opens the items of one read under one key version; made anew for each read of a socket.
///
/// Items of XAES-256-GCM that were sealed in one burst share the derived key, those of AES-256-GCM the key itself. No allocation per item after the first.
pub struct Opener<'key> {
    key: &'key SymmetricKey,
    binding: Binding,
    aad: AadBuffer,
    prepared: Option<Prepared>,
}

/// Every failed opening: wrong key, wrong context, altered or malformed bytes.
///
/// Carries no cause: telling these apart helps an attacker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("decryption failed")]
pub struct OpenFailed;

/// What the item before has left ready.
enum Prepared {
    /// XAES-256-GCM: the key of one prefix.
    Derived { prefix: Arc<OpenedPrefix>, key: GcmKey, is_remembered: bool },
    /// AES-256-GCM: the key, and what makes the commitment of each item.
    Itself { key: GcmKey, committer: Committer },
}

impl<'key> Opener<'key> {
    /// An opener for ciphertexts of version `version` of key `id`.
    pub(crate) fn new(key: &'key SymmetricKey, id: KeyId, version: KeyVersion) -> Self {
        let algorithm = key.algorithm();
        let aad = AadBuffer::new(algorithm, version, id);
        Self { key, binding: Binding { algorithm: algorithm.id(), id, version }, aad, prepared: None }
    }

    /// Opens `ciphertext` into `out`, gives the size of the plaintext, and leaves `out` zero on failure.
    ///
    /// `ciphertext`: what [`crate::crypto::burst::SealBurst::seal`] wrote for the same key id, version, purpose and
    /// context. `out`: exactly [`crate::ciphertext::seal_overhead`] bytes shorter. The header is compared with the key,
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
        let Binding { id, version, .. } = self.binding;
        let is_of_this_key =
            header.algorithm == self.key.algorithm() && header.version == version && header.key_id == id;
        if !is_of_this_key || context.len() > CONTEXT_SIZE_MAX {
            return Err(OpenFailed);
        }
        let position = self.prepare(&header)?;
        let aad = self.aad.fill(purpose, context);
        match &mut self.prepared {
            Some(Prepared::Derived { prefix, key, is_remembered }) => {
                key.open(position, aad, body, tag, out).map_err(|_| OpenFailed)?;
                if !*is_remembered {
                    self.key.remember(prefix);
                    *is_remembered = true;
                }
            }
            Some(Prepared::Itself { key, .. }) => key.open(position, aad, body, tag, out).map_err(|_| OpenFailed)?,
            None => return Err(OpenFailed),
        }
        Ok(body.len())
    }

    /// Has the key of `header` ready, if the header commits to it, and gives the nonce of AES-256-GCM.
    fn prepare(&mut self, header: &Header<'_>) -> Result<Position, OpenFailed> {
        if self.key.algorithm().row().primitive == Primitive::Aes256Gcm {
            let position = header.nonce.try_into().map_err(|_| OpenFailed)?;
            self.prepare_itself(header, &position)?;
            return Ok(position);
        }
        let nonce = header.nonce.try_into().map_err(|_| OpenFailed)?;
        let (prefix, position) = split_nonce(nonce);
        self.prepare_derived(header, &prefix)?;
        Ok(position)
    }

    fn prepare_itself(&mut self, header: &Header<'_>, nonce: &Position) -> Result<(), OpenFailed> {
        if self.prepared.is_none() {
            let key = self.key.sealing_key(None).map_err(|_| OpenFailed)?;
            self.prepared = Some(Prepared::Itself { key, committer: self.key.commitment_key().prepare() });
        }
        let Some(Prepared::Itself { committer, .. }) = &self.prepared else { return Err(OpenFailed) };
        commits(header, &committer.commit(self.binding.committed(nonce)))
    }

    fn prepare_derived(&mut self, header: &Header<'_>, prefix: &Prefix) -> Result<(), OpenFailed> {
        if !matches!(&self.prepared, Some(Prepared::Derived { prefix: of, .. }) if of.prefix == *prefix) {
            self.prepared = Some(self.derive(header, prefix)?);
        }
        let Some(Prepared::Derived { prefix, .. }) = &self.prepared else { return Err(OpenFailed) };
        commits(header, &prefix.commitment)
    }

    /// Recalls or derives the key for `prefix`, but nothing for a header that does not commit to this key.
    fn derive(&self, header: &Header<'_>, prefix: &Prefix) -> Result<Prepared, OpenFailed> {
        let (prefix, is_remembered) = match self.key.recall(prefix) {
            Some(prefix) => (prefix, true),
            None => {
                let commitment = self.key.commitment_key().commit(self.binding.committed(prefix));
                commits(header, &commitment)?;
                let derived = self.key.derive(prefix).map_err(|_| OpenFailed)?;
                (Arc::new(OpenedPrefix { prefix: *prefix, commitment, derived }), false)
            }
        };
        let key = GcmKey::new(prefix.derived.expose()).map_err(|_| OpenFailed)?;
        Ok(Prepared::Derived { prefix, key, is_remembered })
    }
}

/// Whether `header` carries this commitment, in constant time.
fn commits(header: &Header<'_>, commitment: &[u8; COMMITMENT_SIZE]) -> Result<(), OpenFailed> {
    if bool::from(header.commitment.ct_eq(commitment)) { Ok(()) } else { Err(OpenFailed) }
}

#[cfg(test)]
mod tests {
    use claviger_algorithm::Algorithm;
    use static_assertions::assert_not_impl_any;

    use super::*;
    use crate::ciphertext::{TAG_SIZE, seal_overhead};
    use crate::crypto::burst::SealBurst;
    use crate::crypto::random::SystemRandom;
    use crate::key::material::{KeyMaterial, SecretBytes};
    use crate::limits::OPEN_CACHE_SLOTS;

    assert_not_impl_any!(Opener<'static>: std::fmt::Debug, Clone);

    const ALGORITHMS: [Algorithm; 2] = [Algorithm::Xaes256Gcm, Algorithm::Aes256Gcm];
    const ID: KeyId = KeyId([0x11; 16]);
    const VERSION: KeyVersion = KeyVersion::FIRST;
    const CONTEXT: &[u8] = b"invoice=42";
    const PLAINTEXT: &[u8] = b"4111 1111";

    fn key_of(algorithm: Algorithm, byte: u8) -> SymmetricKey {
        SymmetricKey::new(&KeyMaterial::import(algorithm, SecretBytes::copy_of(&[byte; 32])).unwrap()).unwrap()
    }

    fn seal_items(key: &SymmetricKey, count: usize) -> Vec<Vec<u8>> {
        let mut burst = SealBurst::begin(key, ID, VERSION, &SystemRandom::new()).unwrap();
        let seal = |_| {
            let mut out = vec![0; PLAINTEXT.len() + seal_overhead(key.algorithm())];
            burst.seal(Purpose::Data, CONTEXT, PLAINTEXT, &mut out).unwrap();
            out
        };
        (0..count).map(seal).collect()
    }

    fn seal(key: &SymmetricKey) -> Vec<u8> {
        seal_items(key, 1).remove(0)
    }

    fn open(key: &SymmetricKey, ciphertext: &[u8]) -> Result<Vec<u8>, OpenFailed> {
        let mut out = vec![0xff; ciphertext.len().saturating_sub(seal_overhead(key.algorithm()))];
        let opened = key.open(ID, VERSION, Purpose::Data, CONTEXT, ciphertext, &mut out);
        assert!(opened.is_ok() || out.iter().all(|byte| *byte == 0), "a failure leaves nothing behind");
        opened.map(|size| {
            assert_eq!(size, out.len());
            out
        })
    }

    fn remembered(key: &SymmetricKey) -> usize {
        key.remembered()
    }

    // R-K3, R-K19
    #[test]
    fn opens_what_it_sealed() {
        for algorithm in ALGORITHMS {
            let key = key_of(algorithm, 7);
            let sealed = seal_items(&key, 3);
            let mut opener = key.opener(ID, VERSION);
            for ciphertext in &sealed {
                let mut out = [0; PLAINTEXT.len()];
                assert_eq!(opener.open(Purpose::Data, CONTEXT, ciphertext, &mut out), Ok(PLAINTEXT.len()));
                assert_eq!(out, PLAINTEXT);
            }
        }
    }

    // R-K3, R-K19
    #[test]
    fn every_flipped_bit_is_the_one_failure() {
        for algorithm in ALGORITHMS {
            let key = key_of(algorithm, 7);
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
    }

    #[test]
    fn every_cut_and_every_added_byte_is_the_one_failure() {
        for algorithm in ALGORITHMS {
            let key = key_of(algorithm, 7);
            let good = seal(&key);
            for size in 0..good.len() {
                assert_eq!(open(&key, &good[..size]), Err(OpenFailed), "cut at {size}");
            }
            assert_eq!(open(&key, &[&good[..], &[0]].concat()), Err(OpenFailed));
            assert_eq!(open(&key, &[&[0], &good[..]].concat()), Err(OpenFailed));
        }
    }

    // R-K19
    #[test]
    fn moved_ciphertexts_do_not_open() {
        for algorithm in ALGORITHMS {
            let key = key_of(algorithm, 7);
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
    }

    #[test]
    fn headers_rewritten_for_another_key_do_not_open_there() {
        for algorithm in ALGORITHMS {
            let key = key_of(algorithm, 7);
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
    }

    #[test]
    fn another_key_with_the_same_id_does_not_open_it() {
        for algorithm in ALGORITHMS {
            assert_eq!(open(&key_of(algorithm, 8), &seal(&key_of(algorithm, 7))), Err(OpenFailed));
        }
    }

    #[test]
    fn a_room_of_another_size_is_the_one_failure() {
        for algorithm in ALGORITHMS {
            let key = key_of(algorithm, 7);
            let good = seal(&key);
            for size in [0, PLAINTEXT.len() - 1, PLAINTEXT.len() + 1] {
                let mut out = vec![0; size];
                assert_eq!(key.open(ID, VERSION, Purpose::Data, CONTEXT, &good, &mut out), Err(OpenFailed));
            }
        }
    }

    #[test]
    fn an_opener_that_has_failed_goes_on_with_the_next_item() {
        for algorithm in ALGORITHMS {
            let key = key_of(algorithm, 7);
            let (one, other) = (seal_items(&key, 2), seal(&key));
            let mut opener = key.opener(ID, VERSION);
            let mut out = [0; PLAINTEXT.len()];
            let mut bad_body = one[0].clone();
            bad_body[seal_overhead(algorithm) - TAG_SIZE] ^= 1;
            let mut bad_commitment = other.clone();
            bad_commitment[50] ^= 1;
            let items =
                [(&bad_body, false), (&one[0], true), (&bad_commitment, false), (&other, true), (&one[1], true)];
            for (item, opens) in items {
                assert_eq!(opener.open(Purpose::Data, CONTEXT, item, &mut out).is_ok(), opens);
            }
        }
    }

    #[test]
    fn only_a_successful_opening_is_remembered() {
        let key = key_of(Algorithm::Xaes256Gcm, 7);
        let good = seal(&key);
        let mut bad = good.clone();
        bad[seal_overhead(Algorithm::Xaes256Gcm) - TAG_SIZE] ^= 1;
        assert_eq!(open(&key, &bad), Err(OpenFailed));
        assert_eq!(remembered(&key), 0);
        open(&key, &good).unwrap();
        assert_eq!(remembered(&key), 1);
        open(&key, &good).unwrap();
        assert_eq!(remembered(&key), 1);
    }

    #[test]
    fn what_is_remembered_is_bounded_and_never_wrong() {
        let key = key_of(Algorithm::Xaes256Gcm, 7);
        let sealed: Vec<_> = (0..64).map(|_| seal(&key)).collect();
        for ciphertext in sealed.iter().chain(sealed.iter().rev()) {
            assert_eq!(open(&key, ciphertext).unwrap(), PLAINTEXT);
            assert!(remembered(&key) <= OPEN_CACHE_SLOTS);
        }
    }

    // R-K1, R-K3
    #[test]
    fn one_algorithm_does_not_open_what_the_other_sealed_with_the_same_bytes() {
        let [xaes, gcm] = ALGORITHMS.map(|algorithm| key_of(algorithm, 7));
        for (sealer, opener) in [(&xaes, &gcm), (&gcm, &xaes)] {
            let sealed = seal(sealer);
            assert_eq!(open(opener, &sealed), Err(OpenFailed));
            let mut renamed = sealed.clone();
            renamed[1] = opener.algorithm().id();
            assert_eq!(open(opener, &renamed), Err(OpenFailed));
        }
    }
}
