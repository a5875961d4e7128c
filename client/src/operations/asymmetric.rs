//! Decrypt what others have encrypted to a public key.

use super::{KEY_VERSION_SIZE, SIZE_FIELD_SIZE, check_size};
use crate::batch::{BatchOperation, BatchResults, ItemSize, Order};
use crate::call::Call;
use crate::context::Context;
use crate::error::Error;
use crate::key::Key;
use crate::limits::Limits;
use crate::secret::Secret;
use claviger_protocol::limits::{ASYMMETRIC_CIPHERTEXT_SIZE_MAX, ASYMMETRIC_PLAINTEXT_SIZE_MAX};
use claviger_protocol::message::{AsymmetricDecrypt, AsymmetricDecryptItem, Reply};
use claviger_protocol::{EncodeError, Status};

/// What was encrypted to a public key. No `Debug`, on purpose.
pub struct Decrypted {
    /// The version of the key that it was encrypted to.
    pub key_version: u32,
    /// What was encrypted.
    pub plaintext: Secret,
}

impl Key {
    /// Decrypts what anyone has encrypted to the public half of this key ([`read_public_key`](Self::read_public_key)) by
    /// RSAES-OAEP with SHA-256, with the bytes of `context` as its label. `key_version` names the version that it was
    /// encrypted to, if it is known; else the current one is tried, then older ones.
    ///
    /// # Errors
    /// As [`Error`] says; [`Status::DecryptionFailed`] whatever is wrong with the ciphertext, the context or the version.
    pub async fn asymmetric_decrypt(
        &self,
        context: &Context,
        ciphertext: &[u8],
        key_version: Option<u32>,
    ) -> Result<Decrypted, Error> {
        let item = AsymmetricDecryptItem { context: context.as_bytes(), ciphertext };
        self.single(&self.asymmetric_decrypt_operation(key_version), item).await
    }

    /// Decrypts any number of ciphertexts. Results are in the order of the items.
    ///
    /// # Errors
    /// Of each item, or of all of them if something is wrong with the key, the server or the connection.
    pub async fn asymmetric_decrypt_batch(
        &self,
        key_version: Option<u32>,
        items: &[AsymmetricDecryptItem<'_>],
    ) -> Result<BatchResults<Decrypted>, Error> {
        self.many(&self.asymmetric_decrypt_operation(key_version), items).await
    }

    fn asymmetric_decrypt_operation(&self, key_version: Option<u32>) -> AsymmetricDecrypt<()> {
        AsymmetricDecrypt { key_id: self.id(), key_version: key_version.unwrap_or(0), items: () }
    }
}

impl BatchOperation for AsymmetricDecrypt<()> {
    type Item<'i> = AsymmetricDecryptItem<'i>;
    type Value = Decrypted;

    fn measure(&self, item: AsymmetricDecryptItem<'_>, limits: &Limits) -> Result<ItemSize, Status> {
        check_size(item.context, limits.context_size, Status::DecryptionFailed)?;
        // No key decrypts one that is larger.
        check_size(item.ciphertext, ASYMMETRIC_CIPHERTEXT_SIZE_MAX, Status::DecryptionFailed)?;
        let request = 2 * SIZE_FIELD_SIZE + item.context.len() + item.ciphertext.len();
        Ok(ItemSize { request, reply: KEY_VERSION_SIZE + ASYMMETRIC_PLAINTEXT_SIZE_MAX })
    }

    fn call(&self, items: &[AsymmetricDecryptItem<'_>], order: Order) -> Result<Call, EncodeError> {
        let &AsymmetricDecrypt { key_id, key_version, items: () } = self;
        let items = items.iter().copied();
        Call::new(AsymmetricDecrypt { key_id, key_version, items }, order.trace_id, order.deadline)
    }

    fn values(&self, reply: Reply<'_>) -> Option<Vec<Result<Decrypted, Status>>> {
        match reply {
            Reply::Decrypted(results) => Some(results.map(|result| result.map(Decrypted::from)).collect()),
            _ => None,
        }
    }
}

impl From<claviger_protocol::message::Decrypted<'_>> for Decrypted {
    fn from(result: claviger_protocol::message::Decrypted<'_>) -> Self {
        Self { key_version: result.key_version, plaintext: Secret::new(result.plaintext) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static_assertions::assert_not_impl_any!(Decrypted: std::fmt::Debug, Clone);
}
