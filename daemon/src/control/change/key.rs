//! What can happen to a key.

use std::fmt;
use std::time::Duration;

use claviger_engine::change::AboutChange;
use claviger_engine::key::id::KeyId;
use claviger_engine::key::material::SecretBytes;
use claviger_engine::key::state::{KeyState, VersionState};
use claviger_engine::key::version::KeyVersion;
use claviger_engine::{Engine, Error, KeyRecord, RotationByUse};

/// What is to happen to a key. Shown, it goes on after the name of the key.
pub enum KeyChange {
    /// A new version of a key.
    Rotate,
    /// A key is disabled or enabled.
    SetState {
        /// Its state from then on.
        state: KeyState,
    },
    /// A key is to be deleted after a wait, in which that can be cancelled.
    RequestDeletion {
        /// How long; unless said, what the key store says.
        wait: Option<Duration>,
    },
    /// A key whose deletion was requested is kept, and disabled.
    CancelDeletion,
    /// A key whose deletion was requested is deleted without the rest of the wait.
    DeleteNow {
        /// Whether that is done although it was used lately.
        force: bool,
    },
    /// A key is rotated because of its use from then on, or no longer.
    SetRotationByUse {
        /// After how much use; none ends it.
        bounds: Option<RotationByUse>,
    },
    /// A key is rotated by itself from then on, or no longer.
    SetRotation {
        /// Days from one rotation to the next; none ends it.
        period_days: Option<u16>,
    },
    /// Ciphertexts of lower versions of a key are refused from then on.
    SetLowestVersion {
        /// The lowest version that decrypts.
        version: KeyVersion,
    },
    /// A secret gets a new value.
    UpdateSecret {
        /// The value.
        value: SecretBytes,
        /// The version that it must be at, if that matters.
        expected: Option<KeyVersion>,
    },
    /// What is said of a key.
    SetAbout {
        /// What is said from then on.
        about: AboutChange,
    },
    /// A version of a key is disabled or made active again.
    SetVersionState {
        /// The version.
        version: KeyVersion,
        /// Its state from then on.
        state: VersionState,
    },
    /// The material of a version of a key is destroyed.
    DestroyVersion {
        /// The version.
        version: KeyVersion,
    },
}

impl KeyChange {
    pub(super) fn apply(self, engine: &Engine, key: KeyId) -> Result<KeyRecord, Error> {
        match self {
            Self::Rotate => engine.rotate(key),
            Self::SetState { state } => engine.set_state(key, state),
            Self::RequestDeletion { wait } => engine.request_deletion(key, wait),
            Self::CancelDeletion => engine.cancel_deletion(key),
            Self::DeleteNow { force } => engine.delete_now(key, force),
            Self::SetRotationByUse { bounds } => engine.set_rotation_by_use(key, bounds),
            Self::SetRotation { period_days } => engine.set_rotation(key, period_days),
            Self::SetLowestVersion { version } => engine.set_lowest_version(key, version),
            Self::UpdateSecret { value, expected } => engine.update_secret(key, value, expected),
            Self::SetAbout { about } => engine.set_about(key, about),
            Self::SetVersionState { version, state } => engine.set_version_state(key, version, state),
            Self::DestroyVersion { version } => engine.destroy_version(key, version),
        }
    }
}

impl fmt::Display for KeyChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rotate => f.write_str("rotated"),
            Self::SetState { state } => write!(f, "set to {state}"),
            Self::RequestDeletion { wait: Some(wait) } => {
                write!(f, "to be deleted in {} hours", wait.as_secs() / (60 * 60))
            }
            Self::RequestDeletion { wait: None } => f.write_str("to be deleted after the wait of its key store"),
            Self::CancelDeletion => f.write_str("not to be deleted any more"),
            Self::DeleteNow { force: false } => f.write_str("deleted"),
            Self::DeleteNow { force: true } => f.write_str("deleted, however lately it was used"),
            Self::SetRotationByUse { bounds: None } => f.write_str("no longer rotated because of its use"),
            Self::SetRotationByUse { bounds: Some(RotationByUse { items, bytes }) } => {
                f.write_str("rotated after")?;
                items.iter().try_for_each(|items| write!(f, " {items} items"))?;
                f.write_str(if items.is_some() && bytes.is_some() { " or" } else { "" })?;
                bytes.iter().try_for_each(|bytes| write!(f, " {bytes} bytes"))
            }
            Self::SetRotation { period_days: Some(days) } => write!(f, "rotated every {days} days"),
            Self::SetRotation { period_days: None } => f.write_str("no longer rotated by itself"),
            Self::SetLowestVersion { version } => {
                write!(f, "decrypts with version {version} and later only")
            }
            Self::UpdateSecret { expected: Some(version), .. } => write!(f, "updated from version {version}"),
            Self::UpdateSecret { expected: None, .. } => f.write_str("updated"),
            Self::SetAbout { about } => {
                f.write_str(if about.description.is_some() { "described anew" } else { "described" })?;
                about.labels.iter().try_for_each(|(label, value)| {
                    write!(f, ", label {label} {}", if value.is_some() { "set" } else { "removed" })
                })
            }
            Self::SetVersionState { version, state } => write!(f, "version {version} set to {state}"),
            Self::DestroyVersion { version } => write!(f, "version {version} destroyed"),
        }
    }
}
