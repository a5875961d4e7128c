//! Sealing in bursts: one call of the random generator and one prepared key for all items that one read of a socket brought.

use std::marker::PhantomData;

use crate::ciphertext::{AadBuffer, Purpose, TAG_SIZE, seal_overhead};
use crate::crypto::gcm::GcmKey;
use crate::crypto::nonces::{NonceSource, Nonces};
use crate::crypto::random::{EntropyError, Random};
use crate::crypto::symmetric::SymmetricKey;
use crate::key::id::KeyId;
use crate::key::version::KeyVersion;
use crate::limits::{BURST_SIZE_MAX, CONTEXT_SIZE_MAX, PLAINTEXT_SIZE_MAX};

/// Seals items under one key version, at most [`BURST_SIZE_MAX`] bytes of plaintext.
///
/// XAES-256-GCM: at most [`BURST_ITEMS_MAX`](crate::limits::BURST_ITEMS_MAX) items. All 24 bytes of the nonce are drawn at once, after the plaintexts have been read. The first 12 derive the key, the
/// last 12 are counted up item by item, modulo 2^96 from the drawn value. So for m items in all, whatever the bursts,
/// two nonces of one key are equal with a probability of at most m^2 / 2^193, as if each had been drawn.
///
/// AES-256-GCM: at most [`NONCES_DRAWN`](crate::limits::NONCES_DRAWN) items, each with a nonce of its own that was drawn for it. Two of m items share one with a probability of at
/// most m^2 / 2^97, which is why the uses of such a key are counted.
///
/// Not `Send`: a burst must not outlive the read that it was made for. Work that moves to another thread, or waits,
/// begins a burst of its own there, because a machine resumed from a snapshot would repeat the nonces of this one.
pub struct SealBurst {
    key: GcmKey,
    nonces: Nonces,
    aad: AadBuffer,
    /// How many bytes a ciphertext has more than its plaintext.
    overhead: usize,
    bytes_left: usize,
    _stays_on_its_thread: PhantomData<*const ()>,
}

/// Why nothing was sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The burst has sealed as much as one may: begin another one.
    #[error("the burst is full: begin another one")]
    BurstFull,
    /// The plaintext exceeds [`PLAINTEXT_SIZE_MAX`].
    #[error("plaintext longer than {PLAINTEXT_SIZE_MAX} bytes")]
    PlaintextTooLong,
    /// The context exceeds [`CONTEXT_SIZE_MAX`].
    #[error("context longer than {CONTEXT_SIZE_MAX} bytes")]
    ContextTooLong,
    /// The room for the ciphertext is not the plaintext's size and [`seal_overhead`].
    #[error("room for a ciphertext must be as large as the ciphertext")]
    OutputSize,
    /// No random bytes or no memory.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
}

impl SealBurst {
    /// A burst under version `version` of key `id`. Call it when the plaintexts have been read, not before.
    ///
    /// # Errors
    /// [`SealError::Entropy`].
    pub fn begin(key: &SymmetricKey, id: KeyId, version: KeyVersion, random: &dyn Random) -> Result<Self, SealError> {
        Self::begin_with(key, id, version, &mut NonceSource::new(random))
    }

    /// As [`SealBurst::begin`], one of the bursts of a read.
    pub(crate) fn begin_with(
        key: &SymmetricKey,
        id: KeyId,
        version: KeyVersion,
        source: &mut NonceSource<'_>,
    ) -> Result<Self, SealError> {
        let nonces = Nonces::draw(key, id, version, source)?;
        let sealing_key = key.sealing_key(nonces.prefix()).map_err(|_| EntropyError)?;
        Ok(Self {
            key: sealing_key,
            nonces,
            aad: AadBuffer::new(key.algorithm(), version, id),
            overhead: seal_overhead(key.algorithm()),
            bytes_left: BURST_SIZE_MAX,
            _stays_on_its_thread: PhantomData,
        })
    }

    /// Seals `plaintext` at the next position of the burst and gives the size of the ciphertext, which is all of `out`.
    ///
    /// `plaintext`: 0..=[`PLAINTEXT_SIZE_MAX`] bytes; `context`: 0..=[`CONTEXT_SIZE_MAX`] bytes; `out`: exactly
    /// [`seal_overhead`] bytes more than the plaintext. The layout is that of [`crate::ciphertext`].
    ///
    /// # Errors
    /// [`SealError`]. The nonce is spent as soon as sealing starts, whatever comes of it.
    pub fn seal(
        &mut self,
        purpose: Purpose,
        context: &[u8],
        plaintext: &[u8],
        out: &mut [u8],
    ) -> Result<usize, SealError> {
        if plaintext.len() > PLAINTEXT_SIZE_MAX {
            return Err(SealError::PlaintextTooLong);
        }
        if context.len() > CONTEXT_SIZE_MAX {
            return Err(SealError::ContextTooLong);
        }
        let size = out.len();
        if plaintext.len().checked_add(self.overhead) != Some(size) {
            return Err(SealError::OutputSize);
        }
        self.bytes_left = self.bytes_left.checked_sub(plaintext.len()).ok_or(SealError::BurstFull)?;
        let (spent, rest) = self.nonces.spend(out).ok_or(SealError::BurstFull)?;
        let (body, tag) = rest.split_last_chunk_mut::<TAG_SIZE>().ok_or(SealError::OutputSize)?;
        let aad = self.aad.fill(purpose, context);
        self.key.seal(spent.position(), aad, plaintext, body, tag).map_err(|_| EntropyError)?;
        Ok(size)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use claviger_algorithm::Algorithm;
    use static_assertions::assert_not_impl_any;

    use super::*;
    use crate::ciphertext::{Ciphertext, SEAL_OVERHEAD_MAX as SEAL_OVERHEAD};
    use crate::crypto::gcm::{POSITION_SIZE, Position};
    use crate::crypto::random::SystemRandom;
    use crate::crypto::xaes::{NONCE_SIZE, PREFIX_SIZE};
    use crate::key::material::{KeyMaterial, SecretBytes};
    use crate::limits::{BURST_ITEMS_MAX, NONCES_DRAWN};

    assert_not_impl_any!(SealBurst: Send, Sync, Clone, std::fmt::Debug);

    const ID: KeyId = KeyId([0x11; 16]);
    const VERSION: KeyVersion = KeyVersion::FIRST;

    /// Gives the same nonce whenever it is asked for one, and counts how often that is.
    struct SameNonce {
        nonce: [u8; NONCE_SIZE],
        calls: AtomicUsize,
    }

    impl SameNonce {
        fn ending_in(position: Position) -> Self {
            let mut nonce = [0x77; NONCE_SIZE];
            nonce[PREFIX_SIZE..].copy_from_slice(&position);
            Self { nonce, calls: AtomicUsize::new(0) }
        }
    }

    impl Random for SameNonce {
        fn fill(&self, out: &mut [u8]) -> Result<(), EntropyError> {
            self.calls.fetch_add(1, Ordering::Relaxed);
            out.copy_from_slice(&self.nonce);
            Ok(())
        }
    }

    struct NoRandom;

    impl Random for NoRandom {
        fn fill(&self, _: &mut [u8]) -> Result<(), EntropyError> {
            Err(EntropyError)
        }
    }

    fn key() -> SymmetricKey {
        let material = KeyMaterial::import(Algorithm::Xaes256Gcm, SecretBytes::copy_of(&[7; 32])).unwrap();
        SymmetricKey::new(&material).unwrap()
    }

    fn burst(random: &dyn Random) -> SealBurst {
        SealBurst::begin(&key(), ID, VERSION, random).unwrap()
    }

    fn seal(burst: &mut SealBurst, plaintext: &[u8]) -> Result<Vec<u8>, SealError> {
        let mut out = vec![0; plaintext.len() + SEAL_OVERHEAD];
        let size = burst.seal(Purpose::Data, b"context", plaintext, &mut out)?;
        assert_eq!(size, out.len());
        Ok(out)
    }

    fn position(ciphertext: &[u8]) -> Position {
        Ciphertext::parse(ciphertext).unwrap().header.nonce[PREFIX_SIZE..].try_into().unwrap()
    }

    #[test]
    fn draws_one_nonce_for_all_items_of_a_burst() {
        let random = SameNonce::ending_in([0; POSITION_SIZE]);
        let mut burst = burst(&random);
        (0..100).for_each(|_| drop(seal(&mut burst, b"item").unwrap()));
        assert_eq!(random.calls.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn positions_are_counted_from_the_drawn_value() {
        let drawn = [9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 0, 0xfe];
        let mut burst = burst(&SameNonce::ending_in(drawn));
        let ends: Vec<_> = (0..4).map(|_| position(&seal(&mut burst, b"item").unwrap())).collect();
        assert_eq!(ends[0], drawn);
        assert_eq!(ends[1][10..], [0, 0xff]);
        assert_eq!(ends[2][10..], [1, 0]);
        assert_eq!(ends[3][10..], [1, 1]);
        assert!(ends.iter().all(|end| end[..10] == drawn[..10]));
    }

    #[test]
    fn positions_wrap_modulo_two_to_the_96() {
        let mut burst = burst(&SameNonce::ending_in([0xff; POSITION_SIZE]));
        let last = seal(&mut burst, b"item").unwrap();
        let first = seal(&mut burst, b"item").unwrap();
        assert_eq!(position(&last), [0xff; POSITION_SIZE]);
        assert_eq!(position(&first), [0; POSITION_SIZE]);
        for sealed in [&last, &first] {
            let mut out = [0; 4];
            assert_eq!(key().open(ID, VERSION, Purpose::Data, b"context", sealed, &mut out), Ok(4));
            assert_eq!(&out, b"item", "the carry must not reach the prefix");
        }
    }

    #[test]
    fn no_position_is_given_twice_in_a_full_burst_and_then_it_ends() {
        let mut burst = burst(&SameNonce::ending_in([0xff; POSITION_SIZE]));
        let mut out = [0; SEAL_OVERHEAD];
        let mut positions = BTreeSet::new();
        for _ in 0..BURST_ITEMS_MAX {
            burst.seal(Purpose::Data, &[], &[], &mut out).unwrap();
            assert!(positions.insert(position(&out)));
        }
        assert_eq!(burst.seal(Purpose::Data, &[], &[], &mut out), Err(SealError::BurstFull));
        assert_eq!(burst.seal(Purpose::Data, &[], &[], &mut out), Err(SealError::BurstFull));
    }

    #[test]
    fn a_burst_ends_before_its_bytes_exceed_the_limit() {
        let mut burst = burst(&SystemRandom::new());
        let plaintext = vec![0; PLAINTEXT_SIZE_MAX];
        let mut out = vec![0; PLAINTEXT_SIZE_MAX + SEAL_OVERHEAD];
        for _ in 0..BURST_SIZE_MAX / PLAINTEXT_SIZE_MAX - 1 {
            burst.seal(Purpose::Data, &[], &plaintext, &mut out).unwrap();
        }
        assert!(seal(&mut burst, &[0; 1]).is_ok());
        assert_eq!(burst.seal(Purpose::Data, &[], &plaintext, &mut out), Err(SealError::BurstFull));
        assert!(seal(&mut burst, &plaintext[1..]).is_ok(), "what still fits is sealed");
        assert_eq!(seal(&mut burst, &[0; 1]), Err(SealError::BurstFull));
    }

    #[test]
    fn two_bursts_share_neither_prefix_nor_position() {
        let random = SystemRandom::new();
        let one = seal(&mut burst(&random), b"item").unwrap();
        let other = seal(&mut burst(&random), b"item").unwrap();
        let nonces = [&one, &other].map(|sealed| Ciphertext::parse(sealed).unwrap().header.nonce);
        assert_ne!(nonces[0][..PREFIX_SIZE], nonces[1][..PREFIX_SIZE]);
        assert_ne!(nonces[0][PREFIX_SIZE..], nonces[1][PREFIX_SIZE..]);
    }

    #[test]
    fn no_burst_begins_without_random_bytes() {
        let begun = SealBurst::begin(&key(), ID, VERSION, &NoRandom);
        assert_eq!(begun.err(), Some(SealError::Entropy(EntropyError)));
    }

    // R-K3
    #[test]
    fn refuses_items_over_the_limits_and_rooms_of_another_size() {
        let mut burst = burst(&SystemRandom::new());
        let too_long = vec![0; PLAINTEXT_SIZE_MAX + 1];
        let context = vec![0; CONTEXT_SIZE_MAX + 1];
        let mut out = vec![0; too_long.len() + SEAL_OVERHEAD];
        assert_eq!(burst.seal(Purpose::Data, &[], &too_long, &mut out), Err(SealError::PlaintextTooLong));
        assert_eq!(burst.seal(Purpose::Data, &context, b"", &mut out[..94]), Err(SealError::ContextTooLong));
        for size in [0, 1, 77, 78, 93, 94, 97, 99, 200] {
            let sealed = burst.seal(Purpose::Data, &[], b"item", &mut out[..size]);
            assert_eq!(sealed, Err(SealError::OutputSize), "{size} bytes");
        }
        let largest = &too_long[1..];
        assert_eq!(burst.seal(Purpose::Data, &context[1..], largest, &mut out[1..]), Ok(PLAINTEXT_SIZE_MAX + 94));
    }

    fn gcm_key() -> SymmetricKey {
        let material = KeyMaterial::import(Algorithm::Aes256Gcm, SecretBytes::copy_of(&[7; 32])).unwrap();
        SymmetricKey::new(&material).unwrap()
    }

    fn gcm_burst(random: &dyn Random) -> Result<SealBurst, SealError> {
        SealBurst::begin(&gcm_key(), ID, VERSION, random)
    }

    // R-K3
    #[test]
    fn every_item_of_aes_256_gcm_has_a_nonce_that_was_drawn_for_it() {
        let mut nonces = BTreeSet::new();
        let mut out = vec![0; 4 + seal_overhead(Algorithm::Aes256Gcm)];
        for _ in 0..100 {
            let mut burst = gcm_burst(&SystemRandom::new()).unwrap();
            for _ in 0..NONCES_DRAWN {
                assert_eq!(burst.seal(Purpose::Data, b"context", b"item", &mut out), Ok(out.len()));
                assert!(nonces.insert(Ciphertext::parse(&out).unwrap().header.nonce.to_vec()));
            }
            assert_eq!(burst.seal(Purpose::Data, b"context", b"item", &mut out), Err(SealError::BurstFull));
        }
        // Nothing is counted up: no two of them are neighbours.
        let positions: Vec<_> = nonces
            .iter()
            .map(|nonce| u128::from_be_bytes([&[0; 4], &nonce[..]].concat().try_into().unwrap()))
            .collect();
        assert!(positions.windows(2).all(|pair| pair[1] - pair[0] > 1));
    }

    // R-K3
    #[test]
    fn no_burst_of_aes_256_gcm_begins_without_random_bytes_nor_seals_into_another_room() {
        assert_eq!(gcm_burst(&NoRandom).err(), Some(SealError::Entropy(EntropyError)));
        let mut burst = gcm_burst(&SystemRandom::new()).unwrap();
        let mut out = [0; 200];
        for size in [0, 1, 65, 66, 81, 82, 85, 87, 98] {
            let sealed = burst.seal(Purpose::Data, &[], b"item", &mut out[..size]);
            assert_eq!(sealed, Err(SealError::OutputSize), "{size} bytes");
        }
        assert_eq!(burst.seal(Purpose::Data, &[], b"item", &mut out[..86]), Ok(86));
    }
}
