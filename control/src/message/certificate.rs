//! Certificates of clients.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Time;
use crate::secret::SecretText;

/// Issue a client certificate of a store's authority.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct IssueCertificate {
    /// Who the client is: 1 to 64 bytes of printable text. It appears in logs.
    #[schema(min_length = 1, max_length = 64, example = "billing-service")]
    pub common_name: String,
    /// For how many days it is valid, 1 to 398; 90 unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 398)]
    pub lifetime_days: Option<u32>,
    /// A signing request (PKCS#10 in PEM), whose private key stays with the client; nothing but the key is taken from it.
    /// Without one, a private key is made by the server and is in the reply, once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signing_request: Option<String>,
    /// Which operations it permits; all, unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operations: Option<Vec<String>>,
    /// With which keys of the store, by name or id; with all, unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<Vec<String>>,
}

/// Renew a client certificate that the store's authority has issued: another one with the same name, which permits the same.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RenewCertificate {
    /// For how many days the new one is valid, 1 to 398; 90 unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 398)]
    pub lifetime_days: Option<u32>,
    /// For how many hours the former one still lets in, 0 to 2,160; 168 unless given, and never beyond its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 2160)]
    pub overlap_hours: Option<u32>,
    /// As when a certificate is issued.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signing_request: Option<String>,
}

/// A client certificate that has been issued.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct IssuedCertificate {
    /// The id of the row of the store's authentication data by which it comes in: 32 lower-case hexadecimal digits.
    pub access_id: String,
    /// The certificate, PEM.
    pub certificate: String,
    /// Its private key (PKCS#8, PEM) if it was made by the server. It is not kept: this is the only time it can be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Password)]
    pub private_key: Option<SecretText>,
    /// Until when it is valid.
    pub not_after: Time,
    /// Until when the certificate lets in that it renews.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub former_ends: Option<Time>,
}

/// The authority that issues the client certificates of a store.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct StoreAuthority {
    /// Its certificate, PEM.
    pub certificate: String,
}
