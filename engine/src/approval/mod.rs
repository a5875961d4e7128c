//! Approval: changes that somebody asks for and others let happen.
//!
//! `policy` says which changes need it, `quorum` whether anybody could give it. `request` is asking: the change is made on trial, so that it can be shown what it builds on (`grounds`) and what comes of it. `decide` is approving, which makes the
//! change as it was shown with the last approval, or not at all; rejecting; and withdrawing. `tend` is what the clock does: requests end, and are forgotten.
//!
//! What exactly is asked for are bytes of whoever calls the engine: there may be secrets in them, so that they are kept wrapped by a secret of their own (`secret`), given back to be done, and destroyed.

mod decide;
mod error;
mod grounds;
mod policy;
mod quorum;
mod request;
mod secret;
mod tend;

use std::fmt;
use std::num::NonZeroU8;
use std::str::FromStr;

use data_encoding::HEXLOWER;

use crate::crypto::random::{EntropyError, Random};
use crate::key::id::{ID_SIZE, ParseIdError, StoreId, parse_hex};
use crate::person::PersonId;

pub use decide::Decided;
pub use error::ApprovalError;
pub(crate) use grounds::Ground;
pub(crate) use policy::begin;
pub use policy::{ApprovalPolicy, ChangeClass, ChangeClasses};
pub use request::{ApprovalPage, NewRequest, Trial};
pub(crate) use secret::{SecretPart, secret_id};

/// Id of a request for approval: when it was made, and 8 random bytes, so that requests are listed in their order. Not confidential.
///
/// Text form: 32 lowercase hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ApprovalId(pub [u8; ID_SIZE]);

/// A request for approval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApprovalRecord {
    /// Its id.
    pub id: ApprovalId,
    /// The key store whose changes these are; `None` for the installation.
    pub store: Option<StoreId>,
    /// What kinds of changes they are.
    pub classes: ChangeClasses,
    /// Who asks.
    pub requester: PersonId,
    /// When it was asked for, in milliseconds since 1970.
    pub created_ms: u64,
    /// Until when it can be decided, in milliseconds since 1970.
    pub ends_ms: u64,
    /// How many have to approve.
    pub quorum: NonZeroU8,
    /// Why, in the words of who asks; may be empty.
    pub reason: String,
    /// Whether the changes are made in one transaction. What changes more than records cannot be, and stands alone.
    pub is_bundle: bool,
    /// The changes, one at least.
    pub changes: Vec<ShownChange>,
    /// What they build on.
    pub(crate) grounds: Vec<Ground>,
    /// The approvals that were given so far.
    pub given: Vec<GivenApproval>,
    /// What has become of it.
    pub state: ApprovalState,
}

/// One change of a request, as it is shown to those who decide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownChange {
    /// What is done, by the name of the route.
    pub operation: String,
    /// The change in words, without secrets.
    pub shown: String,
    /// What was asked for in full, as JSON without secrets; nothing if there is nothing to say.
    pub request: Option<String>,
    /// What it changes as that stood when it was asked for, as JSON; nothing if it is made by it or cannot be shown.
    pub before: Option<String>,
    /// What it changes as it will stand, as JSON; nothing if that is known only when it has been made.
    pub after: Option<String>,
}

/// An approval that was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GivenApproval {
    /// By whom.
    pub by: PersonId,
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
}

/// What has become of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApprovalState {
    /// It can be decided.
    Open,
    /// It was approved, and done.
    Applied {
        /// When, in milliseconds since 1970.
        at_ms: u64,
    },
    /// Somebody has said no.
    Rejected {
        /// Who.
        by: PersonId,
        /// When, in milliseconds since 1970.
        at_ms: u64,
        /// Why.
        reason: String,
    },
    /// Who asked for it does not want it any more.
    Withdrawn {
        /// When, in milliseconds since 1970.
        at_ms: u64,
    },
    /// Nobody decided in time.
    Expired {
        /// When, in milliseconds since 1970.
        at_ms: u64,
    },
    /// It was approved, and not done, because what it builds on had changed.
    Moved {
        /// When, in milliseconds since 1970.
        at_ms: u64,
        /// Which record.
        what: String,
    },
    /// It was approved and begun, and has failed.
    Failed {
        /// When, in milliseconds since 1970.
        at_ms: u64,
        /// Why, as it was answered.
        why: String,
    },
}

impl ApprovalId {
    fn generate(now_ms: u64, random: &dyn Random) -> Result<Self, EntropyError> {
        let mut id = [0; ID_SIZE];
        let (moment, rest) = id.split_at_mut(size_of::<u64>());
        moment.copy_from_slice(&now_ms.to_be_bytes());
        random.fill(rest)?;
        Ok(Self(id))
    }

    /// When it was made, in milliseconds since 1970.
    pub(crate) fn made_ms(self) -> u64 {
        self.0.first_chunk().copied().map_or(0, u64::from_be_bytes)
    }
}

impl fmt::Display for ApprovalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        HEXLOWER.encode_display(&self.0).fmt(f)
    }
}

impl fmt::Debug for ApprovalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApprovalId({self})")
    }
}

impl FromStr for ApprovalId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        parse_hex(text).map(Self)
    }
}

impl ApprovalState {
    /// Its name, for programs and people.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Applied { .. } => "applied",
            Self::Rejected { .. } => "rejected",
            Self::Withdrawn { .. } => "withdrawn",
            Self::Expired { .. } => "expired",
            Self::Moved { .. } => "moved",
            Self::Failed { .. } => "failed",
        }
    }

    /// When it was decided or ended, in milliseconds since 1970; `None` while it is open.
    #[must_use]
    pub const fn ended_ms(&self) -> Option<u64> {
        match self {
            Self::Open => None,
            Self::Applied { at_ms }
            | Self::Rejected { at_ms, .. }
            | Self::Withdrawn { at_ms }
            | Self::Expired { at_ms }
            | Self::Moved { at_ms, .. }
            | Self::Failed { at_ms, .. } => Some(*at_ms),
        }
    }
}

impl fmt::Display for ApprovalState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
