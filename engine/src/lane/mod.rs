//! Lanes: which work a worker does itself, and the pools of threads for the rest.
//!
//! A worker serves many connections on one thread. Whatever takes longer than [`INLINE_COST_MAX`] goes to the compute pool, and whatever may wait for storage goes to
//! the storage pool, so that a slow signature or a cold key does not delay a fast seal on the same thread.

mod pool;
mod untold;

use std::time::Duration;

use claviger_algorithm::{Algorithm, Operation};

use crate::cache::KeyEntry;
use crate::key::version::KeyVersion;
use crate::limits::{ASYMMETRIC_DECRYPT_TRIES_MAX, INLINE_COST_MAX};

pub use self::pool::{Job, Pool, PoolFull, Urgency};
pub use crate::fair_queue::Claim;

/// Where a frame's work is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// On the worker's own thread, at once.
    Inline,
    /// On the compute pool.
    Compute,
}

impl KeyEntry {
    /// What `items` of `bytes` in all cost on one core at most, with this key. Verification and asymmetric decryption that name no version may try all of them.
    #[must_use]
    pub fn cost(&self, operation: Operation, version: Option<KeyVersion>, items: usize, bytes: usize) -> Duration {
        let tries = match operation {
            Operation::Verify | Operation::VerifyMac if version.is_none() => self.versions.len(),
            Operation::AsymmetricDecrypt if version.is_none() => self.versions.len().min(ASYMMETRIC_DECRYPT_TRIES_MAX),
            _ => 1,
        };
        cost(self.algorithm, operation, items, bytes).saturating_mul(u32::try_from(tries).unwrap_or(u32::MAX))
    }
}

/// The lane for work of this cost.
#[must_use]
pub fn lane(cost: Duration) -> Lane {
    if cost > INLINE_COST_MAX { Lane::Compute } else { Lane::Inline }
}

/// What `items` of `bytes` in all cost on one core, if each takes one try.
fn cost(algorithm: Algorithm, operation: Operation, items: usize, bytes: usize) -> Duration {
    let cost = algorithm.row().cost;
    let per_item = match operation {
        Operation::Encrypt | Operation::WrapDataKey | Operation::Sign | Operation::MakeMac => cost.make_nanoseconds,
        Operation::Decrypt
        | Operation::UnwrapDataKey
        | Operation::Verify
        | Operation::AsymmetricDecrypt
        | Operation::VerifyMac => cost.check_nanoseconds,
        Operation::ReadSecret | Operation::ReadPublicKey => return Duration::ZERO,
    };
    let items = u64::try_from(items).unwrap_or(u64::MAX).saturating_mul(u64::from(per_item));
    let bytes = u64::try_from(bytes).unwrap_or(u64::MAX).saturating_mul(cost.kibibyte_nanoseconds.into()) / 1_024;
    Duration::from_nanos(items.saturating_add(bytes))
}
