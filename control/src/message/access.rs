//! Who may come in to a key store: access methods, and the rows of its authentication data.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Deletion, Time};

/// The access methods of a key store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Access {
    /// A client certificate is asked for: of the store's own authority, or pinned.
    #[serde(default)]
    pub client_certificate: bool,
    /// The client has to come from a network of the store's authentication data.
    #[serde(default)]
    pub address: bool,
    /// The client has to have a hardware (MAC) address of the store's authentication data: a hint, no proof.
    #[serde(default)]
    pub hardware_address: bool,
}

/// Set the access methods of a key store. What is not given stays as it is; one at least must stay set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetAccessMethods {
    /// Whether a client certificate is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_certificate: Option<bool>,
    /// Whether the client has to come from a network of the store's authentication data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<bool>,
    /// Whether the client has to have a hardware address of the store's authentication data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hardware_address: Option<bool>,
}

/// Add a row of authentication data: exactly one of `address`, `hardware_address`, `certificate`, `public_key` and `public_key_sha256`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AddAccess {
    /// An IPv4 or IPv6 address, or a network whose host bits are zero.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "192.0.2.0/24")]
    pub address: Option<String>,
    /// A hardware (MAC) address: six pairs of hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "02:00:5e:10:00:01")]
    pub hardware_address: Option<String>,
    /// A certificate of another authority, PEM: its public key is pinned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    /// A public key (SubjectPublicKeyInfo, PEM), which is pinned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_key: Option<String>,
    /// SHA-256 of a public key (SubjectPublicKeyInfo, DER), which is pinned: 64 lower-case hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_key_sha256: Option<String>,
    /// What people say of it: one line of at most 256 bytes.
    #[serde(default)]
    #[schema(max_length = 256)]
    pub description: String,
    /// When it stops to let in by itself; never, unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends: Option<Time>,
    /// Which operations it permits; all, unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operations: Option<Vec<String>>,
    /// With which keys of the store, by name or id; with all, unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<Vec<String>>,
}

/// Set what a row of authentication data permits. What is not given is not restricted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NarrowAccess {
    /// Which operations: encrypt, decrypt, wrap-data-key, unwrap-data-key, sign, verify, asymmetric-decrypt, make-mac, verify-mac, read-secret, read-public-key, random-bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = json!(["encrypt"]))]
    pub operations: Option<Vec<String>>,
    /// With which keys of the store, by name or id: 1 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<Vec<String>>,
}

/// Describe a row of authentication data anew.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DescribeAccess {
    /// What people say of it: one line of at most 256 bytes.
    #[schema(max_length = 256)]
    pub description: String,
}

/// Set when a row of authentication data stops to let in by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EndAccess {
    /// When; without it, never. That of an issued certificate can only become earlier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends: Option<Time>,
}

/// A row of the authentication data of a key store: who shows this passes the method that it is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccessRow {
    /// Its id, which never changes: 32 lower-case hexadecimal digits.
    pub id: String,
    /// The id of the key store.
    pub store_id: String,
    /// The access method that it is for: client_certificate, address, or hardware_address.
    pub method: String,
    /// An address or a network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// A hardware address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hardware_address: Option<String>,
    /// The name in a certificate that the store's authority has issued; missing for a pinned key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub common_name: Option<String>,
    /// The serial number of that certificate, in hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// SHA-256 of the public key (SubjectPublicKeyInfo, DER), in hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_key_sha256: Option<String>,
    /// What people say of it.
    pub description: String,
    /// available, disabled, or deletion requested.
    pub state: String,
    /// Whether it is disabled in memory alone, because that could not be written yet.
    #[serde(default)]
    pub not_durable: bool,
    /// Tells this content from every other: to be given back in the header `If-Match: "REVISION"` by whoever changes it, so that nobody undoes what another has done meanwhile.
    pub revision: String,
    /// When it was added.
    pub created: Time,
    /// Who has added it.
    pub creator: String,
    /// When it stops to let in by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends: Option<Time>,
    /// Which operations it permits; all, if missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operations: Option<Vec<String>>,
    /// The ids of the keys with which; with all, if missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<Vec<String>>,
    /// When somebody last came in by it, or did something having come in by it, to the minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used: Option<Time>,
    /// Its deletion, if that is requested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion: Option<Deletion>,
}

/// One page of the authentication data of a key store, in the order of their ids.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccessList {
    /// The rows of this page.
    pub rows: Vec<AccessRow>,
    /// What to give as `after` for the next page. Missing on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Something lets nobody in any more: in force on every connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Stopped {
    /// The id of the key store or of the row of authentication data.
    pub id: String,
    /// `disabled`.
    pub state: String,
    /// Whether it is written. What is not is tried again every few seconds, and is over if the daemon ends before.
    pub durable: bool,
    /// Why it could not be written, or is not in the audit log yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// Whether a client comes in to a key store, method by method.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WhyDenied {
    /// The id of the key store.
    pub store_id: String,
    /// Whether the client comes in, and may do what was asked about.
    pub admitted: bool,
    /// Each thing that decides: the state of the store, its methods, and what is permitted.
    pub checks: Vec<AccessCheck>,
}

/// One of the things that decide.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccessCheck {
    /// store, client_certificate, address, hardware_address, or operation.
    pub check: String,
    /// Whether the client passes it.
    pub passes: bool,
    /// Why, and what to do.
    pub reason: String,
    /// The ids of the rows by which it passes, or that would let it in.
    pub access_ids: Vec<String>,
}

/// Ask whether a client comes in to a key store. What is not given counts as not shown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AskWhyDenied {
    /// The certificate that the client shows, with those that lead from it to its authority, PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    /// Instead of that: the name in a certificate that the store's authority has issued, or the id of its row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// The address that the client comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The hardware address that the server sees. Unless given, the server looks for that of `address`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hardware_address: Option<String>,
    /// The hardware address that the client says it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declared_hardware_address: Option<String>,
    /// What it wants to do: one of the operations that a row permits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// With which key of the store, by name or id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}
