//! Deciding what was asked for.

use std::fmt::Display;

use super::request::check_text;
use super::{ApprovalError, ApprovalId, ApprovalRecord, ApprovalState, GivenApproval, SecretPart};
use crate::engine::Engine;
use crate::error::Error;
use crate::key::material::SecretBytes;
use crate::ledger::Beside;
use crate::limits::{APPROVAL_RESULT_TIME, APPROVAL_TEXT_SIZE_MAX};
use crate::person::PersonId;
use crate::record::address;
use crate::record::key::milliseconds;
use crate::storage::{Compare, Revision};

/// What an approval has led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decided {
    /// Others have to approve, too.
    Waiting(ApprovalRecord),
    /// It was done.
    Applied(ApprovalRecord),
}

impl Engine {
    /// Approves a request. With the last approval that it needs, `apply` gets an engine and what exactly is to be done, and does it: in one transaction, together with what is noted
    /// of the approval, and only if everything stands as it was shown. What it gives back is kept for who asked. `may_approve` says who may still approve it.
    ///
    /// # Errors
    /// [`Error::Approval`], with a name from `may_approve` for who may not any more; those of `apply`; [`Error::Conflict`], [`Error::Damaged`], [`Error::Storage`]: nothing was done, and
    /// unless it is over by that, it can be approved again; but what is more than a change of records may have been begun, and is then [`ApprovalState::Failed`]. One that [`Error::is_made`]
    /// was done, and is not in the audit log yet.
    pub fn approve<E: From<Error> + Display>(
        &self,
        id: ApprovalId,
        by: PersonId,
        may_approve: impl Fn(&ApprovalRecord, PersonId) -> Result<(), String>,
        apply: impl FnOnce(&Self, &ApprovalRecord, SecretBytes) -> Result<SecretBytes, E>,
    ) -> Result<Decided, E> {
        let (mut record, revision) = self.open_request(id)?;
        if record.requester == by {
            return Err(Error::from(ApprovalError::OwnRequest).into());
        }
        if record.given.iter().any(|given| given.by == by) {
            return Err(Error::from(ApprovalError::Twice).into());
        }
        let at_ms = self.ledger.clock.now_ms();
        record.given.push(GivenApproval { by, at_ms });
        for given in &record.given {
            may_approve(&record, given.by).map_err(|name| Error::from(ApprovalError::LostRole(name)))?;
        }
        if record.given.len() < usize::from(record.quorum.get()) {
            let write = self.vault().put(address::approval(id), &record);
            self.ledger.commit(&[unchanged(id, revision)], &[write])?;
            return Ok(Decided::Waiting(record));
        }
        let calls = self.ledger.kept_secret(id, SecretPart::Calls)?;
        let calls = calls.ok_or_else(|| Error::from(ApprovalError::Gone(id)))?;
        let beside = match self.beside(&mut record, revision, at_ms) {
            Err(Error::Approval(ApprovalError::Moved(what))) => {
                self.end_request(&mut record, revision, ApprovalState::Moved { at_ms, what: what.clone() })?;
                return Err(Error::from(ApprovalError::Moved(what)).into());
            }
            beside => beside?,
        };
        let (result, logged) = if record.is_bundle {
            self.ledger.together(beside, |ledger| apply(&self.with_ledger(ledger), &record, calls))?
        } else {
            let ledger = self.ledger.beside(beside);
            match apply(&self.with_ledger(ledger.clone()), &record, calls) {
                Ok(result) => match ledger.make_what_is_left() {
                    Err(error) if !error.is_made() => return Err(error.into()),
                    logged => (result, logged),
                },
                Err(error) => {
                    // What was begun is not done anew: who asked is told why.
                    if ledger.has_made_first() {
                        self.ledger.destroy_secrets(id);
                        self.note_failure(id, at_ms, error.to_string());
                    }
                    return Err(error);
                }
            }
        };
        self.ledger.destroy_secrets(id);
        self.keep_answers(id, at_ms, &result);
        logged?;
        Ok(Decided::Applied(record))
    }

    /// Rejects a request.
    ///
    /// # Errors
    /// [`Error::Approval`], [`Error::Conflict`], [`Error::Damaged`], [`Error::Storage`].
    pub fn reject(&self, id: ApprovalId, by: PersonId, reason: String) -> Result<ApprovalRecord, Error> {
        check_text(&reason)?;
        let (mut record, revision) = self.open_request(id)?;
        if record.requester == by {
            return Err(ApprovalError::OwnRequest.into());
        }
        let at_ms = self.ledger.clock.now_ms();
        self.end_request(&mut record, revision, ApprovalState::Rejected { by, at_ms, reason })?;
        Ok(record)
    }

    /// Withdraws a request of one's own.
    ///
    /// # Errors
    /// [`Error::Approval`], [`Error::Conflict`], [`Error::Damaged`], [`Error::Storage`].
    pub fn withdraw(&self, id: ApprovalId, by: PersonId) -> Result<ApprovalRecord, Error> {
        let (mut record, revision) = self.open_request(id)?;
        if record.requester != by {
            return Err(ApprovalError::NotYours.into());
        }
        let at_ms = self.ledger.clock.now_ms();
        self.end_request(&mut record, revision, ApprovalState::Withdrawn { at_ms })?;
        Ok(record)
    }

    /// A request that can be decided. One whose time is over by the wall clock cannot, whether or not that has been noted.
    fn open_request(&self, id: ApprovalId) -> Result<(ApprovalRecord, Revision), Error> {
        let (mut record, revision) = self.read_approval(id)?;
        let now_ms = self.ledger.clock.now_ms();
        if record.state == ApprovalState::Open && now_ms >= record.ends_ms {
            record.state = ApprovalState::Expired { at_ms: now_ms };
        }
        if record.state == ApprovalState::Open {
            Ok((record, revision))
        } else {
            Err(ApprovalError::Over { id, state: record.state }.into())
        }
    }

    /// What has to hold when a request is applied, and what is noted of it.
    fn beside(&self, record: &mut ApprovalRecord, revision: Revision, at_ms: u64) -> Result<Beside, Error> {
        let mut compares = vec![unchanged(record.id, revision)];
        for ground in &record.grounds {
            compares.push(ground.compare(self.vault())?);
        }
        let writes = self.ledger.end_request(record, ApprovalState::Applied { at_ms })?;
        Ok(Beside { compares, writes })
    }

    fn end_request(&self, record: &mut ApprovalRecord, revision: Revision, state: ApprovalState) -> Result<(), Error> {
        let writes = self.ledger.end_request(record, state)?;
        self.ledger.commit(&[unchanged(record.id, revision)], &writes)?;
        self.ledger.destroy_secrets(record.id);
        Ok(())
    }

    /// Notes that a request which was begun has failed.
    fn note_failure(&self, id: ApprovalId, at_ms: u64, mut why: String) {
        let end = why.floor_char_boundary(APPROVAL_TEXT_SIZE_MAX);
        why.truncate(end);
        let noted = self.read_approval(id).and_then(|(mut record, revision)| {
            record.state = ApprovalState::Failed { at_ms, why };
            let write = self.vault().put(address::approval(id), &record);
            self.vault().transact(&[unchanged(id, revision)], &[write]).map(drop)
        });
        if let Err(error) = noted {
            tracing::error!(request = %id, %error, "that an approved change has failed cannot be noted");
        }
    }

    /// Keeps what came of a request for a day. It was done: what cannot be kept is told of in the log.
    fn keep_answers(&self, id: ApprovalId, at_ms: u64, answers: &SecretBytes) {
        let end = at_ms.saturating_add(milliseconds(APPROVAL_RESULT_TIME));
        let kept = self.ledger.keep_secret(id, SecretPart::Answers, answers, |mut writes| {
            writes.push(address::mark(address::approval_result_end(end, id)));
            // Nothing that is cached: and the audit log is told of the change itself.
            self.vault().transact(&[], &writes).map(drop)
        });
        if let Err(error) = kept {
            tracing::error!(request = %id, %error, "an approved change was made, and its answer cannot be kept for who asked for it");
        }
    }
}

fn unchanged(id: ApprovalId, revision: Revision) -> Compare {
    Compare::unchanged(address::approval(id), revision)
}
