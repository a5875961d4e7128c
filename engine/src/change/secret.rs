//! New values of secrets.

use crate::engine::Engine;
use crate::error::Error;
use crate::key::id::KeyId;
use crate::key::material::SecretBytes;
use crate::key::version::KeyVersion;
use crate::record::KeyRecord;

impl Engine {
    /// Gives a secret a new value, of 0..=32,768 bytes, as a new version, in every state in which other keys are rotated. When this returns, nobody reads the value before
    /// as the current one. The newest ten versions are kept, in the states that they have; numbers only grow.
    /// From the eleventh on the oldest one is destroyed, which needs every mirror of the shred table.
    ///
    /// With `expected`, only if that is the current version still: so of two who update at the same time, one is told.
    ///
    /// # Errors
    /// [`Error::SecretMoved`] if another version is the current one, [`Error::SecretTooLarge`], [`Error::ValueMismatch`] if the key is no secret, [`Error::KeyNotFound`],
    /// [`Error::KeyStateWrong`] if it is deleted, [`Error::Conflict`], [`Error::Entropy`], [`Error::Storage`]; [`Error::ShredTable`] if a value would have to be destroyed and a mirror is away:
    /// the secret keeps the values that it has.
    pub fn update_secret(
        &self,
        id: KeyId,
        value: SecretBytes,
        expected: Option<KeyVersion>,
    ) -> Result<KeyRecord, Error> {
        self.ledger.change_key(id, |key| {
            key.must_live()?;
            if let (Some(expected), Some(current)) = (expected, key.record.current())
                && expected != current
            {
                return Err(Error::SecretMoved { id, expected, current });
            }
            key.update(value)
        })
    }
}
