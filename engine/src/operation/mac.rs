//! Make and verify message authentication codes.

use claviger_algorithm::Operation;

use super::done::Done;
use super::signature::{sign_error, verify_error};
use super::version::{VERSION_SIZE, find_version};
use super::{ItemSink, ReadScope};
use crate::cache::{KeyEntry, PreparedKey};
use crate::error::{Error, ItemError};
use crate::key::version::KeyVersion;

/// A message to make a MAC of.
#[derive(Clone, Copy)]
pub struct MacItem<'a>(pub &'a [u8]);

/// A message and the MAC to verify.
#[derive(Clone, Copy)]
pub struct VerifyMacItem<'a> {
    /// The message.
    pub message: &'a [u8],
    /// The MAC, of full length.
    pub mac: &'a [u8],
}

impl KeyEntry {
    /// Makes a MAC of every item by the current version. Result: `version u32 | MAC`, big-endian.
    ///
    /// # Errors
    /// [`Error::KeyNotUsable`], [`Error::OperationNotAllowed`]: no item was done.
    pub fn make_mac<'a>(
        &self,
        scope: &mut ReadScope<'_>,
        items: impl Iterator<Item = MacItem<'a>>,
        sink: &mut impl ItemSink,
    ) -> Result<(), Error> {
        self.check(Operation::MakeMac)?;
        let current = self.current()?;
        let PreparedKey::Mac(key) = &current.key else { return Err(self.not_allowed(Operation::MakeMac)) };
        let mut done = Done::default();
        for MacItem(message) in items {
            sink.item(VERSION_SIZE + key.mac_size(), |out| {
                let (version, mac) = out.split_at_mut_checked(VERSION_SIZE).ok_or(ItemError::Library)?;
                version.copy_from_slice(&current.version.get().to_be_bytes());
                let size = key.make(message, mac).map_err(sign_error)?;
                done.item(current.version, message.len());
                Ok(VERSION_SIZE + size)
            });
        }
        scope.count(self, &done);
        Ok(())
    }

    /// Verifies the MAC of every item under `version`; `None`: under the current version, then older ones, newest first.
    /// Result: the `version u32` that made the MAC, big-endian.
    ///
    /// # Errors
    /// [`Error::KeyNotUsable`], [`Error::OperationNotAllowed`], [`Error::KeyVersionNotFound`]: no item was done.
    pub fn verify_mac<'a>(
        &self,
        scope: &mut ReadScope<'_>,
        version: Option<KeyVersion>,
        items: impl Iterator<Item = VerifyMacItem<'a>>,
        sink: &mut impl ItemSink,
    ) -> Result<(), Error> {
        self.check(Operation::VerifyMac)?;
        let versions = self.named_versions(version)?;
        let mut done = Done::default();
        for VerifyMacItem { message, mac } in items {
            sink.item(VERSION_SIZE, |out| {
                let (made_by, ()) = find_version(versions, |entry| match &entry.key {
                    PreparedKey::Mac(key) => key.verify(message, mac).map_err(verify_error),
                    _ => Err(ItemError::VerificationFailed),
                })?;
                out.copy_from_slice(&made_by.get().to_be_bytes());
                done.item(made_by, message.len());
                Ok(VERSION_SIZE)
            });
        }
        scope.count(self, &done);
        Ok(())
    }
}
