//! Kinds of problems: what programs tell them apart by.

use http::StatusCode;

/// Kinds of problems. Their numbers and names are part of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// No route has this path.
    NoSuchRoute,
    /// The route does not have this method.
    MethodNotAllowed,
    /// The request did not come with a client certificate that names a caller.
    NotAuthenticated,
    /// The caller may not do this.
    NotPermitted,
    /// A request that a web page of somebody else could have made.
    CrossSite,
    /// A header that changing requests must have is missing.
    HeaderMissing,
    /// The body is not `application/json`.
    MediaType,
    /// Path, query or body cannot be read.
    Malformed,
    /// The body is larger than the route takes.
    BodyTooLarge,
    /// Something in the request has a value that cannot be.
    InvalidValue,
    /// A key store must have at least one access method.
    NoAccessMethod,
    /// There is no such key store.
    StoreNotFound,
    /// The key store has no such authentication data.
    AccessNotFound,
    /// There is no such key.
    KeyNotFound,
    /// The key has no such version.
    KeyVersionNotFound,
    /// No key of the store has this alias.
    AliasNotFound,
    /// The store has no such import that is open.
    ImportNotFound,
    /// What was to be imported was not good, or not well wrapped.
    ImportFailed,
    /// The system key has no such version.
    SystemKeyNotFound,
    /// There is no such backup.
    BackupNotFound,
    /// There is no such person.
    PersonNotFound,
    /// There is no such request for approval.
    ApprovalNotFound,
    /// The name is in use.
    NameTaken,
    /// The state of what is to be changed does not allow it, or has moved meanwhile.
    Conflict,
    /// What is to be changed is not as the request says that it was seen.
    RevisionMoved,
    /// Somebody has locked the daemon.
    Locked,
    /// The idempotency key was used before, and there is no answer to be told again.
    KeyUsed,
    /// The request took longer than its route allows.
    Timeout,
    /// Too many requests at once.
    Busy,
    /// The daemon is ending.
    ShuttingDown,
    /// The disk or the storage is full.
    StorageFull,
    /// The storage takes no changes, or cannot be read.
    StorageUnavailable,
    /// The root key or the system-key file cannot be read or written.
    KeyTreeUnavailable,
    /// The audit log cannot be written or read.
    AuditUnavailable,
    /// A mirror of the shred table cannot be used.
    ShredTableUnavailable,
    /// Something else went wrong here.
    Internal,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 36] = [
        Self::NoSuchRoute,
        Self::MethodNotAllowed,
        Self::NotAuthenticated,
        Self::NotPermitted,
        Self::CrossSite,
        Self::HeaderMissing,
        Self::MediaType,
        Self::Malformed,
        Self::BodyTooLarge,
        Self::InvalidValue,
        Self::NoAccessMethod,
        Self::StoreNotFound,
        Self::AccessNotFound,
        Self::KeyNotFound,
        Self::KeyVersionNotFound,
        Self::AliasNotFound,
        Self::ImportNotFound,
        Self::ImportFailed,
        Self::SystemKeyNotFound,
        Self::BackupNotFound,
        Self::PersonNotFound,
        Self::ApprovalNotFound,
        Self::NameTaken,
        Self::Conflict,
        Self::RevisionMoved,
        Self::Locked,
        Self::KeyUsed,
        Self::Timeout,
        Self::Busy,
        Self::ShuttingDown,
        Self::StorageFull,
        Self::StorageUnavailable,
        Self::KeyTreeUnavailable,
        Self::AuditUnavailable,
        Self::ShredTableUnavailable,
        Self::Internal,
    ];

    /// Name for programs, status code, and title for people.
    #[must_use]
    pub const fn row(self) -> (&'static str, StatusCode, &'static str) {
        match self {
            Self::NoSuchRoute => ("no-such-route", StatusCode::NOT_FOUND, "No such route"),
            Self::MethodNotAllowed => ("method-not-allowed", StatusCode::METHOD_NOT_ALLOWED, "Method not allowed"),
            Self::NotAuthenticated => ("not-authenticated", StatusCode::UNAUTHORIZED, "Not authenticated"),
            Self::NotPermitted => ("not-permitted", StatusCode::FORBIDDEN, "Not permitted"),
            Self::CrossSite => ("cross-site", StatusCode::FORBIDDEN, "Request from a foreign site"),
            Self::HeaderMissing => ("header-missing", StatusCode::BAD_REQUEST, "Header missing"),
            Self::MediaType => ("media-type", StatusCode::UNSUPPORTED_MEDIA_TYPE, "Media type not supported"),
            Self::Malformed => ("malformed", StatusCode::BAD_REQUEST, "Malformed request"),
            Self::BodyTooLarge => ("body-too-large", StatusCode::PAYLOAD_TOO_LARGE, "Body too large"),
            Self::InvalidValue => ("invalid-value", StatusCode::UNPROCESSABLE_ENTITY, "Invalid value"),
            Self::NoAccessMethod => ("no-access-method", StatusCode::UNPROCESSABLE_ENTITY, "No access method"),
            Self::StoreNotFound => ("key-store-not-found", StatusCode::NOT_FOUND, "Key store not found"),
            Self::AccessNotFound => ("access-not-found", StatusCode::NOT_FOUND, "Authentication data not found"),
            Self::KeyNotFound => ("key-not-found", StatusCode::NOT_FOUND, "Key not found"),
            Self::KeyVersionNotFound => ("key-version-not-found", StatusCode::NOT_FOUND, "Key version not found"),
            Self::AliasNotFound => ("alias-not-found", StatusCode::NOT_FOUND, "Alias not found"),
            Self::ImportNotFound => ("import-not-found", StatusCode::NOT_FOUND, "Import not found"),
            Self::ImportFailed => ("import-failed", StatusCode::UNPROCESSABLE_ENTITY, "Import failed"),
            Self::SystemKeyNotFound => ("system-key-not-found", StatusCode::NOT_FOUND, "System key not found"),
            Self::BackupNotFound => ("backup-not-found", StatusCode::NOT_FOUND, "Backup not found"),
            Self::PersonNotFound => ("person-not-found", StatusCode::NOT_FOUND, "Person not found"),
            Self::ApprovalNotFound => ("approval-not-found", StatusCode::NOT_FOUND, "Approval not found"),
            Self::NameTaken => ("name-taken", StatusCode::CONFLICT, "Name taken"),
            Self::Conflict => ("conflict", StatusCode::CONFLICT, "Conflict"),
            Self::RevisionMoved => ("revision-moved", StatusCode::PRECONDITION_FAILED, "Changed by somebody else"),
            Self::Locked => ("locked", StatusCode::CONFLICT, "Locked"),
            Self::KeyUsed => ("idempotency-key-used", StatusCode::CONFLICT, "Idempotency key used before"),
            Self::Timeout => ("timeout", StatusCode::GATEWAY_TIMEOUT, "Not done in time"),
            Self::Busy => ("busy", StatusCode::SERVICE_UNAVAILABLE, "Too many requests at once"),
            Self::ShuttingDown => ("shutting-down", StatusCode::SERVICE_UNAVAILABLE, "Shutting down"),
            Self::StorageFull => ("storage-full", StatusCode::INSUFFICIENT_STORAGE, "Storage full"),
            Self::StorageUnavailable => {
                ("storage-unavailable", StatusCode::SERVICE_UNAVAILABLE, "Storage not available")
            }
            Self::KeyTreeUnavailable => {
                ("key-tree-unavailable", StatusCode::SERVICE_UNAVAILABLE, "Root key or system-key file not available")
            }
            Self::AuditUnavailable => ("audit-unavailable", StatusCode::SERVICE_UNAVAILABLE, "Audit log not available"),
            Self::ShredTableUnavailable => {
                ("shred-table-unavailable", StatusCode::SERVICE_UNAVAILABLE, "Shred table not available")
            }
            Self::Internal => ("internal", StatusCode::INTERNAL_SERVER_ERROR, "Internal error"),
        }
    }

    /// Whether somebody is kept from something by who he is, or could be a web page that somebody else has made: the audit log tells of it. What is not there, cannot be or comes too early or too
    /// late is no refusal.
    #[must_use]
    pub const fn is_refusal(self) -> bool {
        matches!(
            self,
            Self::NotAuthenticated | Self::NotPermitted | Self::CrossSite | Self::HeaderMissing | Self::MediaType
        )
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_of_kinds_differ_and_their_statuses_are_errors() {
        let names: BTreeSet<_> = Kind::ALL.into_iter().map(|kind| kind.row().0).collect();
        assert_eq!(names.len(), Kind::ALL.len());
        for kind in Kind::ALL {
            let (name, status, title) = kind.row();
            assert!(status.is_client_error() || status.is_server_error(), "{name}");
            assert!(!title.is_empty());
        }
    }
}
