//! Ends byte streams on which nothing goes on, and takes memory back from those that rest.

use std::pin::Pin;
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use super::super::Times;
use super::super::conversation::Conversation;

/// Watches one byte stream.
pub(super) struct Watchdog {
    sleep: Pin<Box<Sleep>>,
    began: Instant,
    /// When a frame last began, was taken or was answered.
    since: Instant,
    hello: Duration,
    frame: Duration,
    idle: Duration,
    /// How often to look: no limit is missed by more, whenever it begins to count.
    period: Duration,
}

/// What a look at the byte stream has shown.
pub(super) enum Look {
    /// Something goes on.
    Busy,
    /// Nothing has gone on for a while.
    Resting,
    /// The time is over.
    Over,
}

impl Watchdog {
    pub(super) fn new(idle: Duration, times: &Times) -> Self {
        let now = Instant::now();
        let (hello, frame) = (times.hello, times.frame);
        let period = hello.min(frame).min(idle);
        Self { sleep: Box::pin(sleep_until(now + period)), began: now, since: now, hello, frame, idle, period }
    }

    /// Something goes on.
    pub(super) fn progress(&mut self) {
        self.since = Instant::now();
    }

    /// Ready when it is time to look.
    pub(super) fn wake(&mut self) -> impl Future<Output = ()> {
        self.sleep.as_mut()
    }

    /// Looks whether the time is over, and sets when to look again. `between_frames`: no frame has begun.
    pub(super) fn look(&mut self, conversation: &impl Conversation, between_frames: bool) -> Look {
        let now = Instant::now();
        let end = match (conversation.greeted(), between_frames) {
            (false, _) => self.began + self.hello,
            (true, false) => self.since + self.frame,
            (true, true) => self.since + self.idle,
        };
        // Whoever waits for an answer is not idle.
        let waiting = conversation.in_flight() > 0;
        if now >= end && !waiting {
            return Look::Over;
        }
        let again = now + self.period;
        self.sleep.as_mut().reset(if waiting { again } else { again.min(end) });
        let resting = !waiting && between_frames && now >= self.since + self.period;
        if resting { Look::Resting } else { Look::Busy }
    }
}
