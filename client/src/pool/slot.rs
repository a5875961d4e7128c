//! Place of one connection. Each attempt to connect is a task of its own: calls wait for it, and the attempt goes on
//! when they are given up, so that a server slower to connect to than one call may last is reached all the same.

use crate::config::{ClientConfig, Reconnect};
use crate::connection::Connection;
use crate::error::Error;
use crate::limits::Limits;
use crate::raw::Connector;
use parking_lot::Mutex;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

/// Place of one connection. When it is dropped, an attempt that is under way ends.
#[derive(Default)]
pub(super) struct Slot {
    state: Mutex<State>,
}

/// What all connections of one client are made with.
pub(super) struct Maker {
    pub(super) config: ClientConfig,
    connector: Connector,
    limits: Mutex<Limits>,
}

#[derive(Default)]
struct State {
    /// Byte streams of the connection: one on TCP, some on QUIC, none before the first call.
    streams: Vec<Arc<Connection>>,
    /// The attempt that is under way.
    attempt: Option<watch::Receiver<Outcome>>,
    /// Attempts that failed since the last that did not.
    failures: u32,
    next_attempt: Option<Instant>,
}

/// How an attempt ended; nothing while it is under way.
type Outcome = Option<Result<(), Error>>;

impl Slot {
    /// A byte stream that can be used, another one each turn.
    pub(super) fn usable(&self, turn: usize) -> Option<Arc<Connection>> {
        self.state.lock().usable(turn).cloned()
    }

    /// Waits for one attempt to connect, begun here unless one is under way; not at all if there is a connection.
    pub(super) async fn fill(self: &Arc<Self>, maker: &Arc<Maker>) -> Result<(), Error> {
        let Some(mut attempt) = self.attempt(maker) else { return Ok(()) };
        match attempt.wait_for(Option::is_some).await {
            Ok(outcome) => outcome.clone().unwrap_or(Err(Error::Disconnected)),
            // The runtime of the call that began it has ended.
            Err(_) => Err(Error::Disconnected),
        }
    }

    fn attempt(self: &Arc<Self>, maker: &Arc<Maker>) -> Option<watch::Receiver<Outcome>> {
        let mut state = self.state.lock();
        if state.usable(0).is_some() {
            return None;
        }
        // One without a sender died with the runtime that it ran on.
        if let Some(attempt) = state.attempt.as_ref().filter(|attempt| attempt.has_changed().is_ok()) {
            return Some(attempt.clone());
        }
        let (outcome, attempt) = watch::channel(None);
        state.attempt = Some(attempt.clone());
        tokio::spawn(make(Arc::downgrade(self), Arc::clone(maker), state.next_attempt, outcome));
        Some(attempt)
    }

    fn settle(&self, result: Result<Vec<Arc<Connection>>, Error>, reconnect: Reconnect) -> Result<(), Error> {
        let mut state = self.state.lock();
        match result {
            Ok(streams) => {
                *state = State { streams, ..State::default() };
                Ok(())
            }
            Err(error) => {
                state.attempt = None;
                state.next_attempt = Some(Instant::now() + reconnect_wait(reconnect, state.failures));
                state.failures = state.failures.saturating_add(1);
                Err(error)
            }
        }
    }
}

impl State {
    fn usable(&self, turn: usize) -> Option<&Arc<Connection>> {
        let (before, after) = self.streams.split_at_checked(turn % self.streams.len().max(1))?;
        after.iter().chain(before).find(|connection| connection.is_usable())
    }
}

impl Maker {
    /// Reads the certificates once.
    pub(super) fn new(config: ClientConfig) -> Result<Self, Error> {
        config.check()?;
        Ok(Self { connector: Connector::new(&config)?, limits: Mutex::default(), config })
    }

    /// What the server announced last.
    pub(super) fn limits(&self) -> Limits {
        *self.limits.lock()
    }

    /// All byte streams of one new connection.
    async fn connect(&self) -> Result<Vec<Arc<Connection>>, Error> {
        let raw = self.connector.connect(&self.config).await?;
        let limits = raw.first().map(|raw| *raw.limits()).unwrap_or_default();
        *self.limits.lock() = limits;
        let bytes_in_flight = Arc::new(Semaphore::new(limits.bytes_in_flight));
        let (draining, coalescing) = (CancellationToken::new(), self.config.coalescing);
        let start = |raw| Connection::start(raw, Arc::clone(&bytes_in_flight), draining.clone(), coalescing);
        Ok(raw.into_iter().map(start).map(Arc::new).collect())
    }
}

/// Makes one attempt, not before its time.
async fn make(slot: Weak<Slot>, maker: Arc<Maker>, not_before: Option<Instant>, outcome: watch::Sender<Outcome>) {
    let connect = async {
        if let Some(not_before) = not_before {
            sleep_until(not_before).await;
        }
        maker.connect().await
    };
    let result = tokio::select! {
        result = connect => result,
        // The slot, which listens as long as it is there, has been dropped.
        () = outcome.closed() => return,
    };
    if let Some(slot) = slot.upgrade() {
        outcome.send_replace(Some(slot.settle(result, maker.config.reconnect)));
    }
}

/// A wait that doubles up to its limit.
pub(crate) fn reconnect_wait(reconnect: Reconnect, failures: u32) -> Duration {
    let wait = reconnect.wait_first.saturating_mul(2_u32.saturating_pow(failures));
    with_jitter(wait.min(reconnect.wait_max))
}

/// Half to all of a wait, by chance, so that clients that lost the same server do not come back in step.
pub(super) fn with_jitter(wait: Duration) -> Duration {
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
