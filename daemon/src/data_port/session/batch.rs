//! Batches: keys, admission, lane, work, reply.

use std::sync::Arc;
use std::time::Duration;

use claviger_algorithm::Operation;
use claviger_engine::ReadScope;
use claviger_engine::key::id::StoreId;
use claviger_engine::lane::{Claim, Lane, lane};
use claviger_engine::worker::{FoundKey, Frame};
use claviger_protocol::{KeyId, Opcode, Request, Status};

use super::super::admission::Admissions;
use super::super::completion::Completion;
use super::super::convert;
use super::super::lane_task::{LaneTask, LaneTurn, PinnedKeys};
use super::super::perform::{Batch, KeyIds, Keys, WireSink, perform};
use super::super::pieces::Pieces;
use super::super::quota::Price;
use super::super::request::{Body, Incoming, Waiting};
use super::super::room::Shares;
use super::{Session, Turn};
use crate::limits::DESCRIPTION_COST;

impl Session {
    pub(super) fn batch(
        &mut self,
        turn: &mut Turn<'_>,
        mut request: Incoming,
        decoded: &Request<'_>,
        body: &Body<'_>,
        batch: &Batch,
    ) {
        if let Err(missing) = self.batch_with_loaded_keys(turn, &mut request, decoded, body, batch) {
            self.load(request, body, missing);
        }
    }

    /// Works on a batch whose keys are in the cache; if one is not, says which.
    fn batch_with_loaded_keys(
        &mut self,
        turn: &mut Turn<'_>,
        request: &mut Incoming,
        decoded: &Request<'_>,
        body: &Body<'_>,
        batch: &Batch,
    ) -> Result<(), KeyId> {
        let frame = turn.worker.enter();
        if frame.is_locked() {
            self.refuse(&request.header, Status::Locked);
            return Ok(());
        }
        let found = FoundKeys::find(&frame, batch.keys);
        let keys = found.entries()?;
        if !self.admissions.admit(request.opcode, decoded, &frame, keys, turn.now_ms) {
            self.refuse(&request.header, Status::NotPermitted);
            return Ok(());
        }
        if request.is_late() {
            self.refuse_paid(request, Status::DeadlineExceeded);
            return Ok(());
        }
        let costs = batch.cost(keys, body.bytes().len());
        let (price, cost) = (price(decoded, keys, costs), costs.iter().sum());
        if !self.pay_once(request, price) {
            return Ok(());
        }
        match lane(cost) {
            Lane::Inline => {
                turn.spent += cost;
                self.work(&mut turn.scope, request, decoded, keys, batch);
            }
            Lane::Compute => {
                let store = store_of(decoded, keys);
                let keys = pin(&frame, batch.keys)?;
                self.hand_over(request, body, keys, batch, (store, cost));
            }
        }
        Ok(())
    }

    /// Does the work at once.
    fn work(
        &mut self,
        scope: &mut ReadScope<'_>,
        request: &mut Incoming,
        decoded: &Request<'_>,
        keys: Keys<'_>,
        batch: &Batch,
    ) {
        let header = &request.header;
        let mut reply = self.output.reply(header).batch(batch.items);
        self.failures.clear();
        let mut sink = WireSink { reply: &mut reply, failures: &mut self.failures };
        let all = 0..batch.items;
        match perform(decoded, &all, keys, scope, &mut sink, header) {
            Ok(()) => {
                let written = reply.finish();
                self.finish_batch(header, batch.items, written);
            }
            Err(status) => {
                drop(reply);
                self.refuse_paid(request, status);
            }
        }
    }

    /// Gives the work to the compute pool, for the clients of a key store; answers if there is no room for it.
    fn hand_over(
        &mut self,
        request: &mut Incoming,
        body: &Body<'_>,
        keys: PinnedKeys,
        batch: &Batch,
        (store, cost): (StoreId, Duration),
    ) {
        // The reply waits as well, until the client reads: so there must be room for both.
        let Shares { waiting, pieces: queue, stores, connection, .. } = &self.shares;
        let body_size = body.bytes().len();
        let reply_size = batch.results_size_max(keys.entries(), body_size);
        let pieces = Pieces::of(batch.items, batch.fitting_items(keys.entries()), cost);
        let places = pieces.places();
        let room = || {
            let of_store = stores.take(store, places, reply_size.checked_add(body_size)?)?;
            let (reply, body) = (waiting.take(reply_size)?, body.keep(waiting)?);
            let queue = queue.take(places)?;
            Some((LaneTurn { store, connection: *connection, reply, queue, of_store }, body))
        };
        let Some((turn, body)) = room().filter(|_| self.take_place()) else {
            return self.refuse_paid(request, Status::Overloaded);
        };
        let waiting = Waiting { request: request.clone(), body };
        LaneTask::start(waiting, keys, pieces, turn, (&self.engine, &self.client), &self.completions);
    }

    /// Gives out what the compute pool has done, if it was done under the state that is in force; if not, it is done again.
    pub(super) fn worked(&mut self, turn: &mut Turn<'_>, task: &LaneTask) {
        let Waiting { mut request, body } = task.waiting.clone();
        request.has_begun |= task.has_begun();
        let frame = turn.worker.enter();
        // Before anything is refused, so that what was done with the keys is recorded.
        self.admissions.note_keys(task.keys.entries());
        if frame.is_locked() {
            return self.refuse_paid(&mut request, Status::Locked);
        }
        if !task.keys.are_in_force() {
            drop(frame);
            task.give_room_back();
            return self.again(turn, Waiting { request, body });
        }
        let Ok(decoded) = Request::decode(request.opcode, body.bytes()) else {
            return self.refuse_paid(&mut request, Status::InternalError);
        };
        if !self.admissions.admit(request.opcode, &decoded, &frame, task.keys.entries(), turn.now_ms) {
            return self.refuse_paid(&mut request, Status::NotPermitted);
        }
        if request.is_late() {
            return self.refuse_paid(&mut request, Status::DeadlineExceeded);
        }
        let header = &request.header;
        let mut reply = self.output.reply(header).batch(task.items());
        self.failures.clear();
        match task.write(&mut reply, &mut self.failures) {
            Ok(()) => {
                let written = reply.finish();
                self.finish_batch(header, task.items(), written);
            }
            Err(status) => {
                drop(reply);
                self.refuse_paid(&mut request, status);
            }
        }
    }

    /// Keeps a request until one of its keys is loaded.
    pub(super) fn load(&mut self, mut request: Incoming, body: &Body<'_>, missing: KeyId) {
        if self.engine.is_locked() {
            return self.refuse_paid(&mut request, Status::Locked);
        }
        let Shares { waiting, reads, connection, .. } = &self.shares;
        // Of which store the key is, is not known before it is read.
        let claim = Claim { connection: *connection, cost: DESCRIPTION_COST, ..Claim::COMMON };
        let held = body.keep(waiting).zip(reads.take(1));
        let Some((body, place)) = held.filter(|_| self.take_place()) else {
            return self.refuse_paid(&mut request, Status::Overloaded);
        };
        let (completions, engine) = (self.completions.clone(), Arc::clone(&self.engine));
        let id = convert::key_id(missing);
        let mut waiting = Waiting { request, body };
        self.engine.load_for(claim, id, move |result| {
            drop(place);
            waiting.request.loaded.extend(engine.pin(id));
            completions.send(Completion::Loaded(waiting, result));
        });
    }
}

impl Admissions {
    /// The request at hand is about these keys, whatever comes of it.
    fn note_keys(&mut self, keys: Keys<'_>) {
        let (first, second) = match keys {
            Keys::None => (None, None),
            Keys::One(key) => (Some(key), None),
            Keys::SourceAndTarget(source, target) => (Some(source), Some(target)),
        };
        for key in [first, second].into_iter().flatten().filter(|key| key.store().policy().records_requests) {
            self.note(key.store().id(), key.id());
        }
    }

    /// Whether the client may do this with all these keys, or draw random bytes in the store that is named.
    fn admit(&mut self, opcode: Opcode, request: &Request<'_>, frame: &Frame<'_>, keys: Keys<'_>, now_ms: u64) -> bool {
        match (keys, request) {
            (Keys::One(key), _) => {
                let operation = opcode.needs();
                operation.is_some_and(|operation| self.allows(operation, key, now_ms))
            }
            // Specification, section 5.8.
            (Keys::SourceAndTarget(source, target), _) => {
                self.allows(Operation::Decrypt, source, now_ms) && self.allows(Operation::Encrypt, target, now_ms)
            }
            (Keys::None, Request::RandomBytes(random)) => {
                let store = frame.store(convert::store_id(random.store_id));
                let admitted = store.as_ref().and_then(|store| self.admitted(store, now_ms));
                admitted.is_some_and(|admitted| admitted.permit.random_bytes())
            }
            (Keys::None, _) => false,
        }
    }
}

/// The key store for whose clients a batch is done: that of the first key, or the one that is named.
fn store_of(request: &Request<'_>, keys: Keys<'_>) -> StoreId {
    match (keys, request) {
        (Keys::One(key) | Keys::SourceAndTarget(key, _), _) => key.store().id(),
        (Keys::None, Request::RandomBytes(random)) => convert::store_id(random.store_id),
        // There are no others: `Batch::of` gives each operation the keys that it needs.
        (Keys::None, _) => Claim::COMMON.store,
    }
}

/// What a batch costs the clients of its key stores, for what it does with each key.
fn price(request: &Request<'_>, keys: Keys<'_>, [first, second]: [Duration; 2]) -> Price {
    let price = Price::of(store_of(request, keys), first);
    match keys {
        Keys::SourceAndTarget(_, target) => price.and(target.store().id(), second),
        Keys::None | Keys::One(_) => price,
    }
}

/// What a frame has found for the keys of a batch.
enum FoundKeys<'f> {
    None,
    One(KeyId, FoundKey<'f>),
    SourceAndTarget((KeyId, FoundKey<'f>), (KeyId, FoundKey<'f>)),
}

impl<'f> FoundKeys<'f> {
    fn find(frame: &'f Frame<'_>, ids: KeyIds) -> Self {
        let key = |id| frame.key(convert::key_id(id));
        match ids {
            KeyIds::None => Self::None,
            KeyIds::One(id) => Self::One(id, key(id)),
            KeyIds::SourceAndTarget(source, target) => {
                Self::SourceAndTarget((source, key(source)), (target, key(target)))
            }
        }
    }

    /// The keys, or the first that is not loaded.
    fn entries(&self) -> Result<Keys<'_>, KeyId> {
        match self {
            Self::None => Ok(Keys::None),
            Self::One(id, key) => key.entry().map(Keys::One).ok_or(*id),
            Self::SourceAndTarget((source_id, source), (target_id, target)) => {
                Ok(Keys::SourceAndTarget(source.entry().ok_or(*source_id)?, target.entry().ok_or(*target_id)?))
            }
        }
    }
}

/// The keys of a batch, to be taken to another thread; or the first that is not loaded any more.
fn pin(frame: &Frame<'_>, ids: KeyIds) -> Result<PinnedKeys, KeyId> {
    let key = |id| frame.pin(convert::key_id(id)).ok_or(id);
    Ok(match ids {
        KeyIds::None => PinnedKeys::None,
        KeyIds::One(id) => PinnedKeys::One(key(id)?),
        KeyIds::SourceAndTarget(source, target) => PinnedKeys::SourceAndTarget(key(source)?, key(target)?),
    })
}
