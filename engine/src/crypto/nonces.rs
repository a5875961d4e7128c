//! The nonces of one burst: drawn when its plaintexts have been read, each given out once.

use claviger_algorithm::{Algorithm, Primitive};

use crate::ciphertext::{BurstHeader, FORMAT, Header};
use crate::crypto::commitment::{Committed, Committer};
use crate::crypto::gcm::{POSITION_SIZE, Position};
use crate::crypto::random::{EntropyError, Random};
use crate::crypto::symmetric::SymmetricKey;
use crate::crypto::xaes::{NONCE_SIZE, Prefix, split_nonce};
use crate::key::id::KeyId;
use crate::key::version::KeyVersion;
use crate::limits::{BURST_ITEMS_MAX, BURSTS_DRAWN, NONCES_DRAWN};

/// Where the bursts of one read of a socket have their nonces from: made after its plaintexts have been read, and dropped with it.
///
/// The generator takes hardly longer for many nonces than for one. So the second burst of a read, which tells that there are several keys, draws for those
/// that come after it as well. What is left when the read ends is dropped: no nonce is older than the plaintext that it seals, or than what determines it.
pub(crate) struct NonceSource<'a> {
    random: &'a dyn Random,
    /// Drawn for bursts to come.
    drawn: Vec<[u8; NONCE_SIZE]>,
    is_first: bool,
}

/// Where the nonces of a burst come from.
pub(crate) enum Nonces {
    /// XAES-256-GCM: one nonce is drawn; its first half derives the key, its last half is counted up, modulo 2^96 from the drawn value.
    Counted { header: BurstHeader, prefix: Prefix, next: Count, left: usize },
    /// AES-256-GCM: each is drawn by itself (NIST SP 800-38D section 8.2.2), some at once because one call of the generator costs as much as sixteen.
    Drawn { drawn: Box<[Position; NONCES_DRAWN]>, next: usize, committer: Committer, binding: Binding },
}

/// What commitments of a burst bind beside the nonce.
#[derive(Clone, Copy)]
pub(crate) struct Binding {
    pub(crate) algorithm: Algorithm,
    pub(crate) id: KeyId,
    pub(crate) version: KeyVersion,
}

/// A nonce of AES-256-GCM as a number of 96 bits.
// In two parts that are stored as they are read: bytes one by one would have to be waited for.
#[derive(Clone, Copy)]
pub(crate) struct Count {
    high: u64,
    low: u32,
}

impl<'a> NonceSource<'a> {
    /// Nothing drawn yet.
    pub(crate) const fn new(random: &'a dyn Random) -> Self {
        Self { random, drawn: Vec::new(), is_first: true }
    }

    /// The source of random bytes.
    pub(crate) const fn random(&self) -> &'a dyn Random {
        self.random
    }

    /// Drops what was drawn for bursts to come: the next one is the first again.
    pub(crate) fn forget(&mut self) {
        self.drawn.clear();
        self.is_first = true;
    }

    /// A nonce for another burst.
    ///
    /// # Errors
    /// [`EntropyError`].
    fn nonce(&mut self) -> Result<[u8; NONCE_SIZE], EntropyError> {
        if let Some(nonce) = self.drawn.pop() {
            return Ok(nonce);
        }
        let mut nonces = [[0; NONCE_SIZE]; BURSTS_DRAWN];
        let wanted = if std::mem::take(&mut self.is_first) { 1 } else { BURSTS_DRAWN };
        let (wanted, _) = nonces.split_at_mut(wanted);
        self.random.fill(wanted.as_flattened_mut())?;
        let (nonce, ahead) = wanted.split_first().ok_or(EntropyError)?;
        self.drawn.extend_from_slice(ahead);
        Ok(*nonce)
    }
}

impl Nonces {
    /// Draws what a burst under `key` needs.
    ///
    /// # Errors
    /// [`EntropyError`].
    pub(crate) fn draw(
        key: &SymmetricKey,
        id: KeyId,
        version: KeyVersion,
        source: &mut NonceSource<'_>,
    ) -> Result<Self, EntropyError> {
        let algorithm = key.algorithm();
        let binding = Binding { algorithm, id, version };
        if algorithm.row().primitive == Primitive::Aes256Gcm {
            let mut drawn = Box::new([[0; POSITION_SIZE]; NONCES_DRAWN]);
            source.random.fill(drawn.as_flattened_mut())?;
            return Ok(Self::Drawn { drawn, next: 0, committer: key.commitment_key().prepare(), binding });
        }
        let nonce = source.nonce()?;
        let (prefix, position) = split_nonce(&nonce);
        let commitment = key.commit(binding.committed(&prefix));
        let header = BurstHeader::new(algorithm, version, id, &nonce, &commitment);
        Ok(Self::Counted { header, prefix, next: Count::from(position), left: BURST_ITEMS_MAX })
    }

    /// The prefix that derives the key of the burst; `None` if the key is used as it is.
    pub(crate) const fn prefix(&self) -> Option<&Prefix> {
        match self {
            Self::Counted { prefix, .. } => Some(prefix),
            Self::Drawn { .. } => None,
        }
    }

    /// Takes the next nonce, before anything is sealed with it, and writes the header that has it to the beginning of `out`. Gives the nonce of AES-256-GCM, and
    /// what is behind the header; `None` when the burst has no more, or `out` has no room for a header: that nonce is spent, too.
    #[inline]
    pub(crate) fn spend<'o>(&mut self, out: &'o mut [u8]) -> Option<(Count, &'o mut [u8])> {
        match self {
            Self::Counted { header, next, left, .. } => {
                *left = left.checked_sub(1)?;
                let spent = *next;
                *next = spent.next();
                Some((spent, header.write(spent.position(), out)?))
            }
            Self::Drawn { drawn, next, committer, binding } => {
                let position = *drawn.get(*next)?;
                *next += 1;
                let commitment = &committer.commit(binding.committed(&position));
                let Binding { algorithm, id, version } = *binding;
                let header = Header { format: FORMAT, algorithm, version, key_id: id, nonce: &position, commitment };
                Some((Count::from(position), header.write(out)?))
            }
        }
    }
}

impl Binding {
    /// With the first 12 bytes of a nonce.
    pub(crate) fn committed<'a>(&self, prefix: &'a Prefix) -> Committed<'a> {
        let Self { algorithm, id, version } = *self;
        Committed { format: FORMAT, algorithm: algorithm.id(), version: version.get(), id: id.0, prefix }
    }
}

impl From<Position> for Count {
    fn from([a, b, c, d, e, f, g, h, low @ ..]: Position) -> Self {
        Self { high: u64::from_be_bytes([a, b, c, d, e, f, g, h]), low: u32::from_be_bytes(low) }
    }
}

impl Count {
    /// Its bytes, big-endian.
    #[inline]
    pub(crate) fn position(self) -> Position {
        let mut position = [0; POSITION_SIZE];
        let (high, low) = position.split_at_mut(size_of::<u64>());
        high.copy_from_slice(&self.high.to_be_bytes());
        low.copy_from_slice(&self.low.to_be_bytes());
        position
    }

    /// One more, modulo 2^96.
    #[inline]
    const fn next(self) -> Self {
        let (low, carries) = self.low.overflowing_add(1);
        Self { high: self.high.wrapping_add(carries as u64), low }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::crypto::random::SystemRandom;

    /// The system's random bytes, and how many were asked for at once. Fails from some call on.
    struct Counted {
        calls: AtomicUsize,
        bytes: AtomicUsize,
        fails_after: usize,
    }

    impl Counted {
        const fn failing_after(calls: usize) -> Self {
            Self { calls: AtomicUsize::new(0), bytes: AtomicUsize::new(0), fails_after: calls }
        }
    }

    impl Random for Counted {
        fn fill(&self, out: &mut [u8]) -> Result<(), EntropyError> {
            if self.calls.fetch_add(1, Ordering::Relaxed) >= self.fails_after {
                return Err(EntropyError);
            }
            self.bytes.store(out.len(), Ordering::Relaxed);
            SystemRandom::new().fill(out)
        }
    }

    // R-K3
    #[test]
    fn a_read_with_one_burst_draws_one_nonce_and_further_ones_come_from_few_calls() {
        let random = Counted::failing_after(usize::MAX);
        let mut source = NonceSource::new(&random);
        let mut nonces = BTreeSet::from([source.nonce().unwrap()]);
        assert_eq!(random.bytes.load(Ordering::Relaxed), NONCE_SIZE);
        nonces.extend((0..2 * BURSTS_DRAWN).map(|_| source.nonce().unwrap()));
        assert_eq!(random.calls.load(Ordering::Relaxed), 3);
        assert_eq!(nonces.len(), 1 + 2 * BURSTS_DRAWN, "each is given once");
        assert!(nonces.iter().all(|nonce| nonce.iter().any(|byte| *byte != 0)), "none is what was there before");
    }

    // R-K3
    #[test]
    fn what_a_failed_call_would_have_drawn_is_never_given() {
        let random = Counted::failing_after(2);
        let mut source = NonceSource::new(&random);
        (0..=BURSTS_DRAWN).for_each(|_| assert!(source.nonce().is_ok()));
        assert_eq!(source.nonce(), Err(EntropyError));
        assert_eq!(source.nonce(), Err(EntropyError));
        let none = Counted::failing_after(0);
        assert_eq!(NonceSource::new(&none).nonce(), Err(EntropyError));
    }

    // R-K3
    #[test]
    fn counts_every_carry_modulo_two_to_the_96() {
        for (from, to) in [
            ([0; 12], [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]),
            ([7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff], [7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0]),
            ([7, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff], [7, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0]),
            (
                [1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
                [2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            ),
            ([0xff; 12], [0; 12]),
        ] {
            let count = Count::from(from);
            assert_eq!([count.position(), count.next().position()], [from, to]);
        }
    }
}
