//! What can be wrong with approvals, for those who ask and those who decide.

use std::num::NonZeroU8;

use super::{ApprovalId, ApprovalState, ChangeClass};
use crate::limits::{
    APPROVAL_CALLS_SIZE_MAX, APPROVAL_QUORUM_MAX, APPROVAL_SHOWN_SIZE_MAX, APPROVAL_TEXT_SIZE_MAX, APPROVALS_MAX,
    APPROVALS_OF_ONE_MAX, APPROVALS_OF_STORES_MAX, BUNDLE_CHANGES_MAX,
};

/// Why nothing was asked for or decided.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApprovalError {
    /// No request has this id.
    #[error("no request for approval has the id {0}: see `claviger approval list`")]
    NotFound(ApprovalId),
    /// It was decided, and has come back with an older copy of the data folder.
    #[error(
        "what request {0} asked for was destroyed when it was decided, before an older copy of the data folder came back: look, and ask again"
    )]
    Gone(ApprovalId),
    /// It is decided already.
    #[error("request {id} is {state}: nothing more can be done with it")]
    Over {
        /// The request.
        id: ApprovalId,
        /// What became of it.
        state: ApprovalState,
    },
    /// Who asks does not approve.
    #[error("you asked for this yourself: somebody else has to decide")]
    OwnRequest,
    /// Nobody approves twice.
    #[error("you have approved this already: others have to, too")]
    Twice,
    /// Only who asked for it withdraws it.
    #[error("only who asked for this can withdraw it: reject it instead")]
    NotYours,
    /// An approval was given by somebody who may not give it any more.
    #[error("{0} has approved this and may not any more: it has to be asked for again")]
    LostRole(String),
    /// What it builds on is not what was shown.
    #[error("what this builds on has changed since it was asked for ({0}): it was not done; look, and ask again")]
    Moved(String),
    /// A policy names changes that do not exist at its place.
    #[error("there are no changes of the class {0} here")]
    NoSuchClass(ChangeClass),
    /// A quorum is out of bounds.
    #[error("a quorum is 1 to {APPROVAL_QUORUM_MAX}")]
    Quorum,
    /// Nobody could approve anything any more.
    #[error(
        "then nobody could ask for a change of {place} and have the approval of {quorum} others, and approvals are needed there: let somebody else with a certificate ask, or approve, first (`claviger person grant`), or set what needs an approval (`claviger approval set-policy`)"
    )]
    QuorumLost {
        /// Where.
        place: String,
        /// How many others have to approve.
        quorum: NonZeroU8,
    },
    /// Too many requests are open.
    #[error(
        "too many requests for approval are open ({APPROVALS_OF_ONE_MAX} of one person, {APPROVALS_OF_STORES_MAX} of key stores, {APPROVALS_MAX} in all): have some decided or withdrawn first"
    )]
    TooMany,
    /// It is too large.
    #[error(
        "this is too large for a request: it may have {BUNDLE_CHANGES_MAX} changes, with bodies of {APPROVAL_CALLS_SIZE_MAX} bytes and descriptions of {APPROVAL_SHOWN_SIZE_MAX} bytes in all; make several"
    )]
    TooLarge,
    /// A text is not one.
    #[error("a reason has at most {APPROVAL_TEXT_SIZE_MAX} bytes, without control and format characters")]
    Text,
    /// The time to decide is out of bounds.
    #[error("a request waits for 1 hour to 30 days")]
    Time,
}
