//! Encrypt, decrypt, re-encrypt: the caller's data under a symmetric key.

use claviger_algorithm::Operation;
use zeroize::Zeroizing;

use super::done::Done;
use super::scope::Sealer;
use super::{ItemSink, ReadScope};
use crate::cache::{KeyEntry, PreparedKey, Uses};
use crate::ciphertext::{Ciphertext, Purpose, seal_overhead};
use crate::crypto::opener::Opener;
use crate::error::{Error, ItemError};
use crate::key::version::KeyVersion;
use crate::limits::{CONTEXT_SIZE_MAX, PLAINTEXT_SIZE_MAX};

/// An item to encrypt.
#[derive(Clone, Copy)]
pub struct EncryptItem<'a> {
    /// 0..=4,096 bytes, bound to the ciphertext.
    pub context: &'a [u8],
    /// 0..=32,768 bytes.
    pub plaintext: &'a [u8],
}

/// An item to decrypt or unwrap.
#[derive(Clone, Copy)]
pub struct DecryptItem<'a> {
    /// The context that it was encrypted with.
    pub context: &'a [u8],
    /// What encrypting gave.
    pub ciphertext: &'a [u8],
}

/// An item to re-encrypt.
#[derive(Clone, Copy)]
pub struct ReencryptItem<'a> {
    /// The context that it was encrypted with.
    pub source_context: &'a [u8],
    /// The context to encrypt it with.
    pub target_context: &'a [u8],
    /// What encrypting gave.
    pub ciphertext: &'a [u8],
}

impl KeyEntry {
    /// Encrypts every item under the current version.
    ///
    /// # Errors
    /// [`Error::KeyNotUsable`], [`Error::OperationNotAllowed`], [`Error::UseLimitReached`], [`Error::UsesNotWritten`], [`Error::Entropy`]: no item was done.
    pub fn encrypt<'a>(
        &self,
        scope: &mut ReadScope<'_>,
        items: impl ExactSizeIterator<Item = EncryptItem<'a>>,
        sink: &mut impl ItemSink,
    ) -> Result<(), Error> {
        self.check(Operation::Encrypt)?;
        let mut sealer = self.sealer(scope, Operation::Encrypt, items.len())?;
        let overhead = seal_overhead(self.algorithm);
        let mut done = Done::default();
        for EncryptItem { context, plaintext } in items {
            if plaintext.len() > PLAINTEXT_SIZE_MAX {
                sink.reject(ItemError::PlaintextTooLarge);
            } else if context.len() > CONTEXT_SIZE_MAX {
                sink.reject(ItemError::ContextTooLarge);
            } else {
                sink.item(plaintext.len() + overhead, |out| {
                    sealer.seal(&mut done, Purpose::Data, context, plaintext, out)
                });
            }
        }
        scope.count(self, &done);
        Ok(())
    }

    /// Decrypts every item, under the version that its ciphertext names.
    ///
    /// # Errors
    /// [`Error::KeyNotUsable`], [`Error::OperationNotAllowed`]: no item was done.
    pub fn decrypt<'a>(
        &self,
        scope: &mut ReadScope<'_>,
        items: impl Iterator<Item = DecryptItem<'a>>,
        sink: &mut impl ItemSink,
    ) -> Result<(), Error> {
        self.check(Operation::Decrypt)?;
        self.open_items(Purpose::Data, scope, items, sink);
        Ok(())
    }

    /// Decrypts every item under this key and encrypts it under the current version of `target`, which may be this key again. The plaintext stays here.
    ///
    /// # Errors
    /// [`Error::KeyNotUsable`], [`Error::OperationNotAllowed`], of this key before `target`; [`Error::UseLimitReached`], [`Error::UsesNotWritten`], [`Error::Entropy`]: no item was done.
    pub fn reencrypt<'a>(
        &self,
        target: &Self,
        scope: &mut ReadScope<'_>,
        items: impl ExactSizeIterator<Item = ReencryptItem<'a>>,
        sink: &mut impl ItemSink,
    ) -> Result<(), Error> {
        self.check(Operation::Decrypt)?;
        target.check(Operation::Encrypt)?;
        let mut sealer = target.sealer(scope, Operation::Encrypt, items.len())?;
        let overhead = seal_overhead(target.algorithm);
        let mut openers = Openers::new(self);
        let mut sealed = Done::default();
        // Room for the largest at once: a vector that grows leaves plaintext behind where it was.
        let mut plaintext = Zeroizing::new(Vec::with_capacity(PLAINTEXT_SIZE_MAX));
        for item in items {
            // No ciphertext was ever made with such a context; what the sizes tell is told before anything is tried.
            let sized = self.plaintext_size(item.ciphertext).filter(|_| item.source_context.len() <= CONTEXT_SIZE_MAX);
            let Some(size) = sized else {
                sink.reject(ItemError::DecryptionFailed);
                continue;
            };
            if item.target_context.len() > CONTEXT_SIZE_MAX {
                sink.reject(ItemError::ContextTooLarge);
                continue;
            }
            sink.item(size + overhead, |out| {
                plaintext.resize(size, 0);
                openers.open(Purpose::Data, item.source_context, item.ciphertext, &mut plaintext)?;
                sealer.seal(&mut sealed, Purpose::Data, item.target_context, &plaintext, out)
            });
        }
        scope.count(self, &openers.done);
        scope.count(target, &sealed);
        Ok(())
    }

    /// A sealer of so many items under the current version, for an `operation` that was checked. Where uses are counted, these are counted now.
    ///
    /// # Errors
    /// [`Error::UseLimitReached`], [`Error::UsesNotWritten`], [`Error::Entropy`]; [`Error::KeyNotUsable`] without a version.
    pub(super) fn sealer<'s, 'r>(
        &'s self,
        scope: &'s mut ReadScope<'r>,
        operation: Operation,
        items: usize,
    ) -> Result<Sealer<'s, 'r>, Error> {
        let current = self.current()?;
        match &current.uses {
            Uses::Unlimited => {}
            Uses::Counted(uses) => uses.take(items).map_err(|error| error.of(self.id, current.version))?,
            Uses::Barred => return Err(Error::UsesNotWritten { id: self.id }),
        }
        match &current.key {
            PreparedKey::Symmetric(key) => scope.sealer(key, self.id, current.version),
            // The table of algorithms and the material disagree: refused rather than trusted.
            _ => Err(self.not_allowed(operation)),
        }
    }

    /// How long the plaintext of a ciphertext is; `None` if it is too short or too long to be one of this key.
    fn plaintext_size(&self, ciphertext: &[u8]) -> Option<usize> {
        ciphertext.len().checked_sub(seal_overhead(self.algorithm)).filter(|size| *size <= PLAINTEXT_SIZE_MAX)
    }

    /// Opens items, each under the version that it names.
    pub(super) fn open_items<'a>(
        &self,
        purpose: Purpose,
        scope: &mut ReadScope<'_>,
        items: impl Iterator<Item = DecryptItem<'a>>,
        sink: &mut impl ItemSink,
    ) {
        let mut openers = Openers::new(self);
        for DecryptItem { context, ciphertext } in items {
            match self.plaintext_size(ciphertext) {
                Some(size) => sink.item(size, |out| openers.open(purpose, context, ciphertext, out)),
                None => sink.reject(ItemError::DecryptionFailed),
            }
        }
        scope.count(self, &openers.done);
    }
}

/// Opens items of one key. Items of one version and one burst, which mostly come together, share what was derived for them.
struct Openers<'k> {
    entry: &'k KeyEntry,
    current: Option<(KeyVersion, Opener<'k>)>,
    done: Done,
}

impl<'k> Openers<'k> {
    fn new(entry: &'k KeyEntry) -> Self {
        Self { entry, current: None, done: Done::default() }
    }

    fn open(
        &mut self,
        purpose: Purpose,
        context: &[u8],
        ciphertext: &[u8],
        out: &mut [u8],
    ) -> Result<usize, ItemError> {
        let version = Ciphertext::parse(ciphertext).map_err(|_| ItemError::DecryptionFailed)?.header.version;
        let opener = match self.current.take() {
            Some((of, opener)) if of == version => opener,
            _ => self.opener(version).ok_or(ItemError::DecryptionFailed)?,
        };
        let (_, opener) = self.current.insert((version, opener));
        let size = opener.open(purpose, context, ciphertext, out).map_err(|_| ItemError::DecryptionFailed)?;
        self.done.item(version, size);
        Ok(size)
    }

    fn opener(&self, version: KeyVersion) -> Option<Opener<'k>> {
        match &self.entry.decrypting_version(version)?.key {
            PreparedKey::Symmetric(key) => Some(key.opener(self.entry.id, version)),
            _ => None,
        }
    }
}
