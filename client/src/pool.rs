//! Connections to one server: made when they are needed, and made anew when they are lost.

mod slot;

use crate::call::{Call, CallReply, StreamEnded};
use crate::config::ClientConfig;
use crate::connection::Connection;
use crate::error::Error;
use crate::limits::{ATTEMPTS_MAX, Limits, OVERLOADED_WAIT};
use claviger_protocol::{Retry, Status};
pub(crate) use slot::reconnect_wait;
use slot::{Maker, Slot, with_jitter};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout_at};

/// All connections of one client.
pub(crate) struct Pool {
    maker: Arc<Maker>,
    slots: Vec<Arc<Slot>>,
    /// Whose turn it is: a slot, and a byte stream of it.
    turn: AtomicUsize,
}

impl Pool {
    /// Makes the first connection, so that what is wrong with the settings is seen at once.
    pub(crate) async fn connect(config: ClientConfig) -> Result<Self, Error> {
        let maker = Arc::new(Maker::new(config)?);
        let slots = (0..maker.config.connections).map(|_| Arc::default()).collect();
        let pool = Self { maker, slots, turn: AtomicUsize::new(0) };
        if let Some(slot) = pool.slots.first() {
            slot.fill(&pool.maker).await?;
        }
        Ok(pool)
    }

    pub(crate) fn config(&self) -> &ClientConfig {
        &self.maker.config
    }

    /// What the server announced last.
    pub(crate) fn limits(&self) -> Limits {
        self.maker.limits()
    }

    /// The reply to the call; its status is Ok.
    pub(crate) async fn call(&self, call: Call) -> Result<CallReply, Error> {
        let call = Arc::new(call);
        match timeout_at(call.deadline, self.attempt(&call)).await {
            Ok(result) => result,
            Err(_) => Err(Error::DeadlineExceeded),
        }
    }

    /// The reply to the call, sent on this byte stream and only once.
    pub(crate) async fn call_once(connection: &Connection, call: Call) -> Result<CallReply, Error> {
        let call = Arc::new(call);
        match timeout_at(call.deadline, send(connection, &call)).await {
            Ok(Ok(reply)) if reply.status == Status::Ok => Ok(reply),
            Ok(Ok(reply)) => Err(Error::refused(reply.status, reply.retry_ms)),
            Ok(Err(StreamEnded)) => Err(Error::Disconnected),
            Err(_) => Err(Error::DeadlineExceeded),
        }
    }

    /// Sends the call until it is answered. Every operation of the data port leaves the server as it was, so that a
    /// call may be sent again whatever became of the first.
    async fn attempt(&self, call: &Arc<Call>) -> Result<CallReply, Error> {
        let mut lost = false;
        let mut last = Error::Disconnected;
        for attempt in 0..ATTEMPTS_MAX {
            let connection = self.connection().await?;
            match send(&connection, call).await {
                Err(StreamEnded) if lost => return Err(Error::Disconnected),
                Err(StreamEnded) => lost = true,
                Ok(reply) if reply.status == Status::Ok => return Ok(reply),
                Ok(reply) => {
                    last = Error::refused(reply.status, reply.retry_ms);
                    match reply.status {
                        Status::Overloaded => {
                            let wait = overloaded_wait(&reply, attempt);
                            // A quota may be used up for minutes: whoever asks is told so, and when to come back.
                            if Instant::now() + wait >= call.deadline {
                                return Err(last);
                            }
                            sleep(wait).await;
                        }
                        Status::ShuttingDown => sleep(reconnect_wait(self.config().reconnect, attempt)).await,
                        _ => return Err(last),
                    }
                }
            }
        }
        Err(last)
    }

    /// A byte stream that can be used, made if need be.
    pub(crate) async fn connection(&self) -> Result<Arc<Connection>, Error> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let slot = self.slots.get(turn % self.slots.len().max(1)).ok_or(Error::Disconnected)?;
        let mut last = Error::Disconnected;
        for _ in 0..self.config().reconnect.attempts_max {
            if let Some(connection) = slot.usable(turn / self.slots.len().max(1)) {
                return Ok(connection);
            }
            match slot.fill(&self.maker).await {
                Ok(()) => {}
                Err(error) if error.retry() == Retry::Never => return Err(error),
                Err(error) => last = error,
            }
        }
        slot.usable(turn).ok_or(last)
    }
}

/// Sends the call on this byte stream. One whose server is ending gets no more calls.
async fn send(connection: &Connection, call: &Arc<Call>) -> Result<CallReply, StreamEnded> {
    let watch = SilenceWatch { connection };
    let result = connection.call(Arc::clone(call)).await;
    watch.disarm();
    if result.as_ref().is_ok_and(|reply| reply.status == Status::ShuttingDown) {
        connection.drain();
    }
    result
}

/// Looks at the connection when a call is given up, by its caller or by its deadline.
struct SilenceWatch<'c> {
    connection: &'c Connection,
}

impl SilenceWatch<'_> {
    /// The call has been answered.
    const fn disarm(self) {
        std::mem::forget(self);
    }
}

impl Drop for SilenceWatch<'_> {
    fn drop(&mut self) {
        self.connection.end_if_silent();
    }
}

/// What the server advises, or else a wait that doubles up to about a second.
fn overloaded_wait(reply: &CallReply, attempt: u32) -> Duration {
    match reply.retry_ms {
        0 => with_jitter(OVERLOADED_WAIT * 2_u32.pow(attempt.min(7))),
        advised => Duration::from_millis(u64::from(advised)),
    }
}
