//! The engine: what a daemon starts, asks and changes.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;

use crate::act::Act;
use crate::approval;
use crate::audit::{AuditOptions, Auditor};
use crate::cache::{Cache, CacheActivity, KeyEntry, LoadError, StoreSlot, Stores};
use crate::clock::Clock;
use crate::crypto::random::Random;
use crate::emergency;
use crate::epoch::Epochs;
use crate::error::Error;
use crate::fill::Filler;
use crate::follow::Follower;
use crate::hierarchy::SystemKeys;
use crate::key::client::ClientName;
use crate::key::id::{KeyId, StoreId};
use crate::key::name::Name;
use crate::lane::{Claim, Pool, PoolFull, Urgency};
use crate::ledger::{Books, Ledger};
use crate::limits::{COMPUTE_NICENESS, COMPUTE_QUEUE_SIZE, STORAGE_QUEUE_SIZE, STORAGE_THREADS};
use crate::operation::ReadScope;
use crate::record::vault::Vault;
use crate::renewal::{Renewed, Renewer};
use crate::schedule::{Schedule, Scheduler};
use crate::shred::ShredTable;
use crate::source::VaultSource;
use crate::storage::Storage;
use crate::unreadable::Told;
use crate::usage::{Client, DueByUse, Gathered, UseCounts, UseStatistics, UseWriter};
use crate::waiters::{KeyWait, KeyWaiters};
use crate::worker::{PinnedKey, Worker};

/// Keys of one installation: in storage, in memory, and at work.
///
/// Frames go through a [`Worker`], changes through the methods of `change/`, and both are tied together by following storage. It is a handle: [`Engine::on_behalf_of`] gives
/// another one, whose changes are somebody's.
///
/// Dropping the last handle ends its threads and waits for them. Then it has let go of storage: if nobody else holds that, it is closed.
pub struct Engine {
    // Dropped in this order: first the threads, then what they use.
    running: Arc<Running>,
    pub(crate) ledger: Ledger,
}

/// What all handles of one engine share: its threads, and what they keep up to date.
struct Running {
    /// There is one as soon as the cache is to be filled.
    filler: OnceLock<Filler>,
    renewer: Renewer,
    _scheduler: Scheduler,
    schedule: Arc<Schedule>,
    compute: Pool,
    storage_lane: Pool,
    _use_writer: UseWriter,
    cache: Arc<Cache>,
    stores: Arc<Stores>,
    waiters: Arc<KeyWaiters>,
}

/// What an engine is made of.
pub struct EngineParts {
    /// Where records are.
    pub storage: Arc<dyn Storage>,
    /// The unwrapped system keys.
    pub system_keys: SystemKeys,
    /// The shred secrets, of the same installation.
    pub shred_table: Arc<ShredTable>,
    /// Source of random bytes.
    pub random: Arc<dyn Random>,
    /// Source of time.
    pub clock: Arc<dyn Clock>,
    /// How many unwrapped keys are kept in memory, 2 at least. A version of a symmetric key takes some 500 bytes, one of an RSA key some 10 KB.
    pub cached_keys_max: usize,
    /// Threads of the compute pool.
    pub compute_threads: usize,
    /// Where the audit log is. Without one, nothing of what is changed is recorded: for programs that only look at a storage, or try one out.
    pub audit: Option<AuditOptions>,
}

impl Engine {
    /// An engine over `parts`. Reads the key stores, and proves thereby that the system keys belong to this storage.
    ///
    /// # Errors
    /// [`Error::Damaged`] or [`Error::SystemKeyMissing`] if they do not, [`Error::ShredTable`] if that is of another installation, [`Error::Storage`], [`Error::Closed`] if the system gives no threads.
    pub fn start(parts: EngineParts) -> Result<Arc<Self>, Error> {
        let EngineParts { storage, system_keys, shred_table, random, clock, cached_keys_max, compute_threads, audit } =
            parts;
        shred_table.must_belong_to(system_keys.installation())?;
        let revision = storage.revision();
        let watch = storage.watch(revision).map_err(|_| Error::Closed)?;
        let stores = Arc::new(Stores::default());
        let vault = Arc::new(Vault::new(storage, system_keys, Arc::clone(&random)));
        approval::begin(&vault)?;
        emergency::begin(&vault)?;
        let audit = audit.map(|options| Auditor::start(&vault, &*random, &clock, options)).transpose()?;
        let (use_counts, soon) = UseCounts::open(Arc::clone(&vault), Arc::clone(&clock))?;
        let use_counts = Arc::new(use_counts);
        let (due_by_use, woken) = DueByUse::new();
        let statistics =
            UseStatistics::new(Arc::clone(&vault), Arc::clone(&clock), use_counts.signal(), Arc::new(due_by_use));
        let statistics = Arc::new(statistics.counted_by(audit.as_ref().map(Auditor::counts)));
        let source = Arc::new(VaultSource::new(vault, Arc::clone(&stores), Arc::clone(&use_counts), shred_table));
        source.refresh_stores()?;
        source.refresh_persons()?;
        source.refresh_lock();
        let cache = Arc::new(Cache::new(cached_keys_max));
        let waiters = Arc::<KeyWaiters>::default();
        let follower = Follower::start(
            watch,
            revision,
            Arc::clone(&cache),
            Arc::clone(&source),
            Arc::clone(&waiters),
            audit.as_ref().and_then(Auditor::feed),
        )?;
        let pool = |name, threads, queue, urgency| Pool::new(name, threads, queue, urgency).map_err(|_| Error::Closed);
        let ledger = Ledger::new(Books {
            follower,
            audit,
            source,
            statistics: Arc::clone(&statistics),
            random,
            clock,
            epochs: Epochs::new(),
            renewed: Renewed::default(),
            unreadable: Told::default(),
            imports: Mutex::default(),
            looked_at_once: Mutex::default(),
            asking: Mutex::default(),
            access: Mutex::default(),
        });
        ledger.reserve_named_slots()?;
        ledger.resume_destructions()?;
        let schedule = Schedule::new(ledger.on_behalf_of(Act::of_engine("schedule")));
        let running = Running {
            filler: OnceLock::new(),
            renewer: Renewer::start(ledger.clone())?,
            _scheduler: Scheduler::start(Arc::clone(&schedule), woken)?,
            schedule,
            compute: pool("compute", compute_threads, COMPUTE_QUEUE_SIZE, Urgency::Later(COMPUTE_NICENESS))?,
            storage_lane: pool("storage", STORAGE_THREADS, STORAGE_QUEUE_SIZE, Urgency::Usual)?,
            _use_writer: UseWriter::start(use_counts, statistics, soon)?,
            cache,
            stores,
            waiters,
        };
        let engine = Self { running: Arc::new(running), ledger };
        if let Some(locked) = engine.locked() {
            tracing::warn!(
                by = locked.by,
                reason = locked.reason,
                "the daemon is locked: no key is used until somebody unlocks it (`claviger emergency unlock`)"
            );
        }
        Ok(Arc::new(engine))
    }

    /// The same engine, whose changes are made on behalf of somebody.
    #[must_use]
    pub fn on_behalf_of(&self, act: Act) -> Self {
        self.with_ledger(self.ledger.on_behalf_of(Arc::new(act)))
    }

    /// The same engine with another handle of its ledger.
    pub(crate) fn with_ledger(&self, ledger: Ledger) -> Self {
        Self { running: Arc::clone(&self.running), ledger }
    }

    /// A worker, for one thread that serves frames.
    #[must_use]
    pub fn worker(self: &Arc<Self>) -> Worker {
        Worker::new(Arc::clone(self), self.ledger.epochs.register())
    }

    /// Source of random bytes, for the scopes of reads.
    #[must_use]
    pub fn random(&self) -> &dyn Random {
        &*self.ledger.random
    }

    /// A client that is about to use keys, by what it shows. To be held while it is connected: without it, what it does is counted as that of others.
    pub fn client(&self, name: ClientName) -> Client {
        self.ledger.statistics.client(name)
    }

    /// A scope for what one read of a socket of `client` has brought, which counts what is done in it when it is dropped.
    #[must_use]
    pub fn read_scope(&self, client: &Client) -> ReadScope<'_> {
        ReadScope::counted(self.random(), Gathered::new(self.ledger.statistics.tallies(), client.number()))
    }

    /// Writes the use of keys that is not written yet, as a thread of the engine does each second, if that does not take long. Blocks: not to be called from inside a frame.
    pub fn write_uses(&self) {
        self.ledger.statistics.write(|| {});
    }

    /// The pool for work that takes long.
    #[must_use]
    pub fn compute(&self) -> &Pool {
        &self.running.compute
    }

    /// The pool for what reads storage.
    #[must_use]
    pub fn storage_lane(&self) -> &Pool {
        &self.running.storage_lane
    }

    /// How many unwrapped keys are in memory.
    #[must_use]
    pub fn cached_keys(&self) -> usize {
        self.running.cache.loaded()
    }

    /// What goes on in the cache.
    #[must_use]
    pub fn cache_activity(&self) -> CacheActivity {
        self.running.cache.activity()
    }

    /// Has all keys loaded that find room in the cache, on a thread that is behind all others, so that they are there when they are used; and again whenever the daemon is unlocked. By
    /// default nothing is unwrapped that nobody uses. Called again, it does nothing.
    ///
    /// # Errors
    /// [`Error::Closed`] if the system gives no thread.
    pub fn fill_cache(&self) -> Result<(), Error> {
        let Running { filler, cache, .. } = &*self.running;
        if filler.get().is_none() {
            let source = Arc::clone(&self.ledger.source);
            let started = Filler::start(Arc::clone(cache), source, Arc::clone(&self.ledger.clock))?;
            // If somebody else was faster, his is the one.
            let _ = filler.set(started);
        }
        Ok(())
    }

    /// Ends for good what [`Engine::fill_cache`] has begun, after the key at hand.
    pub fn stop_filling(&self) {
        self.running.filler.get().iter().for_each(|filler| filler.stop());
    }

    /// Whether the cache is being filled.
    #[must_use]
    pub fn is_filling(&self) -> bool {
        self.running.filler.get().is_some_and(Filler::is_filling)
    }

    /// Nothing keeps the cache from being filled any more.
    pub(crate) fn fill_again(&self) {
        self.running.filler.get().iter().for_each(|filler| filler.wake());
    }

    /// Brings a key into the cache. `done` is called once, on another thread or at once, when it is there or cannot be; it must not block.
    /// However many ask for the same key, it is loaded once.
    pub fn load(self: &Arc<Self>, id: KeyId, done: impl FnOnce(Result<(), LoadError>) + Send + 'static) {
        self.load_for(Claim::COMMON, id, done);
    }

    /// As [`Engine::load`], when the turn of its key store and of its connection comes, as far as they are known: of the first that asks.
    pub fn load_for(
        self: &Arc<Self>,
        claim: Claim,
        id: KeyId,
        done: impl FnOnce(Result<(), LoadError>) + Send + 'static,
    ) {
        if self.is_locked() {
            return done(Err(LoadError::Locked));
        }
        let Some(job) = self.running.cache.request(id, Box::new(done)) else { return };
        let source = Arc::clone(&self.ledger.source);
        // Dropping the job with a full pool tells its waiters so.
        let work = move || {
            job.run(&*source);
            None
        };
        if let Err(PoolFull(job)) = self.running.storage_lane.submit_for(claim, Box::new(work)) {
            drop(job);
        }
    }

    /// Has `changed` called once, on another thread, when this key or its store next changes, unless what is given back is dropped before. `changed` hands over and returns, it
    /// does no work. Whoever looks at the key again after this has returned, inside the same frame, misses no change.
    pub fn wait_for_change(&self, key: &KeyEntry, changed: impl FnOnce() + Send + 'static) -> KeyWait {
        self.running.waiters.wait(key.id(), key.store().id(), changed)
    }

    /// How many wait for the change of a key.
    #[must_use]
    pub fn waits_for_changes(&self) -> usize {
        self.running.waiters.count()
    }

    /// The key of this id if it is in memory, to be held while a request waits, so that it is still there afterwards.
    #[must_use]
    pub fn pin(&self, id: KeyId) -> Option<PinnedKey> {
        PinnedKey::of(&self.running.cache.slot(id)?)
    }

    /// Does what the clocks have made due: rotations, deletions, and the end of what is kept of deleted keys. A thread of the engine does so each minute.
    /// Gives the number of keys that were changed; what fails for one key is logged. Blocks as every change does: not to be called from inside a frame.
    ///
    /// # Errors
    /// [`Error::Storage`], [`Error::Closed`]: the rest waits for the next time.
    pub fn do_due(&self) -> Result<usize, Error> {
        self.running.schedule.do_due()
    }

    /// Whether what is due was not looked at for several minutes, because it cannot be, or because there is too much: rotations and deletions are late then.
    #[must_use]
    pub fn schedule_is_stalled(&self) -> bool {
        self.running.schedule.is_stalled()
    }

    /// The key store of this name, if there is one.
    #[must_use]
    pub fn store_by_name(&self, name: &Name) -> Option<Arc<StoreSlot>> {
        self.running.stores.by_name(name)
    }

    /// The key store of this id, if there is one.
    #[must_use]
    pub fn store_by_id(&self, id: StoreId) -> Option<Arc<StoreSlot>> {
        self.running.stores.by_id(id)
    }

    /// What the wall clock of the engine says, in milliseconds since 1970: the clock by which authentication data end.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        self.ledger.clock.now_ms()
    }

    /// How long the process has been running by the clock of the engine: the clock of quotas and refusals, which nobody sets.
    #[must_use]
    pub fn monotonic(&self) -> Duration {
        self.ledger.clock.monotonic()
    }

    /// All key stores, in the order of their names.
    #[must_use]
    pub fn stores(&self) -> Vec<Arc<StoreSlot>> {
        let mut stores = self.running.stores.all();
        stores.sort_by_cached_key(|store| store.policy().name.clone());
        stores
    }

    /// Counts the changes of who may come in to key stores: a number that is the same as before says that there was none.
    #[must_use]
    pub fn access_generation(&self) -> u64 {
        self.ledger.source.generation()
    }

    /// Whether no key is used: [`Engine::locked`] says more.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        self.ledger.source.lock.is_locked()
    }

    /// What frames look at.
    pub(crate) fn in_memory(&self) -> (&Cache, &Stores) {
        (&self.running.cache, &self.running.stores)
    }

    /// Those who wait for a change of a key, or of its store.
    pub(crate) fn waiters(&self) -> &KeyWaiters {
        &self.running.waiters
    }

    /// Counts of uses of keys with a limit.
    pub(crate) fn use_counts(&self) -> &UseCounts {
        self.ledger.use_counts()
    }

    /// What protects records anew after a rotation of the system key.
    pub(crate) fn renewer(&self) -> &Renewer {
        &self.running.renewer
    }

    /// The vault.
    pub(crate) fn vault(&self) -> &Vault {
        self.ledger.vault()
    }
}
