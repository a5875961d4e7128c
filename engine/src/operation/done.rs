//! What was done of a batch: items and bytes, by version.

use crate::key::version::KeyVersion;

/// What a batch has done so far with one key. Usually with one version of it: then an item costs two additions.
#[derive(Default)]
pub(super) struct Done {
    /// The version of the last item.
    last: Option<(KeyVersion, Run)>,
    /// The versions of items before it.
    others: Vec<(KeyVersion, Run)>,
}

/// Items of one version.
#[derive(Clone, Copy, Default)]
pub(super) struct Run {
    pub(super) items: u64,
    /// Of their plaintexts, messages or digests.
    pub(super) bytes: u64,
}

impl Done {
    /// One more item was done, of so many bytes.
    #[inline]
    pub(super) fn item(&mut self, version: KeyVersion, bytes: usize) {
        match &mut self.last {
            Some((last, run)) if *last == version => run.add(bytes),
            _ => self.item_of_another(version, bytes),
        }
    }

    /// How many items and bytes there were of each version.
    pub(super) fn runs(&self) -> impl Iterator<Item = (KeyVersion, Run)> {
        self.last.iter().chain(&self.others).copied()
    }

    #[cold]
    fn item_of_another(&mut self, version: KeyVersion, bytes: usize) {
        self.others.extend(self.last.take());
        let known = self.others.iter().position(|(known, _)| *known == version);
        let (_, mut run) = known.map_or((version, Run::default()), |place| self.others.swap_remove(place));
        run.add(bytes);
        self.last = Some((version, run));
    }
}

impl Run {
    const fn add(&mut self, bytes: usize) {
        self.items += 1;
        self.bytes += bytes as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // R-K20
    #[test]
    fn items_are_counted_by_version_in_whatever_order_they_come() {
        let mut done = Done::default();
        assert_eq!(done.runs().count(), 0);
        for (version, bytes) in [(1, 10), (1, 20), (2, 1), (1, 5), (3, 0), (2, 7), (2, 2)] {
            done.item(KeyVersion::new(version).unwrap(), bytes);
        }
        let mut runs: Vec<_> = done.runs().map(|(version, run)| (version.get(), run.items, run.bytes)).collect();
        runs.sort_unstable();
        assert_eq!(runs, [(1, 3, 35), (2, 3, 10), (3, 1, 0)]);
    }
}
