//! The thread that protects records anew.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};

use super::Renewal;
use crate::error::Error;
use crate::ledger::Ledger;
use crate::limits::{RENEWAL_REST_MAX, RENEWAL_RETRIED_EVERY};

/// Does what is to do at once, and whenever it is woken. Dropping it ends the thread after the page at hand.
pub(crate) struct Renewer {
    pub(crate) renewal: Arc<Renewal>,
    /// Dropped, it ends the thread's waiting.
    waker: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Renewer {
    /// Starts the thread, which goes on where a process before this one was ended.
    ///
    /// # Errors
    /// [`Error::Closed`] if the system gives no thread.
    pub(crate) fn start(ledger: Ledger) -> Result<Self, Error> {
        let renewal = Arc::new(Renewal::new(ledger));
        let (waker, woken) = crossbeam_channel::bounded(1);
        if renewal.is_to_do() {
            renewal.begin();
        }
        let thread = thread::Builder::new().name("renew-records".into()).spawn({
            let renewal = Arc::clone(&renewal);
            move || run(&renewal, &woken)
        });
        Ok(Self { renewal, waker: Some(waker), thread: Some(thread.map_err(|_| Error::Closed)?) })
    }

    /// Has it look whether there is something to do.
    pub(crate) fn wake(&self) {
        // If one waits already, that one is enough.
        let _ = self.waker.as_ref().map(|waker| waker.try_send(()));
    }
}

impl Drop for Renewer {
    fn drop(&mut self) {
        self.renewal.ending.store(true, Ordering::Relaxed);
        self.waker = None;
        if let Some(thread) = self.thread.take() {
            // If it panicked, that has been reported where it happened.
            let _ended = thread.join();
        }
    }
}

fn run(renewal: &Renewal, woken: &Receiver<()>) {
    let woken_at_work = Cell::new(false);
    // As long as it worked, others have the processor and storage to themselves. Being woken meanwhile is no reason to hurry, but to look again afterwards.
    let rest = |milliseconds| {
        let rested = woken.recv_timeout(Duration::from_millis(milliseconds).min(RENEWAL_REST_MAX));
        woken_at_work.set(woken_at_work.get() || rested.is_ok());
    };
    loop {
        let done = renewal.run(&rest);
        if woken_at_work.take() {
            continue;
        }
        let waited = match done {
            Ok(()) => woken.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Err(error) => {
                if !renewal.ending.load(Ordering::Relaxed) {
                    tracing::error!(%error, "not all records are protected by the current system key yet: it is tried again in some minutes");
                }
                renewal.fails(&error);
                woken.recv_timeout(RENEWAL_RETRIED_EVERY)
            }
        };
        if waited == Err(RecvTimeoutError::Disconnected) {
            return;
        }
    }
}
