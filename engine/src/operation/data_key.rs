//! Data keys: keys for the caller's own use, wrapped by a symmetric key and never stored here.

use claviger_algorithm::Operation;
use zeroize::Zeroizing;

use super::done::Done;
use super::{DecryptItem, ItemSink, ReadScope};
use crate::cache::KeyEntry;
use crate::ciphertext::{Purpose, seal_overhead};
use crate::error::{Error, ItemError};
use crate::limits::{CONTEXT_SIZE_MAX, DATA_KEY_SIZE_MAX, GENERATED_DATA_KEY_SIZES};

/// How a data key is given out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataKeyForm {
    /// The wrapped data key only: for whoever stores it for others.
    Wrapped,
    /// Wrapped and plain.
    PlainAndWrapped,
}

/// A data key of the caller's own, to be wrapped.
#[derive(Clone, Copy)]
pub struct WrapItem<'a> {
    /// 0..=4,096 bytes, bound to the wrapped key.
    pub context: &'a [u8],
    /// 1..=8,192 bytes.
    pub data_key: &'a [u8],
}

impl KeyEntry {
    /// Makes one data key of `size` bytes (16, 32 or 64) for each context. Result: `wrapped size u32 | wrapped | plain`, big-endian, the plain key in its form only.
    ///
    /// # Errors
    /// [`Error::KeyNotUsable`], [`Error::OperationNotAllowed`], [`Error::SizeNotAllowed`], [`Error::UseLimitReached`], [`Error::UsesNotWritten`], [`Error::Entropy`]: no item was done.
    pub fn generate_data_keys<'a>(
        &self,
        scope: &mut ReadScope<'_>,
        form: DataKeyForm,
        size: usize,
        contexts: impl ExactSizeIterator<Item = &'a [u8]>,
        sink: &mut impl ItemSink,
    ) -> Result<(), Error> {
        self.check(Operation::WrapDataKey)?;
        if !GENERATED_DATA_KEY_SIZES.contains(&size) {
            return Err(Error::SizeNotAllowed);
        }
        // What a nonce seals is there before the nonce: else a machine that is resumed twice in between would seal two keys with one.
        let mut data_keys = Zeroizing::new(vec![0; contexts.len() * size]);
        scope.random().fill(&mut data_keys).map_err(Error::Entropy)?;
        scope.begin_anew();
        let mut sealer = self.sealer(scope, Operation::WrapDataKey, contexts.len())?;
        let wrapped_size = size + seal_overhead(self.algorithm);
        let plain_size = if form == DataKeyForm::PlainAndWrapped { size } else { 0 };
        let mut done = Done::default();
        for (context, data_key) in contexts.zip(data_keys.chunks_exact(size)) {
            if context.len() > CONTEXT_SIZE_MAX {
                sink.reject(ItemError::ContextTooLarge);
                continue;
            }
            sink.item(SIZE_FIELD + wrapped_size + plain_size, |out| {
                let (head, rest) = out.split_at_mut_checked(SIZE_FIELD).ok_or(ItemError::Library)?;
                let (wrapped, plain) = rest.split_at_mut_checked(wrapped_size).ok_or(ItemError::Library)?;
                head.copy_from_slice(&u32::try_from(wrapped_size).map_err(|_| ItemError::Library)?.to_be_bytes());
                sealer.seal(&mut done, Purpose::DataKey, context, data_key, wrapped)?;
                plain.copy_from_slice(data_key.get(..plain.len()).ok_or(ItemError::Library)?);
                Ok(SIZE_FIELD + wrapped_size + plain_size)
            });
        }
        scope.count(self, &done);
        Ok(())
    }

    /// Wraps data keys of the caller's own.
    ///
    /// # Errors
    /// [`Error::KeyNotUsable`], [`Error::OperationNotAllowed`], [`Error::UseLimitReached`], [`Error::UsesNotWritten`], [`Error::Entropy`]: no item was done.
    pub fn wrap_data_keys<'a>(
        &self,
        scope: &mut ReadScope<'_>,
        items: impl ExactSizeIterator<Item = WrapItem<'a>>,
        sink: &mut impl ItemSink,
    ) -> Result<(), Error> {
        self.check(Operation::WrapDataKey)?;
        let mut sealer = self.sealer(scope, Operation::WrapDataKey, items.len())?;
        let overhead = seal_overhead(self.algorithm);
        let mut done = Done::default();
        for WrapItem { context, data_key } in items {
            if context.len() > CONTEXT_SIZE_MAX {
                sink.reject(ItemError::ContextTooLarge);
            } else if !(1..=DATA_KEY_SIZE_MAX).contains(&data_key.len()) {
                sink.reject(ItemError::SizeNotAllowed);
            } else {
                sink.item(data_key.len() + overhead, |out| {
                    sealer.seal(&mut done, Purpose::DataKey, context, data_key, out)
                });
            }
        }
        scope.count(self, &done);
        Ok(())
    }

    /// Unwraps data keys.
    ///
    /// # Errors
    /// [`Error::KeyNotUsable`], [`Error::OperationNotAllowed`]: no item was done.
    pub fn unwrap_data_keys<'a>(
        &self,
        scope: &mut ReadScope<'_>,
        items: impl Iterator<Item = DecryptItem<'a>>,
        sink: &mut impl ItemSink,
    ) -> Result<(), Error> {
        self.check(Operation::UnwrapDataKey)?;
        self.open_items(Purpose::DataKey, scope, items, sink);
        Ok(())
    }
}

/// The size of the wrapped key stands before it, as a `u32`.
const SIZE_FIELD: usize = 4;
