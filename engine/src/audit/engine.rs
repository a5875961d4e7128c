//! What whoever holds an engine has told, and reads, of its audit log.

use super::{AuditFilter, AuditPage, AuditStatus, Auditor, Event, Refused, Report, RequestQueue};
use crate::engine::Engine;
use crate::error::Error;

impl Engine {
    /// Has the audit log tell what is about to be done on behalf of whom this engine is for, though it changes no record: before anything leaves. It is in the log when this
    /// returns.
    ///
    /// # Errors
    /// [`Error::Audit`], [`Error::Storage`], [`Error::Closed`]: it must not be done.
    pub fn tell_act(&self) -> Result<(), Error> {
        self.ledger.tell_act()
    }

    /// Has the audit log tell of something that changes nothing, without waiting for it. If there is no place for it, it is counted.
    pub fn tell(&self, event: Event) {
        if let Some(audit) = &self.ledger.audit {
            audit.tell(event);
        }
    }

    /// Tells the audit log that somebody was refused, by a client's words: the first of its kind in a minute, then a count. `address`: where he asks from.
    pub fn tell_refused(&self, refused: Refused, address: &str) {
        if let Some(audit) = &self.ledger.audit {
            audit.refused(refused, address);
        }
    }

    /// Where one worker tells of requests of key stores that want each of them in the audit log; `None` if there is no log.
    #[must_use]
    pub fn request_queue(&self) -> Option<RequestQueue> {
        self.ledger.audit.as_ref().map(Auditor::request_queue)
    }

    /// How the audit log is, if there is one.
    #[must_use]
    pub fn audit_status(&self) -> Option<AuditStatus> {
        self.ledger.audit.as_ref().map(Auditor::status)
    }

    /// The records of the audit log behind number `after` that `filter` takes, `limit` at most; those of refusals and uses as far as they are written. `None` if there is no log.
    ///
    /// # Errors
    /// [`Error::Audit`]: it cannot be read.
    pub fn audit_page(&self, filter: &AuditFilter, after: u64, limit: usize) -> Result<Option<AuditPage>, Error> {
        self.ledger.audit.as_ref().map(|audit| audit.page(filter, after, limit)).transpose()
    }

    /// Verifies the audit log, from the file of this number on, up to where it is now. Reads all of it. `None` if there is no log.
    ///
    /// # Errors
    /// [`Error::Audit`]: it cannot be read.
    pub fn verify_audit(&self, first_file: u64) -> Result<Option<Report>, Error> {
        self.ledger.audit.as_ref().map(|audit| audit.verify(first_file)).transpose()
    }
}
