//! What became of a request or an item, and when to try again. `SPEC.md` section 6.

use crate::opcode::Opcode;
use std::fmt;

/// Outcome of a frame or of one item of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// Done.
    Ok,
    /// The body does not have the form that its operation asks for, or the length field is below 36.
    Malformed,
    /// The version field is not 1, or Hello found no common version.
    UnsupportedVersion,
    /// No operation has this opcode.
    UnknownOpcode,
    /// Flags, status or reserved bytes of the request are not 0.
    ReservedNotZero,
    /// The length field is above 1,048,572.
    FrameTooLarge,
    /// The first frame of the byte stream is not Hello.
    HelloRequired,
    /// `item_count` is above the limit.
    TooManyItems,
    /// No such key id, or its key store does not admit this client, or not for this operation.
    NotPermitted,
    /// The key store admits the client, but has no key of this name.
    KeyNotFound,
    /// The key is disabled.
    KeyDisabled,
    /// The key is to be deleted, unless that is cancelled.
    KeyDeletionRequested,
    /// The key is deleted for good.
    KeyDeleted,
    /// A key of this kind or algorithm does not do this operation.
    OperationNotAllowed,
    /// The key has no version of the number named in the request, or that version is disabled, destroyed, or too low to
    /// decrypt.
    KeyVersionNotFound,
    /// The key's current version has been used as often as its algorithm allows.
    KeyExhausted,
    /// The wait is over, and the secret has no newer version than the one that is known.
    NoNewerVersion,
    /// The ciphertext cannot be decrypted with this key and context.
    DecryptionFailed,
    /// Signature or MAC is not valid for this message and key.
    VerificationFailed,
    /// Plaintext above the limit.
    PlaintextTooLarge,
    /// Context above the limit.
    ContextTooLarge,
    /// Message above the limit.
    MessageTooLarge,
    /// The digest's size is not that of the algorithm.
    DigestSizeWrong,
    /// A size asked for, or the size of a data key, is not allowed.
    SizeNotAllowed,
    /// The reply has no room for this result.
    ReplyFull,
    /// The server, or this connection's share of it, is full; nothing was done.
    Overloaded,
    /// The deadline passed before the work was done; nothing of it is given out.
    DeadlineExceeded,
    /// Somebody has locked the server: no key is used until somebody unlocks it.
    Locked,
    /// The server is ending.
    ShuttingDown,
    /// The key could not be loaded, or its use not be recorded.
    StorageUnavailable,
    /// A fault of the server.
    InternalError,
    /// A status of a later version, by its code; only decoding makes it. It counts as [`Retry::Never`].
    Unknown(u8),
}

/// When the same request may be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Retry {
    /// At once.
    Now,
    /// After the time that the reply advises, or after a pause of the client's own.
    Later,
    /// Not before something has been changed.
    Never,
    /// After resolving the key's name again: the id may be out of date.
    Resolve,
}

impl Status {
    /// All statuses of version 1, by ascending code.
    pub const ALL: [Self; 31] = [
        Self::Ok,
        Self::Malformed,
        Self::UnsupportedVersion,
        Self::UnknownOpcode,
        Self::ReservedNotZero,
        Self::FrameTooLarge,
        Self::HelloRequired,
        Self::TooManyItems,
        Self::NotPermitted,
        Self::KeyNotFound,
        Self::KeyDisabled,
        Self::KeyDeletionRequested,
        Self::KeyDeleted,
        Self::OperationNotAllowed,
        Self::KeyVersionNotFound,
        Self::KeyExhausted,
        Self::NoNewerVersion,
        Self::DecryptionFailed,
        Self::VerificationFailed,
        Self::PlaintextTooLarge,
        Self::ContextTooLarge,
        Self::MessageTooLarge,
        Self::DigestSizeWrong,
        Self::SizeNotAllowed,
        Self::ReplyFull,
        Self::Overloaded,
        Self::DeadlineExceeded,
        Self::Locked,
        Self::ShuttingDown,
        Self::StorageUnavailable,
        Self::InternalError,
    ];

    /// The status's code on the wire.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Ok => 0x00,
            Self::Malformed => 0x01,
            Self::UnsupportedVersion => 0x02,
            Self::UnknownOpcode => 0x03,
            Self::ReservedNotZero => 0x04,
            Self::FrameTooLarge => 0x05,
            Self::HelloRequired => 0x06,
            Self::TooManyItems => 0x07,
            Self::NotPermitted => 0x10,
            Self::KeyNotFound => 0x11,
            Self::KeyDisabled => 0x12,
            Self::KeyDeletionRequested => 0x13,
            Self::KeyDeleted => 0x14,
            Self::OperationNotAllowed => 0x15,
            Self::KeyVersionNotFound => 0x16,
            Self::KeyExhausted => 0x17,
            Self::NoNewerVersion => 0x18,
            Self::DecryptionFailed => 0x20,
            Self::VerificationFailed => 0x21,
            Self::PlaintextTooLarge => 0x22,
            Self::ContextTooLarge => 0x23,
            Self::MessageTooLarge => 0x24,
            Self::DigestSizeWrong => 0x25,
            Self::SizeNotAllowed => 0x26,
            Self::ReplyFull => 0x27,
            Self::Overloaded => 0x30,
            Self::DeadlineExceeded => 0x31,
            Self::Locked => 0x32,
            Self::ShuttingDown => 0x33,
            Self::StorageUnavailable => 0x34,
            Self::InternalError => 0x35,
            Self::Unknown(code) => code,
        }
    }

    /// The status of this code; [`Status::Unknown`] if version 1 has none.
    #[must_use]
    pub const fn from_code(code: u8) -> Self {
        match code {
            0x00 => Self::Ok,
            0x01 => Self::Malformed,
            0x02 => Self::UnsupportedVersion,
            0x03 => Self::UnknownOpcode,
            0x04 => Self::ReservedNotZero,
            0x05 => Self::FrameTooLarge,
            0x06 => Self::HelloRequired,
            0x07 => Self::TooManyItems,
            0x10 => Self::NotPermitted,
            0x11 => Self::KeyNotFound,
            0x12 => Self::KeyDisabled,
            0x13 => Self::KeyDeletionRequested,
            0x14 => Self::KeyDeleted,
            0x15 => Self::OperationNotAllowed,
            0x16 => Self::KeyVersionNotFound,
            0x17 => Self::KeyExhausted,
            0x18 => Self::NoNewerVersion,
            0x20 => Self::DecryptionFailed,
            0x21 => Self::VerificationFailed,
            0x22 => Self::PlaintextTooLarge,
            0x23 => Self::ContextTooLarge,
            0x24 => Self::MessageTooLarge,
            0x25 => Self::DigestSizeWrong,
            0x26 => Self::SizeNotAllowed,
            0x27 => Self::ReplyFull,
            0x30 => Self::Overloaded,
            0x31 => Self::DeadlineExceeded,
            0x32 => Self::Locked,
            0x33 => Self::ShuttingDown,
            0x34 => Self::StorageUnavailable,
            0x35 => Self::InternalError,
            code => Self::Unknown(code),
        }
    }

    /// The status's name in `SPEC.md`; `Unknown` for one that version 1 does not have.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "Ok",
            Self::Malformed => "Malformed",
            Self::UnsupportedVersion => "UnsupportedVersion",
            Self::UnknownOpcode => "UnknownOpcode",
            Self::ReservedNotZero => "ReservedNotZero",
            Self::FrameTooLarge => "FrameTooLarge",
            Self::HelloRequired => "HelloRequired",
            Self::TooManyItems => "TooManyItems",
            Self::NotPermitted => "NotPermitted",
            Self::KeyNotFound => "KeyNotFound",
            Self::KeyDisabled => "KeyDisabled",
            Self::KeyDeletionRequested => "KeyDeletionRequested",
            Self::KeyDeleted => "KeyDeleted",
            Self::OperationNotAllowed => "OperationNotAllowed",
            Self::KeyVersionNotFound => "KeyVersionNotFound",
            Self::KeyExhausted => "KeyExhausted",
            Self::NoNewerVersion => "NoNewerVersion",
            Self::DecryptionFailed => "DecryptionFailed",
            Self::VerificationFailed => "VerificationFailed",
            Self::PlaintextTooLarge => "PlaintextTooLarge",
            Self::ContextTooLarge => "ContextTooLarge",
            Self::MessageTooLarge => "MessageTooLarge",
            Self::DigestSizeWrong => "DigestSizeWrong",
            Self::SizeNotAllowed => "SizeNotAllowed",
            Self::ReplyFull => "ReplyFull",
            Self::Overloaded => "Overloaded",
            Self::DeadlineExceeded => "DeadlineExceeded",
            Self::Locked => "Locked",
            Self::ShuttingDown => "ShuttingDown",
            Self::StorageUnavailable => "StorageUnavailable",
            Self::InternalError => "InternalError",
            Self::Unknown(_) => "Unknown",
        }
    }

    /// When the same request may be sent again; nothing for [`Status::Ok`], where there is nothing to repeat.
    #[must_use]
    pub const fn retry(self) -> Option<Retry> {
        match self {
            Self::Ok => None,
            Self::KeyNotFound => Some(Retry::Resolve),
            Self::NoNewerVersion | Self::ReplyFull | Self::DeadlineExceeded | Self::ShuttingDown => Some(Retry::Now),
            Self::KeyDisabled
            | Self::KeyDeletionRequested
            | Self::KeyExhausted
            | Self::Overloaded
            | Self::Locked
            | Self::StorageUnavailable
            | Self::InternalError => Some(Retry::Later),
            Self::Malformed
            | Self::UnsupportedVersion
            | Self::UnknownOpcode
            | Self::ReservedNotZero
            | Self::FrameTooLarge
            | Self::HelloRequired
            | Self::TooManyItems
            | Self::NotPermitted
            | Self::KeyDeleted
            | Self::OperationNotAllowed
            | Self::KeyVersionNotFound
            | Self::DecryptionFailed
            | Self::VerificationFailed
            | Self::PlaintextTooLarge
            | Self::ContextTooLarge
            | Self::MessageTooLarge
            | Self::DigestSizeWrong
            | Self::SizeNotAllowed
            | Self::Unknown(_) => Some(Retry::Never),
        }
    }

    /// Whether the server ends the byte stream after a reply of this status to this operation. A length field below 36
    /// ends it as well: see [`crate::deframer::Fault::ends`].
    #[must_use]
    pub const fn ends(self, opcode: Opcode) -> bool {
        match self {
            Self::UnsupportedVersion | Self::FrameTooLarge | Self::HelloRequired => true,
            Self::Malformed => matches!(opcode, Opcode::Hello),
            _ => false,
        }
    }

    /// Whether the header of a reply may carry this status.
    #[must_use]
    pub const fn speaks_of_frames(self) -> bool {
        !matches!(
            self,
            Self::KeyNotFound
                | Self::DecryptionFailed
                | Self::VerificationFailed
                | Self::PlaintextTooLarge
                | Self::ContextTooLarge
                | Self::MessageTooLarge
                | Self::DigestSizeWrong
                | Self::ReplyFull
        )
    }

    /// Whether an item of a batch may carry this status.
    #[must_use]
    pub const fn speaks_of_items(self) -> bool {
        matches!(self, Self::Ok | Self::SizeNotAllowed | Self::InternalError | Self::Unknown(_))
            || !self.speaks_of_frames()
    }
}

impl fmt::Display for Status {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(code) => write!(formatter, "unknown status {code:#04x}"),
            status => formatter.write_str(status.name()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_leads_back_to_its_status_and_all_others_to_unknown() {
        for code in 0..=u8::MAX {
            let listed = Status::ALL.into_iter().find(|status| status.code() == code);
            assert_eq!(Status::from_code(code), listed.unwrap_or(Status::Unknown(code)), "code {code:#04x}");
        }
    }

    #[test]
    fn unknown_status_is_never_retried_and_shows_its_number() {
        assert_eq!(Status::from_code(0x77).retry(), Some(Retry::Never));
        assert_eq!(Status::from_code(0x77).to_string(), "unknown status 0x77");
    }
}
