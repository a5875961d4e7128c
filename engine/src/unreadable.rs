//! Records that a list passes over: one that is damaged must not hide the others.

use crate::error::Error;
use crate::key::id::StoreId;

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

    /// How many. Says so in the log, once for all of them.
    pub(crate) fn tell(self, store: StoreId) -> usize {
        if let Some(error) = self.first {
            tracing::error!(%store, count = self.count, first = %error, "a list passes over records that cannot be read");
        }
        self.count
    }
}
