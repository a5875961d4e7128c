//! What the errors of the engine are to whoever has asked.

use claviger_engine::Error;
use claviger_engine::approval::ApprovalError;
use claviger_engine::backup::BackupError;
use claviger_engine::person::PersonError;
use claviger_engine::storage::StorageError;

use super::{Kind, Problem};
use crate::authority::AuthorityError;

impl From<Error> for Problem {
    /// Administrators are told the detail: they are those who can act. No message of the engine holds a secret.
    fn from(error: Error) -> Self {
        let problem = Self::new(Kind::of(&error), error.to_string());
        // What others let happen, or do not.
        let keeps_from_it = match &error {
            Error::Approval(
                ApprovalError::OwnRequest
                | ApprovalError::NotYours
                | ApprovalError::Twice
                | ApprovalError::LostRole(_)
                | ApprovalError::Moved(_),
            ) => true,
            _ => problem.is_refusal,
        };
        let problem = if keeps_from_it { problem.refusing() } else { problem };
        if error.is_made() { problem.of_made() } else { problem }
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
            Error::Locked => Kind::Locked,
            Error::StopPending => Kind::StorageUnavailable,
            Error::StopEnded => Kind::Conflict,
            Error::Closed => Kind::ShuttingDown,
        }
    }
}

const fn approval_kind(error: &ApprovalError) -> Kind {
    match error {
        ApprovalError::NotFound(_) => Kind::ApprovalNotFound,
        ApprovalError::OwnRequest | ApprovalError::NotYours => Kind::NotPermitted,
        ApprovalError::Over { .. }
        | ApprovalError::QuorumLost { .. }
        | ApprovalError::Twice
        | ApprovalError::LostRole(_)
        | ApprovalError::Moved(_)
        | ApprovalError::Gone(_)
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
