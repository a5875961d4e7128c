//! TLS over TCP: accepting, handing over, the handshake.

use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::TcpListener;
use tokio::time::{sleep, timeout};

use super::connection::{self, Ending};
use super::connection_counts::Refusal;
use super::identity::{ClientIdentity, Transport};
use super::session::Session;
use super::tls::ALPN;
use super::tls_stream::TlsStream;
use super::workers::{NewConnection, Place, Service, WorkerContext, Workers};
use crate::limits::LINGER_SIZE_MAX;

/// Accepts until the drain begins. Does nothing else: the handshake is the worker's.
pub(super) async fn accept(listener: TcpListener, service: Arc<Service>, workers: Arc<Workers>) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = service.drain.cancelled() => return,
        };
        match accepted {
            Ok((stream, address)) => hand_over(stream, address, &service, &workers),
            Err(error) => {
                // Mostly too many open files: those that end make room.
                tracing::warn!(%error, "a TCP connection could not be accepted: raise the limit of open files if this goes on");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn hand_over(stream: tokio::net::TcpStream, address: SocketAddr, service: &Service, workers: &Workers) {
    let Some((worker, place)) = workers.place(service, Transport::Tcp) else {
        tracing::warn!(%address, "a connection was closed at once: there are as many as [data] connections_max allows");
        return;
    };
    let prepared = stream.set_nodelay(true).and_then(|()| stream.into_std());
    match prepared {
        Ok(stream) => worker.serve(NewConnection::Tcp(stream, address, place)),
        Err(error) => tracing::warn!(%address, %error, "a TCP connection ended while it was accepted"),
    }
}

/// Serves one connection on its worker.
pub(super) async fn serve(stream: TcpStream, address: SocketAddr, place: Place, context: WorkerContext) {
    let _place = place;
    let cut = context.service.cut.clone();
    tokio::select! {
        ended = handshake_and_serve(stream, address, context) => {
            if let Err(error) = ended {
                tracing::debug!(%address, %error, "a connection ended");
            }
        }
        () = cut.cancelled() => {}
    }
}

async fn handshake_and_serve(stream: TcpStream, address: SocketAddr, context: WorkerContext) -> std::io::Result<()> {
    let stream = tokio::net::TcpStream::from_std(stream)?;
    let accepting = TlsStream::accept(stream, context.service.tls(), context.scratch.clone());
    let counts = &context.service.counts;
    let refused = |refusal| counts.refused(Transport::Tcp, refusal);
    let accepted = timeout(context.service.times.hello, accepting).await.inspect_err(|_| refused(Refusal::Late))?;
    let mut stream = accepted.inspect_err(|_| refused(Refusal::Handshake))?;
    if stream.state().alpn_protocol() != Some(ALPN) {
        // A client that offers no protocol at all passes the handshake, and ends here.
        refused(Refusal::Handshake);
        return Ok(());
    }
    counts.accepted(Transport::Tcp);
    let certificates =
        stream.state().peer_certificates().unwrap_or_default().iter().map(|it| it.clone().into_owned()).collect();
    context.service.neighbours.know(address.ip()).await;
    let identity = Arc::new(ClientIdentity::new(address, Transport::Tcp, certificates));
    let shares = context.service.budgets.shares();
    let room = Arc::clone(&shares.received);
    let session = Session::begin(identity, shares, &context);
    if connection::serve(&mut stream, session, room, &context.conditions()).await? != Ending::ByClient {
        // Over is over: the connection is closed either way.
        let _ = timeout(context.service.times.linger, linger(&mut stream)).await;
    }
    Ok(())
}

/// Reads on until the client closes: bytes that nobody has read would make the system reset the connection before the client has read its last reply.
async fn linger<S: AsyncRead + Unpin>(stream: &mut S) {
    let mut scratch = [0; 4_096];
    let mut left = LINGER_SIZE_MAX;
    while left > 0 {
        match stream.read(&mut scratch).await {
            Ok(size @ 1..) => left = left.saturating_sub(size),
            _ => return,
        }
    }
}

/// How long accepting rests after an error.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
