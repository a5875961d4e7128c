//! Connections of the control port: accepted, authenticated, served, and ended in good order.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use claviger_engine::audit::Refused;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use parking_lot::Mutex;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use super::caller::Caller;
use super::router::router;
use super::tls::{HTTP2, Tls};
use super::{ControlSettings, ControlState, Shown};
use crate::limits::{
    ACCEPT_PAUSE, CONTROL_CONNECTION_TIME, CONTROL_CONNECTIONS_MAX, CONTROL_HANDSHAKE_TIME, CONTROL_HANDSHAKES_MAX,
    CONTROL_HEADER_TIME, CONTROL_KEEP_ALIVE, CONTROL_SEND_BUFFER_SIZE, CONTROL_STREAMS_MAX,
};

/// A running control port.
pub struct ControlPort {
    state: Arc<ControlState>,
    in_force: Arc<Mutex<InForce>>,
    ending: CancellationToken,
    connections: TaskTracker,
}

/// What connections begin with.
#[derive(Clone)]
struct InForce {
    tls: Arc<Tls>,
    /// Whoever began with this is to connect anew.
    over: CancellationToken,
}

/// What the control port shows and whom it believes, not in force yet.
pub(crate) struct PreparedControl {
    tls: Arc<Tls>,
    shown: Shown,
}

impl ControlPort {
    /// Starts serving on a socket that is bound already. Must be called within a runtime.
    ///
    /// # Errors
    /// If certificate and key do not belong together, an authority is no certificate, or the system refuses the socket.
    pub fn start(state: Arc<ControlState>, settings: &ControlSettings, listener: TcpListener) -> anyhow::Result<Self> {
        let tls = Arc::new(Tls::new(settings, &state.installation.engine)?);
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let router = router(&state)?;
        let in_force = Arc::new(Mutex::new(InForce { tls, over: CancellationToken::new() }));
        let port = Self { state, in_force, ending: CancellationToken::new(), connections: TaskTracker::new() };
        let state = Arc::clone(&port.state);
        let (in_force, ending) = (Arc::clone(&port.in_force), port.ending.clone());
        let accept = accept(listener, in_force, (state, router), ending, port.connections.clone());
        port.connections.spawn(accept);
        Ok(port)
    }

    /// Makes ready what the port is to show, and whom it is to believe.
    ///
    /// # Errors
    /// As [`ControlPort::start`].
    pub(crate) fn prepare(&self, settings: &ControlSettings) -> anyhow::Result<PreparedControl> {
        let tls = Arc::new(Tls::new(settings, &self.state.installation.engine)?);
        Ok(PreparedControl { tls, shown: Shown::of(settings)? })
    }

    /// New connections begin with this. Those that are there go on, unless they are to be judged anew: then they finish what they have begun, and their clients connect again.
    pub(crate) fn put_in_force(&self, prepared: PreparedControl, judge_anew: bool) {
        let PreparedControl { tls, shown } = prepared;
        *self.state.shown.lock() = Arc::new(shown);
        let mut in_force = self.in_force.lock();
        in_force.tls = tls;
        if judge_anew {
            std::mem::take(&mut in_force.over).cancel();
        }
    }

    /// Why the last reload has failed, if it has.
    pub(crate) fn note_reload(&self, failure: Option<String>) {
        *self.state.reload_failure.lock() = failure;
    }

    /// Takes no more connections and requests, finishes those that have been read, after `grace` at the latest.
    pub async fn drain(self, grace: Duration) {
        self.ending.cancel();
        self.connections.close();
        if timeout(grace, self.connections.wait()).await.is_err() {
            tracing::warn!(
                connections = self.connections.len(),
                "control port: some requests were not finished in time"
            );
        }
    }
}

async fn accept(
    listener: tokio::net::TcpListener,
    in_force: Arc<Mutex<InForce>>,
    (state, router): (Arc<ControlState>, Router),
    ending: CancellationToken,
    connections: TaskTracker,
) {
    let (handshakes, places) =
        (Arc::new(Semaphore::new(CONTROL_HANDSHAKES_MAX)), Arc::new(Semaphore::new(CONTROL_CONNECTIONS_MAX)));
    loop {
        let accepted = tokio::select! {
            () = ending.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "control port: no connection accepted");
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Ok(handshake) = Arc::clone(&handshakes).try_acquire_owned() else {
            state.counts.refused();
            tracing::warn!("control port: {CONTROL_HANDSHAKES_MAX} handshakes are under way, one more is refused");
            continue;
        };
        let (in_force, router, ending, places, state) =
            (in_force.lock().clone(), router.clone(), ending.clone(), Arc::clone(&places), Arc::clone(&state));
        connections.spawn(async move {
            let peer = stream.peer_addr().map(|peer| peer.ip().to_canonical().to_string()).unwrap_or_default();
            let Some((stream, caller)) = meet(stream, &in_force.tls, &ending, handshake).await else {
                state.counts.refused();
                let refused = Refused { client: peer.clone(), store: None, reason: HANDSHAKE_REFUSED };
                return state.installation.engine.tell_refused(refused, &peer);
            };
            // Only now, so that strangers take no places of those who are known.
            let Ok(_place) = places.try_acquire() else {
                state.counts.refused();
                return tracing::warn!(%caller, "control port: {CONTROL_CONNECTIONS_MAX} connections are open, one more is refused");
            };
            serve(stream, caller, router, (ending, in_force.over)).await;
        });
    }
}

/// The handshake: whoever comes out of it is an administrator by configuration, or a person who is known.
async fn meet(
    stream: TcpStream,
    tls: &Tls,
    ending: &CancellationToken,
    _place: OwnedSemaphorePermit,
) -> Option<(TlsStream<TcpStream>, Caller)> {
    let peer = stream.peer_addr().ok();
    // Waiting to put small writes together would only delay answers; a socket that refuses serves all the same.
    let _ = stream.set_nodelay(true);
    let (config, meeting) =
        tls.handshake().inspect_err(|error| tracing::error!(%error, "control port: no handshake can be made")).ok()?;
    let handshake = tokio::select! {
        () = ending.cancelled() => return None,
        handshake = timeout(CONTROL_HANDSHAKE_TIME, TlsAcceptor::from(config).accept(stream)) => handshake,
    };
    let stream = match handshake {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            tracing::info!(?peer, %error, "control port: handshake refused");
            return None;
        }
        Err(_) => {
            tracing::info!(?peer, "control port: handshake not finished in time");
            return None;
        }
    };
    Some((stream, meeting.caller()?))
}

async fn serve(
    stream: TlsStream<TcpStream>,
    caller: Caller,
    router: Router,
    (ending, over): (CancellationToken, CancellationToken),
) {
    let (socket, session) = stream.get_ref();
    let peer = socket.peer_addr().ok();
    let http2 = session.alpn_protocol() == Some(HTTP2);
    tracing::debug!(?peer, %caller, "control port: connected");
    let service = router.map_request(move |mut request: http::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(caller.clone());
        request.map(axum::body::Body::new)
    });
    let server = http_server(http2);
    let connection = server.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => Some(ended),
        () = ending.cancelled() => None,
        () = over.cancelled() => None,
        () = sleep(CONTROL_CONNECTION_TIME) => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        None => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(?peer, error, "control port: connection broke");
    }
}

fn http_server(http2: bool) -> auto::Builder<TokioExecutor> {
    // The handshake has told which of the two is spoken, so nothing is guessed from the first bytes.
    let server = auto::Builder::new(TokioExecutor::new());
    let mut server = if http2 { server.http2_only() } else { server.http1_only() };
    // Without a timer the time limits of the library do nothing.
    server.http1().timer(TokioTimer::new()).header_read_timeout(CONTROL_HEADER_TIME);
    server
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(CONTROL_STREAMS_MAX)
        .max_send_buf_size(CONTROL_SEND_BUFFER_SIZE)
        .keep_alive_interval(CONTROL_KEEP_ALIVE)
        .keep_alive_timeout(CONTROL_KEEP_ALIVE);
    server
}

/// Why, as the audit log has it: who it was, nobody knows.
const HANDSHAKE_REFUSED: &str = "control port: no handshake with a certificate of an administrator";
