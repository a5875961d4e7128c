//! Who waits for which reply.

use crate::call::{CallReply, ReplySender, StreamEnded};
use claviger_protocol::codec::Reader;
use claviger_protocol::deframer::Frame;
use claviger_protocol::{DecodeError, Opcode, ReplyHeader, Status};
use parking_lot::Mutex;
use std::collections::HashMap;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

/// The unanswered requests of one byte stream, at most as many as the server announced.
pub(super) struct Waiting {
    table: Mutex<Table>,
}

struct Table {
    /// Nothing once the byte stream has ended: then nobody may begin to wait.
    requests: Option<HashMap<u64, Waiter>>,
    /// How many of these requests the server owes a reply to by now: all but those that wait for something to happen.
    owed: usize,
    /// When the server was heard last, or when the first of those that it owes a reply to came, whichever is later.
    silent_since: Instant,
}

/// One unanswered request. It stays until the reply comes, even if its callers have lost interest: the server works on
/// it, and its reply is no surprise.
pub(super) struct Waiter {
    pub(super) opcode: Opcode,
    pub(super) callers: Callers,
    /// The request's share of what may be in flight; given back with the reply.
    pub(super) _in_flight: [OwnedSemaphorePermit; 2],
}

/// Who gets the reply.
pub(super) enum Callers {
    /// The whole of it.
    One(ReplySender),
    /// Each the result of one item, in this order.
    EachItem(Vec<ReplySender>),
}

impl Waiting {
    pub(super) fn new() -> Self {
        let (requests, silent_since) = (Some(HashMap::new()), Instant::now());
        Self { table: Mutex::new(Table { requests, owed: 0, silent_since }) }
    }

    /// Before the request is written.
    pub(super) fn add(&self, request_id: u64, waiter: Waiter) {
        let mut table = self.table.lock();
        let Table { requests, owed, silent_since } = &mut *table;
        match requests {
            Some(requests) => {
                if waiter.is_owed() {
                    if *owed == 0 {
                        *silent_since = Instant::now();
                    }
                    *owed += 1;
                }
                requests.insert(request_id, waiter);
            }
            None => waiter.callers.end(),
        }
    }

    /// Hands a reply to those who wait for it.
    ///
    /// # Errors
    /// [`DecodeError`] if nobody can wait for such a reply: the byte stream must be given up.
    pub(super) fn answer(&self, frame: &Frame<'_, ReplyHeader>) -> Result<(), DecodeError> {
        let waiter = {
            let mut table = self.table.lock();
            table.silent_since = Instant::now();
            let waiter = table.requests.as_mut().and_then(|requests| requests.remove(&frame.header.request_id));
            table.owed -= usize::from(waiter.as_ref().is_some_and(Waiter::is_owed));
            waiter
        };
        let waiter = waiter.ok_or(DecodeError::Malformed)?;
        if frame.header.opcode != waiter.opcode.code() {
            waiter.callers.end();
            return Err(DecodeError::Malformed);
        }
        waiter.callers.answer(waiter.opcode, frame)
    }

    /// Since when the server has owed a reply and sent none; nothing if it owes none.
    pub(super) fn silent_since(&self) -> Option<Instant> {
        let table = self.table.lock();
        let is_owed = table.requests.is_some() && table.owed > 0;
        is_owed.then_some(table.silent_since)
    }

    /// The byte stream has ended: nobody gets an answer.
    pub(super) fn end(&self) {
        let requests = self.table.lock().requests.take();
        for waiter in requests.into_iter().flat_map(HashMap::into_values) {
            waiter.callers.end();
        }
    }
}

impl Waiter {
    /// Whether a server that is silent is suspicious. One that waits for a secret to change is silent by right.
    fn is_owed(&self) -> bool {
        self.opcode != Opcode::WaitForSecret
    }
}

impl Callers {
    fn answer(self, opcode: Opcode, frame: &Frame<'_, ReplyHeader>) -> Result<(), DecodeError> {
        match self {
            Self::One(caller) => {
                // Fails only if the caller has lost interest, here and below.
                let _ = caller.send(Ok(CallReply::of_frame(opcode, frame)));
                Ok(())
            }
            Self::EachItem(callers) if frame.header.status != Status::Ok => {
                for caller in callers {
                    let _ = caller.send(Ok(CallReply::new(opcode, &frame.header, Vec::new())));
                }
                Ok(())
            }
            Self::EachItem(callers) => {
                let mut reader = Reader::new(frame.body);
                if usize::from(reader.u16()?) != callers.len() {
                    return Err(DecodeError::Malformed);
                }
                for caller in callers {
                    let _ = caller.send(Ok(CallReply::new(opcode, &frame.header, single_result(&mut reader)?)));
                }
                reader.finish()
            }
        }
    }

    fn end(self) {
        let callers = match self {
            Self::One(caller) => vec![caller],
            Self::EachItem(callers) => callers,
        };
        for caller in callers {
            let _ = caller.send(Err(StreamEnded));
        }
    }
}

/// The next result as the body of a reply to a batch of one.
fn single_result(reader: &mut Reader<'_>) -> Result<Vec<u8>, DecodeError> {
    let unread = reader.unread();
    reader.u8()?;
    reader.bytes32()?;
    let size = unread.len() - reader.unread().len();
    Ok([&1_u16.to_be_bytes(), unread.get(..size).unwrap_or_default()].concat())
}
