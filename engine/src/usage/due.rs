//! Keys that are to be rotated because of their use: told by whoever counts, done by the schedule.

use std::collections::BTreeSet;

use crossbeam_channel::{Receiver, Sender};
use parking_lot::Mutex;

use crate::key::id::KeyId;

/// Which keys, until the schedule takes them. Only where to look: whether it is time, the schedule decides by the key's own record.
pub(crate) struct DueByUse {
    keys: Mutex<BTreeSet<KeyId>>,
    wake: Sender<()>,
}

impl DueByUse {
    /// None yet. The receiver tells when there are some.
    pub(crate) fn new() -> (Self, Receiver<()>) {
        let (wake, woken) = crossbeam_channel::bounded(1);
        (Self { keys: Mutex::default(), wake }, woken)
    }

    /// Has the schedule look at a key at once.
    pub(crate) fn tell(&self, id: KeyId) {
        self.keep(id);
        // If one waits already, that one is enough.
        let _ = self.wake.try_send(());
    }

    /// Has the schedule look at a key the next time it looks at anything.
    pub(crate) fn keep(&self, id: KeyId) {
        self.keys.lock().insert(id);
    }

    /// Takes all of them.
    pub(crate) fn take(&self) -> BTreeSet<KeyId> {
        std::mem::take(&mut self.keys.lock())
    }
}
