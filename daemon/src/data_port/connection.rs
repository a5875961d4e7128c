//! The bytes of one byte stream: read, worked on in turns, written. The same for every transport.

mod receive_buffer;

use std::io;
use std::iter;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, Sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use self::receive_buffer::{Gathered, ReceiveBuffer};
use super::admission::Admissions;
use super::completion::{Completion, Completions};
use super::identity::ClientIdentity;
use super::session::{Session, Stop};
use super::workers::WorkerContext;
use crate::limits::{DISCARD_SIZE_MAX, DISCARD_TIME, DRAIN_NOTICE, FRAME_TIME, HELLO_TIME, WRITE_SIZE, WRITE_TIME};

/// Whose doing the end of a byte stream was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// The client closed, or the server is shutting down, or nothing came for too long.
    Regular,
    /// The client sent what cannot be understood.
    ClientFault,
}

/// Serves one byte stream until it ends.
///
/// # Errors
/// If the transport fails. That is the client's affair, or the network's.
pub(super) async fn serve<S>(
    stream: &mut S,
    identity: Arc<ClientIdentity>,
    context: &WorkerContext,
) -> io::Result<Ending>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (completions, mut completed) = Completions::channel();
    let mut connection = ByteStream::new(identity, completions, context);
    let ending = connection.run(stream, &mut completed, context).await?;
    timeout(WRITE_TIME, stream.shutdown()).await??;
    if ending == Ending::ClientFault {
        discard(stream).await;
    }
    Ok(ending)
}

/// What one byte stream has.
struct ByteStream {
    session: Session,
    received: ReceiveBuffer,
    watchdog: Watchdog,
    /// The daemon is shutting down. A token of this byte stream's own: looking at it takes no lock that others take.
    drain: CancellationToken,
    /// When the notice of shutting down is over.
    notice_end: Option<Instant>,
}

impl ByteStream {
    fn new(identity: Arc<ClientIdentity>, completions: Completions, context: &WorkerContext) -> Self {
        let service = &context.service;
        let admissions = Admissions::new(identity, Arc::clone(&service.provider));
        let idle_ms = u64::try_from(service.idle.as_millis()).unwrap_or(u64::MAX);
        let session =
            Session::new(Arc::clone(&service.engine), Arc::clone(&service.room), admissions, completions, idle_ms);
        Self {
            session,
            received: ReceiveBuffer::new(),
            watchdog: Watchdog::new(service.idle),
            drain: service.drain.child_token(),
            notice_end: None,
        }
    }

    async fn run<S>(
        &mut self,
        stream: &mut S,
        completed: &mut UnboundedReceiver<Completion>,
        context: &WorkerContext,
    ) -> io::Result<Ending>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        // Set when nothing more is read: then what is in flight is answered, and that is all.
        let mut ending = None;
        loop {
            self.write(stream).await?;
            if let Some(ending) = ending
                && self.session.in_flight() == 0
            {
                return Ok(ending);
            }
            tokio::select! {
                Some(completion) = completed.recv() => {
                    let ready = iter::once(completion).chain(iter::from_fn(|| completed.try_recv().ok()));
                    self.session.complete(&mut context.worker.borrow_mut(), ready);
                }
                gathered = self.received.gather(stream), if ending.is_none() => match gathered? {
                    Gathered::Bytes => {}
                    Gathered::End => ending = Some(Ending::Regular),
                },
                () = &mut self.watchdog.sleep => {
                    if self.watchdog.is_over(&mut self.session, &mut self.received) {
                        return Ok(Ending::Regular);
                    }
                }
                () = self.drain.cancelled(), if self.notice_end.is_none() => {
                    self.session.drain();
                    self.notice_end = Some(Instant::now() + DRAIN_NOTICE);
                }
                () = sleep_until(self.notice_end.unwrap_or_else(Instant::now)), if self.notice_end.is_some() && ending.is_none() => {
                    ending = Some(Ending::Regular);
                }
            }
            if ending.is_none() && self.work(stream, context).await? == Stop::End {
                ending = Some(Ending::ClientFault);
            }
        }
    }

    /// Works on all whole frames that have been received.
    async fn work<S: AsyncWrite + Unpin>(&mut self, stream: &mut S, context: &WorkerContext) -> io::Result<Stop> {
        loop {
            let done = self.session.receive(&mut context.worker.borrow_mut(), self.received.bytes());
            if done.consumed > 0 || self.received.bytes().is_empty() {
                self.watchdog.progress();
            }
            self.received.consume(done.consumed);
            match done.stop {
                Stop::Need(size) => {
                    self.received.make_room(size);
                    return Ok(done.stop);
                }
                Stop::End => return Ok(done.stop),
                Stop::Write => self.write(stream).await?,
            }
        }
    }

    /// Writes all replies that are ready.
    async fn write<S: AsyncWrite + Unpin>(&mut self, stream: &mut S) -> io::Result<()> {
        let output = self.session.output();
        if output.is_empty() {
            return Ok(());
        }
        for part in output.as_bytes().chunks(WRITE_SIZE) {
            timeout(WRITE_TIME, stream.write_all(part)).await??;
        }
        timeout(WRITE_TIME, stream.flush()).await??;
        output.clear();
        Ok(())
    }
}

/// Ends byte streams on which nothing goes on, and takes memory back from those that rest.
struct Watchdog {
    sleep: Pin<Box<Sleep>>,
    /// When a frame was last taken, or the byte stream began.
    since: Instant,
    idle: Duration,
}

impl Watchdog {
    fn new(idle: Duration) -> Self {
        let since = Instant::now();
        Self { sleep: Box::pin(sleep_until(since + HELLO_TIME)), since, idle }
    }

    fn progress(&mut self) {
        self.since = Instant::now();
    }

    /// Looks whether the time is over, and sets when to look again.
    fn is_over(&mut self, session: &mut Session, received: &mut ReceiveBuffer) -> bool {
        let now = Instant::now();
        let allowed = match (session.greeted(), received.bytes().is_empty()) {
            (false, _) => HELLO_TIME,
            (true, false) => FRAME_TIME,
            (true, true) => self.idle,
        };
        // Whoever waits for an answer is not idle.
        let end = if session.in_flight() > 0 { now + allowed } else { self.since + allowed };
        if received.bytes().is_empty() {
            received.shrink();
            session.shrink();
        }
        self.sleep.as_mut().reset(end.min(now + LOOK_AGAIN).max(now));
        now >= end
    }
}

/// Reads on for a moment after a fault of the client, so that its unread bytes do not make the system reset the connection before the client
/// has read why.
async fn discard<S: AsyncRead + Unpin>(stream: &mut S) {
    let mut scratch = [0; 4_096];
    let mut left = DISCARD_SIZE_MAX;
    let read_on = async {
        while left > 0 {
            match stream.read(&mut scratch).await {
                Ok(size @ 1..) => left = left.saturating_sub(size),
                _ => return,
            }
        }
    };
    // Over is over: the connection is closed either way.
    let _ = timeout(DISCARD_TIME, read_on).await;
}

/// How often a byte stream is looked at.
const LOOK_AGAIN: Duration = Duration::from_secs(10);
