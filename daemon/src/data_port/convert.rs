//! What the engine says, in the words of the wire. The peer gets the status, the log gets the detail.
//!
//! No `_` arms: a new error of the engine must choose its status here.

use claviger_engine::key::id::{KeyId, StoreId};
use claviger_engine::key::state::KeyState;
use claviger_engine::key::version::KeyVersion;
use claviger_engine::{Error, ItemError, LoadError};
use claviger_protocol::{Opcode, RequestHeader, Status};

/// The status of a request that failed as a whole. What only the operator can mend is logged.
pub(super) fn status(error: &Error, header: &RequestHeader) -> Status {
    match error {
        Error::KeyNotFound(_) | Error::KeyStoreNotFound(_) => Status::NotPermitted,
        Error::KeyNotUsable { state, .. } => match state {
            // An available key is not refused for its state.
            KeyState::Available | KeyState::Disabled => Status::KeyDisabled,
            KeyState::DeletionRequested => Status::KeyDeletionRequested,
            KeyState::Deleted => Status::KeyDeleted,
        },
        Error::OperationNotAllowed { .. } => Status::OperationNotAllowed,
        Error::KeyVersionNotFound { .. } => Status::KeyVersionNotFound,
        Error::UseLimitReached { .. } => Status::KeyExhausted,
        // The engine says it once, when writing begins to fail.
        Error::UsesNotWritten { .. } => Status::StorageUnavailable,
        Error::SizeNotAllowed => Status::SizeNotAllowed,
        Error::Storage(_) | Error::Damaged(_) | Error::SystemKeyMissing(_) => {
            failed(error, header, Status::StorageUnavailable, "a request failed at storage")
        }
        Error::KeyShredded(_) => Status::KeyDeleted,
        Error::ShredTable(_) | Error::Audit(_) => {
            failed(error, header, Status::StorageUnavailable, "a request failed at the shred table")
        }
        Error::Locked => Status::Locked,
        Error::Closed => Status::ShuttingDown,
        // The last ones are of changes, which do not come from this port.
        Error::Entropy(_)
        | Error::NameTaken(_)
        | Error::AliasNotFound(_)
        | Error::TooManyAliases(_)
        | Error::InvalidAbout(_)
        | Error::Person(_)
        | Error::NotAsExpected
        | Error::StopPending
        | Error::StopEnded
        | Error::Once(_)
        | Error::Approval(_)
        | Error::ChangesOverlap
        | Error::AccessRowNotFound(_)
        | Error::AccessStateWrong { .. }
        | Error::AccessRowExists { .. }
        | Error::TooManyAccessRows
        | Error::InvalidAccessData(_)
        | Error::InvalidAccessDescription
        | Error::InvalidPermit
        | Error::AccessEndTooLate
        | Error::LastAccessMethod(_)
        | Error::NotACertificate(_)
        | Error::SecretMoved { .. }
        | Error::ImportNotFound(_)
        | Error::ImportOfAnother(_)
        | Error::ImportSize
        | Error::ImportFailed
        | Error::ImportSpent { .. }
        | Error::TooManyImports
        | Error::NotExportable(_)
        | Error::KeyVersionNotUsable { .. }
        | Error::NothingToExport(_)
        | Error::TooManyVersions(_)
        | Error::KeyCount
        | Error::ValueMismatch
        | Error::SecretTooLarge
        | Error::KeyStateWrong { .. }
        | Error::KeyVersionStateWrong { .. }
        | Error::DeletionWait
        | Error::UsedLately { .. }
        | Error::RotationByUse
        | Error::RotationPeriod
        | Error::SystemKeyNotFound(_)
        | Error::SystemKeyNeeded { .. }
        | Error::Hierarchy(_)
        | Error::Conflict => failed(error, header, Status::InternalError, "a request failed"),
    }
}

fn failed(error: &Error, header: &RequestHeader, status: Status, said: &str) -> Status {
    tracing::error!(trace_id = %header.trace_id, operation = operation_name(header), %status, %error, "{said}");
    status
}

/// The name of the operation that a request asks for, as the log tells it.
pub(super) fn operation_name(header: &RequestHeader) -> &'static str {
    Opcode::from_code(header.opcode).map_or("none", Opcode::name)
}

/// The status of one item.
pub(super) const fn item_status(error: ItemError) -> Status {
    match error {
        ItemError::DecryptionFailed => Status::DecryptionFailed,
        ItemError::VerificationFailed => Status::VerificationFailed,
        ItemError::PlaintextTooLarge => Status::PlaintextTooLarge,
        ItemError::ContextTooLarge => Status::ContextTooLarge,
        ItemError::MessageTooLarge => Status::MessageTooLarge,
        ItemError::DigestSizeWrong => Status::DigestSizeWrong,
        ItemError::SizeNotAllowed => Status::SizeNotAllowed,
        ItemError::ReplyFull => Status::ReplyFull,
        ItemError::Library => Status::InternalError,
    }
}

/// The status of a request whose key could not be loaded. The engine has logged why.
pub(super) const fn load_status(error: LoadError) -> Status {
    match error {
        LoadError::NotFound => Status::NotPermitted,
        LoadError::Unavailable => Status::StorageUnavailable,
        LoadError::Locked => Status::Locked,
        LoadError::Overloaded => Status::Overloaded,
    }
}

/// The engine's id of a key.
pub(super) const fn key_id(id: claviger_protocol::KeyId) -> KeyId {
    KeyId(id.0)
}

/// The engine's id of a key store.
pub(super) const fn store_id(id: claviger_protocol::StoreId) -> StoreId {
    StoreId(id.0)
}

/// The wire's id of a key.
pub(super) const fn wire_key_id(id: KeyId) -> claviger_protocol::KeyId {
    claviger_protocol::KeyId(id.0)
}

/// The wire's id of a key store.
pub(super) const fn wire_store_id(id: StoreId) -> claviger_protocol::StoreId {
    claviger_protocol::StoreId(id.0)
}

/// The version that a request names; 0 names none.
pub(super) const fn named_version(version: u32) -> Option<KeyVersion> {
    KeyVersion::new(version)
}

// Both crates bound the same things. A difference would let through what the other refuses.
const _: () = {
    use claviger_engine::limits as engine;
    use claviger_protocol::limits as wire;
    assert!(engine::PLAINTEXT_SIZE_MAX == wire::PLAINTEXT_SIZE_MAX);
    assert!(engine::CONTEXT_SIZE_MAX == wire::CONTEXT_SIZE_MAX);
    assert!(engine::MESSAGE_SIZE_MAX == wire::MESSAGE_SIZE_MAX);
    assert!(engine::DATA_KEY_SIZE_MAX == wire::DATA_KEY_SIZE_MAX);
    assert!(matches!(engine::GENERATED_DATA_KEY_SIZES, wire::GENERATED_DATA_KEY_SIZES));
    assert!(engine::RANDOM_SIZE_MAX == wire::RANDOM_SIZE_MAX);
    assert!(engine::SECRET_SIZE_MAX == wire::SECRET_SIZE_MAX);
    assert!(engine::NAME_SIZE_MAX == wire::NAME_SIZE_MAX);
    assert!(claviger_engine::ciphertext::SEAL_OVERHEAD_MAX == wire::CIPHERTEXT_OVERHEAD_MAX);
};

#[cfg(test)]
mod tests {
    use claviger_engine::key::state::{KeyState, VersionState};

    #[test]
    fn both_crates_know_the_same_states() {
        for id in 0..=u8::MAX {
            assert_eq!(KeyState::from_id(id).is_some(), claviger_protocol::KeyState::from_code(id).is_some());
            assert_eq!(
                VersionState::from_id(id).is_some(),
                claviger_protocol::KeyVersionState::from_code(id).is_some()
            );
        }
    }
}
