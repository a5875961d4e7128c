//! Asymmetric decrypt: what others have encrypted to the public half of a key.

use claviger_algorithm::Operation;

use super::done::Done;
use super::version::{VERSION_SIZE, find_version};
use super::{DecryptItem, ItemSink, ReadScope};
use crate::cache::{KeyEntry, PreparedKey};
use crate::error::{Error, ItemError};
use crate::key::version::KeyVersion;
use crate::limits::{ASYMMETRIC_DECRYPT_TRIES_MAX, CONTEXT_SIZE_MAX};

impl KeyEntry {
    /// Decrypts every item under `version`; `None`: under the current version, then older ones, newest first, at most
    /// [`ASYMMETRIC_DECRYPT_TRIES_MAX`] in all.
    /// The context of an item is the label that it was encrypted with. Result: `version u32 | plaintext`, big-endian.
    ///
    /// # Errors
    /// [`Error::KeyNotUsable`], [`Error::OperationNotAllowed`], [`Error::KeyVersionNotFound`]: no item was done.
    pub fn asymmetric_decrypt<'a>(
        &self,
        scope: &mut ReadScope<'_>,
        version: Option<KeyVersion>,
        items: impl Iterator<Item = DecryptItem<'a>>,
        sink: &mut impl ItemSink,
    ) -> Result<(), Error> {
        self.check(Operation::AsymmetricDecrypt)?;
        let versions = self.decrypting_versions(version)?;
        let versions = versions.get(..ASYMMETRIC_DECRYPT_TRIES_MAX).unwrap_or(versions);
        let plaintext_size_max = self.algorithm.row().output_size.max(0);
        let mut done = Done::default();
        for DecryptItem { context, ciphertext } in items {
            // What no service of this kind takes was not meant for it: refused before anything is tried.
            if context.len() > CONTEXT_SIZE_MAX {
                sink.reject(ItemError::DecryptionFailed);
                continue;
            }
            sink.item(VERSION_SIZE + plaintext_size_max, |out| {
                let (version, plaintext) = out.split_at_mut_checked(VERSION_SIZE).ok_or(ItemError::Library)?;
                let (made_for, size) = find_version(versions, |entry| match &entry.key {
                    PreparedKey::Decrypting(key) => {
                        key.decrypt(context, ciphertext, plaintext).map_err(|_| ItemError::DecryptionFailed)
                    }
                    _ => Err(ItemError::DecryptionFailed),
                })?;
                version.copy_from_slice(&made_for.get().to_be_bytes());
                done.item(made_for, size);
                Ok(VERSION_SIZE + size)
            });
        }
        scope.count(self, &done);
        Ok(())
    }
}
