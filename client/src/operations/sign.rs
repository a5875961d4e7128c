//! Sign and verify.

use super::{KEY_VERSION_SIZE, SIZE_FIELD_SIZE, check_size};
use crate::batch::{BatchOperation, BatchResults, ItemSize, Order};
use crate::call::Call;
use crate::error::Error;
use crate::key::Key;
use crate::limits::Limits;
use claviger_protocol::limits::SIGNATURE_SIZE_MAX;
use claviger_protocol::message::{MessageForm, Reply, Sign, SignItem, Verify, VerifyItem, Versioned};
use claviger_protocol::{Algorithm, EncodeError, Operation, Status};

/// A signature or a message authentication code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// The version of the key that made it.
    pub key_version: u32,
    /// The plain bytes of the algorithm's standard, so that other software reads them.
    pub bytes: Vec<u8>,
}

impl Key {
    /// Signs the message, at most 32,768 bytes, with the current version of this key.
    ///
    /// # Errors
    /// As [`Error`] says.
    pub async fn sign(&self, message: &[u8]) -> Result<Signature, Error> {
        self.single(&self.sign_operation(MessageForm::Message), SignItem { message }).await
    }

    /// Signs a digest that the caller has made with the algorithm's hash: for messages of any size. ECDSA and RSA only.
    ///
    /// # Errors
    /// As [`Error`] says.
    pub async fn sign_digest(&self, digest: &[u8]) -> Result<Signature, Error> {
        self.single(&self.sign_operation(MessageForm::Digest), SignItem { message: digest }).await
    }

    /// Signs any number of messages or digests. Results are in the order of the items.
    ///
    /// # Errors
    /// Of each item, or of all of them if something is wrong with the key, the server or the connection.
    pub async fn sign_batch(
        &self,
        form: MessageForm,
        items: &[SignItem<'_>],
    ) -> Result<BatchResults<Signature>, Error> {
        self.many(&self.sign_operation(form), items).await
    }

    /// Verifies a signature of a message and comes back with the version of the key that made it. `key_version` names
    /// that version, if it is known; else the current one is tried, then older ones.
    ///
    /// # Errors
    /// As [`Error`] says; [`Status::VerificationFailed`] if the signature is not valid.
    pub async fn verify(&self, message: &[u8], signature: &[u8], key_version: Option<u32>) -> Result<u32, Error> {
        let operation = self.verify_operation(MessageForm::Message, key_version);
        self.single(&operation, VerifyItem { message, signature }).await
    }

    /// Verifies a signature of a digest that the caller has made with the algorithm's hash. ECDSA and RSA only.
    ///
    /// # Errors
    /// As [`Error`] says; [`Status::VerificationFailed`] if the signature is not valid.
    pub async fn verify_digest(&self, digest: &[u8], signature: &[u8], key_version: Option<u32>) -> Result<u32, Error> {
        let operation = self.verify_operation(MessageForm::Digest, key_version);
        self.single(&operation, VerifyItem { message: digest, signature }).await
    }

    /// Verifies any number of signatures. Results are in the order of the items.
    ///
    /// # Errors
    /// Of each item, or of all of them if something is wrong with the key, the server or the connection.
    pub async fn verify_batch(
        &self,
        form: MessageForm,
        key_version: Option<u32>,
        items: &[VerifyItem<'_>],
    ) -> Result<BatchResults<u32>, Error> {
        self.many(&self.verify_operation(form, key_version), items).await
    }

    fn sign_operation(&self, form: MessageForm) -> Signing {
        let signature_size_max = match self.algorithm() {
            Ok(algorithm) => algorithm.row().output_size.max(0),
            Err(_newer) => Algorithm::output_size_max(Operation::Sign),
        };
        Signing { request: Sign { key_id: self.id(), form, items: () }, signature_size_max }
    }

    fn verify_operation(&self, form: MessageForm, key_version: Option<u32>) -> Verify<()> {
        Verify { key_id: self.id(), key_version: key_version.unwrap_or(0), form, items: () }
    }
}

impl From<Versioned<'_>> for Signature {
    fn from(result: Versioned<'_>) -> Self {
        Self { key_version: result.key_version, bytes: result.value.to_vec() }
    }
}

/// Signing with one key. Sizes of signatures differ by a factor of 70: how many fit a reply depends on the algorithm.
#[derive(Clone)]
struct Signing {
    request: Sign<()>,
    signature_size_max: usize,
}

impl BatchOperation for Signing {
    type Item<'i> = SignItem<'i>;
    type Value = Signature;

    fn measure(&self, item: SignItem<'_>, limits: &Limits) -> Result<ItemSize, Status> {
        check_message(self.request.form, item.message, limits)?;
        let reply = KEY_VERSION_SIZE + self.signature_size_max;
        Ok(ItemSize { request: SIZE_FIELD_SIZE + item.message.len(), reply })
    }

    fn call(&self, items: &[SignItem<'_>], order: Order) -> Result<Call, EncodeError> {
        let Sign { key_id, form, items: () } = self.request;
        let items = items.iter().copied();
        Call::new(Sign { key_id, form, items }, order.trace_id, order.deadline)
    }

    fn values(&self, reply: Reply<'_>) -> Option<Vec<Result<Signature, Status>>> {
        match reply {
            Reply::Versioned(results) => Some(results.map(|result| result.map(Signature::from)).collect()),
            _ => None,
        }
    }
}

impl BatchOperation for Verify<()> {
    type Item<'i> = VerifyItem<'i>;
    type Value = u32;

    fn measure(&self, item: VerifyItem<'_>, limits: &Limits) -> Result<ItemSize, Status> {
        check_message(self.form, item.message, limits)?;
        // No algorithm makes one that is larger.
        check_size(item.signature, SIGNATURE_SIZE_MAX, Status::VerificationFailed)?;
        let request = 2 * SIZE_FIELD_SIZE + item.message.len() + item.signature.len();
        Ok(ItemSize { request, reply: KEY_VERSION_SIZE })
    }

    fn call(&self, items: &[VerifyItem<'_>], order: Order) -> Result<Call, EncodeError> {
        let &Verify { key_id, key_version, form, items: () } = self;
        let items = items.iter().copied();
        Call::new(Verify { key_id, key_version, form, items }, order.trace_id, order.deadline)
    }

    fn values(&self, reply: Reply<'_>) -> Option<Vec<Result<u32, Status>>> {
        match reply {
            Reply::Verified(results) => Some(results.map(|result| result.map(|result| result.key_version)).collect()),
            _ => None,
        }
    }
}

/// Refuses messages over the limit. Which size a digest must have, the server knows.
fn check_message(form: MessageForm, message: &[u8], limits: &Limits) -> Result<(), Status> {
    let status = match form {
        MessageForm::Message => Status::MessageTooLarge,
        MessageForm::Digest => Status::DigestSizeWrong,
    };
    check_size(message, limits.message_size, status)
}
