//! Encrypt, decrypt, re-encrypt.

use super::{SIZE_FIELD_SIZE, bytes, check_size};
use crate::batch::{BatchOperation, BatchResults, ItemSize, Order};
use crate::call::Call;
use crate::context::Context;
use crate::error::Error;
use crate::key::Key;
use crate::limits::Limits;
use crate::secret::Secret;
use claviger_protocol::limits::{CIPHERTEXT_OVERHEAD_MAX, CIPHERTEXT_OVERHEAD_MIN};
use claviger_protocol::message::{Decrypt, DecryptItem, Encrypt, EncryptItem, Reencrypt, ReencryptItem, Reply};
use claviger_protocol::{EncodeError, Status};

impl Key {
    /// Encrypts the plaintext, at most 32,768 bytes, under the current version of this key and binds the context to it.
    /// Comes back with the ciphertext, which names its key and version.
    ///
    /// # Errors
    /// As [`Error`] says.
    pub async fn encrypt(&self, context: &Context, plaintext: &[u8]) -> Result<Vec<u8>, Error> {
        let item = EncryptItem { context: context.as_bytes(), plaintext };
        self.single(&Encrypt { key_id: self.id(), items: () }, item).await
    }

    /// Encrypts any number of plaintexts. Results are in the order of the items.
    ///
    /// # Errors
    /// Of each item, or of all of them if something is wrong with the key, the server or the connection.
    pub async fn encrypt_batch(&self, items: &[EncryptItem<'_>]) -> Result<BatchResults<Vec<u8>>, Error> {
        self.many(&Encrypt { key_id: self.id(), items: () }, items).await
    }

    /// Decrypts the ciphertext, which must have been made by [`encrypt`](Self::encrypt) under this key with this
    /// context.
    ///
    /// # Errors
    /// As [`Error`] says; [`Status::DecryptionFailed`] whatever is wrong with the ciphertext or the context.
    pub async fn decrypt(&self, context: &Context, ciphertext: &[u8]) -> Result<Secret, Error> {
        let item = DecryptItem { context: context.as_bytes(), ciphertext };
        self.single(&Decrypt { key_id: self.id(), items: () }, item).await
    }

    /// Decrypts any number of ciphertexts. Results are in the order of the items.
    ///
    /// # Errors
    /// Of each item, or of all of them if something is wrong with the key, the server or the connection.
    pub async fn decrypt_batch(&self, items: &[DecryptItem<'_>]) -> Result<BatchResults<Secret>, Error> {
        self.many(&Decrypt { key_id: self.id(), items: () }, items).await
    }

    /// Decrypts the ciphertext under this key and encrypts it under the current version of `target`, which may be this
    /// key again. The plaintext stays in the server.
    ///
    /// # Errors
    /// As [`Error`] says; [`Status::DecryptionFailed`] whatever is wrong with the ciphertext or its context.
    pub async fn reencrypt(
        &self,
        source_context: &Context,
        ciphertext: &[u8],
        target: &Self,
        target_context: &Context,
    ) -> Result<Vec<u8>, Error> {
        let (source_context, target_context) = (source_context.as_bytes(), target_context.as_bytes());
        let operation = Reencrypt { source_key_id: self.id(), target_key_id: target.id(), items: () };
        self.single(&operation, ReencryptItem { source_context, target_context, ciphertext }).await
    }

    /// Re-encrypts any number of ciphertexts. Results are in the order of the items.
    ///
    /// # Errors
    /// Of each item, or of all of them if something is wrong with the keys, the server or the connection.
    pub async fn reencrypt_batch(
        &self,
        target: &Self,
        items: &[ReencryptItem<'_>],
    ) -> Result<BatchResults<Vec<u8>>, Error> {
        let operation = Reencrypt { source_key_id: self.id(), target_key_id: target.id(), items: () };
        self.many(&operation, items).await
    }
}

impl BatchOperation for Encrypt<()> {
    type Item<'i> = EncryptItem<'i>;
    type Value = Vec<u8>;

    fn measure(&self, item: EncryptItem<'_>, limits: &Limits) -> Result<ItemSize, Status> {
        check_size(item.plaintext, limits.plaintext_size, Status::PlaintextTooLarge)?;
        check_size(item.context, limits.context_size, Status::ContextTooLarge)?;
        Ok(ItemSize {
            request: 2 * SIZE_FIELD_SIZE + item.context.len() + item.plaintext.len(),
            reply: item.plaintext.len() + CIPHERTEXT_OVERHEAD_MAX,
        })
    }

    fn call(&self, items: &[EncryptItem<'_>], order: Order) -> Result<Call, EncodeError> {
        let items = items.iter().copied();
        Call::new(Encrypt { key_id: self.key_id, items }, order.trace_id, order.deadline)
    }

    fn values(&self, reply: Reply<'_>) -> Option<Vec<Result<Vec<u8>, Status>>> {
        match reply {
            Reply::Bytes(results) => Some(bytes(results, <[u8]>::to_vec)),
            _ => None,
        }
    }
}

impl BatchOperation for Decrypt<()> {
    type Item<'i> = DecryptItem<'i>;
    type Value = Secret;

    fn measure(&self, item: DecryptItem<'_>, limits: &Limits) -> Result<ItemSize, Status> {
        check_ciphertext(item.context, item.ciphertext, limits)?;
        Ok(ItemSize {
            request: 2 * SIZE_FIELD_SIZE + item.context.len() + item.ciphertext.len(),
            reply: item.ciphertext.len().saturating_sub(CIPHERTEXT_OVERHEAD_MIN),
        })
    }

    fn call(&self, items: &[DecryptItem<'_>], order: Order) -> Result<Call, EncodeError> {
        let items = items.iter().copied();
        Call::new(Decrypt { key_id: self.key_id, items }, order.trace_id, order.deadline)
    }

    fn values(&self, reply: Reply<'_>) -> Option<Vec<Result<Secret, Status>>> {
        match reply {
            Reply::Bytes(results) => Some(bytes(results, Secret::new)),
            _ => None,
        }
    }
}

impl BatchOperation for Reencrypt<()> {
    type Item<'i> = ReencryptItem<'i>;
    type Value = Vec<u8>;

    fn measure(&self, item: ReencryptItem<'_>, limits: &Limits) -> Result<ItemSize, Status> {
        check_ciphertext(item.source_context, item.ciphertext, limits)?;
        check_size(item.target_context, limits.context_size, Status::ContextTooLarge)?;
        let contexts = item.source_context.len() + item.target_context.len();
        Ok(ItemSize { request: 3 * SIZE_FIELD_SIZE + contexts + item.ciphertext.len(), reply: item.ciphertext.len() })
    }

    fn call(&self, items: &[ReencryptItem<'_>], order: Order) -> Result<Call, EncodeError> {
        let items = items.iter().copied();
        let message = Reencrypt { source_key_id: self.source_key_id, target_key_id: self.target_key_id, items };
        Call::new(message, order.trace_id, order.deadline)
    }

    fn values(&self, reply: Reply<'_>) -> Option<Vec<Result<Vec<u8>, Status>>> {
        match reply {
            Reply::Bytes(results) => Some(bytes(results, <[u8]>::to_vec)),
            _ => None,
        }
    }
}

/// No server ever made a ciphertext that is larger, or with such a context.
fn check_ciphertext(context: &[u8], ciphertext: &[u8], limits: &Limits) -> Result<(), Status> {
    check_size(context, limits.context_size, Status::DecryptionFailed)?;
    let size_max = limits.plaintext_size.saturating_add(CIPHERTEXT_OVERHEAD_MAX);
    check_size(ciphertext, size_max, Status::DecryptionFailed)
}
