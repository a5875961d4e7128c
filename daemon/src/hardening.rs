//! Memory that stays in the process: no core dumps, no reading by other processes of the same user, no swap.
//!
//! These are properties of the whole process, so they are asked of the system and kept nowhere else. Nothing here fails a start:
//! what the system does not grant is told by [`Hardening::warnings`].

use std::sync::atomic::{AtomicBool, Ordering};

use rustix::io;
use rustix::mm::{MlockAllFlags, mlockall};
use rustix::process::{
    DumpableBehavior, Resource, Rlimit, dumpable_behavior, getrlimit, set_dumpable_behavior, setrlimit,
};

/// Which protections of memory hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hardening {
    /// Whether the process writes no core dump, and no other process of its user may attach to it (prctl(2), `PR_SET_DUMPABLE`).
    pub undumpable: bool,
    /// Whether memory is never swapped out (mlockall(2)), other than the data folder's, which holds wrapped keys only.
    pub locked: bool,
}

impl Hardening {
    /// Protects this process as well as the system allows. To be called before any key is in memory, and by one thread.
    pub fn apply() -> Self {
        // What is refused shows in `of_process`.
        let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
        let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
        LOCKED.store(lock_memory().is_ok(), Ordering::Relaxed);
        Self::of_process()
    }

    /// What holds now.
    #[must_use]
    pub fn of_process() -> Self {
        let undumpable = getrlimit(Resource::Core).current == Some(0)
            && dumpable_behavior().is_ok_and(|behavior| behavior == DumpableBehavior::NotDumpable);
        Self { undumpable, locked: LOCKED.load(Ordering::Relaxed) }
    }

    /// What a person should know of what does not hold, in sentences.
    pub fn warnings(self) -> impl Iterator<Item = &'static str> {
        let dumpable = "core dumps are not excluded: keys can get into one; the system refused the limit of their size";
        let swappable = "memory is not locked: keys can get into swap space; raise the limit (`LimitMEMLOCK=infinity` in the systemd unit, \
             or the capability CAP_IPC_LOCK), or use no swap";
        [(self.undumpable, dumpable), (self.locked, swappable)]
            .into_iter()
            .filter_map(|(holds, warning)| (!holds).then_some(warning))
    }
}

/// Calls `map`, and locks none of the memory that it maps: that of files as large as they like, which hold nothing to protect.
pub fn without_locking<T>(map: impl FnOnce() -> T) -> T {
    if !LOCKED.load(Ordering::Relaxed) {
        return map();
    }
    // Locks what is there already, but nothing that comes.
    let _ = mlockall(MlockAllFlags::CURRENT | MlockAllFlags::ONFAULT);
    let mapped = map();
    // Locks what comes, and leaves alone what is there.
    LOCKED.store(mlockall(MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT).is_ok(), Ordering::Relaxed);
    mapped
}

/// Locks all memory, that to come included, unless a limit could make later allocations fail.
fn lock_memory() -> io::Result<()> {
    let lock = || mlockall(MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT);
    let limit = getrlimit(Resource::Memlock);
    if limit.maximum.is_none() {
        setrlimit(Resource::Memlock, Rlimit { current: None, maximum: None })?;
        return lock();
    }
    // Under a limit of 0, mlockall succeeds for those only whom the kernel holds to no limit (CAP_IPC_LOCK). Asking for the
    // capability would not tell: within a user namespace a process has it, and it does not count.
    setrlimit(Resource::Memlock, Rlimit { current: Some(0), ..limit })?;
    let locked = lock();
    setrlimit(Resource::Memlock, limit)?;
    locked
}

/// Whether all memory is locked, which the system does not tell.
static LOCKED: AtomicBool = AtomicBool::new(false);

#[cfg(test)]
mod tests {
    use super::*;

    // R-K6
    #[test]
    fn warns_of_exactly_what_does_not_hold() {
        let warnings = |undumpable, locked| Hardening { undumpable, locked }.warnings().collect::<Vec<_>>();
        assert!(warnings(true, true).is_empty());
        assert!(matches!(warnings(false, true)[..], [said] if said.contains("core dumps")));
        assert!(matches!(warnings(true, false)[..], [said] if said.contains("CAP_IPC_LOCK")));
        assert_eq!(warnings(false, false).len(), 2);
    }
}
