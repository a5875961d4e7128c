//! What the data port has done, counted by worker: each has cache lines of its own and is the only one that writes to them, so that counting takes no lock and nobody waits.
//! Whoever watches adds them up.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use claviger_engine::histogram::{Durations, Histogram, increase_alone};
use claviger_protocol::{Opcode, Status};

/// The counts of one worker thread.
#[derive(Default)]
#[repr(align(128))]
pub(crate) struct WorkerTally {
    operations: [OperationTally; OPERATIONS],
}

#[derive(Default)]
#[repr(align(64))]
struct OperationTally {
    /// Replies by status.
    replies: [AtomicU64; STATUSES],
    /// Items by status.
    items: [AtomicU64; STATUSES],
    received: AtomicU64,
    sent: AtomicU64,
    took: Histogram,
}

/// What has been done of one operation, by all workers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct OperationCounts {
    /// Replies, in the order of [`Status::ALL`].
    pub(crate) replies: [u64; STATUSES],
    /// Items of batches, in the order of [`Status::ALL`].
    pub(crate) items: [u64; STATUSES],
    /// Bytes of request frames.
    pub(crate) received: u64,
    /// Bytes of reply frames.
    pub(crate) sent: u64,
    /// From the read of the socket that brought the end of a request until its reply was ready to be written.
    pub(crate) took: Durations,
}

/// The place of an operation among the counts: that of [`Opcode::ALL`], and one more for what is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place(u8);

impl Place {
    /// The place of the operation of this code.
    pub(crate) fn of(code: u8) -> Self {
        // There is a place for every code.
        Self(OPERATION_PLACES.get(usize::from(code)).copied().unwrap_or_default())
    }

    const fn index(self) -> usize {
        self.0 as usize
    }

    /// All places, and the name of the operation.
    pub(crate) fn all() -> impl Iterator<Item = (Self, &'static str)> {
        let names = Opcode::ALL.iter().map(|opcode| opcode.name()).chain([NO_OPERATION]);
        (0..).map(Self).zip(names)
    }
}

impl WorkerTally {
    /// A frame of so many bytes was read.
    pub(crate) fn received(&self, place: Place, size: usize) {
        self.with(place, |operation| increase_alone(&operation.received, count(size)));
    }

    /// A reply was written, of so many bytes.
    pub(crate) fn replied(&self, place: Place, status: Status, size: usize) {
        self.with(place, |operation| {
            add_by_status(&operation.replies, status, 1);
            increase_alone(&operation.sent, count(size));
        });
    }

    /// So many items got this status.
    pub(crate) fn items(&self, place: Place, status: Status, items: usize) {
        self.with(place, |operation| add_by_status(&operation.items, status, count(items)));
    }

    /// So many requests took as long each.
    pub(crate) fn took(&self, place: Place, took: Duration, requests: u32) {
        self.with(place, |operation| operation.took.add_alone(took, requests));
    }

    /// Adds what this worker has counted of one operation.
    pub(crate) fn add_to(&self, place: Place, counts: &mut OperationCounts) {
        self.with(place, |operation| {
            add_all(&mut counts.replies, &operation.replies);
            add_all(&mut counts.items, &operation.items);
            counts.received = counts.received.wrapping_add(operation.received.load(Ordering::Relaxed));
            counts.sent = counts.sent.wrapping_add(operation.sent.load(Ordering::Relaxed));
            counts.took.add(&operation.took.read());
        });
    }

    fn with(&self, place: Place, act: impl FnOnce(&OperationTally)) {
        // Places are made from the table below only.
        if let Some(operation) = self.operations.get(place.index()) {
            act(operation);
        }
    }
}

fn add_by_status(counts: &[AtomicU64; STATUSES], status: Status, by: u64) {
    let place = STATUS_PLACES.get(usize::from(status.code())).copied().unwrap_or_default();
    if let Some(count) = counts.get(usize::from(place)) {
        increase_alone(count, by);
    }
}

fn add_all(sums: &mut [u64; STATUSES], counts: &[AtomicU64; STATUSES]) {
    sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum = sum.wrapping_add(count.load(Ordering::Relaxed)));
}

fn count(size: usize) -> u64 {
    u64::try_from(size).unwrap_or(u64::MAX)
}

/// Operations, and one place for opcodes that are none.
const OPERATIONS: usize = Opcode::ALL.len() + 1;

/// Statuses that are answered.
pub(crate) const STATUSES: usize = Status::ALL.len();

/// What opcodes that are none are called.
const NO_OPERATION: &str = "none";

#[expect(
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    reason = "worked out by the compiler; there are fewer than 256 of each"
)]
const OPERATION_PLACES: [u8; 256] = {
    let mut places = [Opcode::ALL.len() as u8; 256];
    let mut index = 0;
    while index < Opcode::ALL.len() {
        places[Opcode::ALL[index].code() as usize] = index as u8;
        index += 1;
    }
    places
};

#[expect(
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    reason = "worked out by the compiler; there are fewer than 256 of each"
)]
const STATUS_PLACES: [u8; 256] = {
    // What is no status of this version is not answered; it would count as a fault of the program.
    let mut places = [Status::ALL.len() as u8 - 1; 256];
    let mut index = 0;
    while index < Status::ALL.len() {
        places[Status::ALL[index].code() as usize] = index as u8;
        index += 1;
    }
    places
};

#[cfg(test)]
mod tests {
    use super::*;

    // R-O1
    #[test]
    fn every_operation_and_status_has_a_place_of_its_own() {
        assert_eq!(Status::ALL.last(), Some(&Status::InternalError), "where unknown statuses count");
        let tally = WorkerTally::default();
        for (number, opcode) in Opcode::ALL.into_iter().enumerate() {
            let place = Place::of(opcode.code());
            for (other, status) in Status::ALL.into_iter().enumerate() {
                tally.items(place, status, 100 * number + other);
            }
        }
        for (number, (place, name)) in Place::all().enumerate() {
            let mut counts = OperationCounts::default();
            tally.add_to(place, &mut counts);
            let Some(opcode) = Opcode::ALL.get(number) else {
                assert_eq!((name, counts), ("none", OperationCounts::default()));
                continue;
            };
            assert_eq!(name, opcode.name());
            let expected: Vec<_> = (0..STATUSES).map(|other| (100 * number + other) as u64).collect();
            assert_eq!(counts.items.to_vec(), expected);
        }
    }

    #[test]
    fn opcodes_that_are_none_count_together() {
        let tally = WorkerTally::default();
        for code in (0..=u8::MAX).filter(|code| Opcode::from_code(*code).is_none()) {
            tally.replied(Place::of(code), Status::UnknownOpcode, 40);
        }
        let mut counts = OperationCounts::default();
        tally.add_to(Place::of(0), &mut counts);
        assert_eq!(counts.sent, 40 * (256 - Opcode::ALL.len() as u64));
    }

    #[test]
    fn workers_share_no_cache_line() {
        assert_eq!(align_of::<WorkerTally>() % 128, 0);
        assert_eq!(size_of::<OperationTally>() % 64, 0);
    }
}
