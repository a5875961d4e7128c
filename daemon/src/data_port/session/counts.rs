//! What a byte stream counts, for whoever watches the daemon. A frame costs some additions to cache lines of the worker's own; the clock is read once a turn.

use std::sync::Arc;
use std::time::Instant;

use claviger_protocol::{RequestHeader, Status};

use super::super::perform::Failures;
use super::super::tally::{Place, WorkerTally};

/// The counts of one byte stream, on their way to its worker's.
pub(super) struct Counts {
    tally: Arc<WorkerTally>,
    /// When the turn began: after its bytes were read.
    turn: Instant,
    /// When the request that is being answered was read.
    read: Instant,
    /// Where the next reply begins in the output.
    reply_start: usize,
    /// Replies to what was read in this turn, by the place of the operation: all of them are ready when the turn ends.
    at_once: Vec<(Place, u32)>,
}

impl Counts {
    pub(super) fn new(tally: Arc<WorkerTally>) -> Self {
        let now = Instant::now();
        Self { tally, turn: now, read: now, reply_start: 0, at_once: Vec::new() }
    }

    /// A turn begins, with so many bytes of replies that wait to be written.
    pub(super) const fn begin_turn(&mut self, now: Instant, output_size: usize) {
        (self.turn, self.read, self.reply_start) = (now, now, output_size);
    }

    /// A frame was read in this turn.
    pub(super) fn received(&mut self, opcode: u8, size: usize) {
        self.read = self.turn;
        self.tally.received(Place::of(opcode), size);
    }

    /// From here on a request is answered that was read then.
    pub(super) const fn take_up(&mut self, read: Instant) {
        self.read = read;
    }

    /// A reply was written; the output ends with it.
    pub(super) fn replied(&mut self, header: &RequestHeader, status: Status, output_size: usize) {
        let place = Place::of(header.opcode);
        self.tally.replied(place, status, output_size.saturating_sub(self.reply_start));
        self.reply_start = output_size;
        if self.read != self.turn {
            // It has waited for far longer than it takes to look at the clock.
            return self.tally.took(place, self.read.elapsed(), 1);
        }
        match self.at_once.iter_mut().find(|(known, _)| *known == place) {
            Some((_, requests)) => *requests = requests.saturating_add(1),
            None => self.at_once.push((place, 1)),
        }
    }

    /// A batch of so many items was answered; these of them failed.
    pub(super) fn items(&mut self, header: &RequestHeader, items: usize, failures: &Failures) {
        let place = Place::of(header.opcode);
        let mut done = items;
        for &(status, failed) in failures.as_slice() {
            self.tally.items(place, status, failed);
            done = done.saturating_sub(failed);
        }
        self.tally.items(place, Status::Ok, done);
    }

    /// The turn is over: what was read in it and could be answered at once is.
    pub(super) fn end_turn(&mut self) {
        if self.at_once.is_empty() {
            return;
        }
        let took = self.turn.elapsed();
        for (place, requests) in self.at_once.drain(..) {
            self.tally.took(place, took, requests);
        }
    }
}
