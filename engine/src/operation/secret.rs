//! Read a secret.

use claviger_algorithm::Operation;

use super::ReadScope;
use super::done::Done;
use crate::cache::{EntryVersion, KeyEntry, PreparedKey};
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
        self.read(scope, self.version_or_current(version)?)
    }

    /// The value of the current version, if its number is above `known`. To find that it is not is no use of the key.
    ///
    /// # Errors
    /// [`Error::KeyNotUsable`], [`Error::OperationNotAllowed`].
    pub fn newer_secret(&self, scope: &mut ReadScope<'_>, known: u32) -> Result<Option<SecretValue<'_>>, Error> {
        self.check(Operation::ReadSecret)?;
        let current = self.current()?;
        if current.version.get() > known { self.read(scope, current).map(Some) } else { Ok(None) }
    }

    fn read<'k>(&self, scope: &mut ReadScope<'_>, entry: &'k EntryVersion) -> Result<SecretValue<'k>, Error> {
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
