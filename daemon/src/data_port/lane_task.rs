//! A batch on the compute pool: cut into pieces, each done by whichever thread is free, put together again in the order of the items.

use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Waker;

use claviger_engine::key::id::StoreId;
use claviger_engine::lane::Claim;
use claviger_engine::worker::PinnedKey;
use claviger_engine::{Client, Engine, ItemError, ItemSink};
use claviger_protocol::{BatchWriter, OutputBuffer, Request, Status};
use parking_lot::Mutex;

use super::completion::{Completion, Completions};
use super::perform::{Failures, Keys, WireSink, perform};
use super::pieces::Pieces;
use super::request::{Incoming, Waiting};
use super::room::Room;
use super::store_shares::StoreRoom;

/// The keys of a batch, taken along to other threads.
pub(super) enum PinnedKeys {
    None,
    One(PinnedKey),
    SourceAndTarget(PinnedKey, PinnedKey),
}

impl PinnedKeys {
    /// The keys as they were when they were pinned.
    pub(super) fn entries(&self) -> Keys<'_> {
        match self {
            Self::None => Keys::None,
            Self::One(key) => Keys::One(key.entry()),
            Self::SourceAndTarget(source, target) => Keys::SourceAndTarget(source.entry(), target.entry()),
        }
    }

    /// Whether all of them are still what they were.
    pub(super) fn are_in_force(&self) -> bool {
        match self {
            Self::None => true,
            Self::One(key) => key.is_in_force(),
            Self::SourceAndTarget(source, target) => source.is_in_force() && target.is_in_force(),
        }
    }
}

/// For whom a batch is done, and the room that it has been given.
pub(super) struct LaneTurn {
    /// The key store of its keys.
    pub(super) store: StoreId,
    /// The number of the connection.
    pub(super) connection: u64,
    /// Room of the connection for the reply.
    pub(super) reply: Room,
    /// Room of the connection in the queue.
    pub(super) queue: Room,
    /// What the store gives of its own for both.
    pub(super) of_store: StoreRoom,
}

/// The work of one request, shared by its pieces.
pub(super) struct LaneTask {
    pub(super) waiting: Waiting,
    pub(super) keys: PinnedKeys,
    /// The place of the reply, of connection and store, until it is given out or the work begins anew.
    room: Mutex<Option<[Room; 2]>>,
    engine: Arc<Engine>,
    client: Client,
    completions: Completions,
    pieces: Pieces,
    results: Vec<Mutex<Option<(OutputBuffer, Failures)>>>,
    left: AtomicUsize,
    /// Why the request as a whole failed, as the first piece that knew said it.
    failure: Mutex<Option<Status>>,
    /// Nobody needs the rest any more.
    stopped: AtomicBool,
    /// Some item was worked on.
    begun: AtomicBool,
}

impl LaneTask {
    /// Queues the pieces of a batch, with room for its reply and for them in the queue. When all have ended, the task arrives among `completions`.
    pub(super) fn start(
        waiting: Waiting,
        keys: PinnedKeys,
        pieces: Pieces,
        turn: LaneTurn,
        (engine, client): (&Arc<Engine>, &Client),
        completions: &Completions,
    ) {
        let count = pieces.count();
        let LaneTurn { store, connection, reply, queue, of_store } = turn;
        let queue = Arc::new([queue, of_store.pieces]);
        let task = Arc::new(Self {
            waiting,
            keys,
            room: Mutex::new(Some([reply, of_store.waiting])),
            engine: Arc::clone(engine),
            client: client.clone(),
            completions: completions.clone(),
            pieces,
            results: (0..count).map(|_| Mutex::new(None)).collect(),
            left: AtomicUsize::new(count),
            failure: Mutex::new(None),
            stopped: AtomicBool::new(false),
            begun: AtomicBool::new(false),
        });
        for index in 0..count {
            let piece = Piece {
                task: Arc::clone(&task),
                index,
                outcome: Err(Status::Overloaded),
                queue: Some(Arc::clone(&queue)),
            };
            let (cost, rest) = (task.pieces.cost(index), task.pieces.cost_behind(index));
            let claim = Claim { store, connection, cost, rest };
            // A full queue gives the piece back, and dropping it says Overloaded for the whole task.
            drop(engine.compute().submit_for(claim, Box::new(move || piece.run())));
        }
    }

    /// Writes the results of all pieces.
    ///
    /// # Errors
    /// The status of the request as a whole.
    pub(super) fn write(&self, reply: &mut BatchWriter<'_>, failures: &mut Failures) -> Result<(), Status> {
        if let Some(status) = *self.failure.lock() {
            return Err(status);
        }
        for (index, results) in self.results.iter().enumerate() {
            let (results, failed) = results.lock().take().ok_or(Status::InternalError)?;
            failures.add_all(&failed);
            reply
                .append_encoded(results.as_bytes(), self.pieces.part(index).len())
                .map_err(|_| Status::InternalError)?;
        }
        for _ in self.pieces.fitting..self.pieces.items {
            failures.add(reply.status(Status::ReplyFull));
        }
        Ok(())
    }

    /// The request that it is for.
    pub(super) const fn request(&self) -> &Incoming {
        &self.waiting.request
    }

    /// Whether some item was worked on.
    pub(super) fn has_begun(&self) -> bool {
        self.begun.load(Ordering::Relaxed)
    }

    /// Gives the place of the reply back, for work that begins anew and takes its own.
    pub(super) fn give_room_back(&self) {
        *self.room.lock() = None;
    }

    /// How many items the batch has.
    pub(super) const fn items(&self) -> usize {
        self.pieces.items
    }

    fn fail(&self, status: Status) {
        self.failure.lock().get_or_insert(status);
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// Whether to go on: somebody waits, in time, and the keys are what they were.
    fn should_go_on(&self) -> bool {
        if self.stopped.load(Ordering::Relaxed) || self.completions.is_closed() {
            return false;
        }
        if self.waiting.request.is_late() {
            self.fail(Status::DeadlineExceeded);
            return false;
        }
        // A change is on its way: what is done under the old state would be thrown away.
        self.keys.are_in_force()
    }
}

/// One piece of a task. Its outcome counts when it is dropped, so that a piece which never ran or panicked is not waited for.
struct Piece {
    task: Arc<LaneTask>,
    index: usize,
    outcome: Result<(OutputBuffer, Failures), Status>,
    /// The places of all pieces in the queue, given back with the last of them.
    queue: Option<Arc<[Room; 2]>>,
}

impl Piece {
    /// Does it, and gives back whom to wake if it was the last of the task.
    fn run(mut self) -> Option<Waker> {
        // What is said if the work panics.
        self.outcome = Err(Status::InternalError);
        self.outcome = self.work();
        self.end()
    }

    fn work(&self) -> Result<(OutputBuffer, Failures), Status> {
        let task = &*self.task;
        let request = &task.waiting.request;
        let (mut output, mut failures) = (OutputBuffer::new(), Failures::default());
        if !task.should_go_on() {
            return Ok((output, failures));
        }
        let decoded = Request::decode(request.opcode, task.waiting.body.bytes()).map_err(|error| error.status())?;
        let part = task.pieces.part(self.index);
        let mut results = output.items(part.len());
        let mut scope = task.engine.read_scope(&task.client);
        let results_sink = WireSink { reply: &mut results, failures: &mut failures };
        let looks = Looks::every(task.pieces.items_of_a_look());
        let mut sink = LaneSink { task, results: results_sink, looks };
        perform(&decoded, &part, task.keys.entries(), &mut scope, &mut sink, &request.header)?;
        results.finish().map_err(|_| Status::InternalError)?;
        Ok((output, failures))
    }

    /// Hands the outcome over, once; the last piece of a task gives back whom to wake.
    fn end(&mut self) -> Option<Waker> {
        // The places in the queue are given back before anybody is told that the work has ended.
        drop(self.queue.take()?);
        match mem::replace(&mut self.outcome, Err(Status::InternalError)) {
            Ok(results) => {
                if let Some(place) = self.task.results.get(self.index) {
                    *place.lock() = Some(results);
                }
            }
            Err(status) => self.task.fail(status),
        }
        let is_last = self.task.left.fetch_sub(1, Ordering::AcqRel) == 1;
        is_last.then(|| self.task.completions.send_untold(Completion::Worked(Arc::clone(&self.task))))
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        if let Some(waker) = self.end() {
            waker.wake();
        }
    }
}

/// Writes results while the task is wanted. After that nothing is worked any more; what it writes then is never sent.
struct LaneSink<'w, 'o> {
    task: &'w LaneTask,
    results: WireSink<'w, 'o>,
    looks: Looks,
}

/// Looks whether items are wanted, at the first of so many. A look costs as much as a hundredth of the fastest items that come here.
struct Looks {
    every: usize,
    /// Items that go by what the last look said.
    unlooked: usize,
    goes_on: bool,
}

impl Looks {
    const fn every(items: usize) -> Self {
        Self { every: items, unlooked: 0, goes_on: true }
    }

    /// Whether the next item is wanted.
    fn goes_on(&mut self, look: impl FnOnce() -> bool) -> bool {
        match self.unlooked.checked_sub(1) {
            Some(unlooked) => self.unlooked = unlooked,
            None => (self.goes_on, self.unlooked) = (look(), self.every.saturating_sub(1)),
        }
        self.goes_on
    }
}

impl ItemSink for LaneSink<'_, '_> {
    fn item(&mut self, size_max: usize, fill: impl FnOnce(&mut [u8]) -> Result<usize, ItemError>) {
        let task = self.task;
        let look = || {
            let goes_on = task.should_go_on();
            task.begun.fetch_or(goes_on, Ordering::Relaxed);
            goes_on
        };
        if self.looks.goes_on(look) {
            self.results.item(size_max, fill);
        } else {
            self.results.reply.status(Status::Overloaded);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // R-P4
    #[test]
    fn a_look_counts_for_its_items_and_the_first_item_has_one() {
        for (every, expected) in [(0, 7), (1, 7), (3, 3), (7, 1), (usize::MAX, 1)] {
            let (mut looks, mut looked) = (Looks::every(every), 0);
            let all = (0..7).all(|_| {
                looks.goes_on(|| {
                    looked += 1;
                    true
                })
            });
            assert!(all && looked == expected, "{every}: {looked}");
        }
        let mut looks = Looks::every(3);
        let answers = [false, true].map(|wanted| [0; 3].map(|_| looks.goes_on(|| wanted)));
        assert_eq!(answers, [[false; 3], [true; 3]]);
    }
}
