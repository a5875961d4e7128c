//! Filling the cache: keys are loaded before they are used first, if that is wanted.
//!
//! A thread walks over all keys, in the order of their addresses, and loads those that are not in memory, as requests would have them loaded; nobody waits for its loads, and for its locks as for those of any other. It ends when it has
//! seen all of them or when the cache is full, and never puts one in another's place. What is changed, created or used meanwhile needs nothing of it: whoever asks for a key has it
//! loaded.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

use crossbeam_channel::{Receiver, Sender};

use crate::cache::{Cache, Unasked};
use crate::clock::Clock;
use crate::error::Error;
use crate::key::id::KeyId;
use crate::lane::Urgency;
use crate::limits::{FILL_NICENESS, SCAN_PAGE_RECORDS};
use crate::record::address::{self, Holds};
use crate::source::VaultSource;

/// The thread that fills the cache: once when it is started, and again whenever it is woken. Dropping it ends the thread after the key at hand.
pub(crate) struct Filler {
    progress: Arc<Progress>,
    /// Dropped, it ends the thread's waiting.
    waker: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What is told of it, and what it is told.
#[derive(Default)]
struct Progress {
    /// How often a walk was asked for.
    wanted: AtomicU64,
    /// How many of those have been, by what was asked for when the last one began.
    done: AtomicU64,
    ending: AtomicBool,
}

impl Filler {
    /// Starts the thread, behind all others.
    ///
    /// # Errors
    /// [`Error::Closed`] if the system gives no thread.
    pub(crate) fn start(cache: Arc<Cache>, source: Arc<VaultSource>, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        let progress = Arc::<Progress>::default();
        let (waker, woken) = crossbeam_channel::bounded(1);
        let walk = Walk { cache, source, clock, progress: Arc::clone(&progress) };
        let thread = thread::Builder::new().name("fill-cache".into()).spawn(move || walk.run(&woken));
        let filler = Self { progress, waker: Some(waker), thread: Some(thread.map_err(|_| Error::Closed)?) };
        filler.wake();
        Ok(filler)
    }

    /// Has it look for keys that are not in memory, after the walk at hand if there is one.
    pub(crate) fn wake(&self) {
        self.progress.wanted.fetch_add(1, Ordering::SeqCst);
        // If one waits already, that one is enough.
        let _ = self.waker.as_ref().map(|waker| waker.try_send(()));
    }

    /// Ends it for good, after the key at hand. Does not wait for that.
    pub(crate) fn stop(&self) {
        self.progress.ending.store(true, Ordering::Relaxed);
    }

    /// Whether keys are being loaded, or are about to be.
    pub(crate) fn is_filling(&self) -> bool {
        let Progress { wanted, done, ending } = &*self.progress;
        !ending.load(Ordering::Relaxed) && done.load(Ordering::SeqCst) != wanted.load(Ordering::SeqCst)
    }
}

impl Drop for Filler {
    fn drop(&mut self) {
        self.stop();
        self.waker = None;
        if let Some(thread) = self.thread.take() {
            // If it panicked, that has been reported where it happened.
            let _ended = thread.join();
        }
    }
}

/// What a walk over all keys needs.
struct Walk {
    cache: Arc<Cache>,
    source: Arc<VaultSource>,
    clock: Arc<dyn Clock>,
    progress: Arc<Progress>,
}

/// What one walk has done.
#[derive(Default)]
struct Filled {
    keys: u64,
    /// Keys that cannot be read.
    faulty: u64,
    /// One of them, and why.
    first_fault: Option<(KeyId, String)>,
}

/// Why a walk ended.
enum End {
    /// All keys were seen.
    Done,
    /// No more keys find room.
    Full,
    /// Nothing may be unwrapped: it begins anew when somebody unlocks.
    Locked,
    /// The engine, or the daemon, ends.
    Stopped,
}

impl Walk {
    fn run(&self, woken: &Receiver<()>) {
        Urgency::Later(FILL_NICENESS).take_up();
        while woken.recv().is_ok() && !self.is_ending() {
            let wanted = self.progress.wanted.load(Ordering::SeqCst);
            self.fill();
            self.progress.done.store(wanted, Ordering::SeqCst);
        }
    }

    fn fill(&self) {
        if self.source.lock.is_locked() {
            return;
        }
        let began_ms = self.clock.monotonic_ms();
        tracing::info!("the cache is filled: keys are loaded before they are used");
        let mut filled = Filled::default();
        let ended = self.walk(&mut filled);
        let seconds = self.clock.monotonic_ms().saturating_sub(began_ms) / 1_000;
        let Filled { keys, faulty, first_fault } = filled;
        if let Some((key, error)) = first_fault {
            tracing::error!(keys = faulty, first = %key, error, "keys could not be loaded before they are used: each is tried again when it is used, and then logged");
        }
        match ended {
            Ok(End::Done) => tracing::info!(keys, seconds, "the cache is filled: all keys were seen"),
            Ok(End::Full) => tracing::info!(
                keys,
                seconds,
                keys_max = self.cache.activity().keys_max,
                "the cache is full: the other keys are loaded when they are used"
            ),
            Ok(End::Locked) => {
                tracing::info!(keys, seconds, "filling the cache has ended: the daemon is locked");
            }
            Ok(End::Stopped) => tracing::info!(keys, seconds, "filling the cache has ended with the daemon"),
            Err(error) => {
                tracing::error!(%error, keys, seconds, "the cache cannot be filled: the other keys are loaded when they are used");
            }
        }
    }

    /// Loads what there is, page by page.
    fn walk(&self, filled: &mut Filled) -> Result<End, Error> {
        let mut after = None;
        loop {
            let storage = self.source.vault.storage();
            let page = storage.scan(&address::all_keys(), after.as_ref(), SCAN_PAGE_RECORDS)?;
            let Some((last, _)) = page.last() else { return Ok(End::Done) };
            after = Some(last.clone());
            for (address, _) in page {
                if self.is_ending() {
                    return Ok(End::Stopped);
                }
                let Some(Holds::Key(id)) = address::holds(&address) else { continue };
                if !self.cache.has_room() {
                    return Ok(End::Full);
                }
                match self.cache.load_unasked(id, &*self.source) {
                    Ok(Unasked::Loaded) => filled.keys += 1,
                    Ok(Unasked::NotNeeded) => {}
                    Ok(Unasked::NoRoom) => return Ok(End::Full),
                    Ok(Unasked::Faulty(error)) => {
                        filled.faulty += 1;
                        filled.first_fault.get_or_insert((id, error));
                    }
                    Err(Error::Locked) => return Ok(End::Locked),
                    Err(error) => return Err(error),
                }
            }
        }
    }

    fn is_ending(&self) -> bool {
        self.progress.ending.load(Ordering::Relaxed)
    }
}
