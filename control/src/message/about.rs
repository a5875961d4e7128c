//! What people say of a key, and how else they call it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::is_zero;

/// Change description and labels of a key. What is not named stays.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetAbout {
    /// Its description, up to 1,024 bytes of UTF-8 without control and format characters (categories Cc and Cf) but line feeds. Empty, it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Labels by name: 1 to 100 characters of A-Z, a-z, 0-9, dot, underscore and hyphen. Each value is one line of up to 256 bytes of UTF-8; `null` removes the label.
    /// A key has at most 32 of them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, Option<String>>,
}

/// Give a key of a store one more name.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateAlias {
    /// The alias: written as names of keys are, and neither the name nor an alias of any key of the store. A key has at most 32 of them.
    #[schema(min_length = 1, max_length = 100, pattern = "^[A-Za-z0-9._-]+$", example = "records")]
    pub alias: String,
    /// Name, alias or id of the key.
    #[schema(example = "records-2026")]
    pub key: String,
}

/// Have an alias stand for another key of its store, in one step.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MoveAlias {
    /// Name, alias or id of the key that it stands for from then on.
    #[schema(example = "records-2027")]
    pub key: String,
}

/// An alias, and the key that it stands for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Alias {
    /// The alias.
    pub alias: String,
    /// The key's own name.
    pub key: String,
    /// The key's id.
    pub key_id: String,
    /// Tells this content from every other: to be given back in the header `If-Match: "REVISION"` by whoever changes it, so that nobody undoes what another has done meanwhile.
    pub revision: String,
}

/// One page of the aliases of a store in their order.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct AliasList {
    /// The aliases.
    pub aliases: Vec<Alias>,
    /// What to give as `after` for the next page. Missing on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// Aliases that were passed over because their records, or those of their keys, are damaged. The log names the first of them. Missing if all could be read, and for whoever does not reach every key.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unreadable: usize,
}
