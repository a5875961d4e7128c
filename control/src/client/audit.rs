//! The audit log.

use super::{ControlClient, push_encoded};
use crate::error::ControlError;
use crate::message::{AuditLog, AuditRecordList, AuditReport};

/// Which records are listed: those that are all that is said. Nothing is said by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Name or id of a key store.
    pub store: Option<String>,
    /// Id of a key.
    pub key: Option<String>,
    /// What the actor, or a client, has in its name.
    pub actor: Option<String>,
    /// The kind of the record.
    pub kind: Option<String>,
    /// At this moment or later: RFC 3339.
    pub since: Option<String>,
}

impl ControlClient {
    /// How the audit log is.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn audit_log(&self) -> Result<AuditLog, ControlError> {
        self.get("/v1/audit").await
    }

    /// One page of up to `limit` records, 1,000 at most, that match `filter`, after the number that the page before gave as `next`.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn audit_records(
        &self,
        filter: &AuditFilter,
        after: u64,
        limit: usize,
    ) -> Result<AuditRecordList, ControlError> {
        let AuditFilter { store, key, actor, kind, since } = filter;
        let said = [("store", store), ("key", key), ("actor", actor), ("kind", kind), ("since", since)];
        let mut path = format!("/v1/audit/records?limit={limit}&after={after}");
        for (what, value) in said {
            if let Some(value) = value {
                path.push_str(&format!("&{what}="));
                push_encoded(&mut path, value);
            }
        }
        self.get(&path).await
    }

    /// Verifies the audit log, from the file of this number on.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn verify_audit(&self, from_file: u64) -> Result<AuditReport, ControlError> {
        self.get(&format!("/v1/audit/verify?from_file={from_file}")).await
    }
}
