//! Hardware addresses of clients on the same link, as the kernel's neighbour table has them: hints, no proofs.
//!
//! A thread of its own asks the kernel, each second as long as some key store asks for hardware addresses, else each five, and when a client connects that the table does not know.
//! What it has said counts for ten seconds: whoever is not in a table of that age has no hardware address. It is asked in any case, so that what Whoami tells of a client does not tell
//! what key stores ask for.

mod netlink;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::Context;
use arc_swap::ArcSwapOption;
use claviger_engine::{AccessMethod, Engine, HardwareAddress, StoreSlot};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::limits::{
    NEIGHBOUR_LOOKS_MAX, NEIGHBOURS_ASKED_EVERY, NEIGHBOURS_ASKED_SELDOM, NEIGHBOURS_ASKED_TIME,
    NEIGHBOURS_BELIEVED_FOR,
};

/// The neighbours of this machine.
pub(crate) struct Neighbours {
    shared: Arc<Shared>,
    /// Dropped, it ends the thread.
    looks: Option<Sender<oneshot::Sender<()>>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    /// Some key store asks for hardware addresses.
    is_needed: AtomicBool,
    table: ArcSwapOption<Table>,
}

/// What the kernel has said at one moment.
struct Table {
    taken: Instant,
    seen: HashMap<IpAddr, Seen>,
}

/// What is seen of an address. On several links it may be several machines: then it is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    One(HardwareAddress),
    Several,
}

impl Neighbours {
    /// Starts the thread.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub(crate) fn start(engine: Arc<Engine>) -> anyhow::Result<Self> {
        let shared = Arc::<Shared>::default();
        let (sender, receiver) = crossbeam_channel::bounded(NEIGHBOUR_LOOKS_MAX);
        let thread = thread::Builder::new().name("neighbours".into()).spawn({
            let shared = Arc::clone(&shared);
            move || look_until_dropped(&receiver, &shared, &engine)
        });
        let thread = thread.context("no thread to ask for neighbours")?;
        Ok(Self { shared, looks: Some(sender), thread: Some(thread) })
    }

    /// The hardware address of whoever has this address, as was seen in the last ten seconds.
    pub(crate) fn hardware_address(&self, address: IpAddr) -> Option<HardwareAddress> {
        let table = self.shared.table.load();
        let table = table.as_ref().filter(|table| table.taken.elapsed() <= NEIGHBOURS_BELIEVED_FOR)?;
        match table.seen.get(&address.to_canonical())? {
            Seen::One(hardware_address) => Some(*hardware_address),
            Seen::Several => None,
        }
    }

    /// Sees to it that a client that has just come is in the table, if it can be. Waits for that if any key store asks for it.
    pub(crate) async fn know(&self, address: IpAddr) {
        if self.hardware_address(address).is_some() {
            return;
        }
        let is_needed = self.shared.is_needed.load(Ordering::Relaxed);
        let is_fresh = |table: &Arc<Table>| table.taken.elapsed() < NEIGHBOURS_ASKED_EVERY;
        if !is_needed && self.shared.table.load().as_ref().is_some_and(is_fresh) {
            return;
        }
        let (done, is_done) = oneshot::channel();
        if self.looks.as_ref().is_some_and(|looks| looks.try_send(done).is_ok()) && is_needed {
            // If it takes longer, the next look knows it.
            let _ = timeout(NEIGHBOURS_ASKED_TIME, is_done).await;
        }
    }
}

impl Drop for Neighbours {
    fn drop(&mut self) {
        self.looks = None;
        if let Some(thread) = self.thread.take() {
            // If it panicked, that has been reported where it happened.
            let _ended = thread.join();
        }
    }
}

fn look_until_dropped(looks: &Receiver<oneshot::Sender<()>>, shared: &Shared, engine: &Engine) {
    let mut was_said = false;
    // The first look is at once.
    let mut again = Duration::ZERO;
    loop {
        let mut waiting = match looks.recv_timeout(again) {
            Ok(first) => vec![first],
            Err(RecvTimeoutError::Timeout) => Vec::new(),
            Err(RecvTimeoutError::Disconnected) => return,
        };
        // One look for all who wait.
        waiting.extend(looks.try_iter());
        let asks = |store: &Arc<StoreSlot>| {
            store.policy().methods.is_some_and(|methods| methods.contains(AccessMethod::HardwareAddress))
        };
        let is_needed = engine.stores().iter().any(asks);
        shared.is_needed.store(is_needed, Ordering::Relaxed);
        again = if is_needed { NEIGHBOURS_ASKED_EVERY } else { NEIGHBOURS_ASKED_SELDOM };
        let taken = Instant::now();
        match netlink::neighbours() {
            Ok(seen) => {
                shared.table.store(Some(Arc::new(Table { taken, seen })));
                was_said = false;
            }
            Err(error) if is_needed && !was_said => {
                tracing::error!(%error, "the kernel's neighbour table cannot be read: nobody is let in by a hardware address until it can");
                was_said = true;
            }
            Err(_) => {}
        }
        for done in waiting {
            // Who does not wait, or has stopped, needs no answer.
            let _ = done.send(());
        }
    }
}
