//! The counts that are in memory: one for each version that somebody uses.

use std::borrow::Borrow;
use std::collections::{BTreeSet, HashSet};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use super::counter::{Counter, UseCounter};
use crate::key::id::KeyId;
use crate::key::version::KeyVersion;

/// All counts that somebody holds, or that storage does not have yet.
#[derive(Default)]
pub(super) struct Known {
    counters: HashSet<ByVersion>,
    /// Those that have reached half of their limit.
    near_limit: BTreeSet<(KeyId, KeyVersion)>,
}

/// A counter, found by the version that it has itself: beside a pointer nothing is kept of it.
struct ByVersion(Arc<Counter>);

impl Known {
    /// A holder of the count of a version, if it is in memory.
    pub(super) fn get(&self, of: &(KeyId, KeyVersion)) -> Option<UseCounter> {
        self.counters.get(of).map(|counter| UseCounter::new(&counter.0))
    }

    /// Adds a count that is not there; gives its first holder.
    pub(super) fn add(&mut self, counter: Counter) -> UseCounter {
        let counter = Arc::new(counter);
        self.note(&counter);
        let held = UseCounter::new(&counter);
        self.counters.insert(ByVersion(counter));
        held
    }

    /// Remembers whether a count has reached half of its limit.
    pub(super) fn note(&mut self, counter: &Counter) {
        if counter.is_near_its_limit() {
            self.near_limit.insert(*counter.of());
        }
    }

    /// Forgets a count, if nobody holds it and storage has it: whoever asks for it anew reads what was written.
    pub(super) fn forget(&mut self, counter: &Arc<Counter>) {
        let is_known = self.counters.get(counter.of()).is_some_and(|known| Arc::ptr_eq(&known.0, counter));
        if is_known && counter.is_unheld() && counter.unwritten().is_none() {
            self.counters.remove(counter.of());
            self.near_limit.remove(counter.of());
        }
    }

    /// The versions that have reached half of their limit.
    pub(super) fn near_limit(&self) -> Vec<(KeyId, KeyVersion)> {
        self.near_limit.iter().copied().collect()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.counters.len()
    }
}

impl Borrow<(KeyId, KeyVersion)> for ByVersion {
    fn borrow(&self) -> &(KeyId, KeyVersion) {
        self.0.of()
    }
}

impl Hash for ByVersion {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.of().hash(state);
    }
}

impl PartialEq for ByVersion {
    fn eq(&self, other: &Self) -> bool {
        self.0.of() == other.0.of()
    }
}

impl Eq for ByVersion {}
