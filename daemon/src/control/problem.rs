//! Refusals, in the form of RFC 9457. Each says what is wrong and what to do next.

use claviger_control::message;
use claviger_engine::Error;
use claviger_engine::approval::ApprovalError;
use claviger_engine::backup::BackupError;
use claviger_engine::person::PersonError;
use claviger_engine::storage::StorageError;
use http::StatusCode;

use crate::authority::AuthorityError;

/// Why a request is refused.
#[derive(Debug)]
pub struct Problem {
    kind: Kind,
    detail: String,
}

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
    pub const ALL: [Self; 35] = [
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
}

impl Problem {
    /// A problem with what a person should know of it.
    pub fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into() }
    }

    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// What a person should know of it.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// As it is answered to the request with this path and trace id.
    #[must_use]
    pub fn message(&self, path: &str, trace_id: &str) -> message::Problem {
        let (name, status, title) = self.kind.row();
        message::Problem {
            kind: format!("{PROBLEM_PREFIX}{name}"),
            title: title.to_owned(),
            status: status.as_u16(),
            detail: self.detail.clone(),
            instance: path.to_owned(),
            trace_id: trace_id.to_owned(),
        }
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.detail)
    }
}

impl From<Error> for Problem {
    /// Administrators are told the detail: they are those who can act. No message of the engine holds a secret.
    fn from(error: Error) -> Self {
        Self::new(Kind::of(&error), error.to_string())
    }
}

impl Kind {
    fn of(error: &Error) -> Self {
        match error {
            Error::ImportSpent { cause, .. } => Self::of(cause),
            Error::KeyNotFound(_) => Kind::KeyNotFound,
            Error::KeyVersionNotFound { .. } => Kind::KeyVersionNotFound,
            Error::KeyStoreNotFound(_) => Kind::StoreNotFound,
            Error::ImportNotFound(_) => Kind::ImportNotFound,
            Error::AccessRowNotFound(_) => Kind::AccessNotFound,
            Error::LastAccessMethod(_) => Kind::NoAccessMethod,
            Error::ImportOfAnother(_) => Kind::NotPermitted,
            Error::ImportFailed => Kind::ImportFailed,
            Error::NameTaken(_) => Kind::NameTaken,
            Error::AliasNotFound(_) => Kind::AliasNotFound,
            Error::SystemKeyNotFound(_) => Kind::SystemKeyNotFound,
            Error::Hierarchy(_) => Kind::KeyTreeUnavailable,
            Error::KeyNotUsable { .. }
            | Error::SystemKeyNeeded { .. }
            | Error::KeyStateWrong { .. }
            | Error::KeyVersionStateWrong { .. }
            | Error::TooManyVersions(_)
            | Error::TooManyAliases(_)
            | Error::SecretMoved { .. }
            | Error::TooManyImports
            | Error::AccessRowExists { .. }
            | Error::AccessStateWrong { .. }
            | Error::TooManyAccessRows
            | Error::NotExportable(_)
            | Error::KeyVersionNotUsable { .. }
            | Error::UseLimitReached { .. }
            | Error::UsedLately { .. }
            | Error::KeyShredded(_)
            | Error::ChangesOverlap
            | Error::Conflict => Kind::Conflict,
            Error::OperationNotAllowed { .. }
            | Error::SizeNotAllowed
            | Error::KeyCount
            | Error::ValueMismatch
            | Error::SecretTooLarge
            | Error::ImportSize
            | Error::NothingToExport(_)
            | Error::InvalidAbout(_)
            | Error::InvalidAccessData(_)
            | Error::InvalidAccessDescription
            | Error::InvalidPermit
            | Error::AccessEndTooLate
            | Error::NotACertificate(_)
            | Error::DeletionWait
            | Error::RotationByUse
            | Error::RotationPeriod => Kind::InvalidValue,
            Error::Approval(error) => approval_kind(error),
            Error::NotAsExpected => Kind::RevisionMoved,
            Error::Once(_) => Kind::KeyUsed,
            Error::Person(error) => person_kind(error),
            Error::Storage(error) => storage_kind(error),
            Error::Audit(_) => Kind::AuditUnavailable,
            Error::ShredTable(_) => Kind::ShredTableUnavailable,
            Error::Damaged(_) | Error::SystemKeyMissing(_) | Error::UsesNotWritten { .. } | Error::Entropy(_) => {
                Kind::Internal
            }
            Error::Closed => Kind::ShuttingDown,
        }
    }
}

const fn approval_kind(error: &ApprovalError) -> Kind {
    match error {
        ApprovalError::NotFound(_) => Kind::ApprovalNotFound,
        ApprovalError::OwnRequest | ApprovalError::NotYours => Kind::NotPermitted,
        ApprovalError::Over { .. }
        | ApprovalError::Twice
        | ApprovalError::LostRole(_)
        | ApprovalError::Moved(_)
        | ApprovalError::TooMany => Kind::Conflict,
        ApprovalError::NoSuchClass(_)
        | ApprovalError::Quorum
        | ApprovalError::TooLarge
        | ApprovalError::Text
        | ApprovalError::Time => Kind::InvalidValue,
    }
}

impl From<BackupError> for Problem {
    fn from(error: BackupError) -> Self {
        let kind = match error {
            BackupError::NoSuchBackup(_) => Kind::BackupNotFound,
            BackupError::Busy(_) | BackupError::NotVerified(_) => Kind::Conflict,
            BackupError::Ended => Kind::ShuttingDown,
            BackupError::FreeSpaceFloor { .. } | BackupError::SpareSpace { .. } => Kind::StorageFull,
            BackupError::File { .. } => Kind::StorageUnavailable,
            BackupError::Storage(error) => return Error::Storage(error).into(),
            BackupError::Engine(error) => return error.into(),
            BackupError::InUse(_)
            | BackupError::FolderInUse(_)
            | BackupError::Foreign { .. }
            | BackupError::NewerFormat { .. }
            | BackupError::OtherInstallation(_)
            | BackupError::SystemKeyMissing { .. }
            | BackupError::Damaged { .. }
            | BackupError::SegmentMissing { .. }
            | BackupError::NotInOrder(_)
            | BackupError::Gap(_)
            | BackupError::GivenUp(_)
            | BackupError::NoJournal(_)
            | BackupError::DataFolderOlder { .. }
            | BackupError::NotEmpty(_)
            | BackupError::Astray(_)
            | BackupError::Entropy(_) => Kind::Internal,
        };
        Self::new(kind, error.to_string())
    }
}

impl From<AuthorityError> for Problem {
    fn from(error: AuthorityError) -> Self {
        let kind = match error {
            AuthorityError::CommonName
            | AuthorityError::ServerName(_)
            | AuthorityError::NoServerName
            | AuthorityError::Request
            | AuthorityError::RequestSignature => Kind::InvalidValue,
            AuthorityError::Ended => Kind::Conflict,
            AuthorityError::Damaged | AuthorityError::Entropy(_) | AuthorityError::Library(_) => Kind::Internal,
        };
        Self::new(kind, error.to_string())
    }
}

fn person_kind(error: &PersonError) -> Kind {
    match error {
        PersonError::NotFound(_) => Kind::PersonNotFound,
        PersonError::MayNotCreate => Kind::NotPermitted,
        PersonError::Grant(_) => Kind::InvalidValue,
        PersonError::TooMany
        | PersonError::TooManyCertificates
        | PersonError::CertificateTaken { .. }
        | PersonError::CertificateNotFound(_)
        | PersonError::TooManyGrants
        | PersonError::GrantNotFound
        | PersonError::TooManyKeys => Kind::Conflict,
    }
}

fn storage_kind(error: &StorageError) -> Kind {
    match error {
        StorageError::FreeSpaceFloor { .. } | StorageError::SpareSpace { .. } | StorageError::SizeLimit { .. } => {
            Kind::StorageFull
        }
        StorageError::WriteAhead(error) if error.is_full => Kind::StorageFull,
        StorageError::WriteAhead(_) => Kind::StorageUnavailable,
        StorageError::TransactionTooLarge { .. } | StorageError::TooManyOperations { .. } => Kind::BodyTooLarge,
        StorageError::WritesEnded { .. } | StorageError::Permission { .. } | StorageError::System { .. } => {
            Kind::StorageUnavailable
        }
        StorageError::NewerFormat { .. }
        | StorageError::OlderFormat { .. }
        | StorageError::InUse { .. }
        | StorageError::Damaged { .. }
        | StorageError::AlreadyOpen { .. }
        | StorageError::RestoreUnfinished { .. }
        | StorageError::AddressSize { .. }
        | StorageError::ValueTooLarge { .. }
        | StorageError::RepeatedAddress { .. } => Kind::Internal,
    }
}

/// What the names of all kinds begin with.
pub const PROBLEM_PREFIX: &str = "urn:claviger:problem:";

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
