//! What a key does, one file per family of operations.

pub(crate) mod asymmetric;
pub(crate) mod data_key;
pub(crate) mod encrypt;
pub(crate) mod mac;
pub(crate) mod read;
pub(crate) mod sign;
mod wait;

use claviger_protocol::Status;
use claviger_protocol::message::{Results, Versioned};

/// Bytes of a `u32` size before a field.
const SIZE_FIELD_SIZE: usize = 4;

/// Bytes of a key version before a result.
const KEY_VERSION_SIZE: usize = Versioned::PREFIX_SIZE;

/// Refuses what is larger than the server announced, with the status that it would give.
const fn check_size(bytes: &[u8], size_max: usize, status: Status) -> Result<(), Status> {
    if bytes.len() > size_max { Err(status) } else { Ok(()) }
}

/// Owned values of results that are bytes.
fn bytes<V>(results: Results<'_, &[u8]>, value: impl Fn(&[u8]) -> V) -> Vec<Result<V, Status>> {
    results.map(|result| result.map(&value)).collect()
}
