//! A batch on the compute pool: cut into pieces, each done by whichever thread is free, put together again in the order of the items.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use claviger_engine::key::id::StoreId;
use claviger_engine::lane::Claim;
use claviger_engine::limits::LANE_PIECE_COST;
use claviger_engine::worker::PinnedKey;
use claviger_engine::{Client, Engine, ItemError, ItemSink};
use claviger_protocol::{BatchWriter, OutputBuffer, Request, Status};
use parking_lot::Mutex;

use super::completion::{Completion, Completions};
use super::perform::{Failures, Keys, WireSink, perform};
use super::request::{Incoming, Waiting};
use super::room::Room;
use super::store_shares::StoreRoom;
use crate::limits::{LANE_LOOK_EVERY, LANE_PLACES_MAX};

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

/// How a batch is cut.
pub(super) struct Pieces {
    /// Items of the batch.
    items: usize,
    /// How many of them are done: the others have no room in the reply.
    fitting: usize,
    /// Pieces of [`LANE_PIECE_COST`] that the batch amounts to.
    by_cost: usize,
    /// Items of one piece, at least one.
    size: usize,
    /// What one item costs.
    item_cost: Duration,
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
            let claim = Claim { store, connection, cost: task.pieces.cost(index) };
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
    fn run(mut self) {
        // What is said if the work panics.
        self.outcome = Err(Status::InternalError);
        self.outcome = self.work();
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
}

impl Drop for Piece {
    fn drop(&mut self) {
        match std::mem::replace(&mut self.outcome, Err(Status::InternalError)) {
            Ok(results) => {
                if let Some(place) = self.task.results.get(self.index) {
                    *place.lock() = Some(results);
                }
            }
            Err(status) => self.task.fail(status),
        }
        // Before anybody is told that the work has ended.
        self.queue = None;
        if self.task.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.task.completions.send(Completion::Worked(Arc::clone(&self.task)));
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

impl Pieces {
    /// Pieces that take about [`LANE_PIECE_COST`] each, of a batch that costs `cost` if all its items are done; the first `fitting` are.
    pub(super) fn of(items: usize, fitting: usize, cost: Duration) -> Self {
        let by_cost =
            usize::try_from(cost.as_nanos().div_ceil(LANE_PIECE_COST.as_nanos()).max(1)).unwrap_or(usize::MAX);
        let item_cost = cost / u32::try_from(items.max(1)).unwrap_or(u32::MAX);
        Self { items, fitting: fitting.min(items), by_cost, size: items.div_ceil(by_cost).max(1), item_cost }
    }

    /// Places in the queue of the compute pool that they take: as much as they cost, so that nobody fills the pool with few but long pieces; but not so many that a
    /// request could never be taken.
    pub(super) fn places(&self) -> usize {
        self.by_cost.min(LANE_PLACES_MAX).max(self.count())
    }

    /// Items that are done before somebody looks again whether they are wanted, at least one: those that take [`LANE_LOOK_EVERY`].
    fn items_of_a_look(&self) -> usize {
        let items = LANE_LOOK_EVERY.as_nanos() / self.item_cost.as_nanos().max(1);
        usize::try_from(items).unwrap_or(usize::MAX).max(1)
    }

    /// How many there are.
    pub(super) const fn count(&self) -> usize {
        self.fitting.div_ceil(self.size)
    }

    /// The items of one of them.
    fn part(&self, index: usize) -> Range<usize> {
        let start = index * self.size;
        start..self.fitting.min(start + self.size)
    }

    /// What one of them costs.
    fn cost(&self, index: usize) -> Duration {
        self.item_cost.saturating_mul(u32::try_from(self.part(index).len()).unwrap_or(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_take_about_as_long_as_they_should() {
        assert_eq!(Pieces::of(64, 64, Duration::from_micros(400)).size, 64);
        assert_eq!(Pieces::of(64, 64, Duration::from_micros(1_000)).size, 32);
        assert_eq!(Pieces::of(64, 64, Duration::from_secs(1)).size, 1);
        assert_eq!(Pieces::of(1, 1, Duration::ZERO).size, 1);
        assert_eq!(Pieces::of(3, 3, Duration::from_micros(1_001)).size, 1);
    }

    // R-P4
    #[test]
    fn long_pieces_take_places_for_what_they_cost_and_no_request_asks_for_too_many() {
        let places = |items, cost| Pieces::of(items, items, Duration::from_millis(cost)).places();
        assert_eq!(places(1, 0), 1);
        assert_eq!(places(1, 46), 92);
        assert_eq!(places(1_024, 100), 200);
        assert_eq!(places(1_024, 1_000_000), LANE_PLACES_MAX);
    }

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

    #[test]
    fn slow_items_have_a_look_each_and_fast_ones_share_one() {
        let items_of_a_look = |cost| Pieces::of(64, 64, 64 * cost).items_of_a_look();
        assert_eq!(items_of_a_look(Duration::from_secs(1)), 1);
        assert_eq!(items_of_a_look(LANE_LOOK_EVERY), 1);
        assert_eq!(items_of_a_look(LANE_LOOK_EVERY / 7), 7);
        assert!(items_of_a_look(Duration::ZERO) > 1_024, "all of them");
    }

    // R-A11
    #[test]
    fn pieces_cost_what_their_items_cost() {
        let pieces = Pieces::of(5, 4, Duration::from_millis(5));
        assert_eq!(
            (0..pieces.count()).map(|index| pieces.cost(index)).collect::<Vec<_>>(),
            [Duration::from_millis(1); 4]
        );
        let pieces = Pieces::of(64, 64, Duration::from_micros(640));
        assert_eq!((pieces.cost(0), pieces.cost(1)), (Duration::from_micros(320), Duration::from_micros(320)));
        assert_eq!(Pieces::of(0, 0, Duration::ZERO).cost(0), Duration::ZERO);
    }

    #[test]
    fn pieces_are_all_that_fits_in_order() {
        for (items, fitting) in [(0, 0), (1, 1), (63, 63), (64, 64), (1_024, 1_024), (1_024, 226)] {
            for cost in [0, 1, 700, 100_000].map(Duration::from_micros) {
                let pieces = Pieces::of(items, fitting, cost);
                let all: Vec<_> = (0..pieces.count()).flat_map(|index| pieces.part(index)).collect();
                assert_eq!(all, (0..fitting).collect::<Vec<_>>());
            }
        }
    }
}
