//! Keys, and how they come.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Deletion, Destruction, KeyUsage, Rotation, RotationByUse, Time, VersionUsage, is_zero};
use crate::secret::SecretText;

/// Create keys, all or none.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateKeys {
    /// 1 to 1,000 keys, of which at most 16 for RSA, which take long to make.
    #[schema(min_items = 1, max_items = 1000)]
    pub keys: Vec<NewKey>,
}

/// A key to create.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewKey {
    /// Its name, unique in its store: 1 to 100 characters of A-Z, a-z, 0-9, dot, underscore and hyphen. Not confidential.
    #[schema(min_length = 1, max_length = 100, pattern = "^[A-Za-z0-9._-]+$", example = "records")]
    pub name: String,
    /// Its algorithm, as the list of algorithms names it; kind, purpose and padding follow from it and never change.
    #[schema(example = "XAES-256-GCM")]
    pub algorithm: String,
    /// The value of a secret (algorithm `OPAQUE`): 0 to 32,768 bytes in base64. Every other kind of key is made by the server, without a value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Password)]
    pub value: Option<SecretText>,
    /// Whether its material may be exported, wrapped to a public key; `false` unless given. It never changes.
    #[serde(default)]
    pub exportable: bool,
    /// Its description, up to 1,024 bytes of UTF-8 without control and format characters (categories Cc and Cf) but line feeds.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Up to 32 labels by name, written as names of keys are; each value is one line of up to 256 bytes of UTF-8.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

impl NewKey {
    /// A key that the server makes, is not exportable, and of which nothing is said yet.
    #[must_use]
    pub fn new(name: impl Into<String>, algorithm: impl Into<String>) -> Self {
        let (description, labels) = (String::new(), BTreeMap::new());
        Self { name: name.into(), algorithm: algorithm.into(), value: None, exportable: false, description, labels }
    }
}

/// A key: everything but its material.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Key {
    /// Its id, which never changes: 32 lower-case hexadecimal digits.
    pub id: String,
    /// Id of the store that holds it.
    pub store_id: String,
    /// Its own name.
    pub name: String,
    /// Its other names in its store, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// What people say of it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Its labels by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// What it is for: `secret`, `symmetric`, `mac` or `asymmetric`.
    pub kind: String,
    /// Its algorithm.
    pub algorithm: String,
    /// `available`; `disabled` or `deletion requested`: every cryptographic operation is refused; `deleted`: its material is gone for good.
    pub state: String,
    /// Whether its material may be exported, wrapped to a public key. Fixed when it was created.
    pub exportable: bool,
    /// When it was created.
    pub created: Time,
    /// When it was last changed.
    pub changed: Time,
    /// Tells this content from every other: to be given back in the header `If-Match: "REVISION"` by whoever changes it, so that nobody undoes what another has done meanwhile.
    pub revision: String,
    /// The version that encrypts and signs. A deleted key has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_version: Option<u32>,
    /// The lowest version that decrypts: ciphertexts of those below are refused. 1 unless it has been set.
    pub lowest_version: u32,
    /// When it is rotated by itself, if it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rotation: Option<Rotation>,
    /// After how much use it is rotated, if it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rotation_by_use: Option<RotationByUse>,
    /// The deletion that has been requested, if one has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deletion: Option<Deletion>,
    /// When it was deleted, if it was. 365 days later nothing is left of its description either.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deleted: Option<Time>,
    /// Of a deleted key: whether it can be brought back from old copies of the data. Of one that lives: told while versions that were destroyed could be, where one key is shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destruction: Option<Destruction>,
    /// How often the current version was used, if its algorithm limits that, told where one key is shown. After an unclean stop it may be above the truth, never below.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uses: Option<Uses>,
    /// Who uses it, told where one key is shown; of a deleted one too. Missing if it never was used; if that cannot be read, `warnings` says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<KeyUsage>,
    /// Its versions, ascending: all there were, or the newest 10 of a secret.
    pub versions: Vec<KeyVersion>,
    /// What a person should do about it before it is too late, in sentences.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// Uses of a key version whose algorithm limits them.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Uses {
    /// Items that were sealed.
    pub used: u64,
    /// How many the algorithm allows. At half of it the key should be rotated; beyond it is refused.
    pub limit: u64,
}

/// One generation of key material.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct KeyVersion {
    /// Its number, from 1.
    pub version: u32,
    /// `current`; `active`: decrypts and verifies only; `disabled`: does nothing until it is enabled; `destroyed`: its material is gone for good.
    pub state: String,
    /// Where its material came from: `generated` by the server, `registered` with its value, or `imported`.
    pub origin: String,
    /// When it was created.
    pub created: Time,
    /// How much it was used, told where one key is shown. Missing if it never was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<VersionUsage>,
}

/// Keys of a store: those just created, or one page in the order of their names.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct KeyList {
    /// The keys.
    pub keys: Vec<Key>,
    /// What to give as `after` for the next page. Missing on the last one; there even if this page is empty, where no key of those that were looked at for it matched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// Records that were passed over because they are damaged, whatever was asked for: what they say is not known. The log names the first of them. Missing if all could be read, and for whoever does not reach every key.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unreadable: usize,
}
