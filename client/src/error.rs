//! What can go wrong, for the caller to act on.

use crate::context::ContextError;
use claviger_protocol::{EncodeError, Retry, Status};
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// Why a call has no result. [`Error::retry`] says whether to try again.
///
/// Errors can be cloned, for several calls may wait for the same attempt to connect.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    // The caller can act.
    /// The server answered, and refused.
    #[error("{status}: {}", remedy(*.status))]
    Refused {
        /// The reason.
        status: Status,
        /// How long the server advises to wait before a retry.
        retry_after: Option<Duration>,
    },
    /// The deadline passed before the answer came.
    #[error("the deadline passed before the answer came: allow more time, or send smaller batches")]
    DeadlineExceeded,
    /// The encryption context is none.
    #[error(transparent)]
    Context(#[from] ContextError),
    /// The request does not fit a frame.
    #[error(transparent)]
    TooLarge(#[from] EncodeError),

    // Whoever set the client up can act.
    /// A setting of the client is not usable.
    #[error("setting {setting}: {reason}")]
    Setting {
        /// Name of the field of [`crate::ClientConfig`].
        setting: &'static str,
        /// What is wrong and what to do.
        reason: &'static str,
    },
    /// A certificate or a private key cannot be read.
    #[error("{what} cannot be used: {source}")]
    Certificate {
        /// Which one.
        what: &'static str,
        /// Why.
        source: Arc<CertificateError>,
    },
    /// The address has no network address.
    #[error("the address {address} cannot be found ({source}): check its spelling, it is written host:port")]
    Address {
        /// As configured.
        address: String,
        /// Why.
        source: Arc<io::Error>,
    },
    /// There is no connection to be had.
    #[error("no connection to {address} ({source}): check that the server runs and listens there")]
    Unreachable {
        /// As configured.
        address: String,
        /// Why.
        source: Arc<io::Error>,
    },
    /// The handshake of TLS failed: certificates or key exchange do not fit together.
    #[error("no trusted connection to {address} ({reason}): check the server's CA and the server name")]
    Untrusted {
        /// As configured.
        address: String,
        /// What the handshake says.
        reason: String,
    },
    /// What listens there does not speak the protocol.
    #[error("{address} does not speak claviger/1: check that it is the data port")]
    OtherProtocol {
        /// As configured.
        address: String,
    },

    // The connection or the server is at fault.
    /// The connection ended before the answer came, and once more when the call was sent again.
    #[error("the connection ended before the answer came")]
    Disconnected,
    /// The server sent what the protocol does not allow.
    #[error("the server's answer is not what the protocol allows: check that client and server fit together")]
    BadReply,
}

/// Why a certificate or a private key cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// The text is not PEM or has no such section.
    #[error("it is not in PEM form ({0})")]
    Pem(#[from] rustls_pki_types::pem::Error),
    /// The bytes are none, or do not belong together.
    #[error("{0}")]
    Tls(#[from] rustls::Error),
    /// There is none.
    #[error("there is none in it")]
    Missing,
}

impl Error {
    /// When the same call may be made again: at once, later, never, or after resolving the key's name again.
    ///
    /// The client has already obeyed it where that is sensible: Overloaded until the deadline, a lost connection once. It
    /// does not wait for what a person has to do: for a server to be unlocked, or a key to be made available.
    #[must_use]
    pub fn retry(&self) -> Retry {
        match self {
            Self::Refused { status, .. } => status.retry().unwrap_or(Retry::Never),
            Self::DeadlineExceeded | Self::Disconnected => Retry::Now,
            Self::Address { .. } | Self::Unreachable { .. } => Retry::Later,
            Self::Context(_)
            | Self::TooLarge(_)
            | Self::Setting { .. }
            | Self::Certificate { .. }
            | Self::Untrusted { .. }
            | Self::OtherProtocol { .. }
            | Self::BadReply => Retry::Never,
        }
    }

    /// The status with which the server refused, if it did.
    #[must_use]
    pub const fn status(&self) -> Option<Status> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            _ => None,
        }
    }

    pub(crate) fn refused(status: Status, retry_ms: u32) -> Self {
        if status == Status::DeadlineExceeded {
            return Self::DeadlineExceeded;
        }
        let retry_after = (retry_ms > 0).then(|| Duration::from_millis(u64::from(retry_ms)));
        Self::Refused { status, retry_after }
    }
}

/// For items of batches, whose statuses carry no advice about time.
impl From<Status> for Error {
    fn from(status: Status) -> Self {
        Self::refused(status, 0)
    }
}

/// What a person does about a status.
const fn remedy(status: Status) -> &'static str {
    match status {
        Status::Ok => "done",
        Status::Malformed
        | Status::UnknownOpcode
        | Status::ReservedNotZero
        | Status::FrameTooLarge
        | Status::HelloRequired
        | Status::TooManyItems => "the server does not understand this client: check that their versions fit together",
        Status::UnsupportedVersion => "the server speaks no protocol version of this client: update the older of them",
        Status::NotPermitted => {
            "no such key store or key, or it does not admit this client for this operation: \
             check the names, the client certificate and the store's authentication data"
        }
        Status::KeyNotFound => "the key store has no key of this name: check its spelling, or create it",
        Status::KeyExhausted => {
            "the key's current version has been used as often as its algorithm allows: rotate the key, then send it again"
        }
        Status::NoNewerVersion => "the secret has not been updated meanwhile: wait again",
        Status::KeyDisabled => "the key is disabled: make it available again on the control port",
        Status::KeyDeletionRequested => {
            "the deletion of the key has been requested: cancel it on the control port, then make the key available again"
        }
        Status::KeyDeleted => "the key is deleted for good: use another one",
        Status::OperationNotAllowed => "a key of this kind or algorithm does not do this: use a key that does",
        Status::KeyVersionNotFound => {
            "the key has no such version, or it is disabled, destroyed, or too low to decrypt: describe the key"
        }
        Status::DecryptionFailed => {
            "the ciphertext cannot be decrypted: it needs the key, the context and the bytes it was made with"
        }
        Status::VerificationFailed => "the signature or MAC is not valid for this message and key",
        Status::PlaintextTooLarge => "the plaintext is above the limit: divide it, or encrypt it with a data key",
        Status::ContextTooLarge => "the encryption context is above the limit: use shorter values",
        Status::MessageTooLarge => "the message is above the limit: sign its digest instead",
        Status::DigestSizeWrong => "the digest has not the size of the algorithm: hash with the algorithm's own hash",
        Status::SizeNotAllowed => "this size is not allowed: see the sizes that the operation takes",
        Status::ReplyFull => "the reply has no room for the result: send the item again in a smaller batch",
        Status::Overloaded => "the server is full: try again later, or send less at once",
        Status::DeadlineExceeded => "the deadline passed first: allow more time",
        Status::Locked => {
            "somebody has locked the server: no key is used until an administrator unlocks it (`claviger emergency unlock`)"
        }
        Status::ShuttingDown => "the server is ending: connect again",
        Status::StorageUnavailable => "the server could not load the key: ask its operator, the log says why",
        Status::InternalError => "a fault of the server: ask its operator, the log says what under the trace id",
        Status::Unknown(_) => "this client does not know the status: update it",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_what_to_do() {
        let error = Error::refused(Status::KeyDisabled, 250);
        let text = error.to_string();
        assert_eq!(text, "KeyDisabled: the key is disabled: make it available again on the control port");
        assert_eq!(error.retry(), Retry::Later);
        assert!(matches!(error, Error::Refused { retry_after: Some(wait), .. } if wait == Duration::from_millis(250)));
    }

    #[test]
    fn every_status_has_a_remedy_and_an_advice() {
        for status in Status::ALL.into_iter().filter(|&status| status != Status::Ok) {
            assert!(remedy(status).len() > 20, "{status}");
            assert_eq!(Some(Error::from(status).retry()), status.retry(), "{status}");
        }
    }

    #[test]
    fn an_unknown_status_is_reported_by_its_number_and_not_retried() {
        let error = Error::from(Status::Unknown(0x77));
        assert_eq!((error.retry(), error.status()), (Retry::Never, Some(Status::Unknown(0x77))));
        assert!(error.to_string().starts_with("unknown status 0x77"));
    }
}
