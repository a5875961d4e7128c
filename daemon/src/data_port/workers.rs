//! Worker threads: each has its own single-threaded runtime, its own view of the engine, and its share of the connections.

use std::cell::RefCell;
use std::net::{SocketAddr, TcpStream};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::Context;
use claviger_engine::audit::RequestQueue;
use claviger_engine::{Engine, Worker};
use parking_lot::RwLock;
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use tokio::runtime::{Builder, Handle};
use tokio::sync::mpsc;
use tokio::task::LocalSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::busy_poll::{BusyPoll, has_core};
use super::connection::Conditions;
use super::connection_counts::{ConnectionCounts, Refusal};
use super::identity::Transport;
use super::quota::{AllQuotas, WorkerQuotas};
use super::room::Budgets;
use super::scratch::Scratch;
use super::tally::WorkerTally;
use super::{DataPortSettings, Times, quic, tcp};
use crate::config::cores;
use crate::neighbours::Neighbours;

/// What all connections share.
pub(super) struct Service {
    pub(super) engine: Arc<Engine>,
    pub(super) provider: Arc<CryptoProvider>,
    tls: RwLock<Arc<ServerConfig>>,
    pub(super) neighbours: Arc<Neighbours>,
    pub(super) budgets: Budgets,
    pub(super) quotas: Arc<AllQuotas>,
    pub(super) idle: Duration,
    busy_poll: Duration,
    cores: usize,
    workers: usize,
    pub(super) times: Times,
    /// No new connections, no new requests.
    pub(super) drain: CancellationToken,
    /// Everything ends now.
    pub(super) cut: CancellationToken,
    /// The acceptors and the connections.
    pub(super) tasks: TaskTracker,
    pub(super) counts: Arc<ConnectionCounts>,
    connections: Arc<AtomicUsize>,
    connections_max: AtomicUsize,
}

/// A place for one connection, given back when it is dropped.
pub(super) struct Place {
    transport: Transport,
    counts: Arc<ConnectionCounts>,
    connections: Arc<AtomicUsize>,
    worker_load: Arc<AtomicUsize>,
}

/// The worker threads.
pub(super) struct Workers(Vec<WorkerThread>);

struct WorkerThread {
    queue: mpsc::UnboundedSender<NewConnection>,
    runtime: Handle,
    load: Arc<AtomicUsize>,
    tally: Arc<WorkerTally>,
    thread: Option<JoinHandle<()>>,
}

/// A connection on its way to its worker.
pub(super) enum NewConnection {
    Tcp(TcpStream, SocketAddr, Place),
    Quic(quinn::Connecting, Place),
}

/// What a worker thread has for its connections.
#[derive(Clone)]
pub(super) struct WorkerContext {
    pub(super) service: Arc<Service>,
    /// Borrowed for one turn of work, never over an await.
    pub(super) worker: Rc<RefCell<Worker>>,
    /// What its connections read into and write from.
    pub(super) scratch: Scratch,
    /// What keeps it from sleeping.
    busy_poll: BusyPoll,
    /// What its connections count.
    pub(super) tally: Arc<WorkerTally>,
    /// Where they tell of requests that are recorded one by one.
    pub(super) requests: Option<Arc<RequestQueue>>,
    /// What they may have done.
    pub(super) quotas: WorkerQuotas,
}

impl Service {
    pub(super) fn new(
        engine: Arc<Engine>,
        provider: Arc<CryptoProvider>,
        tls: Arc<ServerConfig>,
        neighbours: Arc<Neighbours>,
        settings: &DataPortSettings,
    ) -> Self {
        let workers = settings.workers.max(1);
        let quotas = AllQuotas::new(Arc::clone(&engine), workers);
        Self {
            engine,
            provider,
            tls: RwLock::new(tls),
            neighbours,
            budgets: Budgets::new(),
            quotas,
            idle: settings.idle,
            busy_poll: settings.busy_poll,
            cores: cores(),
            workers,
            times: settings.times,
            drain: CancellationToken::new(),
            cut: CancellationToken::new(),
            tasks: TaskTracker::new(),
            counts: Arc::default(),
            connections: Arc::default(),
            connections_max: settings.connections_max.into(),
        }
    }

    /// What is shown to connections that come now.
    pub(super) fn tls(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.tls.read())
    }

    pub(super) fn set_tls(&self, tls: Arc<ServerConfig>) {
        *self.tls.write() = tls;
    }

    /// Whether an eighth of the places is taken.
    pub(super) fn is_crowded(&self) -> bool {
        self.connections() >= self.connections_max() / 8
    }

    /// Most connections at once.
    pub(super) fn connections_max(&self) -> usize {
        self.connections_max.load(Ordering::Relaxed)
    }

    pub(super) fn set_connections_max(&self, connections_max: usize) {
        self.connections_max.store(connections_max, Ordering::Relaxed);
    }

    /// Whether no other thread of the engine has use for the core of a worker.
    fn leaves_workers_their_cores(&self) -> bool {
        let jobs = [self.engine.compute(), self.engine.storage_lane()].map(|pool| pool.running() + pool.waiting());
        let others = jobs.into_iter().sum::<usize>() + usize::from(self.engine.is_filling());
        has_core(self.cores, self.workers, others)
    }

    /// Open connections.
    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

impl WorkerContext {
    /// What the worker of this number has. To be called on its thread, where it stays.
    pub(super) fn new(service: Arc<Service>, index: usize, tally: Arc<WorkerTally>) -> Self {
        let worker = Rc::new(RefCell::new(service.engine.worker()));
        let requests = service.engine.request_queue().map(Arc::new);
        let quotas = WorkerQuotas::new(Arc::clone(&service.quotas), index);
        let (scratch, busy_poll) = Default::default();
        Self { service, worker, scratch, busy_poll, tally, requests, quotas }
    }

    /// What byte streams are served under.
    pub(super) fn conditions(&self) -> Conditions<'_> {
        let Service { drain, idle, times, .. } = &*self.service;
        Conditions { drain, idle: *idle, times: *times, scratch: &self.scratch, busy_poll: &self.busy_poll }
    }
}

impl Workers {
    /// Starts the threads.
    pub(super) fn start(service: &Arc<Service>, count: usize) -> anyhow::Result<Self> {
        if !service.busy_poll.is_zero() && !has_core(service.cores, count, 0) {
            let cores = service.cores;
            tracing::warn!(
                workers = count,
                cores,
                "[data] busy_poll_microseconds has no effect with more workers than cores: set fewer workers"
            );
        }
        (0..count.max(1)).map(|index| WorkerThread::start(service, index)).collect::<anyhow::Result<_>>().map(Self)
    }

    /// The runtime of each.
    pub(super) fn runtimes(&self) -> Vec<Handle> {
        self.0.iter().map(|worker| worker.runtime.clone()).collect()
    }

    /// The runtime of the only one; `None` if there are several.
    pub(super) fn only(&self) -> Option<&Handle> {
        match self.0.as_slice() {
            [worker] => Some(&worker.runtime),
            _ => None,
        }
    }

    /// What each of them has counted.
    pub(super) fn tallies(&self) -> impl Iterator<Item = &WorkerTally> {
        self.0.iter().map(|worker| &*worker.tally)
    }

    /// The runtime of the worker with the fewest connections and a place on it; `None` if there are as many connections as there may be.
    pub(super) fn place(&self, service: &Service, transport: Transport) -> Option<(WorkerHandle<'_>, Place)> {
        let connections_max = service.connections_max();
        let one_more = |count: usize| (count < connections_max).then_some(count + 1);
        if service.connections.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).is_err() {
            service.counts.refused(transport, Refusal::Full);
            return None;
        }
        // Dropped, it gives the place back, so it is made before anything can fail.
        let least = self.0.iter().min_by_key(|worker| worker.load.load(Ordering::Relaxed))?;
        least.load.fetch_add(1, Ordering::Relaxed);
        service.counts.opened(transport);
        let place = Place {
            transport,
            counts: Arc::clone(&service.counts),
            connections: Arc::clone(&service.connections),
            worker_load: Arc::clone(&least.load),
        };
        Some((WorkerHandle(least), place))
    }
}

/// One worker, as the acceptors see it.
pub(super) struct WorkerHandle<'w>(&'w WorkerThread);

impl WorkerHandle<'_> {
    /// Its runtime: what is spawned in it runs on the worker's thread.
    pub(super) const fn runtime(&self) -> &Handle {
        &self.0.runtime
    }

    /// Hands a connection over.
    pub(super) fn serve(&self, connection: NewConnection) {
        // Its thread ends only after the acceptors; a connection that comes too late is dropped, which closes it.
        let _ = self.0.queue.send(connection);
    }
}

impl WorkerThread {
    fn start(service: &Arc<Service>, index: usize) -> anyhow::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build().context("no runtime for a worker thread")?;
        let (sender, receiver) = mpsc::unbounded_channel();
        let handle = runtime.handle().clone();
        let service = Arc::clone(service);
        let tally = Arc::<WorkerTally>::default();
        let thread = thread::Builder::new()
            .name(format!("worker-{index}"))
            .spawn({
                let tally = Arc::clone(&tally);
                move || {
                    let context = WorkerContext::new(service, index, tally);
                    LocalSet::new().block_on(&runtime, serve(receiver, context));
                }
            })
            .context("no thread for a worker")?;
        Ok(Self { queue: sender, runtime: handle, load: Arc::default(), tally, thread: Some(thread) })
    }
}

impl Drop for Workers {
    /// Ends the threads. Connections have ended before, or are cut.
    fn drop(&mut self) {
        for mut worker in self.0.drain(..) {
            let thread = worker.thread.take();
            drop(worker);
            if let Some(Err(_)) = thread.map(JoinHandle::join) {
                tracing::error!("a worker thread panicked; this is a fault of the program");
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.counts.closed(self.transport);
        self.connections.fetch_sub(1, Ordering::Relaxed);
        self.worker_load.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Serves what comes until the queue is closed.
async fn serve(mut queue: mpsc::UnboundedReceiver<NewConnection>, context: WorkerContext) {
    let service = Arc::clone(&context.service);
    let busy_poll = BusyPoll::start(service.busy_poll, move || service.leaves_workers_their_cores());
    let context = WorkerContext { busy_poll, ..context };
    while let Some(connection) = queue.recv().await {
        let context = context.clone();
        let tasks = context.service.tasks.clone();
        match connection {
            NewConnection::Tcp(stream, address, place) => {
                tokio::task::spawn_local(tasks.track_future(tcp::serve(stream, address, place, context)));
            }
            NewConnection::Quic(connecting, place) => {
                tokio::task::spawn_local(tasks.track_future(quic::serve(connecting, place, context)));
            }
        }
    }
}
