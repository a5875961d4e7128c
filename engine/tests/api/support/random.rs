//! Random bytes that are remembered, so that a test can look for them.

use std::sync::Arc;

use claviger_engine::crypto::random::{EntropyError, Random, SystemRandom};
use parking_lot::Mutex;

/// The system's random bytes; a copy of each draw of the size of a key or seed is kept: 32, 48 or 64 bytes.
#[derive(Clone, Default)]
pub(crate) struct RecordingRandom {
    keys: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl RecordingRandom {
    /// Everything of the size of a key that was drawn.
    pub(crate) fn keys(&self) -> Vec<Vec<u8>> {
        self.keys.lock().clone()
    }
}

impl Random for RecordingRandom {
    fn fill(&self, out: &mut [u8]) -> Result<(), EntropyError> {
        SystemRandom::new().fill(out)?;
        if [32, 48, 64].contains(&out.len()) {
            self.keys.lock().push(out.to_vec());
        }
        Ok(())
    }
}
