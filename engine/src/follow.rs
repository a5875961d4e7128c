//! Following storage: each change that it reports brings the cache up to date. There is no other way of invalidation.

use std::sync::Arc;
use std::thread::{self, JoinHandle};

use parking_lot::{Condvar, Mutex};

use crate::audit::AuditFeed;
use crate::cache::Cache;
use crate::error::Error;
use crate::record::address::{self, Changed};
use crate::source::VaultSource;
use crate::storage::{Change, Revision, Watch, WatchError, WatchStopper};
use crate::waiters::KeyWaiters;

/// The thread that follows storage. Dropping it ends the thread and waits for that, so that nothing of the engine is held by it any more.
pub(crate) struct Follower {
    progress: Arc<Progress>,
    thread: Option<JoinHandle<()>>,
}

/// How far the cache has followed storage.
struct Progress {
    state: Mutex<State>,
    moved: Condvar,
}

struct State {
    revision: Revision,
    /// Ends the watch at hand; `None` as soon as nobody follows.
    stopper: Option<WatchStopper>,
}

impl Follower {
    /// Follows from `watch` on, which began at `revision`, on a thread of its own.
    ///
    /// # Errors
    /// [`Error::Closed`] if the system gives no thread.
    pub(crate) fn start(
        watch: Watch,
        revision: Revision,
        cache: Arc<Cache>,
        source: Arc<VaultSource>,
        waiters: Arc<KeyWaiters>,
        audit: Option<AuditFeed>,
    ) -> Result<Self, Error> {
        let state = Mutex::new(State { revision, stopper: Some(watch.stopper()) });
        let progress = Arc::new(Progress { state, moved: Condvar::new() });
        let thread = thread::Builder::new().name("follow-storage".into()).spawn({
            let ending = Ending(Arc::clone(&progress));
            move || follow(watch, &cache, &source, &waiters, audit.as_ref(), &ending.0)
        });
        Ok(Self { progress, thread: Some(thread.map_err(|_| Error::Closed)?) })
    }

    /// Whether changes still reach the cache.
    ///
    /// # Errors
    /// [`Error::Closed`] if they do not: then no change may be made, because it would not come into force here.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.progress.state.lock().stopper.is_some() { Ok(()) } else { Err(Error::Closed) }
    }

    /// Waits until the changes up to `revision` are in the cache.
    ///
    /// # Errors
    /// [`Error::Closed`] if nobody follows any more: the change is durable, but this process serves no more.
    pub(crate) fn wait_for(&self, revision: Revision) -> Result<(), Error> {
        let mut state = self.progress.state.lock();
        while state.revision < revision {
            if state.stopper.is_none() {
                return Err(Error::Closed);
            }
            self.progress.moved.wait(&mut state);
        }
        Ok(())
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        if let Some(stopper) = self.progress.state.lock().stopper.take() {
            stopper.stop();
        }
        if let Some(thread) = self.thread.take() {
            // If it panicked, that has been reported where it happened.
            let _ended = thread.join();
        }
    }
}

impl Progress {
    fn advance(&self, revision: Revision) {
        let mut state = self.state.lock();
        state.revision = state.revision.max(revision);
        self.moved.notify_all();
    }

    /// Goes over to another watch. One that comes after the end is stopped at once.
    fn replace(&self, watch: &Watch) {
        match &mut self.state.lock().stopper {
            Some(stopper) => *stopper = watch.stopper(),
            None => watch.stopper().stop(),
        }
    }
}

/// Tells when following ends, by a panic too, so that no change waits for ever.
struct Ending(Arc<Progress>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.state.lock().stopper = None;
        self.0.moved.notify_all();
    }
}

/// Follows until it is stopped, storage is closed, or storage cannot be followed any more.
fn follow(
    mut watch: Watch,
    cache: &Cache,
    source: &VaultSource,
    waiters: &KeyWaiters,
    audit: Option<&AuditFeed>,
    progress: &Progress,
) {
    loop {
        match watch.next() {
            Ok(change) => {
                let changed = apply(&change, cache, source);
                // Before that, so that whoever waits for the change finds it told.
                audit.iter().for_each(|audit| audit.changed(&change));
                progress.advance(change.revision);
                // After that, so that no change waits for those who wait for it: they look at the key as it is then.
                wake(&changed, waiters);
            }
            Err(WatchError::Behind) => match catch_up(cache, source) {
                Ok((anew, revision)) => {
                    progress.replace(&anew);
                    watch = anew;
                    audit.iter().for_each(|audit| audit.missed());
                    progress.advance(revision);
                    waiters.all_changed();
                }
                Err(error) => {
                    tracing::error!(%error, "storage cannot be followed any more: changes are refused until the next start");
                    return;
                }
            },
            Err(WatchError::Closed | WatchError::Stopped) => return,
        }
    }
}

/// After falling behind: forgets every key, and reads everything again that is read at start.
fn catch_up(cache: &Cache, source: &VaultSource) -> Result<(Watch, Revision), Error> {
    let storage = source.vault.storage();
    let revision = storage.revision();
    let watch = storage.watch(revision).map_err(|_| Error::Closed)?;
    // First, because it cannot fail: whatever comes after it, no key is served as it was before a change that was missed.
    drop(cache.forget_all());
    source.note_alias();
    source.refresh_stores()?;
    source.refresh_persons()?;
    source.refresh_lock();
    Ok((watch, revision))
}

/// Brings the cache up to date; gives what was stale in it.
fn apply(change: &Change, cache: &Cache, source: &VaultSource) -> Vec<Changed> {
    let mut changed: Vec<_> = change.addresses.iter().map(address::changed).collect();
    // A key and its new version change together: one refresh is enough.
    changed.dedup();
    for changed in &changed {
        match changed {
            Changed::Key(id) => cache.refresh(*id, source),
            Changed::KeyStore(id) => source.refresh_store(*id),
            Changed::Person(id) => source.refresh_person(*id),
            Changed::Alias => source.note_alias(),
            Changed::Lock => {
                source.refresh_lock();
                if source.lock.is_locked() {
                    drop(cache.forget_all());
                }
            }
            Changed::Nothing => {}
        }
    }
    changed
}

fn wake(changed: &[Changed], waiters: &KeyWaiters) {
    for changed in changed {
        match changed {
            Changed::Key(id) => waiters.key_changed(*id),
            Changed::KeyStore(id) => waiters.store_changed(*id),
            Changed::Lock => waiters.all_changed(),
            Changed::Person(_) | Changed::Alias | Changed::Nothing => {}
        }
    }
}
