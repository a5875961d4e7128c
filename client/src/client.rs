//! The client: names to keys, and what needs no key.

use crate::batch::{self, BatchResults, Order};
use crate::call::Call;
use crate::config::ClientConfig;
use crate::error::Error;
use crate::key::Key;
use crate::limits::{Limits, NAMES_REMEMBERED_MAX};
use crate::operations::read::{Whoami, describe};
use crate::pool::Pool;
use crate::secret::Secret;
use claviger_protocol::message::{self, Message, RandomBytes, RandomBytesItem, Reply, Resolve, Resolved};
use claviger_protocol::{KeyId, Status, StoreId, TraceId};
use parking_lot::RwLock;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// A client of one server. Clones share connections and remembered names; cloning is cheap.
///
/// Calls run on the Tokio runtime they are made on, which must have its IO and time enabled. Dropping the future of a
/// call gives it up.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
    deadline: Duration,
    trace_id: TraceId,
}

struct Shared {
    pool: Arc<Pool>,
    names: RwLock<HashMap<KeyName, Remembered>>,
}

/// What a name stood for, and when the server said so.
#[derive(Clone, Copy)]
struct Remembered {
    resolved: Resolved,
    since: Instant,
}

/// Name of a key in its store.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct KeyName {
    pub(crate) store: Box<str>,
    pub(crate) key: Box<str>,
}

impl Client {
    /// Connects, so that what is wrong with the settings, the network or the certificates is seen at once. Further
    /// connections are made when they are used, and lost ones are made anew.
    ///
    /// # Errors
    /// Those of the settings, the network, the handshake and the greeting.
    pub async fn connect(config: ClientConfig) -> Result<Self, Error> {
        let deadline = config.deadline;
        let pool = Arc::new(Pool::connect(config).await?);
        let shared = Arc::new(Shared { pool, names: RwLock::default() });
        Ok(Self { shared, deadline, trace_id: TraceId::NONE })
    }

    /// This client with another time for each call, attempts and waits together; at most 10 minutes count.
    #[must_use]
    pub fn with_deadline(&self, deadline: Duration) -> Self {
        Self { deadline, ..self.clone() }
    }

    /// This client with a trace id that the server writes into its log and audit log beside each call.
    #[must_use]
    pub fn with_trace_id(&self, trace_id: TraceId) -> Self {
        Self { trace_id, ..self.clone() }
    }

    /// The settings it was made with.
    #[must_use]
    pub fn config(&self) -> &ClientConfig {
        self.shared.pool.config()
    }

    /// What the server announced when the last connection was made.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.shared.pool.limits()
    }

    /// Asks the server to send the payload back, 0..=64 bytes: is it there, and how far away?
    ///
    /// # Errors
    /// As [`Error`] says, here and in all calls below.
    pub async fn ping(&self, payload: &[u8]) -> Result<(), Error> {
        self.read(message::Ping { payload }, |reply| match reply {
            Reply::Ping(pong) => (pong.payload == payload).then_some(()),
            _ => None,
        })
        .await
    }

    /// What the server sees of this client.
    pub async fn whoami(&self) -> Result<Whoami, Error> {
        self.read(message::Whoami, |reply| match reply {
            Reply::Whoami(reply) => Some(Whoami::from_facts(reply.facts)),
            _ => None,
        })
        .await
    }

    /// The key of this name or alias. The server is asked once in [`ClientConfig::names_for`]; between, the answer is remembered. A key that was got under an alias stays the
    /// same key when the alias is moved: to follow it, ask for the key again from time to time, which costs nothing while the answer is remembered.
    pub async fn key(&self, store: &str, name: &str) -> Result<Key, Error> {
        let mut keys = self.keys(store, &[name]).await?;
        keys.pop().ok_or(Error::BadReply)?
    }

    /// The keys of these names, asked for together.
    ///
    /// # Errors
    /// For each name [`Error::Refused`] with [`Status::KeyNotFound`]; [`Status::NotPermitted`] for all of them if there
    /// is no such store or it does not admit this client.
    pub async fn keys(&self, store: &str, names: &[&str]) -> Result<BatchResults<Key>, Error> {
        let name = |key: &&str| KeyName { store: store.into(), key: (*key).into() };
        let known: Vec<Option<Resolved>> = {
            let remembered = self.shared.names.read();
            let (now, names_for) = (Instant::now(), self.config().names_for);
            let fresh = |remembered: &Remembered| {
                let age = now.saturating_duration_since(remembered.since);
                (age < names_for).then_some(remembered.resolved)
            };
            names.iter().map(|key| remembered.get(&name(key)).and_then(fresh)).collect()
        };
        let unknown: Vec<_> = names
            .iter()
            .zip(&known)
            .filter(|(_, known)| known.is_none())
            .map(|(key, _)| message::ResolveItem { key_name: key.as_bytes() })
            .collect();
        let operation = ResolveNames { store: store.into() };
        let mut resolved = batch::many(self.pool(), &operation, &unknown, self.order()).await?.into_iter();
        let keys = names.iter().zip(known).map(|(key, known)| {
            let name = name(key);
            let resolved = match known {
                Some(resolved) => resolved,
                None => {
                    let resolved = resolved.next().ok_or(Error::BadReply)??;
                    self.remember(name.clone(), resolved);
                    resolved
                }
            };
            Ok(Key::new(self.clone(), resolved, Some(name)))
        });
        Ok(keys.collect())
    }

    /// The key of this id: for programs that keep ids instead of names. The server is asked for its kind and store.
    pub async fn key_by_id(&self, key_id: KeyId) -> Result<Key, Error> {
        let description = describe(self, key_id).await?;
        let resolved = Resolved {
            key_id,
            store_id: description.store_id,
            kind: description.kind.map_or_else(|unknown| unknown.0, |kind| kind.id()),
            algorithm: description.algorithm.map_or_else(|unknown| unknown.0, |algorithm| algorithm.id()),
        };
        Ok(Key::new(self.clone(), resolved, None))
    }

    /// `size` random bytes, 1..=32,768, on the account of a store ([`Key::store_id`]) that admits this client.
    pub async fn random_bytes(&self, store_id: StoreId, size: usize) -> Result<Secret, Error> {
        let mut results = self.random_bytes_batch(store_id, &[size]).await?;
        results.pop().ok_or(Error::BadReply)?
    }

    /// Random bytes of these sizes.
    pub async fn random_bytes_batch(&self, store_id: StoreId, sizes: &[usize]) -> Result<BatchResults<Secret>, Error> {
        // What does not fit the field is above every limit, and refused as such.
        let item = |&size: &usize| RandomBytesItem { size: u32::try_from(size).unwrap_or(u32::MAX) };
        let items: Vec<_> = sizes.iter().map(item).collect();
        batch::many(self.pool(), &RandomBytes { store_id, items: () }, &items, self.order()).await
    }

    /// A call whose reply is read as a whole.
    pub(crate) async fn read<T>(
        &self,
        message: impl Message,
        value: impl FnOnce(Reply<'_>) -> Option<T>,
    ) -> Result<T, Error> {
        let Order { trace_id, deadline } = self.order();
        let reply = self.pool().call(Call::new(message, trace_id, deadline)?).await?;
        reply.decode().ok().and_then(value).ok_or(Error::BadReply)
    }

    pub(crate) fn pool(&self) -> &Arc<Pool> {
        &self.shared.pool
    }

    /// What a call made now is made under.
    pub(crate) fn order(&self) -> Order {
        Order::new(self.trace_id, self.deadline)
    }

    /// The name may stand for another key by now: it is asked for again next time.
    pub(crate) fn forget(&self, name: &KeyName) {
        self.shared.names.write().remove(name);
    }

    fn remember(&self, name: KeyName, resolved: Resolved) {
        let resolved = Remembered { resolved, since: Instant::now() };
        let mut names = self.shared.names.write();
        if names.len() >= NAMES_REMEMBERED_MAX {
            names.clear();
        }
        names.insert(name, resolved);
    }
}

/// Resolve, for names of one store.
#[derive(Clone)]
struct ResolveNames {
    store: Box<str>,
}

impl batch::BatchOperation for ResolveNames {
    type Item<'i> = message::ResolveItem<'i>;
    type Value = Resolved;

    fn measure(&self, item: message::ResolveItem<'_>, _limits: &Limits) -> Result<batch::ItemSize, Status> {
        message::name_text(item.key_name).ok_or(Status::KeyNotFound)?;
        Ok(batch::ItemSize { request: 2 + item.key_name.len(), reply: Resolved::SIZE })
    }

    fn call(&self, items: &[message::ResolveItem<'_>], order: Order) -> Result<Call, claviger_protocol::EncodeError> {
        let (store_name, items) = (self.store.as_bytes(), items.iter().copied());
        Call::new(Resolve { store_name, items }, order.trace_id, order.deadline)
    }

    fn values(&self, reply: Reply<'_>) -> Option<Vec<Result<Resolved, Status>>> {
        match reply {
            Reply::Resolve(results) => Some(results.collect()),
            _ => None,
        }
    }
}
