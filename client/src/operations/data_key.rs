//! Generate, wrap and unwrap data keys: keys for the caller's own use, which the server does not keep.

use super::{SIZE_FIELD_SIZE, bytes, check_size};
use crate::batch::{BatchOperation, BatchResults, ItemSize, Order};
use crate::call::Call;
use crate::context::Context;
use crate::error::Error;
use crate::key::Key;
use crate::limits::Limits;
use crate::secret::Secret;
use claviger_protocol::limits::{CIPHERTEXT_OVERHEAD_MAX, CIPHERTEXT_OVERHEAD_MIN, GENERATED_DATA_KEY_SIZES};
use claviger_protocol::message::{
    DataKeyForm, GenerateDataKey, GenerateDataKeyItem, GeneratedDataKey, Reply, UnwrapDataKey, UnwrapDataKeyItem,
    WrapDataKey, WrapDataKeyItem,
};
use claviger_protocol::{EncodeError, Status};

/// A new data key.
pub struct DataKey {
    /// The key itself: to be used, and dropped.
    pub plain: Secret,
    /// The same key wrapped: to be kept beside what it encrypts, and given to [`Key::unwrap_data_key`].
    pub wrapped: Vec<u8>,
}

/// Bits of a data key that the server generates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum DataKeySize {
    /// 16 bytes.
    Bits128 = 16,
    /// 32 bytes.
    Bits256 = 32,
    /// 64 bytes.
    Bits512 = 64,
}

const _: () = {
    let sizes = [DataKeySize::Bits128 as usize, DataKeySize::Bits256 as usize, DataKeySize::Bits512 as usize];
    assert!(matches!(sizes, GENERATED_DATA_KEY_SIZES));
};

impl Key {
    /// Generates a data key, plain and wrapped under the current version of this key.
    ///
    /// # Errors
    /// As [`Error`] says.
    pub async fn generate_data_key(&self, size: DataKeySize, context: &Context) -> Result<DataKey, Error> {
        let item = GenerateDataKeyItem { context: context.as_bytes() };
        self.single(&Plain(self.generate(DataKeyForm::PlainAndWrapped, size)), item).await
    }

    /// Generates a data key for each context, plain and wrapped.
    ///
    /// # Errors
    /// Of each item, or of all of them if something is wrong with the key, the server or the connection.
    pub async fn generate_data_key_batch(
        &self,
        size: DataKeySize,
        contexts: &[&Context],
    ) -> Result<BatchResults<DataKey>, Error> {
        self.many(&Plain(self.generate(DataKeyForm::PlainAndWrapped, size)), &context_items(contexts)).await
    }

    /// Generates a data key that is given out wrapped only: for whoever may unwrap it, when it is needed.
    ///
    /// # Errors
    /// As [`Error`] says.
    pub async fn generate_wrapped_data_key(&self, size: DataKeySize, context: &Context) -> Result<Vec<u8>, Error> {
        let item = GenerateDataKeyItem { context: context.as_bytes() };
        self.single(&Wrapped(self.generate(DataKeyForm::Wrapped, size)), item).await
    }

    /// Generates a data key for each context, wrapped only.
    ///
    /// # Errors
    /// Of each item, or of all of them if something is wrong with the key, the server or the connection.
    pub async fn generate_wrapped_data_key_batch(
        &self,
        size: DataKeySize,
        contexts: &[&Context],
    ) -> Result<BatchResults<Vec<u8>>, Error> {
        self.many(&Wrapped(self.generate(DataKeyForm::Wrapped, size)), &context_items(contexts)).await
    }

    /// Wraps a key of the caller's own, 1..=8,192 bytes, under the current version of this key.
    ///
    /// # Errors
    /// As [`Error`] says.
    pub async fn wrap_data_key(&self, context: &Context, data_key: &[u8]) -> Result<Vec<u8>, Error> {
        let item = WrapDataKeyItem { context: context.as_bytes(), data_key };
        self.single(&WrapDataKey { key_id: self.id(), items: () }, item).await
    }

    /// Wraps any number of keys of the caller's own.
    ///
    /// # Errors
    /// Of each item, or of all of them if something is wrong with the key, the server or the connection.
    pub async fn wrap_data_key_batch(&self, items: &[WrapDataKeyItem<'_>]) -> Result<BatchResults<Vec<u8>>, Error> {
        self.many(&WrapDataKey { key_id: self.id(), items: () }, items).await
    }

    /// Unwraps a data key that was generated or wrapped under this key with this context.
    ///
    /// # Errors
    /// As [`Error`] says; [`Status::DecryptionFailed`] whatever is wrong with the wrapped key or the context.
    pub async fn unwrap_data_key(&self, context: &Context, wrapped: &[u8]) -> Result<Secret, Error> {
        let item = UnwrapDataKeyItem { context: context.as_bytes(), wrapped };
        self.single(&UnwrapDataKey { key_id: self.id(), items: () }, item).await
    }

    /// Unwraps any number of data keys.
    ///
    /// # Errors
    /// Of each item, or of all of them if something is wrong with the key, the server or the connection.
    pub async fn unwrap_data_key_batch(&self, items: &[UnwrapDataKeyItem<'_>]) -> Result<BatchResults<Secret>, Error> {
        self.many(&UnwrapDataKey { key_id: self.id(), items: () }, items).await
    }

    const fn generate(&self, form: DataKeyForm, size: DataKeySize) -> GenerateDataKey<()> {
        GenerateDataKey { key_id: self.id(), form, data_key_size: size as u16, items: () }
    }
}

fn context_items<'c>(contexts: &[&'c Context]) -> Vec<GenerateDataKeyItem<'c>> {
    contexts.iter().map(|context| GenerateDataKeyItem { context: context.as_bytes() }).collect()
}

/// Generate data key with plain keys in the results.
#[derive(Clone)]
struct Plain(GenerateDataKey<()>);

/// Generate data key with wrapped keys only.
#[derive(Clone)]
struct Wrapped(GenerateDataKey<()>);

impl BatchOperation for Plain {
    type Item<'i> = GenerateDataKeyItem<'i>;
    type Value = DataKey;

    fn measure(&self, item: GenerateDataKeyItem<'_>, limits: &Limits) -> Result<ItemSize, Status> {
        measure(&self.0, item, limits)
    }

    fn call(&self, items: &[GenerateDataKeyItem<'_>], order: Order) -> Result<Call, EncodeError> {
        call(&self.0, items, order)
    }

    fn values(&self, reply: Reply<'_>) -> Option<Vec<Result<DataKey, Status>>> {
        values(&self.0, reply, |key| DataKey { plain: Secret::new(key.plain), wrapped: key.wrapped.to_vec() })
    }
}

impl BatchOperation for Wrapped {
    type Item<'i> = GenerateDataKeyItem<'i>;
    type Value = Vec<u8>;

    fn measure(&self, item: GenerateDataKeyItem<'_>, limits: &Limits) -> Result<ItemSize, Status> {
        measure(&self.0, item, limits)
    }

    fn call(&self, items: &[GenerateDataKeyItem<'_>], order: Order) -> Result<Call, EncodeError> {
        call(&self.0, items, order)
    }

    fn values(&self, reply: Reply<'_>) -> Option<Vec<Result<Vec<u8>, Status>>> {
        values(&self.0, reply, |key| key.wrapped.to_vec())
    }
}

fn measure(
    operation: &GenerateDataKey<()>,
    item: GenerateDataKeyItem<'_>,
    limits: &Limits,
) -> Result<ItemSize, Status> {
    check_size(item.context, limits.context_size, Status::ContextTooLarge)?;
    Ok(ItemSize { request: SIZE_FIELD_SIZE + item.context.len(), reply: operation.result_size_max() })
}

fn call(operation: &GenerateDataKey<()>, items: &[GenerateDataKeyItem<'_>], order: Order) -> Result<Call, EncodeError> {
    let &GenerateDataKey { key_id, form, data_key_size, items: () } = operation;
    let items = items.iter().copied();
    Call::new(GenerateDataKey { key_id, form, data_key_size, items }, order.trace_id, order.deadline)
}

/// The results, if each plain key has the size that was asked for.
fn values<V>(
    operation: &GenerateDataKey<()>,
    reply: Reply<'_>,
    value: impl Fn(GeneratedDataKey<'_>) -> V,
) -> Option<Vec<Result<V, Status>>> {
    let Reply::GenerateDataKey(mut results) = reply else { return None };
    let as_asked = |key: GeneratedDataKey<'_>| key.plain.len() == operation.plain_size();
    let as_asked = results.clone().all(|result| result.is_err() || result.is_ok_and(as_asked));
    as_asked.then(|| results.by_ref().map(|result| result.map(&value)).collect())
}

impl BatchOperation for WrapDataKey<()> {
    type Item<'i> = WrapDataKeyItem<'i>;
    type Value = Vec<u8>;

    fn measure(&self, item: WrapDataKeyItem<'_>, limits: &Limits) -> Result<ItemSize, Status> {
        check_size(item.context, limits.context_size, Status::ContextTooLarge)?;
        check_size(item.data_key, limits.data_key_size, Status::SizeNotAllowed)?;
        Ok(ItemSize {
            request: 2 * SIZE_FIELD_SIZE + item.context.len() + item.data_key.len(),
            reply: item.data_key.len() + CIPHERTEXT_OVERHEAD_MAX,
        })
    }

    fn call(&self, items: &[WrapDataKeyItem<'_>], order: Order) -> Result<Call, EncodeError> {
        let items = items.iter().copied();
        Call::new(WrapDataKey { key_id: self.key_id, items }, order.trace_id, order.deadline)
    }

    fn values(&self, reply: Reply<'_>) -> Option<Vec<Result<Vec<u8>, Status>>> {
        match reply {
            Reply::Bytes(results) => Some(bytes(results, <[u8]>::to_vec)),
            _ => None,
        }
    }
}

impl BatchOperation for UnwrapDataKey<()> {
    type Item<'i> = UnwrapDataKeyItem<'i>;
    type Value = Secret;

    fn measure(&self, item: UnwrapDataKeyItem<'_>, limits: &Limits) -> Result<ItemSize, Status> {
        check_size(item.context, limits.context_size, Status::DecryptionFailed)?;
        let size_max = limits.data_key_size.saturating_add(CIPHERTEXT_OVERHEAD_MAX);
        check_size(item.wrapped, size_max, Status::DecryptionFailed)?;
        Ok(ItemSize {
            request: 2 * SIZE_FIELD_SIZE + item.context.len() + item.wrapped.len(),
            reply: item.wrapped.len().saturating_sub(CIPHERTEXT_OVERHEAD_MIN),
        })
    }

    fn call(&self, items: &[UnwrapDataKeyItem<'_>], order: Order) -> Result<Call, EncodeError> {
        let items = items.iter().copied();
        Call::new(UnwrapDataKey { key_id: self.key_id, items }, order.trace_id, order.deadline)
    }

    fn values(&self, reply: Reply<'_>) -> Option<Vec<Result<Secret, Status>>> {
        match reply {
            Reply::Bytes(results) => Some(bytes(results, Secret::new)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static_assertions::assert_not_impl_any!(DataKey: std::fmt::Debug, Clone, PartialEq);
}
