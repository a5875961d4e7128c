//! Wait for secret: requests that rest until a secret changes, or until their time is over.
//!
//! A wait holds no thread, no place of a lane and no key. A change of its secret, or of who may read it, sends a completion; its end is a timer of the byte stream. Either way
//! the request is begun again, inside a frame, so that what it is answered with is in force.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use claviger_algorithm::Operation;
use claviger_engine::{KeyEntry, KeyWait, ReadScope};
use claviger_protocol::Status;
use claviger_protocol::limits::SECRET_WAIT_MS_MAX;
use claviger_protocol::message::{SecretValue, WaitForSecret};

use super::super::completion::Completion;
use super::super::convert;
use super::super::quota::Price;
use super::super::request::{Body, Incoming, Waiting};
use super::super::room::{Room, Shares};
use super::{Session, Turn};
use crate::limits::{FRAME_COST, OUTPUT_SIZE, WAITS_PER_STREAM};

/// The waits of one byte stream.
#[derive(Default)]
pub(super) struct Waits {
    /// Numbers them.
    next: u64,
    waits: HashMap<u64, Wait>,
    /// When each has to be looked at.
    ends: BTreeSet<(Instant, u64)>,
    /// The client has closed its direction: it waits no longer.
    over: bool,
}

struct Wait {
    waiting: Waiting,
    end: Instant,
    _room: Room,
    /// Dropped, it calls no more.
    _change: KeyWait,
}

/// What a wait comes to, as things are.
enum Outcome {
    /// The reply is in the output: a value that is newer than the one known, or that a quota is used up.
    Answered,
    Refused(Status),
    /// To be looked at again at this time.
    Waits(Instant),
}

impl Waits {
    /// When the next wait has to be looked at.
    pub(super) fn next_end(&self) -> Option<Instant> {
        let (first, _) = self.ends.first()?;
        Some(if self.over { Instant::now() } else { *first })
    }

    /// The client has closed its direction: its waits end, those that begin now too.
    pub(super) const fn end(&mut self) {
        self.over = true;
    }

    fn remove(&mut self, number: u64) -> Option<Waiting> {
        let wait = self.waits.remove(&number)?;
        self.ends.remove(&(wait.end, number));
        Some(wait.waiting)
    }

    /// One that has to be looked at by now.
    fn remove_ended(&mut self, now: Instant) -> Option<Waiting> {
        let &(end, number) = self.ends.first()?;
        if self.over || end <= now { self.remove(number) } else { None }
    }
}

impl Session {
    pub(super) fn wait_for_secret(
        &mut self,
        turn: &mut Turn<'_>,
        mut request: Incoming,
        body: &Body<'_>,
        wait: &WaitForSecret,
    ) {
        let wait_time = Duration::from_millis(wait.wait_ms.min(SECRET_WAIT_MS_MAX).into());
        request.wait_end.get_or_insert(turn.now + wait_time);
        let (id, times) = (convert::key_id(wait.key_id), (turn.now, turn.now_ms));
        let (frame, scope) = (turn.worker.enter(), &mut turn.scope);
        if frame.is_locked() {
            return self.refuse(&request.header, Status::Locked);
        }
        let mut change = None;
        loop {
            let found = frame.key(id);
            let Some(key) = found.entry() else { break };
            match (self.outcome(key, scope, &mut request, wait.known_version, times), change.take()) {
                (Outcome::Answered, _) => return,
                (Outcome::Refused(status), _) => return self.refuse_paid(&mut request, status),
                (Outcome::Waits(end), Some((number, change))) => {
                    return self.begin_wait(request, body, number, end, change);
                }
                // Once more: what has changed before the wait began is seen now, what changes later ends it.
                (Outcome::Waits(_), None) => change = Some(self.wait_for_change(key)),
            }
        }
        drop(change);
        drop(frame);
        self.load(request, body, wait.key_id);
    }

    /// Takes up a wait whose secret, or who may read it, has changed.
    pub(super) fn changed(&mut self, turn: &mut Turn<'_>, number: u64) {
        // One that has been answered meanwhile is not there any more.
        if let Some(waiting) = self.waits.remove(number) {
            self.look_again(turn, waiting);
        }
    }

    /// Takes up the waits whose time is over, until enough replies wait to be written or the turn is over.
    pub(super) fn look_at_ended_waits(&mut self, turn: &mut Turn<'_>) {
        self.counts.begin_turn(turn.now, self.output.len());
        while self.output.len() < OUTPUT_SIZE
            && !turn.is_over()
            && let Some(waiting) = self.waits.remove_ended(turn.now)
        {
            turn.spent += FRAME_COST;
            self.look_again(turn, waiting);
        }
        self.counts.end_turn();
    }

    /// Ends all waits, because the server does.
    pub(super) fn drain_waits(&mut self) {
        self.counts.begin_turn(Instant::now(), self.output.len());
        for (_, wait) in std::mem::take(&mut self.waits.waits) {
            self.take_up(&wait.waiting.request);
            self.in_flight = self.in_flight.saturating_sub(1);
            self.refuse(&wait.waiting.request.header, Status::ShuttingDown);
        }
        self.waits.ends.clear();
    }

    /// What a wait comes to at `times`, by the clock of deadlines and that of certificates. A newer value is written to the output.
    fn outcome(
        &mut self,
        key: &KeyEntry,
        scope: &mut ReadScope<'_>,
        request: &mut Incoming,
        known: u32,
        times: (Instant, u64),
    ) -> Outcome {
        let (now, now_ms) = times;
        let admitted = self.admissions.admitted_to(key.store(), Some(key.id()), now_ms);
        let admitted = admitted.filter(|admitted| admitted.permit.allows(Operation::ReadSecret, key.id()));
        let Some(admitted_until) = admitted.map(|admitted| admitted.until_ms) else {
            return Outcome::Refused(Status::NotPermitted);
        };
        if request.deadline.is_some_and(|deadline| now >= deadline) {
            return Outcome::Refused(Status::DeadlineExceeded);
        }
        // Not before it may read: or a quota that is used up would tell that the key is there.
        if !self.pay_once(request, Price::of(key.store().id(), Duration::ZERO)) {
            return Outcome::Answered;
        }
        let newer = match key.newer_secret(scope, known) {
            Ok(newer) => newer,
            Err(error) => return Outcome::Refused(convert::status(&error, &request.header)),
        };
        request.has_begun = true;
        if let Some(secret) = newer {
            let value = SecretValue { key_version: secret.version.get(), value: secret.value };
            let written = self.output.reply_with(&request.header, value);
            self.finish(&request.header, written);
            return Outcome::Answered;
        }
        if self.waits.over || request.wait_end.is_none_or(|end| now >= end) {
            return Outcome::Refused(Status::NoNewerVersion);
        }
        if self.draining {
            return Outcome::Refused(Status::ShuttingDown);
        }
        // When what lets it in ends, the client learns whether it waits for nothing.
        let admitted = now.checked_add(Duration::from_millis(admitted_until.saturating_sub(now_ms)));
        let ends = [request.wait_end, request.deadline, admitted];
        Outcome::Waits(ends.into_iter().flatten().min().unwrap_or(now))
    }

    /// Has a completion sent when the key changes.
    fn wait_for_change(&mut self, key: &KeyEntry) -> (u64, KeyWait) {
        let number = self.waits.next;
        self.waits.next += 1;
        let completions = self.completions.clone();
        (number, self.engine.wait_for_change(key, move || completions.send(Completion::Changed(number))))
    }

    fn begin_wait(&mut self, mut request: Incoming, body: &Body<'_>, number: u64, end: Instant, change: KeyWait) {
        let Shares { waiting, waits, .. } = &self.shares;
        let free = self.waits.waits.len() < WAITS_PER_STREAM;
        let held = free.then(|| waits.take(1)).flatten().zip(body.keep(waiting));
        let Some((room, body)) = held.filter(|_| self.take_place()) else {
            return self.refuse(&request.header, Status::Overloaded);
        };
        // What was loaded for it is not held while it waits.
        request.loaded.clear();
        let waiting = Waiting { request, body };
        self.waits.ends.insert((end, number));
        self.waits.waits.insert(number, Wait { waiting, end, _room: room, _change: change });
    }

    fn look_again(&mut self, turn: &mut Turn<'_>, waiting: Waiting) {
        let Waiting { mut request, body } = waiting;
        self.in_flight = self.in_flight.saturating_sub(1);
        // However often it is looked at, it is one attempt.
        request.attempts = 1;
        self.request(turn, request, &Body::Kept(body));
    }
}
