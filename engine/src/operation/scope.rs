//! What lives as long as one read of a socket.

use crate::ciphertext::Purpose;
use crate::crypto::burst::{SealBurst, SealError};
use crate::crypto::random::Random;
use crate::crypto::symmetric::SymmetricKey;
use crate::error::{Error, ItemError};
use crate::key::id::KeyId;
use crate::key::version::KeyVersion;
use crate::limits::BURSTS_PER_READ_MAX;

/// The bursts of one read of a socket: all items for one key that the read brought are sealed in one burst.
///
/// Made after the plaintexts have been read and dropped before the next wait. Not `Send`, as its bursts are not: work for another thread makes its own.
pub struct ReadScope<'a> {
    random: &'a dyn Random,
    bursts: Vec<(KeyId, KeyVersion, SealBurst)>,
}

impl<'a> ReadScope<'a> {
    /// A scope without bursts.
    #[must_use]
    pub const fn new(random: &'a dyn Random) -> Self {
        Self { random, bursts: Vec::new() }
    }

    /// The source of random bytes.
    #[must_use]
    pub const fn random(&self) -> &'a dyn Random {
        self.random
    }

    /// The sealer for one version of a key, on the burst that the scope has for it or on a new one.
    ///
    /// # Errors
    /// [`Error::Entropy`].
    pub(super) fn sealer<'s>(
        &'s mut self,
        key: &'s SymmetricKey,
        id: KeyId,
        version: KeyVersion,
    ) -> Result<Sealer<'s>, Error> {
        let burst = match self.bursts.iter().position(|(of, at, _)| *of == id && *at == version) {
            Some(index) => index,
            None => {
                // Many keys in one read: the oldest burst ends. A burst may end at any time, it only costs the next one.
                if self.bursts.len() >= BURSTS_PER_READ_MAX {
                    self.bursts.remove(0);
                }
                self.bursts.push((id, version, begin(key, id, version, self.random)?));
                self.bursts.len() - 1
            }
        };
        #[expect(clippy::indexing_slicing, reason = "the index was found or pushed above")]
        let burst = &mut self.bursts[burst].2;
        Ok(Sealer { key, id, version, random: self.random, burst })
    }
}

/// Seals items under one version of a key, beginning another burst when one is full.
pub(super) struct Sealer<'s> {
    key: &'s SymmetricKey,
    id: KeyId,
    version: KeyVersion,
    random: &'s dyn Random,
    burst: &'s mut SealBurst,
}

impl Sealer<'_> {
    /// Seals one item; `out` is exactly as long as its ciphertext.
    pub(super) fn seal(
        &mut self,
        purpose: Purpose,
        context: &[u8],
        plaintext: &[u8],
        out: &mut [u8],
    ) -> Result<usize, ItemError> {
        match self.burst.seal(purpose, context, plaintext, out) {
            Err(SealError::BurstFull) => {
                *self.burst = begin(self.key, self.id, self.version, self.random).map_err(|_| ItemError::Library)?;
                self.burst.seal(purpose, context, plaintext, out).map_err(item_error)
            }
            result => result.map_err(item_error),
        }
    }
}

fn begin(key: &SymmetricKey, id: KeyId, version: KeyVersion, random: &dyn Random) -> Result<SealBurst, Error> {
    SealBurst::begin(key, id, version, random).map_err(|_| Error::Entropy(crate::crypto::random::EntropyError))
}

const fn item_error(error: SealError) -> ItemError {
    match error {
        SealError::PlaintextTooLong => ItemError::PlaintextTooLarge,
        SealError::ContextTooLong => ItemError::ContextTooLarge,
        SealError::BurstFull | SealError::OutputSize | SealError::Entropy(_) => ItemError::Library,
    }
}
