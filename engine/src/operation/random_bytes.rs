//! Random bytes for the caller.

use super::ItemSink;
use crate::crypto::random::Random;
use crate::error::ItemError;
use crate::limits::RANDOM_SIZE_MAX;

/// Gives as many random bytes as each of `sizes` says, 1..=32,768 each.
pub fn random_bytes(random: &dyn Random, sizes: impl Iterator<Item = usize>, sink: &mut impl ItemSink) {
    for size in sizes {
        if (1..=RANDOM_SIZE_MAX).contains(&size) {
            sink.item(size, |out| random.fill(out).map(|()| out.len()).map_err(|_| ItemError::Library));
        } else {
            sink.reject(ItemError::SizeNotAllowed);
        }
    }
}
