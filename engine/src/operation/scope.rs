//! What lives as long as one read of a socket.

use super::done::Done;
use crate::cache::KeyEntry;
use crate::ciphertext::Purpose;
use crate::crypto::burst::{SealBurst, SealError};
use crate::crypto::random::Random;
use crate::crypto::symmetric::SymmetricKey;
use crate::error::{Error, ItemError};
use crate::key::id::KeyId;
use crate::key::version::KeyVersion;
use crate::limits::BURSTS_PER_READ_MAX;
use crate::usage::{Count, Gathered};

/// The bursts of one read of a socket: all items for one key that the read brought are sealed in one burst.
///
/// Made after the plaintexts have been read and dropped before the next wait. Not `Send`, as its bursts are not: work for another thread makes its own.
pub struct ReadScope<'a> {
    random: &'a dyn Random,
    bursts: Vec<(KeyId, KeyVersion, SealBurst)>,
    /// What was done with keys, if it is counted.
    uses: Option<Gathered<'a>>,
}

impl<'a> ReadScope<'a> {
    /// A scope that counts nothing: for tests and measurements. What serves clients has one of [`Engine::read_scope`](crate::Engine::read_scope).
    #[must_use]
    pub const fn new(random: &'a dyn Random) -> Self {
        Self { random, bursts: Vec::new(), uses: None }
    }

    /// A scope that counts what is done in it.
    pub(crate) const fn counted(random: &'a dyn Random, uses: Gathered<'a>) -> Self {
        Self { random, bursts: Vec::new(), uses: Some(uses) }
    }

    /// Counts what was done with a key.
    pub(super) fn count(&mut self, key: &KeyEntry, done: &Done) {
        let Some(uses) = &mut self.uses else { return };
        for (version, run) in done.runs() {
            uses.add(key.id, version, Count { items: run.items, bytes: run.bytes, has_bounds: key.rotates_by_use });
        }
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
    /// Seals one item, and adds it to what is `done`; `out` is exactly as long as its ciphertext.
    pub(super) fn seal(
        &mut self,
        done: &mut Done,
        purpose: Purpose,
        context: &[u8],
        plaintext: &[u8],
        out: &mut [u8],
    ) -> Result<usize, ItemError> {
        let mut sealed = self.burst.seal(purpose, context, plaintext, out);
        if sealed == Err(SealError::BurstFull) {
            *self.burst = begin(self.key, self.id, self.version, self.random).map_err(|_| ItemError::Library)?;
            sealed = self.burst.seal(purpose, context, plaintext, out);
        }
        let size = sealed.map_err(item_error)?;
        done.item(self.version, plaintext.len());
        Ok(size)
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
