//! A listener of its own for scrapers and orchestration: plain HTTP/1.1, three paths, nothing that names a client or a key.
//!
//! Whoever reaches it may read it, so it is off unless it is set, and should listen on loopback or a network of its own.

use std::net::TcpListener;
use std::pin::pin;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::super::{ControlState, health};
use super::{MEDIA_TYPE, gather};
use crate::limits::{ACCEPT_PAUSE, LIVENESS_TIME, METRICS_CONNECTION_TIME, METRICS_CONNECTIONS_MAX};

/// A running listener.
pub struct MetricsListener {
    ending: CancellationToken,
    connections: TaskTracker,
}

impl MetricsListener {
    /// Starts serving on a socket that is bound already. Must be called within a runtime.
    ///
    /// # Errors
    /// If the system refuses the socket.
    pub fn start(state: &Arc<ControlState>, listener: TcpListener) -> std::io::Result<Self> {
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let router = Router::new()
            .route("/metrics", get(metrics))
            .route("/health/live", get(live))
            .route("/health/ready", get(ready))
            .with_state(Watched { state: Arc::clone(state), one_at_a_time: Arc::new(Semaphore::new(1)) });
        let (ending, connections) = (CancellationToken::new(), TaskTracker::new());
        connections.spawn(accept(listener, router, ending.clone(), connections.clone()));
        Ok(Self { ending, connections })
    }

    /// Takes no more connections, and answers what has been asked.
    pub async fn end(self) {
        self.ending.cancel();
        self.connections.close();
        self.connections.wait().await;
    }
}

#[derive(Clone)]
struct Watched {
    state: Arc<ControlState>,
    /// However many ask, they take one thread.
    one_at_a_time: Arc<Semaphore>,
}

impl Watched {
    /// What `look` sees, on a thread that may block.
    async fn look<T: Send + 'static>(&self, look: impl FnOnce(&ControlState) -> T + Send + 'static) -> Option<T> {
        let turn = Arc::clone(&self.one_at_a_time).acquire_owned().await.ok()?;
        let state = Arc::clone(&self.state);
        let work = move || {
            let _turn = turn;
            look(&state)
        };
        spawn_blocking(work).await.ok()
    }
}

async fn accept(
    listener: tokio::net::TcpListener,
    router: Router,
    ending: CancellationToken,
    connections: TaskTracker,
) {
    let places = Arc::new(Semaphore::new(METRICS_CONNECTIONS_MAX));
    loop {
        let accepted = tokio::select! {
            () = ending.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _)) = accepted else {
            sleep(ACCEPT_PAUSE).await;
            continue;
        };
        // Dropped, a connection beyond that is closed.
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else { continue };
        let (router, ending) = (router.clone(), ending.clone());
        connections.spawn(async move {
            let _place = place;
            // Over is over: the connection is closed either way.
            let _ = timeout(METRICS_CONNECTION_TIME, serve(stream, router, ending)).await;
        });
    }
}

/// One request: whoever scrapes comes again.
async fn serve(stream: TcpStream, router: Router, ending: CancellationToken) {
    let service = TowerToHyperService::new(router);
    let mut server = http1::Builder::new();
    server.keep_alive(false).timer(TokioTimer::new()).header_read_timeout(METRICS_CONNECTION_TIME);
    let mut connection = pin!(server.serve_connection(TokioIo::new(stream), service));
    // A connection that breaks is the scraper's affair.
    tokio::select! {
        _ = &mut connection => {}
        () = ending.cancelled() => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}

async fn metrics(State(watched): State<Watched>) -> Response {
    match watched.look(gather).await {
        Some(Ok(text)) => ([(CONTENT_TYPE, MEDIA_TYPE)], text).into_response(),
        Some(Err(error)) => {
            tracing::error!(%error, "metrics cannot be gathered");
            (StatusCode::SERVICE_UNAVAILABLE, "storage cannot be read: see the log\n").into_response()
        }
        None => (StatusCode::INTERNAL_SERVER_ERROR, "a fault of the program: see the log\n").into_response(),
    }
}

/// The process is there, and its worker threads take up what they are given.
async fn live(State(watched): State<Watched>) -> Response {
    // None are left when the daemon ends: that is no reason to end it.
    let workers = watched.state.data.lock().as_ref().map(|data| data.workers_answer(LIVENESS_TIME));
    let are_live = match workers {
        Some(answer) => answer.await,
        None => true,
    };
    if are_live {
        "live\n".into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "a worker thread is stuck: restart the daemon\n").into_response()
    }
}

/// Whether everything is served, and if not, what is wrong: in single words, because anybody may read them.
async fn ready(State(watched): State<Watched>) -> Response {
    let parts = watched.look(|state| health::reasons(state).iter().map(|reason| reason.part).collect::<Vec<_>>()).await;
    match parts {
        Some(parts) if parts.is_empty() => "ready\n".into_response(),
        Some(parts) => {
            let text = format!("not ready: {}; `claviger health` says more\n", parts.join(", "));
            (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
        }
        None => (StatusCode::INTERNAL_SERVER_ERROR, "a fault of the program: see the log\n").into_response(),
    }
}
