//! A client of an engine's keys: enters frames, and loads keys that are missing, as a worker of a daemon does.

use std::sync::{Arc, mpsc};
use std::time::Duration;

use claviger_engine::key::client::ClientName;
use claviger_engine::key::id::KeyId;
use claviger_engine::key::state::KeyState;
use claviger_engine::{Engine, Error, KeyEntry, LoadError, ReadScope, Worker};

use super::calls::{self, Items, Pairs, only};

/// One worker of an engine, and who asks it: what it does is counted.
pub(crate) struct Client {
    worker: Worker,
    who: claviger_engine::Client,
}

impl Client {
    pub(crate) fn new(engine: &Arc<Engine>) -> Self {
        Self::named(engine, "client")
    }

    pub(crate) fn named(engine: &Arc<Engine>, name: &str) -> Self {
        Self { worker: engine.worker(), who: engine.client(client_name(name)) }
    }

    /// Does something with a key inside a frame, loading it first if need be.
    pub(crate) fn with<T>(&mut self, id: KeyId, act: impl FnOnce(&KeyEntry) -> T) -> T {
        self.try_with(id, act).unwrap()
    }

    pub(crate) fn try_with<T>(&mut self, id: KeyId, act: impl FnOnce(&KeyEntry) -> T) -> Result<T, LoadError> {
        loop {
            if let Some(entry) = self.worker.enter().key(id).entry() {
                return Ok(act(entry));
            }
            load(self.worker.engine(), id)?;
        }
    }

    /// As [`Client::with`], in a read whose uses are counted.
    pub(crate) fn counted<T>(&mut self, id: KeyId, act: impl FnOnce(&mut ReadScope<'_>, &KeyEntry) -> T) -> T {
        let (engine, who) = (Arc::clone(self.worker.engine()), self.who.clone());
        self.with(id, |key| act(&mut engine.read_scope(&who), key))
    }

    /// As [`Client::with`] for two keys in one frame.
    pub(crate) fn with_both<T>(&mut self, one: KeyId, other: KeyId, act: impl FnOnce(&KeyEntry, &KeyEntry) -> T) -> T {
        loop {
            let frame = self.worker.enter();
            let (found_one, found_other) = (frame.key(one), frame.key(other));
            if let (Some(one), Some(other)) = (found_one.entry(), found_other.entry()) {
                return act(one, other);
            }
            drop((found_one, found_other));
            drop(frame);
            for id in [one, other] {
                load(self.worker.engine(), id).unwrap();
            }
        }
    }

    /// Whether the key is in memory, and its state there.
    pub(crate) fn cached_state(&mut self, id: KeyId) -> Option<KeyState> {
        self.worker.enter().key(id).entry().map(KeyEntry::state)
    }

    pub(crate) fn worker(&mut self) -> &mut Worker {
        &mut self.worker
    }

    pub(crate) fn encrypt(&mut self, id: KeyId, items: Pairs<'_>) -> Result<Items, Error> {
        self.counted(id, |scope, key| calls::encrypt_in(scope, key, items))
    }

    pub(crate) fn encrypt_one(&mut self, id: KeyId, context: &[u8], plaintext: &[u8]) -> Vec<u8> {
        only(self.encrypt(id, &[(context, plaintext)]).unwrap()).unwrap()
    }

    pub(crate) fn decrypt(&mut self, id: KeyId, items: Pairs<'_>) -> Result<Items, Error> {
        self.counted(id, |scope, key| calls::decrypt_in(scope, key, items))
    }
}

/// Brings a key into memory and waits for it.
pub(crate) fn load(engine: &Arc<Engine>, id: KeyId) -> Result<(), LoadError> {
    let (done, is_done) = mpsc::channel();
    engine.load(id, move |result| done.send(result).unwrap());
    is_done.recv_timeout(PATIENCE).expect("a load is answered")
}

/// Who a client of this name is.
pub(crate) fn client_name(name: &str) -> ClientName {
    ClientName::certificate(name, [0x77; 32])
}

/// After this long, something that must come will not come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
