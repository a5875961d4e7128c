//! Random bytes that are remembered, so that a test can look for them.

use std::sync::Arc;

use claviger_engine::crypto::random::{EntropyError, Random, SystemRandom};
use parking_lot::Mutex;

/// The system's random bytes; a copy of each draw of 32 bytes, the size of keys, is kept.
#[derive(Clone, Default)]
pub(crate) struct RecordingRandom {
    keys: Arc<Mutex<Vec<[u8; 32]>>>,
}

impl RecordingRandom {
    /// Everything of the size of a key that was drawn.
    pub(crate) fn keys(&self) -> Vec<[u8; 32]> {
        self.keys.lock().clone()
    }
}

impl Random for RecordingRandom {
    fn fill(&self, out: &mut [u8]) -> Result<(), EntropyError> {
        SystemRandom::new().fill(out)?;
        if let Ok(key) = <[u8; 32]>::try_from(&*out) {
            self.keys.lock().push(key);
        }
        Ok(())
    }
}
