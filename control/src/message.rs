//! What is said on the control port, in JSON: names in snake_case, times in RFC 3339, bytes in base64 (RFC 4648 section 4, with padding).
//!
//! Requests refuse fields that they do not know. Replies may gain fields, so whoever reads them ignores what he does not know.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::secret::SecretText;

/// Body of a request that needs to say nothing: `{}`.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

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

/// The access methods of a key store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Access {
    /// A client certificate of the store's own authority is asked for.
    #[serde(default)]
    pub client_certificate: bool,
}

/// A key store.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Store {
    /// Its id, which never changes: 32 lower-case hexadecimal digits.
    pub id: String,
    /// Its name.
    pub name: String,
    /// When it was created.
    #[schema(value_type = String, format = DateTime)]
    pub created: Timestamp,
    /// Who may come in.
    pub access: Access,
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
}

/// A key: everything but its material.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Key {
    /// Its id, which never changes: 32 lower-case hexadecimal digits.
    pub id: String,
    /// Id of the store that holds it.
    pub store_id: String,
    /// Its name.
    pub name: String,
    /// What it is for: `secret`, `symmetric`, `mac` or `asymmetric`.
    pub kind: String,
    /// Its algorithm.
    pub algorithm: String,
    /// `available`; `disabled` or `deletion requested`: every cryptographic operation is refused; `deleted`: its material is gone for good.
    pub state: String,
    /// When it was created.
    #[schema(value_type = String, format = DateTime)]
    pub created: Timestamp,
    /// When it was last changed.
    #[schema(value_type = String, format = DateTime)]
    pub changed: Timestamp,
    /// The version that encrypts and signs. A deleted key has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_version: Option<u32>,
    /// The lowest version that decrypts: ciphertexts of those below are refused. 1 unless it has been set.
    pub lowest_version: u32,
    /// When it is rotated by itself, if it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rotation: Option<Rotation>,
    /// The deletion that has been requested, if one has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deletion: Option<Deletion>,
    /// When it was deleted, if it was. 365 days later nothing is left of its description either.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub deleted: Option<Timestamp>,
    /// How often the current version was used, if its algorithm limits that, told where one key is shown. After an unclean stop it may be above the truth, never below.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uses: Option<Uses>,
    /// All its versions, ascending.
    pub versions: Vec<KeyVersion>,
    /// What a person should do about it before it is too late, in sentences.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// The rotation of a key by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Rotation {
    /// Days from one rotation to the next.
    pub period_days: u16,
    /// When the next one is due. It may be late, but is not lost; those missed while the daemon was down are one.
    #[schema(value_type = String, format = DateTime)]
    pub next: Timestamp,
}

/// The deletion of a key that has been requested.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Deletion {
    /// When it was requested.
    #[schema(value_type = String, format = DateTime)]
    pub requested: Timestamp,
    /// When it is final, at the earliest; until then it can be cancelled.
    #[schema(value_type = String, format = DateTime)]
    pub deadline: Timestamp,
}

/// Request the deletion of a key.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RequestDeletion {
    /// How many hours the request can be cancelled, 24 to 720; 72 unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 24, maximum = 720)]
    pub wait_hours: Option<u32>,
}

/// Have a key rotated by itself, or no longer.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetRotation {
    /// Days from one rotation to the next, 1 to 730; `null` ends it. It has to be there: nothing is not taken for the end.
    #[serde(deserialize_with = "Option::deserialize")]
    #[schema(required = true, minimum = 1, maximum = 730)]
    pub period_days: Option<u16>,
}

/// Set the lowest version of a key that decrypts.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetLowestVersion {
    /// Its number, up to that of the current version. Ciphertexts of lower ones are refused from then on.
    #[schema(minimum = 1)]
    pub version: u32,
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
    /// When it was created.
    #[schema(value_type = String, format = DateTime)]
    pub created: Timestamp,
}

/// Keys of a store: those just created, or one page in the order of their names.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct KeyList {
    /// The keys.
    pub keys: Vec<Key>,
    /// What to give as `after` for the next page. Missing on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Issue a client certificate of a store's authority.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
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
}

/// A client certificate that has been issued.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct IssuedCertificate {
    /// The certificate, PEM.
    pub certificate: String,
    /// Its private key (PKCS#8, PEM) if it was made by the server. It is not kept: this is the only time it can be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Password)]
    pub private_key: Option<SecretText>,
    /// Until when it is valid.
    #[schema(value_type = String, format = DateTime)]
    pub not_after: Timestamp,
}

/// The authority that issues the client certificates of a store.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct StoreAuthority {
    /// Its certificate, PEM.
    pub certificate: String,
}

/// An algorithm that keys can have.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Algorithm {
    /// Its name.
    pub name: String,
    /// The kind of its keys: `secret`, `symmetric`, `mac` or `asymmetric`.
    pub kind: String,
    /// What its keys do on the data port.
    pub operations: Vec<String>,
    /// How many bytes one item yields: a ciphertext, a MAC, a signature, what a private key decrypts, or the value of a secret.
    pub output_size: OutputSize,
    /// Bytes of a digest that the client may make itself, with the hash that the name ends with. Missing where only whole messages are taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest_size: Option<u64>,
    /// How many items one version of a key may encrypt. Missing where there is no number that anyone reaches.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub use_limit: Option<u64>,
    /// How dear one item is: `light` (below a microsecond), `medium` (up to 50 microseconds), or `heavy` (worked on apart from everything else).
    pub cost_class: String,
    /// About how long one core takes for an item to encrypt, sign, make a MAC or read, in nanoseconds; 0 if its keys do nothing of this.
    pub make_nanoseconds: u64,
    /// The same to decrypt or verify.
    pub check_nanoseconds: u64,
    /// How long making a key takes: `fast`, or `slow` (up to seconds).
    pub generation: String,
}

/// How many bytes one item yields.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OutputSize {
    /// Always so many.
    Fixed(u64),
    /// Any number up to this one.
    AtMost(u64),
    /// So many more than the plaintext has.
    PlaintextPlus(u64),
}

/// All algorithms.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct AlgorithmList {
    /// The algorithms.
    pub algorithms: Vec<Algorithm>,
}

/// How the daemon is.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// Version of the program.
    pub version: String,
    /// Version of the data protocol.
    pub protocol_version: u32,
    /// When it was started.
    #[schema(value_type = String, format = DateTime)]
    pub started: Timestamp,
    /// Who holds the root key.
    pub root_key: String,
    /// Whether root key and system keys come from other machines than this one.
    pub separated: bool,
    /// Whether memory is excluded from core dumps.
    pub core_dumps_excluded: bool,
    /// Whether memory is locked, so that it never gets into swap space.
    pub memory_locked: bool,
    /// Whether the processor has a random generator of its own.
    pub hardware_random_generator: bool,
    /// Revision of the storage: it grows with every change.
    pub storage_revision: u64,
    /// Free bytes on the disk of the data folder, if the system tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage_free_bytes: Option<u64>,
    /// Unwrapped keys in memory.
    pub cached_keys: u64,
    /// Open connections of the data port.
    pub data_connections: u64,
    /// What a person should know or do, in sentences.
    pub warnings: Vec<String>,
}

/// Whether the daemon does its work.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Readiness {
    /// Whether everything is served, changes included.
    pub ready: bool,
    /// If not: why.
    pub reasons: Vec<String>,
}

/// Why a request was refused (RFC 9457).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// Kind of problem, for programs; it never changes.
    #[serde(rename = "type")]
    #[schema(example = "urn:claviger:problem:name-taken")]
    pub kind: String,
    /// The kind in words.
    pub title: String,
    /// The status code of the reply.
    pub status: u16,
    /// What is wrong with this request, and what to do.
    pub detail: String,
    /// The path of the request.
    pub instance: String,
    /// Names this request in the log.
    pub trace_id: String,
}
