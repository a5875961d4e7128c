//! QUIC: accepting, handing over, streams.

use std::net::UdpSocket;
use std::pin::pin;
use std::sync::Arc;

use anyhow::Context;
use quinn::{Connecting, Connection, Endpoint, Incoming, RecvStream, SendStream, VarInt};
use rustls_pki_types::CertificateDer;
use tokio::io::join;
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::connection::{self, Ending};
use super::connection_counts::Refusal;
use super::identity::{ClientIdentity, Transport};
use super::room::Shares;
use super::session::Session;
use super::tls;
use super::workers::{NewConnection, Place, Service, WorkerContext, Workers};

/// The endpoint that receives all datagrams. To be called inside the runtime that accepts.
///
/// # Errors
/// If the socket cannot be used.
pub(super) fn endpoint(config: quinn::ServerConfig, socket: UdpSocket, workers: &Workers) -> anyhow::Result<Endpoint> {
    let runtime = quinn::default_runtime().context("the data port needs a tokio runtime")?;
    // Socket and driver belong to the runtime that is entered. A worker that is alone receives by itself: handing each burst of datagrams over to it from another thread would
    // cost a switch between the two. Several workers are not held up by what comes for the others.
    let _inside = workers.only().map(Handle::enter);
    Endpoint::new(tls::endpoint()?, Some(config), socket, runtime)
        .context("the UDP socket of the data port cannot be used")
}

/// Accepts until the drain begins. Does nothing else: the handshake is the worker's.
pub(super) async fn accept(endpoint: Endpoint, service: Arc<Service>, workers: Arc<Workers>) {
    loop {
        let incoming = tokio::select! {
            incoming = endpoint.accept() => incoming,
            () = service.drain.cancelled() => return,
        };
        match incoming {
            Some(incoming) => hand_over(incoming, &service, &workers),
            None => return,
        }
    }
}

/// Refuses whoever comes while the daemon ends, so that clients go elsewhere at once, until the endpoint is closed. What listens on TCP is closed instead.
pub(super) async fn refuse(endpoint: Endpoint) {
    while let Some(incoming) = endpoint.accept().await {
        incoming.refuse();
    }
}

fn hand_over(incoming: Incoming, service: &Service, workers: &Workers) {
    let address = incoming.remote_address();
    // Addresses can be made up in the first packet: once places are in demand, a client first shows that it is where it says.
    if !incoming.remote_address_validated() && service.is_crowded() {
        if let Err(error) = incoming.retry() {
            tracing::debug!(%address, %error, "a client could not be asked to show its address");
        }
        return;
    }
    let Some((worker, place)) = workers.place(service, Transport::Quic) else {
        tracing::warn!(%address, "a connection was refused: there are as many as [data] connections_max allows");
        return incoming.refuse();
    };
    // The connection's driver and timers are made here, and belong to the runtime that is entered: the worker's.
    let accepted = {
        let _inside = worker.runtime().enter();
        incoming.accept()
    };
    match accepted {
        Ok(connecting) => worker.serve(NewConnection::Quic(connecting, place)),
        Err(error) => tracing::debug!(%address, %error, "a connection ended while it was accepted"),
    }
}

/// Serves one connection on its worker.
pub(super) async fn serve(connecting: Connecting, place: Place, context: WorkerContext) {
    let _place = place;
    let address = connecting.remote_address();
    let (times, idle) = (context.service.times, context.service.idle);
    let counts = &context.service.counts;
    let connection = match timeout(times.hello, connecting).await {
        Ok(Ok(connection)) => connection,
        Ok(Err(error)) => {
            counts.refused(Transport::Quic, Refusal::Handshake);
            return tracing::debug!(%address, %error, "a handshake failed");
        }
        Err(_) => {
            counts.refused(Transport::Quic, Refusal::Late);
            return tracing::debug!(%address, "a handshake took too long");
        }
    };
    counts.accepted(Transport::Quic);
    context.service.neighbours.know(address.ip()).await;
    let identity = Arc::new(ClientIdentity::new(address, Transport::Quic, certificates(&connection)));
    let shares = context.service.budgets.shares();
    let mut streams = JoinSet::new();
    // Each stream watches over itself; without any, the connection does.
    let mut without_streams = pin!(sleep(times.hello));
    let reason = loop {
        tokio::select! {
            stream = connection.accept_bi() => match stream {
                Ok((send, receive)) => {
                    let (identity, shares, context) = (Arc::clone(&identity), shares.clone(), context.clone());
                    streams.spawn_local(serve_stream(send, receive, identity, shares, context));
                }
                Err(error) => {
                    tracing::debug!(%address, %error, "a connection ended");
                    break NOTHING_WRONG;
                }
            },
            // Streams that have ended are forgotten; with the last of a client that nobody lets in any more, the connection is over.
            Some(ended) = streams.join_next() => match ended {
                Ok(Some(Ending::LetInNoMore)) if streams.is_empty() => break NOTHING_WRONG,
                _ => without_streams.as_mut().reset(Instant::now() + idle),
            },
            () = &mut without_streams, if streams.is_empty() => break NOTHING_WRONG,
            () = context.service.drain.cancelled(), if streams.is_empty() => break SHUTTING_DOWN,
            () = context.service.cut.cancelled() => break SHUTTING_DOWN,
        }
    };
    connection.close(reason, b"");
}

async fn serve_stream(
    send: SendStream,
    receive: RecvStream,
    identity: Arc<ClientIdentity>,
    shares: Shares,
    context: WorkerContext,
) -> Option<Ending> {
    let mut stream = join(receive, send);
    let room = Arc::clone(&shares.received);
    let session = Session::begin(identity, shares, &context);
    let ended = connection::serve(&mut stream, session, room, &context.conditions()).await;
    let (mut receive, mut send) = stream.into_inner();
    // Streams that the client has stopped or reset already are as good.
    match ended {
        Ok(ending) => {
            let code = if ending == Ending::ClientFault { PROTOCOL_ERROR } else { NOTHING_WRONG };
            let _ = receive.stop(code);
            // Closing the connection would lose what has not arrived.
            let _ = timeout(context.service.times.write, send.stopped()).await;
        }
        Err(_) => {
            let _ = receive.stop(PROTOCOL_ERROR);
            let _ = send.reset(PROTOCOL_ERROR);
        }
    }
    ended.ok()
}

fn certificates(connection: &Connection) -> Vec<CertificateDer<'static>> {
    let identity = connection.peer_identity();
    identity
        .and_then(|identity| identity.downcast::<Vec<CertificateDer<'static>>>().ok())
        .map(|it| *it)
        .unwrap_or_default()
}

/// Application error codes of the specification, section 1.
pub(super) const NOTHING_WRONG: VarInt = VarInt::from_u32(0);
const PROTOCOL_ERROR: VarInt = VarInt::from_u32(1);
pub(super) const SHUTTING_DOWN: VarInt = VarInt::from_u32(2);
