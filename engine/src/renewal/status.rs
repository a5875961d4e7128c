//! What there is to tell of the system keys and of how far renewal has come.

use crate::storage::Revision;

/// One version of the system key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SystemKeyStatus {
    /// Its number, from 1 up.
    pub version: u32,
    /// When it was made, in milliseconds since 1970.
    pub created_ms: u64,
    /// What it is used for.
    pub state: SystemKeyState,
}

/// What a version of the system key is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SystemKeyState {
    /// Everything new is protected by it.
    Current,
    /// Records are, or may be, protected by it that are to be protected anew.
    BeingReplaced,
    /// A walk over all records has found none that needs it.
    Unused,
}

/// How far it has come that all records are protected by the current system key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenewalStatus {
    /// Since when, in milliseconds since 1970: since the rotation, or the start of this process.
    pub since_ms: u64,
    /// Records that were to be protected anew; 0 until they have been counted. It may grow.
    pub records: u64,
    /// Records of these that have been.
    pub renewed: u64,
    /// Why it does not go on for now, if it does not: something cannot be read or written, or there is no space to spare.
    pub failing: Option<String>,
}

impl RenewalStatus {
    pub(super) const fn beginning(since_ms: u64) -> Self {
        Self { since_ms, records: 0, renewed: 0, failing: None }
    }
}

/// Where renewal stands.
#[derive(Default)]
pub(super) struct Progress {
    /// A whole walk has found nothing that needs a version below this one.
    pub(super) unused_below: u32,
    /// The last change when that walk began: none since then needs such a version.
    pub(super) unused_since: Revision,
    /// While there is something to do.
    pub(super) status: Option<RenewalStatus>,
}
