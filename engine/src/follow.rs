//! Following storage: each change that it reports brings the cache up to date. There is no other way of invalidation.

use std::sync::{Arc, Weak};

use parking_lot::{Condvar, Mutex};

use crate::cache::Cache;
use crate::error::Error;
use crate::record::address::{self, Changed};
use crate::source::VaultSource;
use crate::storage::{Change, Revision, Watch, WatchError};

/// How far the cache has followed storage.
pub(crate) struct Followed {
    state: Mutex<State>,
    progress: Condvar,
}

struct State {
    revision: Revision,
    ended: bool,
}

impl Followed {
    pub(crate) fn from(revision: Revision) -> Arc<Self> {
        Arc::new(Self { state: Mutex::new(State { revision, ended: false }), progress: Condvar::new() })
    }

    /// Waits until the changes up to `revision` are in the cache.
    ///
    /// # Errors
    /// [`Error::Closed`] if nobody follows any more: the change is durable, but this process serves no more.
    pub(crate) fn wait_for(&self, revision: Revision) -> Result<(), Error> {
        let mut state = self.state.lock();
        while state.revision < revision {
            if state.ended {
                return Err(Error::Closed);
            }
            self.progress.wait(&mut state);
        }
        Ok(())
    }

    fn advance(&self, revision: Revision) {
        let mut state = self.state.lock();
        state.revision = state.revision.max(revision);
        self.progress.notify_all();
    }

    fn end(&self) {
        self.state.lock().ended = true;
        self.progress.notify_all();
    }
}

/// Follows until storage is closed, which happens when the engine that owns it is dropped. Runs on a thread of its own, and keeps nothing of the engine alive.
pub(crate) fn follow(mut watch: Watch, cache: &Weak<Cache>, source: &Weak<VaultSource>, followed: &Followed) {
    loop {
        let news = watch.next();
        let (Some(cache), Some(source)) = (cache.upgrade(), source.upgrade()) else { break };
        match news {
            Ok(change) => {
                apply(&change, &cache, &source);
                followed.advance(change.revision);
            }
            Err(WatchError::Behind) => match catch_up(&cache, &source) {
                Ok((anew, revision)) => {
                    watch = anew;
                    followed.advance(revision);
                }
                Err(error) => {
                    tracing::error!(%error, "storage cannot be followed any more: changes are refused until the next start");
                    break;
                }
            },
            Err(WatchError::Closed) => break,
        }
    }
    followed.end();
}

/// After falling behind: reads everything again that is read at start, and forgets the rest.
fn catch_up(cache: &Cache, source: &VaultSource) -> Result<(Watch, Revision), Error> {
    let storage = source.vault.storage();
    let revision = storage.revision();
    let watch = storage.watch(revision).map_err(|_| Error::Closed)?;
    source.refresh_stores()?;
    cache.forget_all();
    Ok((watch, revision))
}

fn apply(change: &Change, cache: &Cache, source: &VaultSource) {
    let mut changed: Vec<_> = change.addresses.iter().map(address::changed).collect();
    // A key and its new version change together: one refresh is enough.
    changed.dedup();
    for changed in changed {
        match changed {
            Changed::Key(id) => cache.refresh(id, source),
            Changed::KeyStore(id) => source.refresh_store(id),
            Changed::Nothing => {}
        }
    }
}
