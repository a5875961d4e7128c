//! A clock that a test moves.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use claviger_engine::clock::Clock;

/// A wall clock that moves by a second each time that it is looked at, until it is held; and running time, which moves only when time passes.
pub(crate) struct TestClock {
    wall_ms: AtomicU64,
    running_ms: AtomicU64,
    step_ms: AtomicU64,
}

impl TestClock {
    /// From now on the wall clock moves only when it is moved.
    pub(crate) fn hold(&self) {
        self.step_ms.store(0, Ordering::Relaxed);
    }

    /// Time passes.
    pub(crate) fn pass(&self, time: Duration) {
        self.pass_on_the_wall(time);
        self.running_ms.fetch_add(milliseconds(time), Ordering::Relaxed);
    }

    /// Time passes while nothing is running, or the wall clock is put forward.
    pub(crate) fn pass_on_the_wall(&self, time: Duration) {
        self.wall_ms.fetch_add(milliseconds(time), Ordering::Relaxed);
    }

    /// The wall clock is put back.
    pub(crate) fn put_back(&self, time: Duration) {
        self.wall_ms.fetch_sub(milliseconds(time), Ordering::Relaxed);
    }

    /// What the wall clock shows.
    pub(crate) fn shows(&self) -> u64 {
        self.wall_ms.load(Ordering::Relaxed)
    }
}

impl Default for TestClock {
    /// In September 2001, so that it can be put back.
    fn default() -> Self {
        Self { wall_ms: 1_000_000_000_000.into(), running_ms: 0.into(), step_ms: 1_000.into() }
    }
}

impl Clock for TestClock {
    fn now_ms(&self) -> u64 {
        self.wall_ms.fetch_add(self.step_ms.load(Ordering::Relaxed), Ordering::Relaxed)
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.running_ms.load(Ordering::Relaxed))
    }
}

pub(crate) fn milliseconds(time: Duration) -> u64 {
    time.as_millis().try_into().unwrap()
}

pub(crate) const HOUR: Duration = Duration::from_hours(1);
pub(crate) const DAY: Duration = Duration::from_hours(24);
