//! Keys that are to be rotated because of their use: told by whoever counts, done by the schedule.

use std::collections::BTreeSet;

use crossbeam_channel::{Receiver, Sender};
use parking_lot::Mutex;

use crate::key::id::KeyId;

/// Which keys, until the schedule takes them. Only where to look: whether it is time, the schedule decides by the key's own record.
pub(crate) struct DueByUse {
    keys: Mutex<Keys>,
    wake: Sender<()>,
}

#[derive(Default)]
struct Keys {
    /// To be looked at at once.
    told: BTreeSet<KeyId>,
    /// Looked at in vain: not before the next look at everything, however often they are told until then.
    later: BTreeSet<KeyId>,
}

impl DueByUse {
    /// None yet. The receiver tells when there are some.
    pub(crate) fn new() -> (Self, Receiver<()>) {
        let (wake, woken) = crossbeam_channel::bounded(1);
        (Self { keys: Mutex::default(), wake }, woken)
    }

    /// Has the schedule look at a key at once, unless it has done so in vain.
    pub(crate) fn tell(&self, id: KeyId) {
        {
            let mut keys = self.keys.lock();
            if keys.later.contains(&id) {
                return;
            }
            keys.told.insert(id);
        }
        // If one waits already, that one is enough.
        let _ = self.wake.try_send(());
    }

    /// Has the schedule look at a key the next time it looks at everything.
    pub(crate) fn keep(&self, id: KeyId) {
        self.keys.lock().later.insert(id);
    }

    /// Takes those that are to be looked at at once.
    pub(crate) fn take_told(&self) -> BTreeSet<KeyId> {
        std::mem::take(&mut self.keys.lock().told)
    }

    /// Takes all of them.
    pub(crate) fn take_all(&self) -> BTreeSet<KeyId> {
        let Keys { mut told, later } = std::mem::take(&mut *self.keys.lock());
        told.extend(later);
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // R-K12
    #[test]
    fn a_key_that_was_looked_at_in_vain_is_not_told_again_before_the_next_look_at_everything() {
        let (due, woken) = DueByUse::new();
        let (failing, other) = (KeyId([1; 16]), KeyId([2; 16]));
        due.tell(failing);
        woken.try_recv().unwrap();
        assert_eq!(due.take_told(), [failing].into());
        due.keep(failing);
        due.tell(failing);
        assert!(woken.try_recv().is_err());
        due.tell(other);
        assert_eq!(due.take_told(), [other].into());
        assert_eq!(due.take_all(), [failing].into());
        due.tell(failing);
        assert_eq!(due.take_told(), [failing].into(), "after that as every other");
    }
}
