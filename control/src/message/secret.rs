//! New values of secrets.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::secret::SecretText;

/// Give a secret a new value.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateSecret {
    /// The value: 0 to 32,768 bytes in base64.
    #[schema(value_type = String, format = Password)]
    pub value: SecretText,
    /// The version that the secret must be at, if the value was made from that one: else somebody else's update would be lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub expected_version: Option<u32>,
}
