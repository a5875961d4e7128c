//! What is stopped in memory, and could not be written yet.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};

use super::Locked;
use super::writing::Writing;
use crate::act::Act;
use crate::engine::Engine;
use crate::error::Error;
use crate::key::id::{AccessRowId, StoreId};

/// What is in force: nobody comes in by it any more.
#[derive(Debug)]
pub struct Stopped {
    /// Why it could not be written; `None` if it is durable. What is not durable is over when the process ends, unless it could be written before.
    pub not_durable: Option<Arc<Error>>,
    /// It is durable, and why its record is not in the audit log yet: it is kept beside the data, and goes there as soon as it can.
    pub not_logged: Option<Arc<Error>>,
}

/// Something that is stopped, and could not be written yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum UnwrittenStop {
    /// Everything: the daemon is locked.
    Lock,
    /// A key store.
    Store(StoreId),
    /// A row of the authentication data of a key store.
    Row(StoreId, AccessRowId),
}

/// What is stopped in memory, and who has ordered it.
#[derive(Default)]
pub(crate) struct Stops {
    orders: Mutex<Orders>,
    /// Held from before a stop is written, or what it is for is enabled, until that has ended it: so that neither overtakes the other. Who stops something in memory does not wait for it.
    writing: Mutex<()>,
}

#[derive(Default)]
struct Orders {
    /// How many there have been.
    last: u64,
    unwritten: BTreeMap<UnwrittenStop, Order>,
}

/// That something is to be stopped. Of several who order the same, the first is told of.
#[derive(Clone)]
pub(super) struct Order {
    pub(super) act: Arc<Act>,
    /// What is said of a lock.
    pub(super) locked: Option<Locked>,
    /// Of the last who has ordered the same.
    number: u64,
    /// What is told by who writes it, if somebody does for whom others wait.
    writing: Option<Arc<Writing>>,
}

impl Stops {
    pub(crate) fn has(&self, stop: UnwrittenStop) -> bool {
        self.orders.lock().unwritten.contains_key(&stop)
    }

    /// The rows of a store that are.
    pub(crate) fn rows_of(&self, store: StoreId) -> BTreeSet<AccessRowId> {
        let of_store = |stop: &UnwrittenStop| match stop {
            UnwrittenStop::Row(of, row) if *of == store => Some(*row),
            UnwrittenStop::Row(..) | UnwrittenStop::Store(_) | UnwrittenStop::Lock => None,
        };
        self.orders.lock().unwritten.keys().filter_map(of_store).collect()
    }

    /// Notes that it was ordered, once or again; gives what will be told of its writing, and whether that is for this caller to begin.
    pub(super) fn insert(&self, stop: UnwrittenStop, act: &Act, locked: Option<Locked>) -> (Arc<Writing>, bool) {
        let mut orders = self.orders.lock();
        orders.last += 1;
        let number = orders.last;
        // What the actor may do was decided: nothing of it is asked again when it is written later.
        let by = || Arc::new(Act { guards: Vec::new(), expected: None, ..act.clone() });
        let new = || Order { act: by(), locked, number, writing: None };
        let order = orders.unwritten.entry(stop).or_insert_with(new);
        order.number = number;
        let begins = order.writing.is_none();
        (Arc::clone(order.writing.get_or_insert_default()), begins)
    }

    /// To be held by who writes a stop, or enables what it is for.
    pub(super) fn begin_writing(&self) -> MutexGuard<'_, ()> {
        self.writing.lock()
    }

    pub(super) fn order(&self, stop: UnwrittenStop) -> Option<Order> {
        self.orders.lock().unwritten.get(&stop).cloned()
    }

    /// The number of a stop, by which it is seen whether it was ordered again since.
    pub(super) fn number(&self, stop: UnwrittenStop) -> Option<u64> {
        self.orders.lock().unwritten.get(&stop).map(|order| order.number)
    }

    /// Ends a stop, whoever has ordered it again; gives to whom that is to be told.
    pub(super) fn end(&self, stop: UnwrittenStop) -> Option<Arc<Writing>> {
        self.orders.lock().unwritten.remove(&stop)?.writing
    }

    /// Ends a stop that had this number; gives whether there was one, and to whom that is to be told.
    ///
    /// # Errors
    /// [`Error::Conflict`] if it was ordered since: it goes on.
    pub(super) fn end_former(
        &self,
        stop: UnwrittenStop,
        number: Option<u64>,
    ) -> Result<Option<Option<Arc<Writing>>>, Error> {
        let mut orders = self.orders.lock();
        match orders.unwritten.get(&stop) {
            Some(order) if Some(order.number) != number => Err(Error::Conflict),
            _ => Ok(orders.unwritten.remove(&stop).map(|order| order.writing)),
        }
    }

    /// Whoever orders it from now on has it written anew; gives to whom it is to be told that it was not.
    pub(super) fn leave_writing(&self, stop: UnwrittenStop) -> Option<Arc<Writing>> {
        self.orders.lock().unwritten.get_mut(&stop)?.writing.take()
    }

    pub(super) fn all(&self) -> Vec<UnwrittenStop> {
        self.orders.lock().unwritten.keys().copied().collect()
    }
}

impl Stopped {
    /// What became of writing it.
    pub(super) fn of(written: Result<(), Arc<Error>>) -> Self {
        match written {
            Err(error) if error.is_made() => Self { not_durable: None, not_logged: Some(error) },
            written => Self { not_durable: written.err(), not_logged: None },
        }
    }
}

impl Engine {
    /// What is stopped and could not be written yet.
    #[must_use]
    pub fn unwritten_stops(&self) -> Vec<UnwrittenStop> {
        self.ledger.source.stops.all()
    }

    /// Whether something is stopped that could not be written yet.
    #[must_use]
    pub fn is_stop_unwritten(&self, stop: UnwrittenStop) -> bool {
        self.ledger.source.stops.has(stop)
    }

    /// Writes what could not be written when it was stopped, as a thread of the engine does every few seconds; gives what is left. Blocks.
    pub fn write_stops(&self) -> Vec<UnwrittenStop> {
        self.ledger.write_stops();
        self.unwritten_stops()
    }
}
