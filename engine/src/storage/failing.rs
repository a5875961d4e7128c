//! A storage that fails and stalls on order, around any other: for tests of what lies above it.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use super::{
    Address, Compare, Revision, SnapshotVisitor, Storage, StorageActivity, StorageError, TransactError, Versioned,
    Watch, WatchError, Write,
};

/// Passes every call on to `S`, except those that a test has ordered to fail or to wait.
pub struct FailingStorage<S> {
    inner: S,
    orders: Mutex<Orders>,
}

/// The kinds of calls that can be told to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Call {
    /// [`Storage::get`].
    Get,
    /// [`Storage::scan`].
    Scan,
    /// [`Storage::transact`].
    Transact,
}

#[derive(Default)]
struct Orders {
    /// Calls left until one fails; the failing one counts.
    failures: BTreeMap<Call, u64>,
    pauses: Vec<(Address, Arc<Gate>)>,
    has_no_spare_space: bool,
}

impl<S> FailingStorage<S> {
    /// Around `inner`; nothing fails until it is ordered.
    pub fn new(inner: S) -> Self {
        Self { inner, orders: Mutex::default() }
    }

    /// The storage inside, for calls that must neither fail nor wait.
    pub fn inner(&self) -> &S {
        &self.inner
    }

    /// Lets the `n`-th call of this kind from now on fail, once and without effect; the next one is 1, and 0 none.
    pub fn fail(&self, call: Call, n: u64) {
        let failures = &mut self.orders.lock().failures;
        if n == 0 {
            failures.remove(&call)
        } else {
            failures.insert(call, n)
        };
    }

    /// From now on there is, or is no, space to spare.
    pub fn have_spare_space(&self, has_some: bool) {
        self.orders.lock().has_no_spare_space = !has_some;
    }

    /// Lets the next `get` of `address` read its answer and then wait with it until the returned pause is released.
    ///
    /// What the caller gets then is as old as the beginning of the pause: a load in flight.
    pub fn pause_get(&self, address: &Address) -> Pause {
        let gate = Arc::new(Gate::default());
        self.orders.lock().pauses.push((address.clone(), Arc::clone(&gate)));
        Pause { gate }
    }

    fn obey(&self, call: Call) -> Result<(), StorageError> {
        let mut orders = self.orders.lock();
        let Some(left) = orders.failures.get_mut(&call) else { return Ok(()) };
        *left = left.saturating_sub(1);
        if *left > 0 {
            return Ok(());
        }
        orders.failures.remove(&call);
        Err(StorageError::System {
            path: "(failing on order)".into(),
            action: "use",
            source: Arc::new(io::Error::other("this call was told to fail")),
        })
    }

    fn take_gate(&self, address: &Address) -> Option<Arc<Gate>> {
        let mut orders = self.orders.lock();
        let position = orders.pauses.iter().position(|(paused, _)| paused == address)?;
        Some(orders.pauses.remove(position).1)
    }
}

impl<S: Storage> Storage for FailingStorage<S> {
    fn get(&self, address: &Address) -> Result<Option<Versioned>, StorageError> {
        self.obey(Call::Get)?;
        let gate = self.take_gate(address);
        let answer = self.inner.get(address);
        if let Some(gate) = gate {
            gate.pass();
        }
        answer
    }

    fn scan(
        &self,
        prefix: &Address,
        after: Option<&Address>,
        limit: usize,
    ) -> Result<Vec<(Address, Versioned)>, StorageError> {
        self.obey(Call::Scan)?;
        self.inner.scan(prefix, after, limit)
    }

    fn transact(&self, compares: &[Compare], writes: &[Write]) -> Result<Revision, TransactError> {
        self.obey(Call::Transact)?;
        self.inner.transact(compares, writes)
    }

    fn watch(&self, from: Revision) -> Result<Watch, WatchError> {
        self.inner.watch(from)
    }

    fn revision(&self) -> Revision {
        self.inner.revision()
    }

    fn check_spare_space(&self) -> Result<(), StorageError> {
        if self.orders.lock().has_no_spare_space {
            return Err(StorageError::SpareSpace { path: "(full on order)".into(), free: 1 << 20, needed: 2 << 20 });
        }
        self.inner.check_spare_space()
    }

    fn snapshot(&self, visitor: &mut dyn SnapshotVisitor) -> Result<(), StorageError> {
        self.obey(Call::Scan)?;
        self.inner.snapshot(visitor)
    }

    fn activity(&self) -> StorageActivity {
        self.inner.activity()
    }
}

/// Holds one `get` back. Dropping it releases the `get`, so that a failing test ends instead of hanging.
pub struct Pause {
    gate: Arc<Gate>,
}

impl Pause {
    /// Waits until the `get` has come and is held; `false` if it has not come within `timeout`.
    #[must_use]
    pub fn wait_until_reached(&self, timeout: Duration) -> bool {
        let mut state = self.gate.state.lock();
        !self.gate.news.wait_while_for(&mut state, |state| !state.reached, timeout).timed_out()
    }

    /// Lets the `get` return.
    pub fn release(self) {
        drop(self);
    }
}

impl Drop for Pause {
    fn drop(&mut self) {
        self.gate.state.lock().released = true;
        self.gate.news.notify_all();
    }
}

#[derive(Default)]
struct Gate {
    state: Mutex<GateState>,
    news: Condvar,
}

#[derive(Default)]
struct GateState {
    reached: bool,
    released: bool,
}

impl Gate {
    fn pass(&self) {
        let mut state = self.state.lock();
        state.reached = true;
        self.news.notify_all();
        self.news.wait_while(&mut state, |state| !state.released);
    }
}
