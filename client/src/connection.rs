//! Many calls at once over one byte stream, whatever carries it: a task that writes, a task that reads, and between
//! them the table from request id to who waits for the reply.

mod reading;
mod waiting;
mod writing;

use crate::call::{Call, CallReply, ReplySender, StreamEnded};
use crate::config::Coalescing;
use crate::limits::{CALLS_QUEUED_MAX, PROBE_INTERVAL, SILENCE_MAX};
use crate::raw::RawConnection;
use claviger_protocol::TraceId;
use claviger_protocol::message::Ping;
use std::sync::Arc;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::CancellationToken;
use waiting::Waiting;

/// One greeted byte stream with its two tasks. They end when the byte stream does, or when the last `Connection` of it
/// is dropped and all replies are there.
pub(crate) struct Connection {
    queue: mpsc::Sender<QueuedCall>,
    shared: Arc<Shared>,
}

/// A call that is to be written.
struct QueuedCall {
    call: Arc<Call>,
    reply: ReplySender,
}

/// What both tasks and the callers see.
struct Shared {
    waiting: Waiting,
    /// Cancelled when the byte stream has ended, or is to end at once.
    ended: CancellationToken,
    /// Set when the server is ending, or one byte stream of this connection was found to be silent: what was sent is still answered, nothing new is sent on any of them.
    draining: CancellationToken,
}

impl Connection {
    /// Starts the tasks. `bytes_in_flight` and `draining` are shared by all byte streams of one connection.
    pub(crate) fn start(
        raw: RawConnection,
        bytes_in_flight: Arc<Semaphore>,
        draining: CancellationToken,
        coalescing: Coalescing,
    ) -> Self {
        let limits = *raw.limits();
        let (sender, receiver) = raw.split();
        let (queue, queued) = mpsc::channel(CALLS_QUEUED_MAX);
        let shared = Arc::new(Shared { waiting: Waiting::new(), ended: CancellationToken::new(), draining });
        let writer = writing::Writer::new(sender, queued, Arc::clone(&shared), limits, bytes_in_flight, coalescing);
        tokio::spawn(writer.run());
        tokio::spawn(reading::run(receiver, Arc::clone(&shared)));
        Self { queue, shared }
    }

    /// Whether new calls can be made.
    pub(crate) fn is_usable(&self) -> bool {
        !self.shared.ended.is_cancelled() && !self.shared.draining.is_cancelled()
    }

    /// Makes no new calls here: the server is ending.
    pub(crate) fn drain(&self) {
        self.shared.draining.cancel();
    }

    /// Sends the call and waits for its reply, without end: the caller sets the time. Dropping the future forgets the
    /// call; a reply that comes all the same is thrown away.
    pub(crate) async fn call(&self, call: Arc<Call>) -> Result<CallReply, StreamEnded> {
        let (reply, answer) = oneshot::channel();
        self.queue.send(QueuedCall { call, reply }).await.map_err(|_| StreamEnded)?;
        answer.await.unwrap_or(Err(StreamEnded))
    }

    /// Ends the byte stream if the server has owed a reply for long without sending any: for calls that are given up.
    /// What counts is not the time of one call: the server may be gone however short the calls are.
    pub(crate) fn end_if_silent(&self) {
        if self.shared.waiting.silent_since().is_some_and(|since| since.elapsed() >= SILENCE_MAX) {
            tracing::debug!("the server has been silent for too long");
            self.shared.ended.cancel();
            self.drain();
        }
    }

    /// Asks the server now and then whether it is there, until it is not: for calls in which it is silent by right.
    pub(crate) async fn until_silent(&self) {
        while self.is_usable() {
            sleep(PROBE_INTERVAL).await;
            let deadline = Instant::now() + PROBE_INTERVAL;
            // Ends early if the byte stream does.
            if let Ok(probe) = Call::new(Ping { payload: &[] }, TraceId::NONE, deadline)
                && timeout_at(deadline, self.call(Arc::new(probe))).await.is_err()
            {
                self.end_if_silent();
            }
        }
    }
}

#[cfg(test)]
mod tests;
