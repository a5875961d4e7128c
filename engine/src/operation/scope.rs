//! What lives as long as one read of a socket.

use super::done::Done;
use crate::cache::KeyEntry;
use crate::ciphertext::Purpose;
use crate::crypto::burst::{SealBurst, SealError};
use crate::crypto::nonces::NonceSource;
use crate::crypto::random::{EntropyError, Random};
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
    nonces: NonceSource<'a>,
    bursts: Vec<(KeyId, KeyVersion, SealBurst)>,
    /// Bursts that were begun in place of another.
    replaced: usize,
    /// What was done with keys, if it is counted.
    uses: Option<Gathered<'a>>,
}

impl<'a> ReadScope<'a> {
    /// A scope that counts nothing: for tests and measurements. What serves clients has one of [`Engine::read_scope`](crate::Engine::read_scope).
    #[must_use]
    pub const fn new(random: &'a dyn Random) -> Self {
        Self { nonces: NonceSource::new(random), bursts: Vec::new(), replaced: 0, uses: None }
    }

    /// A scope that counts what is done in it.
    pub(crate) fn counted(random: &'a dyn Random, uses: Gathered<'a>) -> Self {
        Self { uses: Some(uses), ..Self::new(random) }
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
        self.nonces.random()
    }

    /// Ends all bursts, and forgets the nonces that were drawn for others: what has been made until now is older than every nonce that comes.
    pub(super) fn begin_anew(&mut self) {
        self.bursts.clear();
        self.nonces.forget();
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
    ) -> Result<Sealer<'s, 'a>, Error> {
        let known = self.bursts.iter().position(|(of, at, _)| *of == id && *at == version);
        let index = match known {
            Some(index) => index,
            None => self.begin(key, id, version)?,
        };
        #[expect(clippy::indexing_slicing, reason = "the index was found or filled above")]
        let burst = &mut self.bursts[index].2;
        Ok(Sealer { key, id, version, nonces: &mut self.nonces, burst })
    }

    /// Begins a burst and gives its place. Many keys in one read: it takes that of the oldest. A burst may end at any time, it only costs the next one.
    fn begin(&mut self, key: &SymmetricKey, id: KeyId, version: KeyVersion) -> Result<usize, Error> {
        let burst = (id, version, begin(key, id, version, &mut self.nonces)?);
        let count = self.bursts.len();
        if count < BURSTS_PER_READ_MAX {
            self.bursts.push(burst);
            return Ok(count);
        }
        let oldest = self.replaced % BURSTS_PER_READ_MAX;
        self.replaced += 1;
        if let Some(place) = self.bursts.get_mut(oldest) {
            *place = burst;
        }
        Ok(oldest)
    }
}

/// Seals items under one version of a key, beginning another burst when one is full.
pub(super) struct Sealer<'s, 'r> {
    key: &'s SymmetricKey,
    id: KeyId,
    version: KeyVersion,
    nonces: &'s mut NonceSource<'r>,
    burst: &'s mut SealBurst,
}

impl Sealer<'_, '_> {
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
            *self.burst = begin(self.key, self.id, self.version, self.nonces).map_err(|_| ItemError::Library)?;
            sealed = self.burst.seal(purpose, context, plaintext, out);
        }
        let size = sealed.map_err(item_error)?;
        done.item(self.version, plaintext.len());
        Ok(size)
    }
}

fn begin(key: &SymmetricKey, id: KeyId, version: KeyVersion, nonces: &mut NonceSource<'_>) -> Result<SealBurst, Error> {
    SealBurst::begin_with(key, id, version, nonces).map_err(|_| Error::Entropy(EntropyError))
}

const fn item_error(error: SealError) -> ItemError {
    match error {
        SealError::PlaintextTooLong => ItemError::PlaintextTooLarge,
        SealError::ContextTooLong => ItemError::ContextTooLarge,
        SealError::BurstFull | SealError::OutputSize | SealError::Entropy(_) => ItemError::Library,
    }
}
