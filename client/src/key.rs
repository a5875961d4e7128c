//! A key, and what it does.

use crate::batch::{self, BatchOperation, BatchResults};
use crate::client::{Client, KeyName};
use crate::error::Error;
use claviger_protocol::message::Resolved;
use claviger_protocol::{Algorithm, KeyId, KeyKind, Retry, Status, StoreId, TraceId};
use std::fmt;
use std::time::Duration;

/// A key of the server: its id, what it is, and the operations it does. The key material stays there.
///
/// Operations that a key of this kind does not do are refused with [`Status::OperationNotAllowed`].
#[derive(Clone)]
pub struct Key {
    client: Client,
    resolved: Resolved,
    /// Under which it was found, if it was.
    name: Option<KeyName>,
}

/// A code that this library does not know: the server is newer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("code {0}, which this version of the library does not know")]
pub struct UnknownCode(pub u8);

impl Key {
    pub(crate) const fn new(client: Client, resolved: Resolved, name: Option<KeyName>) -> Self {
        Self { client, resolved, name }
    }

    /// Its id, which never changes.
    #[must_use]
    pub const fn id(&self) -> KeyId {
        self.resolved.key_id
    }

    /// Id of its store.
    #[must_use]
    pub const fn store_id(&self) -> StoreId {
        self.resolved.store_id
    }

    /// Its kind.
    ///
    /// # Errors
    /// [`UnknownCode`] if the server has kinds that this library does not know.
    pub fn kind(&self) -> Result<KeyKind, UnknownCode> {
        KeyKind::from_id(self.resolved.kind).ok_or(UnknownCode(self.resolved.kind))
    }

    /// Its algorithm.
    ///
    /// # Errors
    /// [`UnknownCode`] if the server has algorithms that this library does not know.
    pub fn algorithm(&self) -> Result<Algorithm, UnknownCode> {
        Algorithm::from_id(self.resolved.algorithm).ok_or(UnknownCode(self.resolved.algorithm))
    }

    /// The client it was got from.
    #[must_use]
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// This key with another time for each call, see [`Client::with_deadline`].
    #[must_use]
    pub fn with_deadline(&self, deadline: Duration) -> Self {
        Self { client: self.client.with_deadline(deadline), ..self.clone() }
    }

    /// This key with a trace id, see [`Client::with_trace_id`].
    #[must_use]
    pub fn with_trace_id(&self, trace_id: TraceId) -> Self {
        Self { client: self.client.with_trace_id(trace_id), ..self.clone() }
    }

    /// Does an operation to one item.
    pub(crate) async fn single<O: BatchOperation>(&self, operation: &O, item: O::Item<'_>) -> Result<O::Value, Error> {
        let result = batch::single(self.client.pool(), operation, item, self.client.order()).await;
        self.checked(result)
    }

    /// Does an operation to many items.
    pub(crate) async fn many<O>(&self, operation: &O, items: &[O::Item<'_>]) -> Result<BatchResults<O::Value>, Error>
    where
        O: BatchOperation<Value: Send + 'static> + Clone + Send + Sync + 'static,
    {
        let result = batch::many(self.client.pool(), operation, items, self.client.order()).await;
        self.checked(result)
    }

    /// Forgets the name of a key that is no longer what it was: next time the server is asked again.
    pub(crate) fn checked<T>(&self, result: Result<T, Error>) -> Result<T, Error> {
        let outdated = |error: &Error| {
            let status = error.status();
            error.retry() == Retry::Resolve || matches!(status, Some(Status::NotPermitted | Status::KeyDeleted))
        };
        if let (Some(name), Err(error)) = (&self.name, &result)
            && outdated(error)
        {
            self.client.forget(name);
        }
        result
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Key").field("id", &self.id()).field("name", &self.name).finish_non_exhaustive()
    }
}
