//! What has moved in storage without having changed.

use std::collections::{HashMap, VecDeque};

use parking_lot::Mutex;

use crate::error::Error;
use crate::limits::RENEWED_REMEMBERED;
use crate::storage::{Address, Compare, Revision};

/// Where the last records that were protected anew have moved to. Whoever has read one before that, and changes it afterwards, can go on: what it says is the same.
#[derive(Default)]
pub(crate) struct Renewed(Mutex<Moves>);

#[derive(Default)]
struct Moves {
    moved_to: HashMap<(Address, Revision), Revision>,
    /// Those that are remembered, the oldest first.
    order: VecDeque<(Address, Revision)>,
}

impl Renewed {
    /// Has `transact` protect anew the records that `compares` name, and remembers that they have moved.
    ///
    /// # Errors
    /// Those of `transact`.
    pub(super) fn note(
        &self,
        compares: &[Compare],
        transact: impl FnOnce() -> Result<Revision, Error>,
    ) -> Result<Revision, Error> {
        // Held meanwhile: whoever runs into this change in storage finds it here.
        let mut moves = self.0.lock();
        let revision = transact()?;
        for Compare { address, expected } in compares {
            if let Some(before) = expected {
                moves.remember((address.clone(), *before), revision);
            }
        }
        Ok(revision)
    }

    /// Compares that were refused, by where their records have moved to; `None` if none of them has only moved.
    pub(crate) fn follow(&self, compares: &[Compare]) -> Option<Vec<Compare>> {
        let moves = self.0.lock();
        let mut has_moved = false;
        let follow = |Compare { address, expected }: &Compare| {
            let now = expected.and_then(|before| moves.moved_to.get(&(address.clone(), before)).copied());
            has_moved |= now.is_some();
            Compare { address: address.clone(), expected: now.or(*expected) }
        };
        let followed = compares.iter().map(follow).collect();
        has_moved.then_some(followed)
    }
}

impl Moves {
    fn remember(&mut self, before: (Address, Revision), after: Revision) {
        if self.order.len() >= RENEWED_REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.moved_to.remove(&oldest);
        }
        self.order.push_back(before.clone());
        self.moved_to.insert(before, after);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::Database;

    fn compare(name: &str, revision: u64) -> Compare {
        Compare::unchanged(Address::new(Database::Keys, name), Revision(revision))
    }

    // R-H6
    #[test]
    fn what_was_only_protected_anew_is_followed_step_by_step() {
        let renewed = Renewed::default();
        renewed.note(&[compare("a", 1), compare("b", 2)], || Ok(Revision(5))).unwrap();
        renewed.note(&[compare("a", 5)], || Ok(Revision(7))).unwrap();
        let others = [compare("c", 1), Compare::absent(Address::new(Database::Keys, "a"))];
        let read = [&[compare("a", 1), compare("b", 2)], &others[..]].concat();
        let once = renewed.follow(&read).unwrap();
        assert_eq!(once, [&[compare("a", 5), compare("b", 5)], &others[..]].concat());
        let twice = renewed.follow(&once).unwrap();
        assert_eq!(twice, [&[compare("a", 7), compare("b", 5)], &others[..]].concat());
        assert_eq!(renewed.follow(&twice), None);
    }

    // R-H6
    #[test]
    fn what_has_changed_or_was_not_renewed_is_not_followed() {
        let renewed = Renewed::default();
        assert!(matches!(renewed.note(&[compare("a", 1)], || Err(Error::Conflict)), Err(Error::Conflict)));
        assert_eq!(renewed.follow(&[compare("a", 1)]), None);
        renewed.note(&[compare("a", 1)], || Ok(Revision(5))).unwrap();
        // By somebody else, before and after.
        for revision in [0, 2, 5, 6] {
            assert_eq!(renewed.follow(&[compare("a", revision)]), None, "{revision}");
        }
        assert_eq!(renewed.follow(&[]), None);
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let renewed = Renewed::default();
        for n in 0..=RENEWED_REMEMBERED as u64 {
            renewed.note(&[compare("a", n)], || Ok(Revision(n + 1))).unwrap();
        }
        assert_eq!(renewed.follow(&[compare("a", 0)]), None);
        assert!(renewed.follow(&[compare("a", 1)]).is_some());
        assert_eq!(renewed.0.lock().moved_to.len(), RENEWED_REMEMBERED);
    }
}
