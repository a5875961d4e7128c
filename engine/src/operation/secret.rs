//! Read a secret.

use claviger_algorithm::Operation;

use super::ReadScope;
use super::done::Done;
use crate::cache::{KeyEntry, PreparedKey};
use crate::error::Error;
use crate::key::version::KeyVersion;

/// The value of one version of a secret, lent by the cache entry. No Debug: it must not be printed.
pub struct SecretValue<'a> {
    /// Which version it is.
    pub version: KeyVersion,
    /// 0..=32,768 bytes.
    pub value: &'a [u8],
}

impl KeyEntry {
    /// The value of `version`, or of the current one.
    ///
    /// # Errors
    /// [`Error::KeyNotUsable`], [`Error::OperationNotAllowed`], [`Error::KeyVersionNotFound`].
    pub fn secret(&self, scope: &mut ReadScope<'_>, version: Option<KeyVersion>) -> Result<SecretValue<'_>, Error> {
        self.check(Operation::ReadSecret)?;
        let entry = self.version_or_current(version)?;
        match &entry.key {
            PreparedKey::Opaque(value) => {
                let mut done = Done::default();
                done.item(entry.version, value.expose().len());
                scope.count(self, &done);
                Ok(SecretValue { version: entry.version, value: value.expose() })
            }
            _ => Err(self.not_allowed(Operation::ReadSecret)),
        }
    }
}
