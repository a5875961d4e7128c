//! One byte stream as a conversation: bytes of requests in, bytes of replies out, work elsewhere in between. No IO.
//!
//! A request goes: `receive` (frames) -> `request` (decode, by kind) -> `batch` (keys, admission, lane) -> `perform` (engine) -> reply. Where it has to wait, for a key from storage
//! or for the compute pool, it comes back through `complete`, and is judged anew: nothing that was decided before a wait counts after it.

mod batch;
mod counts;
mod describe;
mod greeting;
mod patience;
mod quota;
mod read;
mod recorded;
mod wait;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use claviger_engine::audit::{Refused, RequestQueue};
use claviger_engine::{Client, Engine, ReadScope, Worker};
use claviger_protocol::deframer::{self, Step};
use claviger_protocol::{EncodeError, Opcode, OutputBuffer, Request, RequestHeader, Status};

use self::counts::Counts;
use self::patience::Patience;
use self::recorded::Answered;
use self::wait::Waits;
use super::admission::Admissions;
use super::completion::{Completed, Completion, Completions};
use super::conversation::{Conversation, Received, Stop};
use super::convert;
use super::identity::ClientIdentity;
use super::perform::{Batch, Failures};
use super::request::{Body, Incoming, Waiting};
use super::room::Shares;
use super::workers::WorkerContext;
use crate::limits::{
    ATTEMPTS_MAX, FRAME_COST, FRAMES_IN_FLIGHT, FRAMES_IN_FLIGHT_STRANGER, OUTPUT_SIZE, RETRY_MS_MAX, RETRY_MS_MIN,
    TURN_COST_MAX,
};

/// One byte stream. Owned by one worker thread.
pub(super) struct Session {
    engine: Arc<Engine>,
    /// By whom keys are used.
    client: Client,
    shares: Shares,
    admissions: Admissions,
    completions: Completions,
    output: OutputBuffer,
    counts: Counts,
    /// Where requests are told that are recorded one by one.
    requests: Option<Arc<RequestQueue>>,
    worker: Rc<RefCell<Worker>>,
    /// Bytes of the body of the request at hand.
    body_size: usize,
    /// Empty between two batches.
    failures: Failures,
    in_flight: usize,
    waits: Waits,
    patience: Patience,
    greeted: bool,
    draining: bool,
    /// A request was such that the byte stream ends.
    ended: bool,
    idle_ms: u64,
}

/// What one turn of work has at hand: it lasts from one wait of the worker to the next.
struct Turn<'t> {
    worker: &'t mut Worker,
    /// Made after everything that the turn works on has been read.
    scope: ReadScope<'t>,
    now: Instant,
    /// Wall clock, in milliseconds since 1970.
    now_ms: u64,
    /// What it has cost so far, by the table of algorithms.
    spent: Duration,
}

impl Session {
    /// A session with the client of this identity, and where to take up what ends elsewhere.
    pub(super) fn begin(identity: Arc<ClientIdentity>, shares: Shares, context: &WorkerContext) -> (Self, Completed) {
        let service = &context.service;
        let (completions, completed) = Completions::channel();
        let (provider, neighbours) = (Arc::clone(&service.provider), Arc::clone(&service.neighbours));
        let client = service.engine.client(identity.name().clone());
        let session = Self {
            engine: Arc::clone(&service.engine),
            client,
            shares,
            admissions: Admissions::new(identity, provider, neighbours, context.quotas.clone()),
            completions,
            output: OutputBuffer::new(),
            counts: Counts::new(Arc::clone(&context.tally)),
            requests: context.requests.clone(),
            worker: Rc::clone(&context.worker),
            body_size: 0,
            failures: Failures::default(),
            in_flight: 0,
            waits: Waits::default(),
            patience: Patience::default(),
            greeted: false,
            draining: false,
            ended: false,
            idle_ms: u64::try_from(service.idle.as_millis()).unwrap_or(u64::MAX),
        };
        (session, completed)
    }
}

impl Conversation for Session {
    fn receive(&mut self, bytes: &[u8]) -> Received {
        let (engine, worker) = (Arc::clone(&self.engine), Rc::clone(&self.worker));
        let mut worker = worker.borrow_mut();
        let mut turn = Turn::begin(&mut worker, &engine, &self.client);
        self.counts.begin_turn(turn.now, self.output.len());
        let mut consumed = 0;
        let stop = loop {
            if self.output.len() >= OUTPUT_SIZE {
                break Stop::Write;
            }
            if turn.is_over() {
                break Stop::Yield;
            }
            if let Some(until) = self.patience.take_pause(Instant::now) {
                break Stop::Pause(until);
            }
            turn.spent += FRAME_COST;
            match deframer::request(bytes.get(consumed..).unwrap_or_default()) {
                Step::Need(size) => break Stop::Need(size),
                Step::Fault(fault) => {
                    self.admissions.begin();
                    self.counts.received(fault.header.opcode, fault.size);
                    self.refuse(&fault.header, fault.status);
                    consumed += fault.size;
                    if fault.ends {
                        break Stop::End;
                    }
                }
                Step::Frame(frame) => {
                    consumed += frame.size;
                    self.counts.received(frame.header.opcode, frame.size);
                    match frame.header.operation(self.greeted) {
                        Ok(opcode) => {
                            let request = Incoming::new(frame.header, opcode, frame.body.len(), turn.now);
                            self.request(&mut turn, request, &Body::Borrowed(frame.body));
                        }
                        Err(status) => {
                            self.admissions.begin();
                            self.refuse(&frame.header, status);
                            self.ended = status == Status::HelloRequired;
                        }
                    }
                    if self.ended {
                        break Stop::End;
                    }
                }
            }
        };
        self.counts.end_turn();
        Received { consumed, stop }
    }

    fn complete(&mut self, ready: impl Iterator<Item = Completion>) -> bool {
        let (engine, worker) = (Arc::clone(&self.engine), Rc::clone(&self.worker));
        let mut worker = worker.borrow_mut();
        let mut turn = Turn::begin(&mut worker, &engine, &self.client);
        self.counts.begin_turn(turn.now, self.output.len());
        for completion in ready {
            turn.spent += FRAME_COST;
            self.complete_one(&mut turn, completion);
            if self.output.len() >= OUTPUT_SIZE || turn.is_over() {
                break;
            }
        }
        self.counts.end_turn();
        turn.is_over()
    }

    fn output(&mut self) -> &mut OutputBuffer {
        &mut self.output
    }

    fn greeted(&self) -> bool {
        self.greeted
    }

    fn drain(&mut self) {
        self.draining = true;
        self.drain_waits();
    }

    fn in_flight(&self) -> usize {
        self.in_flight
    }

    fn was_let_in(&self) -> bool {
        self.admissions.was_let_in()
    }

    fn is_let_in_no_more(&mut self) -> bool {
        // Requests that are in flight are still answered.
        self.in_flight == 0 && self.admissions.is_let_in_no_more(&self.engine, self.engine.now_ms())
    }

    fn end_of_input(&mut self) {
        self.waits.end();
    }

    fn next_end_of_wait(&self) -> Option<Instant> {
        self.waits.next_end()
    }

    fn end_waits(&mut self) -> bool {
        let (engine, worker) = (Arc::clone(&self.engine), Rc::clone(&self.worker));
        let mut worker = worker.borrow_mut();
        let mut turn = Turn::begin(&mut worker, &engine, &self.client);
        self.look_at_ended_waits(&mut turn);
        turn.is_over()
    }
}

impl Session {
    fn complete_one(&mut self, turn: &mut Turn<'_>, completion: Completion) {
        let completion = match completion {
            Completion::Changed(wait) => return self.changed(turn, wait),
            completion => completion,
        };
        self.in_flight = self.in_flight.saturating_sub(1);
        if let Some(request) = completion.request() {
            self.take_up(request);
        }
        match completion {
            // Taken above.
            Completion::Changed(_) => {}
            Completion::Loaded(waiting, Ok(())) => self.again(turn, waiting),
            Completion::Loaded(mut waiting, Err(error)) => {
                self.refuse_paid(&mut waiting.request, convert::load_status(error))
            }
            Completion::Worked(task) => self.worked(turn, &task),
            Completion::Described(request, ..) | Completion::Resolved(request, ..) if request.is_late() => {
                self.refuse(&request.header, Status::DeadlineExceeded);
            }
            Completion::Described(request, result, _room) => self.described(turn, &request, result),
            Completion::Resolved(request, store, found) => self.resolved(turn, request, store, found),
            Completion::Failed(mut request, status) => self.refuse_paid(&mut request, status),
        }
    }

    fn request(&mut self, turn: &mut Turn<'_>, request: Incoming, body: &Body<'_>) {
        self.take_up(&request);
        let decoded = match Request::decode(request.opcode, body.bytes()) {
            Ok(decoded) => decoded,
            Err(error) => {
                self.ended = error.status().ends(request.opcode);
                return self.refuse(&request.header, error.status());
            }
        };
        // What was read before the end began is finished.
        if self.draining && request.attempts == 0 {
            self.greeted |= request.opcode == Opcode::Hello;
            return self.refuse(&request.header, Status::ShuttingDown);
        }
        if let Some(batch) = Batch::of(&decoded) {
            return self.batch(turn, request, &decoded, body, &batch);
        }
        match &decoded {
            Request::Hello(hello) => self.hello(&request.header, hello),
            Request::Ping(ping) => self.ping(&request.header, ping),
            Request::Whoami => self.whoami(&request.header),
            Request::Resolve(resolve) => self.resolve(turn, request, resolve),
            Request::DescribeKey(describe) => self.describe(request, describe.key_id),
            Request::ReadSecret(read) => self.read_secret(turn, request, body, read),
            Request::ReadPublicKey(read) => self.read_public_key(turn, request, body, read),
            Request::WaitForSecret(wait) => self.wait_for_secret(turn, request, body, wait),
            // Batches, taken above.
            _ => self.refuse(&request.header, Status::InternalError),
        }
    }

    /// From here on this request is answered: nothing of the one before counts for it.
    fn take_up(&mut self, request: &Incoming) {
        self.counts.take_up(request.read);
        self.body_size = request.body_size;
        self.admissions.begin();
    }

    /// Begins a request anew after it has waited.
    fn again(&mut self, turn: &mut Turn<'_>, waiting: Waiting) {
        let Waiting { mut request, body } = waiting;
        request.attempts += 1;
        if request.is_late() {
            self.refuse_paid(&mut request, Status::DeadlineExceeded);
        } else if request.attempts > ATTEMPTS_MAX {
            self.refuse_paid(&mut request, Status::Overloaded);
        } else {
            self.request(turn, request, &Body::Kept(body));
        }
    }

    /// Whether one more request may wait; counts it if so.
    fn take_place(&mut self) -> bool {
        let free = self.in_flight < FRAMES_IN_FLIGHT_STRANGER
            || self.in_flight < FRAMES_IN_FLIGHT && !self.admissions.is_stranger(&self.engine, self.engine.now_ms());
        if free {
            self.in_flight += 1;
        }
        free
    }

    /// Answers with a status alone.
    fn refuse(&mut self, header: &RequestHeader, status: Status) {
        if status == Status::NotPermitted {
            self.tell_refused();
            self.admissions.begin();
        }
        let retry_ms = if status == Status::Overloaded { self.retry_ms() } else { 0 };
        self.refuse_with(header, status, retry_ms);
    }

    /// Answers with a status alone, and an advice when to come back, in milliseconds; 0: none.
    fn refuse_with(&mut self, header: &RequestHeader, status: Status, retry_ms: u32) {
        let operation = convert::operation_name(header);
        tracing::debug!(trace_id = %header.trace_id, operation, %status, "refused");
        self.record(header, Answered::Refused(status));
        if status == Status::Overloaded {
            self.patience.refused(Instant::now(), Duration::from_millis(retry_ms.into()));
        }
        self.output.status_reply(header, status, retry_ms);
        self.counts.replied(header, status, self.output.len());
    }

    /// Has the audit log tell or count that this client was refused.
    fn tell_refused(&mut self) {
        let (store, reason) = self.admissions.take_refused();
        let identity = self.admissions.identity();
        let (client, address) = (identity.name().to_string(), identity.address().to_string());
        self.engine.tell_refused(Refused { client, store, reason }, &address);
    }

    /// Ends a reply that has been written, or says that it could not be.
    fn finish(&mut self, header: &RequestHeader, written: Result<(), EncodeError>) {
        match written {
            Ok(()) => {
                self.record(header, Answered::Items { items: 1, failures: 0 });
                self.counts.replied(header, Status::Ok, self.output.len());
            }
            Err(error) => {
                let operation = convert::operation_name(header);
                tracing::error!(trace_id = %header.trace_id, operation, status = %Status::InternalError, %error, "a reply could not be written");
                self.refuse(header, Status::InternalError);
            }
        }
    }

    /// Ends the reply to a batch of so many items.
    fn finish_batch(&mut self, header: &RequestHeader, items: usize, written: Result<(), EncodeError>) {
        if written.is_ok() {
            self.counts.items(header, items, &self.failures);
            let failures = self.failures.as_slice().iter().map(|(_, failed)| failed).sum();
            self.record(header, Answered::Items { items, failures });
        }
        self.finish(header, written);
    }

    /// When to come back: when about half of what waits for the compute pool is done.
    fn retry_ms(&self) -> u32 {
        let pool = self.engine.compute();
        let pieces = u32::try_from(pool.waiting() / pool.threads().max(1)).unwrap_or(u32::MAX);
        (pieces / 4).clamp(RETRY_MS_MIN, RETRY_MS_MAX)
    }
}

impl<'t> Turn<'t> {
    fn begin(worker: &'t mut Worker, engine: &'t Engine, client: &Client) -> Self {
        let (now, now_ms) = (Instant::now(), engine.now_ms());
        Self { worker, scope: engine.read_scope(client), now, now_ms, spent: Duration::ZERO }
    }

    /// Whether it has taken as long as others on the same worker may have to wait.
    fn is_over(&self) -> bool {
        self.spent >= TURN_COST_MAX
    }
}
