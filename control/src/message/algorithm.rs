//! Algorithms.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

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
