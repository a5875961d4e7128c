//! Resolve and describe: descriptions are read from storage, on its lane.

use std::sync::Arc;

use claviger_engine::key::id::StoreId;
use claviger_engine::key::name::Name;
use claviger_engine::lane::Claim;
use claviger_engine::{Error, KeyRecord};
use claviger_protocol::message::{Items, KeyDescription, KeyVersionDescription, Resolve, ResolveItem, Resolved};
use claviger_protocol::{KeyId, Status};

use super::super::completion::{Completion, NamesFound, Promise};
use super::super::convert;
use super::super::look_up::LookUp;
use super::super::quota::Price;
use super::super::request::Incoming;
use super::super::room::Room;
use super::{Session, Turn};
use crate::limits::{ATTEMPTS_MAX, DESCRIPTION_COST, KEY_DESCRIBED_SIZE, NAME_LOOKED_UP_SIZE};

impl Session {
    pub(super) fn describe(&mut self, request: Incoming, id: KeyId) {
        if self.refuses_locked(&request) {
            return;
        }
        let Some((place, room, promise)) = self.promise_to_read(request, KEY_DESCRIBED_SIZE) else { return };
        let engine = Arc::clone(&self.engine);
        // Of which store it is, is not known before it is read.
        let claim = Claim { connection: self.shares.connection, cost: DESCRIPTION_COST, ..Claim::COMMON };
        let work = move || {
            let promise = promise.if_wanted()?;
            let result = engine.describe_key(convert::key_id(id)).map(Box::new);
            // Before anybody is told that the work has ended.
            drop(place);
            promise.keep(|request| Completion::Described(request, result, room));
            None
        };
        // A full lane gives the work back; dropping it says so through the promise.
        drop(self.engine.storage_lane().submit_for(claim, Box::new(work)));
    }

    pub(super) fn described(&mut self, turn: &mut Turn<'_>, request: &Incoming, result: Result<Box<KeyRecord>, Error>) {
        let header = &request.header;
        let record = match result {
            Ok(record) => record,
            Err(error) => return self.refuse(header, convert::status(&error, header)),
        };
        // Held until the reply is written: who may know of the key is in force inside.
        let frame = turn.worker.enter();
        if frame.is_locked() {
            return self.refuse(header, Status::Locked);
        }
        let store = frame.store(record.store);
        let admitted =
            store.as_ref().and_then(|store| self.admissions.admitted_to(store, Some(record.id), turn.now_ms));
        if admitted.is_none_or(|admitted| !admitted.permit.has_key(record.id)) {
            return self.refuse(header, Status::NotPermitted);
        }
        if !self.pay(header, Price::of(record.store, DESCRIPTION_COST)) {
            return;
        }
        let row = record.algorithm.row();
        let versions = record.versions.iter().map(|summary| KeyVersionDescription {
            version: summary.version.get(),
            state: summary.state.id(),
            created_ms: summary.created_ms,
        });
        let description = KeyDescription {
            key_id: convert::wire_key_id(record.id),
            store_id: convert::wire_store_id(record.store),
            kind: row.kind as u8,
            algorithm: record.algorithm.id(),
            state: record.state.id(),
            current_version: record.current().map_or(0, |version| version.get()),
            created_ms: record.created_ms,
            name: record.name.as_str().as_bytes(),
            versions,
        };
        let written = self.output.reply_with(header, description);
        self.finish(header, written);
    }

    pub(super) fn resolve(
        &mut self,
        turn: &mut Turn<'_>,
        mut request: Incoming,
        resolve: &Resolve<'_, Items<'_, ResolveItem<'_>>>,
    ) {
        if self.refuses_locked(&request) {
            return;
        }
        let store = Name::from_bytes(resolve.store_name).ok().and_then(|name| self.engine.store_by_name(&name));
        let Some(store) = store.map(|store| store.id()).filter(|id| self.admits_store(turn, *id)) else {
            return self.refuse(&request.header, Status::NotPermitted);
        };
        if request.is_late() {
            return self.refuse(&request.header, Status::DeadlineExceeded);
        }
        let count = u32::try_from(resolve.items.len()).unwrap_or(u32::MAX);
        if !self.pay_once(&mut request, Price::of(store, DESCRIPTION_COST.saturating_mul(count))) {
            return;
        }
        let names = resolve.items.clone().map(|item| Name::from_bytes(item.key_name).ok()).collect();
        self.look_up(request, store, names);
    }

    /// Whether it is locked, before storage is asked; what comes of that is looked at again.
    fn refuses_locked(&mut self, request: &Incoming) -> bool {
        let is_locked = self.engine.is_locked();
        if is_locked {
            self.refuse(&request.header, Status::Locked);
        }
        is_locked
    }

    fn look_up(&mut self, request: Incoming, store: StoreId, names: Vec<Option<Name>>) {
        let size = names.len().saturating_mul(NAME_LOOKED_UP_SIZE);
        if let Some((place, room, promise)) = self.promise_to_read(request, size) {
            LookUp::start(&self.engine, (store, self.shares.connection), names, (place, room), promise);
        }
    }

    pub(super) fn resolved(&mut self, turn: &mut Turn<'_>, mut request: Incoming, store: StoreId, found: NamesFound) {
        let header = &request.header;
        let keys = match found.keys {
            Ok(keys) => keys,
            Err(error) => return self.refuse(header, convert::status(&error, header)),
        };
        // Held until the reply is written: what an alias stands for is in force inside.
        let frame = turn.worker.enter();
        if frame.is_locked() {
            return self.refuse(header, Status::Locked);
        }
        let slot = frame.store(store);
        let Some(admitted) = slot.as_ref().and_then(|store| self.admissions.admitted(store, turn.now_ms)) else {
            return self.refuse(header, Status::NotPermitted);
        };
        if found.alias_changes != self.engine.alias_changes() {
            drop(frame);
            request.attempts += 1;
            if request.attempts > ATTEMPTS_MAX {
                return self.refuse(&request.header, Status::Overloaded);
            }
            return self.look_up(request, store, found.names);
        }
        let items = keys.len();
        let mut reply = self.output.reply(header).batch(items);
        self.failures.clear();
        for record in keys {
            // What the client may do nothing with is as if it were not there.
            match record.filter(|record| admitted.permit.has_key(record.id)) {
                Some(record) => {
                    let resolved = Resolved {
                        key_id: convert::wire_key_id(record.id),
                        store_id: convert::wire_store_id(record.store),
                        kind: record.algorithm.row().kind as u8,
                        algorithm: record.algorithm.id(),
                    };
                    reply.result(&resolved.encode());
                }
                None => {
                    self.failures.add(reply.status(Status::KeyNotFound));
                }
            }
        }
        let written = reply.finish();
        self.finish_batch(header, items, written);
    }

    /// Whether the client is let in to a store, as of now.
    fn admits_store(&mut self, turn: &mut Turn<'_>, id: StoreId) -> bool {
        let frame = turn.worker.enter();
        frame.store(id).is_some_and(|store| self.admissions.admitted(&store, turn.now_ms).is_some())
    }

    /// A place in the queue of the storage lane, room for so many bytes of what is read, and the duty to complete the request; answers if there is none of it.
    fn promise_to_read(&mut self, mut request: Incoming, size: usize) -> Option<(Room, Room, Promise)> {
        let held = self.shares.reads.take(1).zip(self.shares.waiting.take(size));
        let Some((place, room)) = held.filter(|_| self.take_place()) else {
            self.refuse_paid(&mut request, Status::Overloaded);
            return None;
        };
        Some((place, room, Promise::new(self.completions.clone(), request)))
    }
}
