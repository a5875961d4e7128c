//! The bytes of one byte stream: read, worked on in turns, written. The same for every transport.

mod receive_buffer;
mod watchdog;

use std::future;
use std::io;
use std::iter;
use std::pin::pin;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{sleep, sleep_until, timeout};

use self::receive_buffer::{Gathered, ReceiveBuffer};
use self::watchdog::{Look, Watchdog};
use super::Times;
use super::admission::Admissions;
use super::completion::{Completion, Completions};
use super::identity::ClientIdentity;
use super::room::Shares;
use super::session::{Session, Stop, Telling};
use super::workers::WorkerContext;
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

/// Serves one byte stream until it ends. All replies are with the transport then, and the server's direction is closed.
///
/// # Errors
/// If the transport fails, or the client does not take what is written. That is the client's affair, or the network's.
pub(super) async fn serve<S>(
    stream: &mut S,
    identity: Arc<ClientIdentity>,
    shares: Shares,
    context: &WorkerContext,
) -> io::Result<Ending>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (completions, mut completed) = Completions::channel();
    let mut connection = ByteStream::new(identity, shares, completions, context);
    let ending = connection.run(stream, &mut completed, context).await?;
    timeout(connection.times.write, stream.shutdown()).await??;
    Ok(ending)
}

/// What one byte stream has.
struct ByteStream {
    session: Session,
    received: ReceiveBuffer,
    watchdog: Watchdog,
    times: Times,
}

impl ByteStream {
    fn new(identity: Arc<ClientIdentity>, shares: Shares, completions: Completions, context: &WorkerContext) -> Self {
        let service = &context.service;
        let (provider, neighbours) = (Arc::clone(&service.provider), Arc::clone(&service.neighbours));
        let admissions = Admissions::new(identity, provider, neighbours, context.quotas.clone());
        let idle_ms = u64::try_from(service.idle.as_millis()).unwrap_or(u64::MAX);
        let received = ReceiveBuffer::new(Arc::clone(&shares.received));
        let telling = Telling { tally: Arc::clone(&context.tally), requests: context.requests.clone() };
        let session = Session::new(Arc::clone(&service.engine), shares, admissions, completions, telling, idle_ms);
        let watchdog = Watchdog::new(service.idle, &service.times);
        Self { session, received, watchdog, times: service.times }
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
        // A token of this byte stream's own: looking at it takes no lock that others take.
        let mut drain = pin!(context.service.drain.child_token().cancelled_owned());
        let mut notice = pin!(sleep(self.times.drain_notice));
        let (mut draining, mut noticed) = (context.service.drain.is_cancelled(), false);
        if draining {
            self.session.drain();
        }
        // Set when nothing more is read: then what is in flight is answered, and that is all.
        let mut ending = None;
        loop {
            self.write(stream).await?;
            if self.session.in_flight() == 0 {
                match ending {
                    Some(ending) => return Ok(ending),
                    None if noticed => return Ok(Ending::ByServer),
                    None => {}
                }
            }
            if ending.is_some() {
                self.session.end_of_input();
            }
            let resting = self.received.bytes().is_empty();
            let end_of_wait = self.session.next_end_of_wait();
            tokio::select! {
                Some(completion) = completed.recv() => {
                    let ready = iter::once(completion).chain(iter::from_fn(|| completed.try_recv().ok()));
                    self.session.complete(&mut context.worker.borrow_mut(), ready);
                }
                gathered = self.received.gather(stream), if ending.is_none() => match gathered? {
                    Gathered::Bytes if resting => self.watchdog.progress(),
                    Gathered::Bytes => {}
                    Gathered::End => ending = Some(Ending::ByClient),
                },
                () = self.watchdog.wake() => match self.watchdog.look(&self.session, resting) {
                    Look::Over => return Ok(Ending::ByServer),
                    // Whatever it sends: it would be refused.
                    _ if self.session.is_let_in_no_more() => return Ok(Ending::LetInNoMore),
                    Look::Resting => self.rest(context),
                    Look::Busy => {}
                },
                () = at(end_of_wait) => self.session.end_waits(&mut context.worker.borrow_mut()),
                () = &mut drain, if !draining => {
                    draining = true;
                    self.session.drain();
                    notice.as_mut().reset(tokio::time::Instant::now() + self.times.drain_notice);
                }
                () = &mut notice, if draining && !noticed => noticed = true,
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
            if done.consumed > 0 {
                self.watchdog.progress();
            }
            self.received.consume(done.consumed);
            match done.stop {
                Stop::Need(size) => {
                    self.received.make_room(size)?;
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
        let output = self.session.output();
        if output.is_empty() {
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
        output.clear();
        self.watchdog.progress();
        Ok(())
    }

    /// Gives memory back, and with it the plaintext that has passed through it.
    fn rest(&mut self, context: &WorkerContext) {
        self.received.forget();
        self.session.forget_output();
        context.scratch.wipe();
    }
}

/// Ready at this time; never, if there is none. Only a byte stream that waits for a secret has a timer for it.
async fn at(time: Option<std::time::Instant>) {
    match time {
        Some(time) => sleep_until(time.into()).await,
        None => future::pending().await,
    }
}
