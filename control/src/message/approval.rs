//! What needs an approval, who asks for one, and what comes of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::Time;
use crate::secret::SecretJson;

/// Which changes need an approval, in a key store or of the installation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ApprovalPolicy {
    /// Their classes: `create`, `modify`, `delete`, `access-control`, `custody` in a key store; `custody` and `installation` of the installation. Empty: none needs one.
    pub classes: Vec<String>,
    /// By how many, beside the one who asks.
    #[schema(minimum = 1, maximum = 10)]
    pub quorum: u8,
    /// Tells this content from another, for `If-Match`: 16 hexadecimal digits.
    pub revision: String,
}

/// Set which changes need an approval.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetApprovalPolicy {
    /// Classes of changes, as in `ApprovalPolicy`. As long as there is one, setting this needs an approval itself.
    pub classes: Vec<String>,
    /// By how many, beside the one who asks; 1 unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 10)]
    pub quorum: Option<u8>,
}

/// A request for approval, and what has become of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Approval {
    /// Its id.
    pub id: String,
    /// Name of the key store whose changes these are; missing for the installation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<String>,
    /// `open`, `applied`, `rejected`, `withdrawn`, `expired`, `moved` (approved, and not done, because what it builds on had changed), or `failed` (approved and begun).
    pub state: String,
    /// Who asks.
    pub requester: Decider,
    /// When it was asked for.
    pub created: Time,
    /// Until when it can be decided.
    pub ends: Time,
    /// Why, in the words of who asks.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// How many have to approve.
    pub quorum: u8,
    /// Who has approved so far, in this order.
    pub approvals: Vec<GivenApproval>,
    /// The changes. They are all made with the last approval, or none of them.
    pub changes: Vec<ApprovalChange>,
    /// When it was decided or ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Time>,
    /// Who rejected it, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejection: Option<Rejection>,
    /// Which record had changed, if it was not done because of that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moved: Option<String>,
    /// Why it has failed, if it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// A person who asks or decides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Decider {
    /// His id.
    pub id: String,
    /// His name; missing if he was removed since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// An approval that was given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GivenApproval {
    /// By whom.
    pub by: Decider,
    /// When.
    pub at: Time,
}

/// Who said no, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Rejection {
    /// Who.
    pub by: Decider,
    /// Why.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// One change of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ApprovalChange {
    /// The operation, by its name in this description.
    pub operation: String,
    /// The change in words, without secrets.
    pub change: String,
    /// The body of the request that was sent, with `null` in the place of secrets. Missing if it said nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub request: Option<Value>,
    /// What it changes, as that stood when it was asked for. Missing if nothing was there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub before: Option<Value>,
    /// What it changes, as it will stand. Missing if that is known only when it has been done, or must not be shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub after: Option<Value>,
}

/// One page of requests for approval, in the order in which they were made.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ApprovalList {
    /// The requests.
    pub approvals: Vec<Approval>,
    /// What to give as `after` for the next page. Missing on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Ask for several changes of one key store, all or none.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AskForApproval {
    /// Why: up to 1,000 bytes, for those who decide.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// For how many hours it can be decided: 1 to 720; 168 unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 720)]
    pub hours: Option<u32>,
    /// The changes, 1 to 20; none may build on another.
    pub changes: Vec<AskedChange>,
}

/// One change that is asked for: a request of another route, as it would be sent.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AskedChange {
    /// The operation, by its name in this description.
    #[schema(example = "rotate_key")]
    pub operation: String,
    /// The parts of its path, beside the key store.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, String>,
    /// The revision of what it changes, as who asks has seen it: what `If-Match` says of a change that is asked for by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// Its body.
    #[serde(default, skip_serializing_if = "SecretJson::is_null")]
    #[schema(value_type = Option<Object>)]
    pub body: SecretJson,
}

/// Reject a request.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RejectApproval {
    /// Why: up to 1,000 bytes, for who asked.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// What the changes of an approved request have answered, for who asked for them. Kept after they are applied: lost if the daemon ends in between, with a private key that was among them.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct ApprovalAnswers {
    /// The answers, in the order of the changes. There may be secrets in them.
    #[schema(value_type = Vec<Object>)]
    pub answers: Vec<SecretJson>,
}
