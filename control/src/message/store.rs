//! Key stores.

use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::{Access, Time};

/// Create a key store.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateStore {
    /// Its name, unique in the installation: 1 to 100 characters of A-Z, a-z, 0-9, dot, underscore and hyphen. Not confidential.
    #[schema(min_length = 1, max_length = 100, pattern = "^[A-Za-z0-9._-]+$", example = "payments")]
    pub name: String,
    /// Who may come in. At least one method must be set, and all that are set must pass.
    pub access: Access,
}

/// A key store.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Store {
    /// Its id, which never changes: 32 lower-case hexadecimal digits.
    pub id: String,
    /// Its name.
    pub name: String,
    /// When it was created.
    pub created: Time,
    /// Who may come in.
    pub access: Access,
    /// Whether anybody comes in: available or disabled.
    pub state: String,
    /// Whether the hardware address that a client says it has counts where the server sees none: weak, because nothing proves it.
    pub declared_hardware_address: bool,
    /// Whether each request of a client is recorded in the audit log.
    pub records_requests: bool,
    /// How much work all its clients together may have done. Missing: as much as there is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quota: Option<Quota>,
    /// How much work each client may have done. Missing: as much as there is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_quota: Option<Quota>,
    /// How many hours deletions of its keys wait unless the request names another number.
    pub deletion_wait_hours: u32,
    /// Whether public keys are given to every client that connects, also to those that may not come in.
    pub open_public_keys: bool,
    /// Tells this content from every other: to be given back in the header `If-Match: "REVISION"` by whoever changes it, so that nobody undoes what another has done meanwhile.
    pub revision: String,
    /// What is to be said of who may come in.
    #[serde(default)]
    pub warnings: Vec<String>,
}

/// Set settings of a key store. What is not given stays as it is.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetStoreSettings {
    /// How many hours deletions of its keys wait unless the request names another number: 24 to 720. Those that were requested already wait as they did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 24, maximum = 720)]
    pub deletion_wait_hours: Option<u32>,
    /// Whether public keys are given to every client that connects, also to those that may not come in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_public_keys: Option<bool>,
    /// Whether the hardware address that a client says it has counts where the server sees none: weak.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declared_hardware_address: Option<bool>,
    /// Whether each request of a client is recorded in the audit log: who used which key when, not for what. What comes faster than it is written is counted instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub records_requests: Option<bool>,
    /// How much work all its clients together may have done; null takes the quota away.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    #[schema(value_type = Option<Quota>, nullable)]
    pub quota: Option<Option<Quota>>,
    /// How much work each client may have done; null takes the quota away.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    #[schema(value_type = Option<Quota>, nullable)]
    pub client_quota: Option<Option<Quota>>,
}

/// A bound of work in cost units: a unit is a microsecond of one core, by the table of algorithms. Requests beyond it are answered Overloaded, with the time after which there is room again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Quota {
    /// Units that come in each second: 1,000,000 are one core.
    #[schema(minimum = 1, maximum = 1_000_000_000, example = 500_000)]
    pub units_per_second: u32,
    /// Units that may be used at once after a time in which fewer were.
    #[schema(minimum = 1, maximum = 1_000_000_000, example = 1_000_000)]
    pub burst: u32,
}

/// What is given is told from what is left out, null included.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<Quota>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// One page of key stores, in the order of their names.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct StoreList {
    /// The stores of this page.
    pub stores: Vec<Store>,
    /// What to give as `after` for the next page. Missing on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    // R-A11
    #[test]
    fn a_quota_that_is_left_out_is_told_from_one_that_is_taken_away() {
        let quota = Quota { units_per_second: 1, burst: 2 };
        for (text, expected) in [
            ("{}", None),
            (r#"{"quota":null}"#, Some(None)),
            (r#"{"quota":{"units_per_second":1,"burst":2}}"#, Some(Some(quota))),
        ] {
            let settings: SetStoreSettings = serde_json::from_str(text).unwrap();
            assert_eq!((settings.quota, settings.client_quota), (expected, None));
            assert_eq!(serde_json::to_string(&settings).unwrap(), text);
        }
        for bad in [r#"{"quota":0}"#, r#"{"quota":{"burst":2}}"#, r#"{"quota":{"units_per_second":-1,"burst":2}}"#] {
            assert!(serde_json::from_str::<SetStoreSettings>(bad).is_err(), "{bad}");
        }
    }
}
