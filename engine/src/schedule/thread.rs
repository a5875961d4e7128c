//! The thread that looks at the schedule.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};

use crossbeam_channel::{Receiver, Sender, select, tick};

use super::Schedule;
use crate::error::Error;
use crate::limits::{DUE_LOOKED_AT_EVERY, STOPS_WRITTEN_EVERY};

/// Does what is due each minute, and at once when a key has been used enough; each few seconds it writes what could not be written when it was stopped. Dropping it ends the thread after the key at hand.
pub(crate) struct Scheduler {
    schedule: Arc<Schedule>,
    /// Dropped, it ends the thread.
    stopper: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Scheduler {
    /// Starts the thread. Its first look is a minute later, or when `woken` tells that a key has been used enough.
    ///
    /// # Errors
    /// [`Error::Closed`] if the system gives no thread.
    pub(crate) fn start(schedule: Arc<Schedule>, woken: Receiver<()>) -> Result<Self, Error> {
        let (stopper, stopped) = crossbeam_channel::bounded::<()>(0);
        let thread = thread::Builder::new().name("schedule".into()).spawn({
            let schedule = Arc::clone(&schedule);
            move || look_until(&stopped, &woken, &schedule)
        });
        Ok(Self { schedule, stopper: Some(stopper), thread: Some(thread.map_err(|_| Error::Closed)?) })
    }
}

impl Drop for Scheduler {
    fn drop(&mut self) {
        self.schedule.ending.store(true, Ordering::Relaxed);
        self.stopper = None;
        if let Some(thread) = self.thread.take() {
            // If it panicked, that has been reported where it happened.
            let _ended = thread.join();
        }
    }
}

fn look_until(stopped: &Receiver<()>, woken: &Receiver<()>, schedule: &Schedule) {
    let (minutes, seconds) = (tick(DUE_LOOKED_AT_EVERY), tick(STOPS_WRITTEN_EVERY));
    loop {
        let looked = select! {
            recv(stopped) -> _ => return,
            recv(minutes) -> _ => schedule.do_due(),
            recv(seconds) -> _ => {
                schedule.ledger.write_stops();
                continue;
            }
            recv(woken) -> _ => schedule.do_used_enough(),
        };
        if let Err(error) = looked {
            tracing::error!(%error, "what is due cannot be done: it is tried again in a minute");
        }
    }
}
