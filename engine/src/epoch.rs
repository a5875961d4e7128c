//! Epochs: a change is acknowledged only after every worker has left the frame that it was in when the change was published.
//!
//! Each worker shows in a cell of its own whether it is inside a frame, and since which epoch. A change publishes its new state, then calls
//! [`Epochs::wait_for_workers`], which begins a new epoch and returns when no worker is inside a frame of an older one. Whoever enters after that
//! sees the published state. Workers never wait and share no counter: entering is one store and one fence.

use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering, fence};

use crossbeam_utils::{Backoff, CachePadded};
use parking_lot::Mutex;

/// The epochs of one engine, and the cells of its workers.
pub struct Epochs {
    current: AtomicU64,
    cells: Mutex<Vec<Arc<Cell>>>,
}

/// The epoch under which a worker is inside a frame, or [`OUTSIDE`].
type Cell = CachePadded<AtomicU64>;

impl Epochs {
    /// Epochs without workers.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::new(Self { current: AtomicU64::new(FIRST), cells: Mutex::new(Vec::new()) })
    }

    /// A cell for one more worker thread. It is given back when the worker is dropped.
    pub fn register(self: &Arc<Self>) -> EpochWorker {
        let cell = Arc::new(CachePadded::new(AtomicU64::new(OUTSIDE)));
        self.cells.lock().push(Arc::clone(&cell));
        EpochWorker { epochs: Arc::clone(self), cell, not_sync: PhantomData }
    }

    /// Waits until every worker that is inside a frame now has left it.
    ///
    /// The caller has published its change before. Must not be called from inside a frame: it would wait for itself.
    pub fn wait_for_workers(&self) {
        // Pairs with the fence in `enter`: either the worker sees what was published before this fence, or we see its cell.
        fence(Ordering::SeqCst);
        let next = self.current.fetch_add(1, Ordering::SeqCst) + 1;
        let cells: Vec<_> = self.cells.lock().clone();
        for cell in cells {
            let backoff = Backoff::new();
            loop {
                let epoch = cell.load(Ordering::SeqCst);
                if epoch == OUTSIDE || epoch >= next {
                    break;
                }
                if backoff.is_completed() { std::thread::yield_now() } else { backoff.snooze() }
            }
        }
    }
}

/// One worker's side of the epochs. Owned by one thread at a time.
pub struct EpochWorker {
    epochs: Arc<Epochs>,
    cell: Arc<Cell>,
    // Two threads that entered through one cell would overwrite each other's mark.
    not_sync: PhantomData<std::cell::Cell<()>>,
}

impl EpochWorker {
    /// Enters a frame. What was published before the last acknowledged change is seen until the guard is dropped.
    ///
    /// `&mut`, so that a worker is in one frame at a time and the guard cannot outlive the worker.
    pub fn enter(&mut self) -> EpochGuard<'_> {
        let epoch = self.epochs.current.load(Ordering::Relaxed);
        self.cell.store(epoch, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        EpochGuard { cell: &self.cell, not_send: PhantomData }
    }
}

impl Drop for EpochWorker {
    fn drop(&mut self) {
        self.epochs.cells.lock().retain(|cell| !Arc::ptr_eq(cell, &self.cell));
    }
}

/// Being inside a frame. Short: no await and no storage access happens while it lives.
pub struct EpochGuard<'a> {
    cell: &'a Cell,
    not_send: PhantomData<*const ()>,
}

impl Drop for EpochGuard<'_> {
    fn drop(&mut self) {
        self.cell.store(OUTSIDE, Ordering::Release);
    }
}

/// Not inside a frame.
const OUTSIDE: u64 = 0;
/// The first epoch: above [`OUTSIDE`].
const FIRST: u64 = 1;

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicBool;
    use std::sync::mpsc;

    // R-K9
    #[test]
    fn a_change_waits_for_the_worker_inside_a_frame() {
        let epochs = Epochs::new();
        let mut worker = epochs.register();
        let done = Arc::new(AtomicBool::new(false));
        let (started, has_started) = mpsc::channel();
        let guard = worker.enter();
        let waiter = std::thread::spawn({
            let (epochs, done) = (Arc::clone(&epochs), Arc::clone(&done));
            move || {
                started.send(()).unwrap();
                epochs.wait_for_workers();
                done.store(true, Ordering::SeqCst);
            }
        });
        has_started.recv().unwrap();
        // The waiter cannot be done however long it has run: the guard is alive.
        for _ in 0..1_000 {
            std::thread::yield_now();
        }
        assert!(!done.load(Ordering::SeqCst));
        drop(guard);
        waiter.join().unwrap();
        assert!(done.load(Ordering::SeqCst));
    }

    #[test]
    fn a_change_does_not_wait_for_workers_outside_or_in_newer_frames() {
        let epochs = Epochs::new();
        let mut worker = epochs.register();
        epochs.wait_for_workers();
        drop(worker.enter());
        epochs.wait_for_workers();
    }

    // R-K9
    #[test]
    fn nothing_is_seen_under_the_old_state_after_the_wait() {
        let epochs = Epochs::new();
        let published = Arc::new(AtomicU64::new(0));
        let acknowledged = Arc::new(AtomicU64::new(0));
        let stop = Arc::new(AtomicBool::new(false));
        let workers: Vec<_> = (0..2)
            .map(|_| {
                let (published, acknowledged, stop) =
                    (Arc::clone(&published), Arc::clone(&acknowledged), Arc::clone(&stop));
                let mut worker = epochs.register();
                std::thread::spawn(move || {
                    while !stop.load(Ordering::Relaxed) {
                        let guard = worker.enter();
                        let seen = published.load(Ordering::Relaxed);
                        // "Completing" inside the frame: no change beyond the one seen may have been acknowledged by now.
                        assert!(acknowledged.load(Ordering::SeqCst) <= seen);
                        drop(guard);
                    }
                })
            })
            .collect();
        for change in 1..=2_000 {
            published.store(change, Ordering::Relaxed);
            epochs.wait_for_workers();
            acknowledged.store(change, Ordering::SeqCst);
        }
        stop.store(true, Ordering::Relaxed);
        for worker in workers {
            worker.join().unwrap();
        }
    }

    #[test]
    fn a_dropped_worker_is_not_waited_for() {
        let epochs = Epochs::new();
        drop(epochs.register());
        assert!(epochs.cells.lock().is_empty());
        epochs.wait_for_workers();
    }
}
