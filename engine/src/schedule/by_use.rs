//! Rotation by use: of keys whose current version has been used as much as they say.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use super::{Schedule, settle};
use crate::error::Error;
use crate::key::id::KeyId;
use crate::record::KeyRecord;
use crate::storage::Revision;

impl Schedule {
    /// As [`Schedule::do_due`], only for keys that were used enough.
    ///
    /// # Errors
    /// As [`Schedule::do_due`].
    pub(super) fn do_used_enough(&self) -> Result<usize, Error> {
        let _hand = self.hand.lock();
        if self.ledger.source.lock.is_locked() {
            // The look at everything finds them.
            return Ok(0);
        }
        self.do_by_use(self.ledger.statistics.due().take_told())
    }

    /// As [`Schedule::do_used_enough`], those included that could not be rotated before.
    ///
    /// # Errors
    /// As [`Schedule::do_due`].
    pub(super) fn do_all_used_enough(&self) -> Result<usize, Error> {
        self.do_by_use(self.ledger.statistics.due().take_all())
    }

    /// Rotates those of these keys that were used enough; gives their number. Those that cannot be rotated now are tried again at the next look at everything.
    ///
    /// # Errors
    /// [`Error::Storage`], [`Error::Closed`]: the rest waits for that look.
    fn do_by_use(&self, mut told: BTreeSet<KeyId>) -> Result<usize, Error> {
        let mut rotated = 0;
        while let Some(id) = told.pop_first() {
            match self.rotate_by_use(id) {
                Ok(count) => rotated += count,
                Err(error) => {
                    told.insert(id);
                    told.into_iter().for_each(|id| self.ledger.statistics.due().keep(id));
                    return Err(error);
                }
            }
        }
        Ok(rotated)
    }

    fn rotate_by_use(&self, id: KeyId) -> Result<usize, Error> {
        if self.ending.load(Ordering::Relaxed) {
            return Ok(0);
        }
        let read = self.ledger.read_key(id);
        let rotated = read.and_then(|(record, revision)| self.rotate_if_used_enough(record, revision));
        if rotated.as_ref().is_err_and(|error| !matches!(error, Error::KeyNotFound(_))) {
            self.ledger.statistics.due().keep(id);
        }
        settle(id, rotated)
    }

    /// The schedule by the clock is not moved, as by no other rotation.
    fn rotate_if_used_enough(&self, record: KeyRecord, revision: Revision) -> Result<bool, Error> {
        let id = record.id;
        if !record.is_due_by(&self.ledger.statistics.read(id)?) || is_past_deadline(&record, self.now_ms()) {
            return Ok(false);
        }
        let ledger = self.because("rotated, because it was used as much as its rotation by use says");
        match ledger.change_key_as_read(record, revision, |key| key.rotate()) {
            // Whoever counts does not tell it again, and health says so.
            Err(Error::TooManyVersions(_)) => Ok(false),
            Err(error) => Err(error),
            Ok(after) => {
                tracing::info!(key = %id, versions = after.versions.len(), "the key was rotated because of its use");
                warn_of_many_versions(&after);
                Ok(true)
            }
        }
    }

    fn now_ms(&self) -> u64 {
        self.ledger.clock.now_ms()
    }
}

/// Past the deadline of its deletion a key is rotated no more.
fn is_past_deadline(record: &KeyRecord, now_ms: u64) -> bool {
    record.deletion.is_some_and(|deletion| now_ms >= deletion.deadline_ms)
}

/// Says that a key has nearly as many versions as it may have, if it has.
pub(super) fn warn_of_many_versions(record: &KeyRecord) {
    if record.is_near_version_limit() {
        let (id, versions) = (record.id, record.versions.len());
        tracing::warn!(key = %id, versions, "the key has nearly or fully as many versions as a key may have, after which it is rotated no more: create a new key and re-encrypt");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::act::Act;
    use crate::record::address;
    use crate::storage::{MemoryStorage, Storage, Write};
    use crate::{Engine, EngineParts};

    // R-K12
    #[test]
    fn a_key_that_cannot_be_read_is_tried_again_at_the_next_look_at_everything_and_not_before() {
        let storage = Arc::new(MemoryStorage::new());
        let engine = Engine::start(EngineParts::for_tests(storage.clone())).unwrap();
        let [damaged, purged] = [1, 2].map(|number| KeyId([number; 16]));
        storage.transact(&[], &[Write::Put { address: address::key(damaged), value: vec![1; 99] }]).unwrap();
        let schedule = Schedule::new(engine.ledger.on_behalf_of(Act::of_engine("schedule")));
        assert_eq!(schedule.do_by_use([damaged, purged].into()).unwrap(), 0);
        let due = engine.ledger.statistics.due();
        // Its use goes on, and tells it each time.
        due.tell(damaged);
        assert_eq!(due.take_told(), BTreeSet::new());
        assert_eq!(due.take_all(), [damaged].into());
    }
}
