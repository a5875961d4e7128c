//! What counters leave for the thread that writes them, so that it never looks at those that nobody uses.

use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use super::Signal;
use super::counter::{Counter, Flags};

/// The lists of counters that wait for the writing thread.
pub(super) struct Waiting {
    pub(super) signal: Arc<Signal>,
    /// Used since they were written.
    pub(super) unwritten: List,
    /// Used so much that they are to be written at once.
    pub(super) urgent: List,
    /// Held by nobody any more: forgotten as soon as they are written.
    pub(super) unheld: List,
}

/// Counters, each once.
pub(super) struct List {
    /// `None` once nobody takes them any more.
    counters: Mutex<Option<Vec<Arc<Counter>>>>,
    /// Which flag of a counter says that it is here.
    flag: fn(&Flags) -> &AtomicBool,
}

impl Waiting {
    /// Empty lists.
    pub(super) fn new(signal: Arc<Signal>) -> Self {
        Self {
            signal,
            unwritten: List::new(|flags| &flags.is_unwritten),
            urgent: List::new(|flags| &flags.is_urgent),
            unheld: List::new(|flags| &flags.is_unheld),
        }
    }

    /// Nobody takes from the lists any more: from now on they stay empty.
    pub(super) fn close(&self) {
        for list in [&self.unwritten, &self.urgent, &self.unheld] {
            *list.counters.lock() = None;
        }
    }
}

impl List {
    fn new(flag: fn(&Flags) -> &AtomicBool) -> Self {
        Self { counters: Mutex::new(Some(Vec::new())), flag }
    }

    /// Puts a counter on the list, if it is not there.
    pub(super) fn push(&self, counter: &Arc<Counter>) {
        let is_here = (self.flag)(&counter.flags);
        // A plain read first: it is usually there.
        if is_here.load(Ordering::SeqCst) || is_here.swap(true, Ordering::SeqCst) {
            return;
        }
        if let Some(counters) = &mut *self.counters.lock() {
            counters.push(Arc::clone(counter));
        }
    }

    /// Takes all counters from the list. What happens to one from now on puts it there anew.
    pub(super) fn take(&self) -> Vec<Arc<Counter>> {
        let counters = self.counters.lock().as_mut().map(mem::take).unwrap_or_default();
        for counter in &counters {
            (self.flag)(&counter.flags).store(false, Ordering::SeqCst);
        }
        counters
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.counters.lock().as_ref().map_or(0, Vec::len)
    }
}
