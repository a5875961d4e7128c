//! What keys are derived and commitments made with, kept ready for the first keys that do so often: preparing both is a fifth of what a burst of one item costs.
//!
//! It takes 30 times the memory of the bytes that it is made from, so that there are [`READY_KEYS_MAX`] of them at most. Each belongs to its key, and goes when the key does; no other takes its place before.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::ciphertext::COMMITMENT_SIZE;
use crate::crypto::commitment::{CommitmentKey, Committed, Committer};
use crate::crypto::xaes::Deriver;
use crate::limits::READY_KEYS_MAX;

/// Both halves of one key, prepared. The library wipes them on drop.
pub(crate) struct Ready {
    deriver: Deriver,
    committer: Committer,
    _place: Place,
}

/// Places for what is kept ready.
struct Places(AtomicUsize);

/// One of them, until it is dropped.
struct Place(&'static Places);

/// Those of the process, because memory is the process's.
static PLACES: Places = Places::new(READY_KEYS_MAX);

impl Ready {
    /// Whether there is a place for one more.
    pub(crate) fn has_place() -> bool {
        PLACES.are_left()
    }

    /// Keeps `deriver` and the commitment key ready, if there is a place.
    pub(crate) fn keep(deriver: Deriver, commitment_key: &CommitmentKey<'_>) -> Option<Self> {
        let place = PLACES.take()?;
        Some(Self { deriver, committer: commitment_key.prepare(), _place: place })
    }

    /// What derives.
    pub(crate) const fn deriver(&self) -> &Deriver {
        &self.deriver
    }

    /// As [`CommitmentKey::commit`].
    pub(crate) fn commit(&self, committed: Committed<'_>) -> [u8; COMMITMENT_SIZE] {
        self.committer.commit(committed)
    }
}

impl Places {
    const fn new(count: usize) -> Self {
        Self(AtomicUsize::new(count))
    }

    fn are_left(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }

    fn take(&'static self) -> Option<Place> {
        // Only the number matters: what is kept is handed over by whoever keeps it.
        let taken = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        taken.ok().map(|_| Place(self))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use static_assertions::assert_not_impl_any;

    use super::*;

    assert_not_impl_any!(Ready: std::fmt::Debug, Clone, PartialEq);

    #[test]
    fn there_are_so_many_places_and_each_is_given_back() {
        static TWO: Places = Places::new(2);
        assert!(TWO.are_left());
        let (first, second) = (TWO.take(), TWO.take());
        assert!(first.is_some() && second.is_some());
        assert!(!TWO.are_left());
        assert!(TWO.take().is_none(), "there is no third");
        assert!(TWO.take().is_none(), "and asking in vain takes none");
        drop(first);
        assert!(TWO.are_left(), "the first was given back");
        let third = TWO.take();
        assert!(third.is_some());
        assert!(TWO.take().is_none(), "once");
    }
}
