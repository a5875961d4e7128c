//! What can go wrong, grouped by who can act.

use std::fmt;
use std::time::Duration;

use claviger_algorithm::{Algorithm, Operation};

use crate::approval::ApprovalError;
use crate::audit::AuditError;
use crate::crypto::key_wrap::OAEP_SIZE;
use crate::crypto::random::EntropyError;
use crate::hierarchy::HierarchyError;
use crate::key::client::ClientName;
use crate::key::id::{AccessRowId, ImportId, KeyId, StoreId};
use crate::key::name::Name;
use crate::key::state::{KeyState, VersionState};
use crate::key::version::KeyVersion;
use crate::limits::{
    ACCESS_DESCRIPTION_SIZE_MAX, ACCESS_KEYS_MAX, ACCESS_ROWS_MAX, ALIASES_MAX, CREATE_KEYS_MAX, DELETION_WAIT_MAX,
    DELETION_WAIT_MIN, IMPORT_WRAPPED_SIZE_MAX, IMPORTS_IN_ALL_MAX, IMPORTS_MAX, ROTATION_PERIOD_DAYS_MAX,
    STOP_WRITTEN_WITHIN, VERSIONS_MAX,
};
use crate::once::OnceError;
use crate::person::PersonError;
use crate::record::{AccessData, AccessMethod, InvalidAbout, InvalidAccessData};
use crate::shred::ShredError;
use crate::storage::StorageError;

/// Why a call of the engine as a whole failed. What is wrong with one item of a batch is an [`ItemError`].
#[derive(Debug, thiserror::Error)]
pub enum Error {
    // The caller can act.
    /// No key has this id.
    #[error("no such key: {0}")]
    KeyNotFound(KeyId),
    /// No key store has this id.
    #[error("no such key store: {0}")]
    KeyStoreNotFound(StoreId),
    /// The state of the key does not allow the operation.
    #[error("key {id} is {state}: {}", .state.remedy())]
    KeyNotUsable {
        /// The key.
        id: KeyId,
        /// Its state.
        state: KeyState,
    },
    /// A key of this algorithm does not do the operation.
    #[error("a key for {} does not do this: {operation}", .algorithm.row().name)]
    OperationNotAllowed {
        /// Algorithm of the key.
        algorithm: Algorithm,
        /// What was asked for.
        operation: Operation,
    },
    /// The key has no such version.
    #[error("key {id} has no version {version}")]
    KeyVersionNotFound {
        /// The key.
        id: KeyId,
        /// What was asked for.
        version: KeyVersion,
    },
    /// The current version would be used more often than its algorithm allows. A batch that does not fit is refused as a whole.
    #[error("version {version} of key {id} has been used as often as its algorithm allows: rotate the key")]
    UseLimitReached {
        /// The key.
        id: KeyId,
        /// Its current version.
        version: KeyVersion,
    },
    /// A size that is asked for is not one of those allowed.
    #[error("this size is not allowed")]
    SizeNotAllowed,
    /// Another key of the store, or another key store, has the name.
    #[error("the name {0} is taken: choose another one")]
    NameTaken(Name),
    /// No key of the store has this alias.
    #[error("{0} is no alias of a key in this store: see `claviger alias list`")]
    AliasNotFound(Name),
    /// Nothing was asked for or decided.
    #[error(transparent)]
    Approval(#[from] ApprovalError),
    /// Two changes that were to be made together write the same record.
    #[error("two changes of this bundle change the same thing: make them one after the other, in bundles of their own")]
    ChangesOverlap,
    /// The key has as many aliases as a key may have.
    #[error("key {0} has {ALIASES_MAX} aliases, which is the most: delete another one first")]
    TooManyAliases(KeyId),
    /// The key store has no such row of authentication data.
    #[error("this key store has no authentication data with the id {0}: see `claviger access list`")]
    AccessRowNotFound(AccessRowId),
    /// The state of the row of authentication data does not allow the change.
    #[error("the authentication data {id} are {state}: this can be done when they are {needed}")]
    AccessStateWrong {
        /// The row.
        id: AccessRowId,
        /// Its state.
        state: KeyState,
        /// In which states the change can be made.
        needed: &'static str,
    },
    /// A row of the key store lets the same in already, so that ending one would end nothing.
    #[error("{data} passes by the authentication data {id} already, which are {state}: change those")]
    AccessRowExists {
        /// That row.
        id: AccessRowId,
        /// Its state.
        state: KeyState,
        /// What it asks for.
        data: AccessData,
    },
    /// The key store has as many rows of authentication data as it may have.
    #[error(
        "this key store has {ACCESS_ROWS_MAX} rows of authentication data, which is the most: delete others first, or use networks instead of addresses"
    )]
    TooManyAccessRows,
    /// Authentication data that cannot be.
    #[error(transparent)]
    InvalidAccessData(#[from] InvalidAccessData),
    /// A description of authentication data out of bounds.
    #[error("a description of authentication data is one line of at most {ACCESS_DESCRIPTION_SIZE_MAX} bytes of UTF-8")]
    InvalidAccessDescription,
    /// Authentication data that would permit nothing, or name too many keys.
    #[error(
        "authentication data permit one operation at least, with 1 to {ACCESS_KEYS_MAX} keys or with all: disable them if they are to permit nothing"
    )]
    InvalidPermit,
    /// Authentication data cannot end later than the certificate, or begin again after their end.
    #[error("authentication data of an issued certificate end with it at the latest: renew the certificate instead")]
    AccessEndTooLate,
    /// Only certificates that are issued here are renewed.
    #[error("the authentication data {0} are no certificate that was issued here, so that nothing can be renewed")]
    NotACertificate(AccessRowId),
    /// The last access method of a key store would be taken away.
    #[error(
        "{0} is the only access method of this key store, without which everybody could come in: set another one first"
    )]
    LastAccessMethod(AccessMethod),
    /// A description or labels out of bounds.
    #[error(transparent)]
    InvalidAbout(#[from] InvalidAbout),
    /// A request that is made once is not made again, nor answered.
    #[error(transparent)]
    Once(#[from] OnceError),
    /// Nothing of a person is changed.
    #[error(transparent)]
    Person(#[from] PersonError),
    /// A secret is at another version than the one that its update builds on.
    #[error(
        "secret {id} is at version {current}, not {expected}: somebody else has updated it; read it, then update it again if need be"
    )]
    SecretMoved {
        /// The secret.
        id: KeyId,
        /// The version that the update was to follow.
        expected: KeyVersion,
        /// Its current version.
        current: KeyVersion,
    },
    /// The state of the key does not allow the change.
    #[error("key {id} is {state}: this can be done with a key that is {needed}")]
    KeyStateWrong {
        /// The key.
        id: KeyId,
        /// Its state.
        state: KeyState,
        /// In which states the change can be made.
        needed: &'static str,
    },
    /// The state of the version does not allow the change.
    #[error("version {version} of key {id} is {state}: {}", .state.obstacle())]
    KeyVersionStateWrong {
        /// The key.
        id: KeyId,
        /// The version.
        version: KeyVersion,
        /// Its state.
        state: VersionState,
    },
    /// The time between the request of a deletion and the deletion is out of bounds.
    #[error("a deletion waits for {} to {} hours", DELETION_WAIT_MIN.as_secs() / 3_600, DELETION_WAIT_MAX.as_secs() / 3_600)]
    DeletionWait,
    /// The key was used in the last 24 hours, so that it is not deleted without waiting.
    #[error("key {id} was used {ago} by {}: wait until it has not been used for 24 hours, or force it if you are sure that nobody needs it", .client.as_ref().map_or_else(|| "a client whose name is not remembered".to_owned(), ClientName::to_string))]
    UsedLately {
        /// The key.
        id: KeyId,
        /// When it was used last.
        ago: Ago,
        /// By whom, if that is remembered.
        client: Option<ClientName>,
    },
    /// The bounds of rotation by use are none.
    #[error("rotation by use needs a number of items or of bytes, 1 at least")]
    RotationByUse,
    /// The period of rotation is out of bounds.
    #[error("a key is rotated every 1 to {ROTATION_PERIOD_DAYS_MAX} days, or not by itself")]
    RotationPeriod,
    /// The key has as many versions as a key may have.
    #[error("key {0} has {VERSIONS_MAX} versions, which is the most: create a new key and re-encrypt")]
    TooManyVersions(KeyId),
    /// More keys than one call may create, or none.
    #[error("one call creates 1 to {CREATE_KEYS_MAX} keys: split it")]
    KeyCount,
    /// A value is given for a kind of key that is made here, or none for a secret.
    #[error("a secret is registered with its value, every other kind of key is made here without one")]
    ValueMismatch,
    /// The value of a secret is too large.
    #[error("a secret is at most {} bytes", crate::limits::SECRET_SIZE_MAX)]
    SecretTooLarge,
    /// No import of the store is open under this id.
    #[error(
        "no import {0} is open: it was completed, tried in vain, cancelled, or is over after 24 hours, if it ever was; begin another one"
    )]
    ImportNotFound(ImportId),
    /// An import is completed by whoever began it.
    #[error("import {0} was begun by another requester, who alone may complete it: begin one of your own")]
    ImportOfAnother(ImportId),
    /// So many bytes cannot have been wrapped to a transport key.
    #[error(
        "this is not wrapped key material: it is {OAEP_SIZE} bytes of RSA-OAEP, then AES-KWP of 16 to {} bytes; the import is still open",
        IMPORT_WRAPPED_SIZE_MAX - OAEP_SIZE
    )]
    ImportSize,
    /// Wrapped material cannot be unwrapped, or is no good material of its algorithm. Carries no cause: telling these apart helps an attacker.
    #[error(
        "the import failed, and its transport key is spent: begin another one; the material must be good for the algorithm, and wrapped by RSA-OAEP with SHA-256 and AES-256 with padding (RFC 5649)"
    )]
    ImportFailed,
    /// An import was tried, and what came out of it could not be made a key or version: there is no second try.
    #[error("{}; import {import} is over all the same: begin another one", spent_for(.cause))]
    ImportSpent {
        /// The import.
        import: ImportId,
        /// Why it could not.
        cause: Box<Error>,
    },
    /// As many imports are open as may be.
    #[error(
        "too many imports are open, {IMPORTS_MAX} of a store or {IMPORTS_IN_ALL_MAX} in all: complete or cancel some, or wait until they end"
    )]
    TooManyImports,
    /// The key was not created for it.
    #[error("key {0} is not exportable, which is fixed when a key is created: its material never leaves")]
    NotExportable(KeyId),
    /// The version of the key does nothing, so it does not leave either.
    #[error("version {version} of key {id} is {state}: only current and active versions are exported")]
    KeyVersionNotUsable {
        /// The key.
        id: KeyId,
        /// The version.
        version: KeyVersion,
        /// Its state.
        state: VersionState,
    },
    /// An empty secret.
    #[error("secret {0} is empty: there is nothing to export")]
    NothingToExport(KeyId),
    /// The system key has no such version.
    #[error("the system key has no version {0}")]
    SystemKeyNotFound(u32),
    /// A version of the system key is not destroyed, because something would be lost with it.
    #[error("version {version} of the system key is not destroyed: {needed_by}")]
    SystemKeyNeeded {
        /// The version.
        version: u32,
        /// What needs it, in words, with what is to be done.
        needed_by: String,
    },
    /// What is to be changed is not as the actor has seen it.
    #[error(
        "somebody else has changed it since you saw it: look at it again, then repeat the change with its revision if you still want it"
    )]
    NotAsExpected,
    /// A record changed between reading and writing.
    #[error("the record was changed by someone else at the same time: read it again, then repeat the change")]
    Conflict,

    // The operator can act.
    /// A stop is in force, and the disks have not answered yet.
    #[error("the disks have not answered within {} seconds: check those of the data folder, the journal and the audit log", STOP_WRITTEN_WITHIN.as_secs())]
    StopPending,
    /// A stop has ended before it was written.
    #[error(
        "somebody has unlocked, or enabled it again, since: the audit log says who; stop it again if that was not meant"
    )]
    StopEnded,
    /// Somebody has locked the daemon.
    #[error(
        "the daemon is locked: no key is used, made or given out until somebody unlocks it (`claviger emergency unlock`)"
    )]
    Locked,
    /// Storage failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// A record is not what was written: it was altered, moved, or belongs to another installation.
    #[error("record {0} is damaged or was altered: restore it from a backup")]
    Damaged(String),
    /// The shred secret of a key is gone: the storage is older than the key's destruction.
    #[error(
        "key {0} was destroyed, and nothing brings it back: this data folder is older than that; restore a newer one, or delete the key here too"
    )]
    KeyShredded(KeyId),
    /// The audit log cannot be written, or is not as it was left: nothing was changed, unless it is [`AuditError::NotYetLogged`], which says that a change was made and is in force.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// The shred table cannot be written or read.
    #[error(transparent)]
    ShredTable(#[from] ShredError),
    /// The system key that wraps a record is missing.
    #[error("system key version {0} is missing: add it to the system-key file, or restore that file")]
    SystemKeyMissing(u32),
    /// The root key or the system-key file cannot be read or written.
    #[error(transparent)]
    Hierarchy(#[from] HierarchyError),
    /// The use of a key has to be written, and cannot be.
    #[error("key {id} is used only if its uses can be written, which storage does not take: see its errors in the log")]
    UsesNotWritten {
        /// The key.
        id: KeyId,
    },
    /// The system gave no random bytes.
    #[error("the system gave no random bytes")]
    Entropy(#[from] EntropyError),
    /// The engine is being shut down.
    #[error("the engine is shutting down")]
    Closed,
}

impl Error {
    /// Whether it says of a change that it was made and is in force, and is not in the audit log yet. After any other error it was not made, as far as anybody knows.
    #[must_use]
    pub fn is_made(&self) -> bool {
        match self {
            Self::Audit(error) => matches!(error, AuditError::NotYetLogged(_)),
            Self::ImportSpent { cause, .. } => cause.is_made(),
            _ => false,
        }
    }
}

/// How long ago something was, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ago(pub Duration);

impl fmt::Display for Ago {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let minutes = self.0.as_secs() / 60;
        match (minutes / 60, minutes) {
            (0, 0) => f.write_str("less than a minute ago"),
            (0, 1) => f.write_str("a minute ago"),
            (0, minutes) => write!(f, "{minutes} minutes ago"),
            (1, _) => f.write_str("an hour ago"),
            (hours, _) => write!(f, "{hours} hours ago"),
        }
    }
}

/// Why nothing came of an import that is over. A change that failed is usually to be repeated; this one cannot be.
fn spent_for(cause: &Error) -> String {
    match cause {
        Error::Conflict => "the key was changed by somebody else again and again at the same moment".to_owned(),
        cause => cause.to_string(),
    }
}

/// Why one item of a batch has no result. The others are not touched by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ItemError {
    /// Every failed decryption: wrong key, wrong context, altered or malformed bytes.
    /// Carries no cause: telling these apart helps an attacker.
    #[error("decryption failed")]
    DecryptionFailed,
    /// The signature or MAC is not valid for the message.
    #[error("verification failed")]
    VerificationFailed,
    /// The plaintext is above its limit.
    #[error("the plaintext is too large")]
    PlaintextTooLarge,
    /// The encryption context is above its limit.
    #[error("the context is too large")]
    ContextTooLarge,
    /// The message is above its limit.
    #[error("the message is too large")]
    MessageTooLarge,
    /// The digest is not as long as the algorithm's.
    #[error("the digest has the wrong size")]
    DigestSizeWrong,
    /// A size that is asked for is not one of those allowed.
    #[error("this size is not allowed")]
    SizeNotAllowed,
    /// The reply has no room for the result. Said by the sink; nothing was done.
    #[error("the reply is full")]
    ReplyFull,
    /// The crypto library failed for a reason of its own, or gave no random bytes.
    #[error("the crypto library failed")]
    Library,
}
