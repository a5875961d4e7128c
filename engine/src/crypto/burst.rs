//! Sealing in bursts: one random nonce and one derived key for all items that one read of a socket brought.

use std::marker::PhantomData;

use crate::ciphertext::{
    AadBuffer, COMMITMENT_SIZE, FORMAT, HEADER_SIZE, Header, NONCE_SIZE, Purpose, SEAL_OVERHEAD, TAG_SIZE,
};
use crate::crypto::random::{EntropyError, Random};
use crate::crypto::symmetric::SymmetricKey;
use crate::crypto::xaes::{DerivedKey, POSITION_SIZE, PREFIX_SIZE, Position};
use crate::key::algorithm::Algorithm;
use crate::key::id::KeyId;
use crate::key::version::KeyVersion;
use crate::limits::{BURST_ITEMS_MAX, BURST_SIZE_MAX, CONTEXT_SIZE_MAX, PLAINTEXT_SIZE_MAX};

/// Seals items under one key version, at most [`BURST_ITEMS_MAX`] of them and [`BURST_SIZE_MAX`] bytes of plaintext.
///
/// All 24 bytes of the nonce are drawn at once, after the plaintexts have been read. The first 12 derive the key, the
/// last 12 are counted up item by item, modulo 2^96 from the drawn value. So for m items in all, whatever the bursts,
/// two nonces of one key are equal with a probability of at most m^2 / 2^193, as if each had been drawn.
///
/// Not `Send`: a burst must not outlive the read that it was made for. Work that moves to another thread, or waits,
/// begins a burst of its own there, because a machine resumed from a snapshot would repeat the nonces of this one.
pub struct SealBurst {
    derived_key: DerivedKey,
    id: KeyId,
    version: KeyVersion,
    nonce: [u8; NONCE_SIZE],
    commitment: [u8; COMMITMENT_SIZE],
    aad: AadBuffer,
    items_left: usize,
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
    /// The room for the ciphertext is not the plaintext's size and [`SEAL_OVERHEAD`].
    #[error("room for a ciphertext must be {SEAL_OVERHEAD} bytes longer than the plaintext")]
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
        let mut nonce = [0; NONCE_SIZE];
        random.fill(&mut nonce)?;
        let mut prefix = [0; PREFIX_SIZE];
        prefix.copy_from_slice(&nonce[..PREFIX_SIZE]);
        let derived = key.derive(&prefix).map_err(|_| EntropyError)?;
        Ok(Self {
            derived_key: DerivedKey::new(derived.expose()).map_err(|_| EntropyError)?,
            id,
            version,
            nonce,
            commitment: key.commit(id, version, &prefix),
            aad: AadBuffer::new(Algorithm::Xaes256Gcm, version, id),
            items_left: BURST_ITEMS_MAX,
            bytes_left: BURST_SIZE_MAX,
            _stays_on_its_thread: PhantomData,
        })
    }

    /// Seals `plaintext` at the next position of the burst and gives the size of the ciphertext, which is all of `out`.
    ///
    /// `plaintext`: 0..=[`PLAINTEXT_SIZE_MAX`] bytes; `context`: 0..=[`CONTEXT_SIZE_MAX`] bytes; `out`: exactly
    /// [`SEAL_OVERHEAD`] bytes more than the plaintext. The layout is that of [`crate::ciphertext`].
    ///
    /// # Errors
    /// [`SealError`]. The position is spent as soon as sealing starts, whatever comes of it.
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
        let (header_bytes, rest) = out.split_first_chunk_mut::<HEADER_SIZE>().ok_or(SealError::OutputSize)?;
        let (body, tag) = rest.split_last_chunk_mut::<TAG_SIZE>().ok_or(SealError::OutputSize)?;
        if body.len() != plaintext.len() {
            return Err(SealError::OutputSize);
        }
        self.spend(plaintext.len())?;
        self.header().write(header_bytes);
        let position = self.next_position();
        let aad = self.aad.fill(purpose, context);
        self.derived_key.seal(position, aad, plaintext, body, tag).map_err(|_| EntropyError)?;
        Ok(size)
    }

    /// Counts one item against what a burst may seal.
    fn spend(&mut self, plaintext_size: usize) -> Result<(), SealError> {
        let items_left = self.items_left.checked_sub(1).ok_or(SealError::BurstFull)?;
        let bytes_left = self.bytes_left.checked_sub(plaintext_size).ok_or(SealError::BurstFull)?;
        (self.items_left, self.bytes_left) = (items_left, bytes_left);
        Ok(())
    }

    fn header(&self) -> Header<'_> {
        Header {
            format: FORMAT,
            algorithm: Algorithm::Xaes256Gcm,
            version: self.version,
            key_id: self.id,
            nonce: &self.nonce,
            commitment: &self.commitment,
        }
    }

    /// Takes the position at hand and moves to the next one, before anything is sealed at it.
    fn next_position(&mut self) -> Position {
        let mut position = [0; POSITION_SIZE];
        position.copy_from_slice(&self.nonce[PREFIX_SIZE..]);
        self.nonce[PREFIX_SIZE..].copy_from_slice(&count_up(position));
        position
    }
}

/// The number after `position`, big-endian, modulo 2^96.
fn count_up(mut position: Position) -> Position {
    for byte in position.iter_mut().rev() {
        *byte = byte.wrapping_add(1);
        if *byte != 0 {
            break;
        }
    }
    position
}
