//! What is said on the control port, in JSON: names in snake_case, times in RFC 3339 to the millisecond, bytes in base64 (RFC 4648 section 4, with padding).
//!
//! Requests refuse fields that they do not know. Replies may gain fields, so whoever reads them ignores what he does not know.

mod about;
mod access;
mod algorithm;
mod approval;
mod audit;
mod backup;
mod certificate;
mod emergency;
mod health;
mod key;
mod life;
mod person;
mod secret;
mod shred_table;
mod store;
mod system_key;
mod time;
mod transfer;
mod usage;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use about::{Alias, AliasList, CreateAlias, MoveAlias, SetAbout};
pub use access::{
    Access, AccessCheck, AccessList, AccessRow, AddAccess, AskWhyDenied, DescribeAccess, EndAccess, NarrowAccess,
    SetAccessMethods, Stopped, WhyDenied,
};
pub use algorithm::{Algorithm, AlgorithmList, OutputSize};
pub use approval::{
    Approval, ApprovalAnswers, ApprovalChange, ApprovalList, ApprovalPolicy, AskForApproval, AskedChange, Decider,
    GivenApproval, RejectApproval, Rejection, SetApprovalPolicy,
};
pub use audit::{AuditFinding, AuditLog, AuditRecord, AuditRecordList, AuditReport, AuditUse};
pub use backup::{Backup, BackupFile, BackupList, Journal, Progress, PruneJournal, PrunedJournal, Verified};
pub use certificate::{IssueCertificate, IssuedCertificate, RenewCertificate, StoreAuthority};
pub use emergency::{Emergency, Lock, Locked, LockedNow, UnwrittenStop};
pub use health::{Health, Readiness};
pub use key::{CreateKeys, Key, KeyList, KeyVersion, NewKey, Uses};
pub use life::{
    DeleteNow, Deletion, RequestDeletion, Rotation, RotationByUse, SetLowestVersion, SetRotation, SetRotationByUse,
};
pub use person::{
    AddPerson, AddPersonCertificate, CallerCertificate, Grant, GrantRole, GrantedKey, Identity, Person,
    PersonCertificate, PersonList, RemovePersonCertificate, RevokeRole,
};
pub use secret::UpdateSecret;
pub use shred_table::{Destruction, Mirror, ShredTable};
pub use store::{CreateStore, Quota, SetStoreSettings, Store, StoreList};
pub use system_key::{Renewal, RootKey, SystemKey, SystemKeyList};
pub use time::Time;
pub use transfer::{BeginImport, CompleteImport, ExportKey, ExportedKey, Import, ImportList};
pub use usage::{ClientUsage, KeyUsage, OthersUsage, VersionUsage};

/// Body of a request that needs to say nothing: `{}`.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// Why a request was refused (RFC 9457).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// Kind of problem, for programs; it never changes.
    #[serde(rename = "type")]
    #[schema(example = "urn:claviger:problem:name-taken")]
    pub kind: String,
    /// The kind in words.
    pub title: String,
    /// The status code of the reply.
    pub status: u16,
    /// What is wrong with this request, and what to do.
    pub detail: String,
    /// The path of the request.
    pub instance: String,
    /// Names this request in the log.
    pub trace_id: String,
}

/// For what is told only if there is some.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
const fn is_zero(count: &usize) -> bool {
    *count == 0
}
