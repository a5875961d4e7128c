//! Sign, verify, read a public key.

use claviger_algorithm::Operation;

use super::done::Done;
use super::version::{VERSION_SIZE, find_version};
use super::{ItemSink, ReadScope};
use crate::cache::{KeyEntry, PreparedKey};
use crate::crypto::signature::{InputError, SignError, SignInput, VerifyFailed};
use crate::error::{Error, ItemError};
use crate::key::version::KeyVersion;

/// What the items of a batch are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignForm {
    /// Messages, hashed here as the algorithm says.
    Message,
    /// Digests that the caller made.
    Digest,
}

/// An item to sign: a message or a digest.
#[derive(Clone, Copy)]
pub struct SignItem<'a>(pub &'a [u8]);

/// An item to verify.
#[derive(Clone, Copy)]
pub struct VerifyItem<'a> {
    /// The message or digest.
    pub message: &'a [u8],
    /// The signature.
    pub signature: &'a [u8],
}

/// The public key of one version.
#[derive(Clone, Debug)]
pub struct PublicKeyValue {
    /// Which version it is.
    pub version: KeyVersion,
    /// `SubjectPublicKeyInfo`, DER (RFC 5280 section 4.1).
    pub der: Vec<u8>,
}

impl KeyEntry {
    /// Signs every item by the current version. Result: `version u32 | signature`, big-endian.
    ///
    /// # Errors
    /// [`Error::KeyNotUsable`], [`Error::OperationNotAllowed`] (digests, for an algorithm without them, included): no item was done.
    pub fn sign<'a>(
        &self,
        scope: &mut ReadScope<'_>,
        form: SignForm,
        items: impl Iterator<Item = SignItem<'a>>,
        sink: &mut impl ItemSink,
    ) -> Result<(), Error> {
        self.check(Operation::Sign)?;
        self.check_form(form, Operation::Sign)?;
        let current = self.current()?;
        let PreparedKey::Signing(key) = &current.key else { return Err(self.not_allowed(Operation::Sign)) };
        let mut done = Done::default();
        for SignItem(message) in items {
            sink.item(VERSION_SIZE + key.signature_size_max(), |out| {
                let (version, signature) = out.split_at_mut_checked(VERSION_SIZE).ok_or(ItemError::Library)?;
                version.copy_from_slice(&current.version.get().to_be_bytes());
                let size = key.sign(form.input(message), signature).map_err(sign_error)?;
                done.item(current.version, message.len());
                Ok(VERSION_SIZE + size)
            });
        }
        scope.count(self, &done);
        Ok(())
    }

    /// Verifies every item under `version`; `None`: under the current version, then older ones, newest first.
    /// Result: the `version u32` that made the signature, big-endian.
    ///
    /// # Errors
    /// [`Error::KeyNotUsable`], [`Error::OperationNotAllowed`], [`Error::KeyVersionNotFound`]: no item was done.
    pub fn verify<'a>(
        &self,
        scope: &mut ReadScope<'_>,
        version: Option<KeyVersion>,
        form: SignForm,
        items: impl Iterator<Item = VerifyItem<'a>>,
        sink: &mut impl ItemSink,
    ) -> Result<(), Error> {
        self.check(Operation::Verify)?;
        self.check_form(form, Operation::Verify)?;
        let versions = self.named_versions(version)?;
        let mut done = Done::default();
        for VerifyItem { message, signature } in items {
            sink.item(VERSION_SIZE, |out| {
                let input = form.input(message);
                let (made_by, ()) = find_version(versions, |entry| match &entry.key {
                    PreparedKey::Signing(key) => key.verify(input, signature).map_err(verify_error),
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

    /// The public key of `version`, or of the current one. Answered in every state of the key.
    ///
    /// # Errors
    /// [`Error::OperationNotAllowed`], [`Error::KeyVersionNotFound`].
    pub fn public_key(&self, version: Option<KeyVersion>) -> Result<PublicKeyValue, Error> {
        self.check(Operation::ReadPublicKey)?;
        let entry = self.version_or_current(version)?;
        let der = match &entry.key {
            PreparedKey::Signing(key) => key.public_key_der(),
            PreparedKey::Decrypting(key) => key.public_key_der(),
            _ => return Err(self.not_allowed(Operation::ReadPublicKey)),
        };
        Ok(PublicKeyValue { version: entry.version, der: der.to_vec() })
    }

    fn check_form(&self, form: SignForm, operation: Operation) -> Result<(), Error> {
        if form == SignForm::Digest && self.algorithm.row().digest_size.is_none() {
            return Err(self.not_allowed(operation));
        }
        Ok(())
    }
}

impl SignForm {
    const fn input(self, bytes: &[u8]) -> SignInput<'_> {
        match self {
            Self::Message => SignInput::Message(bytes),
            Self::Digest => SignInput::Digest(bytes),
        }
    }
}

pub(super) const fn sign_error(error: SignError) -> ItemError {
    match error {
        SignError::Input(error) => input_error(error),
        SignError::OutputSize | SignError::Failed => ItemError::Library,
    }
}

pub(super) const fn verify_error(error: VerifyFailed) -> ItemError {
    match error {
        VerifyFailed::Input(error) => input_error(error),
        VerifyFailed::Signature => ItemError::VerificationFailed,
    }
}

const fn input_error(error: InputError) -> ItemError {
    match error {
        InputError::MessageTooLong => ItemError::MessageTooLarge,
        InputError::DigestRefused(_) | InputError::DigestSize(_) => ItemError::DigestSizeWrong,
    }
}
