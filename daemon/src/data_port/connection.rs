//! The bytes of one byte stream: read, worked on in turns, written. The same for every transport.

mod receive_buffer;
#[cfg(test)]
mod tests;
mod watchdog;

use std::future;
use std::io;
use std::iter;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use claviger_protocol::OutputBuffer;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::time::{sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use self::receive_buffer::{Gathered, ReceiveBuffer};
use self::watchdog::{Look, Watchdog};
use super::Times;
use super::busy_poll::BusyPoll;
use super::completion::Completed;
use super::conversation::{Conversation, Stop};
use super::room::Share;
use super::scratch::Scratch;
use crate::limits::WRITE_SIZE;

/// Whose doing the end of a byte stream was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// The client has closed its direction, and everything is answered.
    ByClient,
    /// The server is shutting down, or nothing came for too long.
    ByServer,
    /// The client sent what cannot be understood.
    ClientFault,
    /// The client was let in by some key store, and is let in by none any more.
    LetInNoMore,
}

/// What byte streams are served under.
pub(super) struct Conditions<'c> {
    /// No new requests, and soon the end.
    pub(super) drain: &'c CancellationToken,
    /// A byte stream without frames for longer is closed.
    pub(super) idle: Duration,
    pub(super) times: Times,
    /// The buffers of the worker.
    pub(super) scratch: &'c Scratch,
    /// What keeps the worker from sleeping.
    pub(super) busy_poll: &'c BusyPoll,
}

/// Serves one byte stream until it ends, with `room` for what is received. All replies are with the transport then, and the server's direction is closed.
///
/// # Errors
/// If the transport fails, or the client does not take what is written. That is the client's affair, or the network's.
pub(super) async fn serve<S, C>(
    stream: &mut S,
    (conversation, mut completed): (C, Completed),
    room: Arc<Share>,
    conditions: &Conditions<'_>,
) -> io::Result<Ending>
where
    S: AsyncRead + AsyncWrite + Unpin,
    C: Conversation,
{
    let received = ReceiveBuffer::new(room, conditions.scratch.clone());
    let watchdog = Watchdog::new(conditions.idle, &conditions.times);
    let (scratch, times) = (conditions.scratch.clone(), conditions.times);
    let busy_poll = conditions.busy_poll.clone();
    let mut connection = ByteStream { conversation, received, pause: None, watchdog, times, scratch, busy_poll };
    let ending = connection.run(stream, &mut completed, conditions).await?;
    timeout(connection.times.write, stream.shutdown()).await??;
    Ok(ending)
}

/// What one byte stream has.
struct ByteStream<C> {
    conversation: C,
    received: ReceiveBuffer,
    /// Until then nothing is taken from the client.
    pause: Option<std::time::Instant>,
    watchdog: Watchdog,
    times: Times,
    scratch: Scratch,
    busy_poll: BusyPoll,
}

impl<C: Conversation> ByteStream<C> {
    async fn run<S>(
        &mut self,
        stream: &mut S,
        completed: &mut Completed,
        conditions: &Conditions<'_>,
    ) -> io::Result<Ending>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        // A token of this byte stream's own: looking at it takes no lock that others take.
        let mut drain = pin!(conditions.drain.child_token().cancelled_owned());
        let mut notice = pin!(sleep(self.times.drain_notice));
        let (mut draining, mut noticed) = (conditions.drain.is_cancelled(), false);
        if draining {
            self.conversation.drain();
        }
        // Set when nothing more is read: then what is in flight is answered, and that is all.
        let mut ending = None;
        loop {
            self.write(stream).await?;
            self.received.settle();
            if self.conversation.in_flight() == 0 {
                match ending {
                    Some(ending) => return Ok(ending),
                    None if noticed => return Ok(Ending::ByServer),
                    None => {}
                }
            }
            if ending.is_some() {
                self.conversation.end_of_input();
            }
            let resting = self.received.bytes().is_empty();
            let end_of_wait = self.conversation.next_end_of_wait();
            // The turn has taken long enough: others are to have theirs.
            let mut over = false;
            tokio::select! {
                Some(completion) = completed.recv() => {
                    let ready = iter::once(completion).chain(iter::from_fn(|| completed.try_recv()));
                    self.scratch.lend_output(self.conversation.output());
                    over = self.conversation.complete(ready);
                }
                gathered = self.received.gather(stream), if ending.is_none() && self.pause.is_none() => match gathered? {
                    Gathered::Bytes if resting => self.watchdog.progress(),
                    Gathered::Bytes => {}
                    Gathered::End => ending = Some(Ending::ByClient),
                },
                () = self.watchdog.wake() => match self.watchdog.look(&self.conversation, resting) {
                    Look::Over => return Ok(Ending::ByServer),
                    // Whatever it sends: it would be refused.
                    _ if self.conversation.is_let_in_no_more() => return Ok(Ending::LetInNoMore),
                    Look::Resting => self.rest(),
                    Look::Busy => {}
                },
                () = at(self.pause) => self.pause = None,
                () = at(end_of_wait) => {
                    self.scratch.lend_output(self.conversation.output());
                    over = self.conversation.end_waits();
                }
                () = &mut drain, if !draining => {
                    draining = true;
                    self.conversation.drain();
                    notice.as_mut().reset(tokio::time::Instant::now() + self.times.drain_notice);
                }
                () = &mut notice, if draining && !noticed => noticed = true,
            }
            if over {
                self.write(stream).await?;
                tokio::task::yield_now().await;
            }
            if ending.is_none() && self.pause.is_none() && self.work(stream).await? == Stop::End {
                ending = Some(Ending::ClientFault);
            }
        }
    }

    /// Works on all whole frames that have been received.
    async fn work<S: AsyncWrite + Unpin>(&mut self, stream: &mut S) -> io::Result<Stop> {
        loop {
            self.scratch.lend_output(self.conversation.output());
            let done = self.conversation.receive(self.received.bytes());
            if done.consumed > 0 {
                self.watchdog.progress();
            }
            self.received.consume(done.consumed);
            match done.stop {
                Stop::Need(size) => {
                    self.received.make_room(size)?;
                    return Ok(done.stop);
                }
                Stop::Pause(until) => {
                    self.pause = Some(until);
                    return Ok(done.stop);
                }
                Stop::End => return Ok(done.stop),
                Stop::Write => self.write(stream).await?,
                Stop::Yield => {
                    self.write(stream).await?;
                    tokio::task::yield_now().await;
                }
            }
        }
    }

    /// Writes all replies that are ready.
    async fn write<S: AsyncWrite + Unpin>(&mut self, stream: &mut S) -> io::Result<()> {
        let output = self.conversation.output();
        if output.is_empty() {
            // Lent, and nothing was written: whoever waits has no memory for replies.
            self.scratch.give_output(output);
            return Ok(());
        }
        for part in output.as_bytes().chunks(WRITE_SIZE) {
            // Flushed each time, so that what a client does not read is not gathered elsewhere.
            let sent = async {
                stream.write_all(part).await?;
                stream.flush().await
            };
            timeout(self.times.write, sent).await??;
        }
        self.scratch.give_output(output);
        self.watchdog.progress();
        // Strangers do not keep a core at work.
        if self.conversation.was_let_in() {
            self.busy_poll.renew();
        }
        Ok(())
    }

    /// Gives memory back that a busy byte stream keeps, and wipes the plaintext that has passed through that of the worker.
    fn rest(&mut self) {
        self.received.forget();
        *self.conversation.output() = OutputBuffer::new();
        self.scratch.wipe();
    }
}

/// Ready at this time; never, if there is none. Only a byte stream that waits for a secret, or that is not read from for a while, has a timer for it.
async fn at(time: Option<std::time::Instant>) {
    match time {
        Some(time) => sleep_until(time.into()).await,
        None => future::pending().await,
    }
}
