//! Connections to one server: made when they are needed, and made anew when they are lost.

use crate::call::{Call, CallReply, StreamEnded};
use crate::config::{ClientConfig, Reconnect};
use crate::connection::Connection;
use crate::error::Error;
use crate::limits::{ATTEMPTS_MAX, Limits, OVERLOADED_WAIT};
use crate::raw::Connector;
use claviger_protocol::{Retry, Status};
use parking_lot::Mutex;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

/// All connections of one client.
pub(crate) struct Pool {
    config: ClientConfig,
    connector: Connector,
    slots: Vec<Slot>,
    /// Whose turn it is: a slot, and a byte stream of it.
    turn: AtomicUsize,
    limits: Mutex<Limits>,
}

/// Place of one connection.
#[derive(Default)]
struct Slot {
    /// Byte streams of the connection: one on TCP, some on QUIC, none before the first call.
    streams: Mutex<Vec<Arc<Connection>>>,
    /// Held by whoever makes the connection, so that only one does.
    making: tokio::sync::Mutex<Failures>,
}

/// Attempts that failed since the last that did not.
#[derive(Default)]
struct Failures {
    count: u32,
    next_attempt: Option<Instant>,
}

impl Pool {
    /// Makes the first connection, so that what is wrong with the settings is seen at once.
    pub(crate) async fn connect(config: ClientConfig) -> Result<Self, Error> {
        config.check()?;
        let pool = Self {
            connector: Connector::new(&config)?,
            slots: (0..config.connections).map(|_| Slot::default()).collect(),
            turn: AtomicUsize::new(0),
            limits: Mutex::new(Limits::default()),
            config,
        };
        if let Some(slot) = pool.slots.first() {
            pool.fill(slot).await?;
        }
        Ok(pool)
    }

    pub(crate) const fn config(&self) -> &ClientConfig {
        &self.config
    }

    /// What the server announced last.
    pub(crate) fn limits(&self) -> Limits {
        *self.limits.lock()
    }

    /// The reply to the call; its status is Ok.
    pub(crate) async fn call(&self, call: Call) -> Result<CallReply, Error> {
        let call = Arc::new(call);
        match timeout_at(call.deadline, self.attempt(&call)).await {
            Ok(result) => result,
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
            let watch = SilenceWatch { connection: &connection };
            let result = connection.call(Arc::clone(call)).await;
            watch.disarm();
            match result {
                Err(StreamEnded) if lost => return Err(Error::Disconnected),
                Err(StreamEnded) => lost = true,
                Ok(reply) if reply.status == Status::Ok => return Ok(reply),
                Ok(reply) => {
                    last = Error::refused(reply.status, reply.retry_ms);
                    match reply.status {
                        Status::Overloaded => sleep(overloaded_wait(&reply, attempt)).await,
                        Status::ShuttingDown => {
                            connection.drain();
                            sleep(reconnect_wait(self.config.reconnect, attempt)).await;
                        }
                        _ => return Err(last),
                    }
                }
            }
        }
        Err(last)
    }

    /// A byte stream that can be used, made if need be.
    async fn connection(&self) -> Result<Arc<Connection>, Error> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let slot = self.slots.get(turn % self.slots.len().max(1)).ok_or(Error::Disconnected)?;
        let mut last = Error::Disconnected;
        for _ in 0..self.config.reconnect.attempts_max {
            if let Some(connection) = slot.usable(turn / self.slots.len().max(1)) {
                return Ok(connection);
            }
            match self.fill(slot).await {
                Ok(()) => {}
                Err(error) if error.retry() == Retry::Never => return Err(error),
                Err(error) => last = error,
            }
        }
        slot.usable(turn).ok_or(last)
    }

    /// Makes one attempt to connect, unless somebody else has succeeded meanwhile.
    async fn fill(&self, slot: &Slot) -> Result<(), Error> {
        let mut failures = slot.making.lock().await;
        if slot.usable(0).is_some() {
            return Ok(());
        }
        if let Some(next_attempt) = failures.next_attempt {
            sleep_until(next_attempt).await;
        }
        match self.connector.connect(&self.config).await {
            Ok(raw) => {
                *failures = Failures::default();
                let limits = raw.first().map(|raw| *raw.limits()).unwrap_or_default();
                *self.limits.lock() = limits;
                let bytes_in_flight = Arc::new(Semaphore::new(limits.bytes_in_flight));
                let start = |raw| Connection::start(raw, Arc::clone(&bytes_in_flight), self.config.coalescing);
                *slot.streams.lock() = raw.into_iter().map(start).map(Arc::new).collect();
                Ok(())
            }
            Err(error) => {
                let wait = reconnect_wait(self.config.reconnect, failures.count);
                failures.count = failures.count.saturating_add(1);
                failures.next_attempt = Some(Instant::now() + wait);
                Err(error)
            }
        }
    }
}

impl Slot {
    /// A byte stream that can be used, another one each turn.
    fn usable(&self, turn: usize) -> Option<Arc<Connection>> {
        let streams = self.streams.lock();
        let (before, after) = streams.split_at_checked(turn % streams.len().max(1))?;
        after.iter().chain(before).find(|connection| connection.is_usable()).cloned()
    }
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

/// A wait that doubles up to its limit.
fn reconnect_wait(reconnect: Reconnect, failures: u32) -> Duration {
    let wait = reconnect.wait_first.saturating_mul(2_u32.saturating_pow(failures));
    with_jitter(wait.min(reconnect.wait_max))
}

/// Half to all of a wait, by chance, so that clients that lost the same server do not come back in step.
fn with_jitter(wait: Duration) -> Duration {
    let chance = u32::try_from(RandomState::new().hash_one(()) >> 32).unwrap_or_default();
    wait / 2 + (wait / 2).mul_f64(f64::from(chance) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_their_limit_and_never_vanish() {
        let reconnect = Reconnect::default();
        for (failures, wait_max) in [(0, 50), (1, 100), (2, 200), (10, 5_000), (u32::MAX, 5_000)] {
            let wait = reconnect_wait(reconnect, failures).as_millis();
            assert!((wait_max / 2..=wait_max).contains(&wait), "{wait} ms after {failures} failures");
        }
    }
}
