//! What a byte stream carries: requests in, replies out, without IO.

use std::time::Instant;

use claviger_protocol::OutputBuffer;

use super::completion::Completion;

/// One byte stream as a conversation. The data port has one kind of it, [`Session`](super::session::Session); the yardstick it is measured against has another,
/// [`Echo`](super::echo::Echo), so that both run in one loop.
pub(super) trait Conversation {
    /// Works on the frames at the front of `bytes`, which have just been read.
    fn receive(&mut self, bytes: &[u8]) -> Received;

    /// Replies that wait to be written.
    fn output(&mut self) -> &mut OutputBuffer;

    /// Whether the client has said Hello.
    fn greeted(&self) -> bool;

    /// From now on new requests are answered with ShuttingDown, and waits at once.
    fn drain(&mut self);

    /// Requests whose replies are still to come.
    fn in_flight(&self) -> usize {
        0
    }

    /// Takes up what has ended elsewhere, until enough replies wait to be written or the turn has taken long enough; says whether it has.
    fn complete(&mut self, _ready: impl Iterator<Item = Completion>) -> bool {
        false
    }

    /// Whether the client was let in, perhaps not any more.
    fn was_let_in(&self) -> bool {
        false
    }

    /// Whether the client was let in, and is not any more.
    fn is_let_in_no_more(&mut self) -> bool {
        false
    }

    /// Nothing more comes from the client: whatever waits is answered.
    fn end_of_input(&mut self) {}

    /// When the first wait ends by itself.
    fn next_end_of_wait(&self) -> Option<Instant> {
        None
    }

    /// Answers the waits that have ended by themselves, as [`Self::complete`] does what has ended elsewhere.
    fn end_waits(&mut self) -> bool {
        false
    }
}

/// What [`Conversation::receive`] did with the bytes it was given.
pub(super) struct Received {
    /// Bytes done with, from the front.
    pub(super) consumed: usize,
    /// Why it stopped.
    pub(super) stop: Stop,
}

/// Why a conversation stopped taking frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The next frame is not whole yet; so many bytes are missing at least.
    Need(usize),
    /// Enough replies wait to be written.
    Write,
    /// The turn has taken long enough: others are to have theirs.
    Yield,
    /// The client comes again and again before its time: nothing is taken from it until then.
    Pause(Instant),
    /// The byte stream ends after what is written.
    End,
}
