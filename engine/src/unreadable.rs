//! Records that a list passes over: one that is damaged must not hide the others.

use std::collections::BTreeMap;

use parking_lot::Mutex;

use crate::error::Error;
use crate::key::id::StoreId;
use crate::limits::UNREADABLE_TOLD_EVERY;
use crate::record::key::milliseconds;

/// Counts them while a page of a list is read.
#[derive(Default)]
pub(crate) struct Unreadable {
    count: usize,
    first: Option<Error>,
}

impl Unreadable {
    /// What was read, unless it is not what was written there: that is counted, and nothing is given.
    ///
    /// # Errors
    /// [`Error::Storage`], and whatever else is no fault of the record.
    pub(crate) fn pass_over<T>(&mut self, read: Result<Option<T>, Error>) -> Result<Option<T>, Error> {
        match read {
            Err(error @ (Error::Damaged(_) | Error::SystemKeyMissing(_))) => {
                self.count += 1;
                self.first.get_or_insert(error);
                Ok(None)
            }
            read => read,
        }
    }

    /// How many. Says so in the log, once for all of them and all pages of a minute: now is `now_ms` of the monotonic clock.
    pub(crate) fn tell(self, store: StoreId, told: &Told, now_ms: u64) -> usize {
        if let Some(error) = self.first
            && told.is_due(store, now_ms)
        {
            tracing::error!(%store, count = self.count, first = %error, "a list passes over records that cannot be read");
        }
        self.count
    }
}

/// Of which key stores it was told, and when: the lists of those whose records cannot be read are asked for again and again, page by page.
#[derive(Default)]
pub(crate) struct Told(Mutex<BTreeMap<StoreId, u64>>);

impl Told {
    /// Whether it is to be told of a store now, which counts as told then.
    fn is_due(&self, store: StoreId, now_ms: u64) -> bool {
        let mut told = self.0.lock();
        // So that no more are remembered than were told of within that time.
        told.retain(|_, at_ms| now_ms.saturating_sub(*at_ms) < milliseconds(UNREADABLE_TOLD_EVERY));
        let is_due = !told.contains_key(&store);
        told.entry(store).or_insert(now_ms);
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // R-K20
    #[test]
    fn it_is_told_once_a_minute_of_each_store() {
        let (told, minute) = (Told::default(), milliseconds(UNREADABLE_TOLD_EVERY));
        let [one, other] = [1, 2].map(|number| StoreId([number; 16]));
        let due = |store, now_ms| told.is_due(store, now_ms);
        assert!(due(one, 5) && !due(one, 5) && !due(one, 4 + minute));
        assert!(due(other, 100) && !due(other, 101), "of each by itself");
        assert!(due(one, 5 + minute) && !due(one, 6 + minute));
        assert!(due(one, 9 * minute));
        assert_eq!(told.0.lock().len(), 1, "what is over is forgotten");
    }

    // R-K20
    #[test]
    fn pages_count_what_they_pass_over_whether_or_not_it_is_told() {
        let told = Told::default();
        for _ in 0..3 {
            let mut unreadable = Unreadable::default();
            let damaged = Err(Error::Damaged("a place".into()));
            assert_eq!(unreadable.pass_over::<u8>(damaged).unwrap(), None);
            assert_eq!(unreadable.pass_over(Ok(Some(7))).unwrap(), Some(7));
            assert!(matches!(unreadable.pass_over::<u8>(Err(Error::Closed)), Err(Error::Closed)));
            assert_eq!(unreadable.tell(StoreId([1; 16]), &told, 0), 1);
        }
    }
}
