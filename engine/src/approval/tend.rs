//! What the clock does with requests for approval: their time ends, answers go after a day, and decided ones are forgotten.

use super::{ApprovalId, ApprovalRecord, ApprovalState, SecretPart};
use crate::error::Error;
use crate::ledger::Ledger;
use crate::limits::{APPROVAL_KEPT, SCAN_PAGE_RECORDS};
use crate::record::address;
use crate::record::key::milliseconds;
use crate::storage::{Address, Compare, Write};

impl Ledger {
    /// The writes that end a request. What exactly was to be done is not kept: there may be secrets in it.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub(super) fn end_request(&self, record: &mut ApprovalRecord, state: ApprovalState) -> Result<Vec<Write>, Error> {
        let place = address::approval(record.id);
        // Of what was not done it is enough to know what it was.
        if matches!(state, ApprovalState::Withdrawn { .. } | ApprovalState::Expired { .. }) {
            for change in &mut record.changes {
                (change.before, change.after) = (None, None);
            }
        }
        record.state = state;
        let end = address::approval_end(record.ends_ms, record.id);
        let mut writes = self.end_secret(record.id, SecretPart::Calls)?;
        writes.extend([self.vault().put(place, record), Write::Delete { address: end }]);
        Ok(writes)
    }

    /// Ends requests whose time is over, and forgets what is kept long enough. One that is damaged is logged and passed over.
    ///
    /// # Errors
    /// [`Error::Storage`], [`Error::Closed`].
    pub(crate) fn tend_approvals(&self) -> Result<(), Error> {
        let now_ms = self.clock.now_ms();
        for (place, _) in self.vault().storage().scan(&address::approval_ends(), None, SCAN_PAGE_RECORDS)? {
            let Some((ends_ms, id)) = address::parse_approval_end(&place) else { continue };
            if ends_ms > now_ms {
                break;
            }
            match self.vault().read::<ApprovalRecord>(&address::approval(id)) {
                Ok(Some((mut record, revision))) if record.state == ApprovalState::Open => {
                    let writes = self.end_request(&mut record, ApprovalState::Expired { at_ms: now_ms })?;
                    self.commit_unless_moved(&[Compare::unchanged(address::approval(id), revision)], &writes)?;
                    self.destroy_secrets(id);
                }
                Ok(_) => self.commit_unless_moved(&[], &[Write::Delete { address: place }])?,
                Err(error @ (Error::Storage(_) | Error::Closed)) => return Err(error),
                Err(error) => {
                    tracing::error!(request = %id, %error, "a request for approval cannot be read: its time is over, and what was asked for is destroyed");
                    self.forget_calls(id, place)?;
                }
            }
        }
        for (place, _) in self.vault().storage().scan(&address::approval_result_ends(), None, SCAN_PAGE_RECORDS)? {
            let Some((ends_ms, id)) = address::parse_approval_result_end(&place) else { continue };
            if ends_ms > now_ms {
                break;
            }
            let mut writes = self.end_secret(id, SecretPart::Answers)?;
            writes.push(Write::Delete { address: place });
            self.commit_unless_moved(&[], &writes)?;
            self.destroy_secrets(id);
        }
        self.forget_approvals(now_ms)
    }

    /// Requests stand in the order in which they were made: the first ones are the oldest.
    fn forget_approvals(&self, now_ms: u64) -> Result<(), Error> {
        let kept = milliseconds(APPROVAL_KEPT);
        for (place, _) in self.vault().storage().scan(&address::approvals(), None, SCAN_PAGE_RECORDS)? {
            let Some(id) = address::parse_approval(&place) else { break };
            if id.made_ms().saturating_add(kept) > now_ms {
                break;
            }
            // None are left, unless its end was not noted: nothing of it stays.
            self.forget_calls(id, place)?;
        }
        Ok(())
    }

    /// Deletes the record at `place` with what was asked for exactly.
    fn forget_calls(&self, id: ApprovalId, place: Address) -> Result<(), Error> {
        let mut writes = self.end_secret(id, SecretPart::Calls)?;
        writes.push(Write::Delete { address: place });
        self.commit_unless_moved(&[], &writes)?;
        self.destroy_secrets(id);
        Ok(())
    }

    /// Somebody decided at the same moment: then that holds.
    fn commit_unless_moved(&self, compares: &[Compare], writes: &[Write]) -> Result<(), Error> {
        match self.commit(compares, writes) {
            Err(Error::Conflict) => Ok(()),
            made => made,
        }
    }
}
