//! Names looked up on the storage lane: some at a time, then others have their turn.

use std::sync::Arc;

use claviger_engine::key::id::StoreId;
use claviger_engine::key::name::Name;
use claviger_engine::lane::Claim;
use claviger_engine::{Engine, Error};

use super::completion::{Completion, NamedKey, NamesFound, Promise};
use super::room::Room;
use crate::limits::{DESCRIPTION_COST, NAMES_PER_PIECE};

/// Names of keys of a store, and those of them that have been looked up.
pub(super) struct LookUp {
    engine: Arc<Engine>,
    store: StoreId,
    /// The number of the connection that asks.
    connection: u64,
    names: Vec<Option<Name>>,
    /// How often aliases had been changed before the first was looked up.
    alias_changes: u64,
    keys: Vec<Option<NamedKey>>,
    /// Room of the connection in the queue, and for names and keys.
    place: Room,
    room: Room,
}

impl LookUp {
    /// Has these names looked up; nothing stands for what is no name. The promise is kept with what they are found to stand for.
    pub(super) fn start(
        engine: &Arc<Engine>,
        (store, connection): (StoreId, u64),
        names: Vec<Option<Name>>,
        (place, room): (Room, Room),
        promise: Promise,
    ) {
        let (engine, alias_changes, keys) = (Arc::clone(engine), engine.alias_changes(), Vec::new());
        Self { engine, store, connection, names, alias_changes, keys, place, room }.queue(promise);
    }

    /// Queues the next piece.
    fn queue(self, promise: Promise) {
        let count = self.names.len().saturating_sub(self.keys.len()).min(NAMES_PER_PIECE);
        let cost = DESCRIPTION_COST.saturating_mul(u32::try_from(count).unwrap_or(u32::MAX));
        let (claim, engine) =
            (Claim { store: self.store, connection: self.connection, cost, ..Claim::COMMON }, Arc::clone(&self.engine));
        let work = move || {
            self.work(promise);
            None
        };
        // A full lane gives the work back; dropping it says so through the promise.
        drop(engine.storage_lane().submit_for(claim, Box::new(work)));
    }

    /// Does one piece.
    fn work(mut self, mut promise: Promise) {
        let piece = self.keys.len()..self.names.len().min(self.keys.len() + NAMES_PER_PIECE);
        for name in self.names.get(piece).unwrap_or_default() {
            let Some(wanted) = promise.if_wanted() else { return };
            promise = wanted;
            promise.begin();
            match find(&self.engine, self.store, name.as_ref()) {
                Ok(key) => self.keys.push(key),
                Err(error) => return self.end(promise, Some(error)),
            }
        }
        if self.keys.len() < self.names.len() {
            self.queue(promise);
        } else {
            self.end(promise, None);
        }
    }

    fn end(self, promise: Promise, error: Option<Error>) {
        let Self { store, names, alias_changes, keys, place, room, .. } = self;
        // Before anybody is told that the work has ended.
        drop(place);
        let found = NamesFound { names, alias_changes, keys: error.map_or(Ok(keys), Err), _room: room };
        promise.keep(|request| Completion::Resolved(request, store, found));
    }
}

/// The key of this name or alias, if there is one.
fn find(engine: &Engine, store: StoreId, name: Option<&Name>) -> Result<Option<NamedKey>, Error> {
    let record = name.map_or(Ok(None), |name| engine.key_by_name(store, name))?;
    Ok(record.map(|record| NamedKey { id: record.id, store: record.store, algorithm: record.algorithm }))
}
