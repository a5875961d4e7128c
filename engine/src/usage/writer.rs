//! The thread that writes the counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use crossbeam_channel::Receiver;

use super::{UseCounts, UseStatistics};
use crate::error::Error;
use crate::limits::USES_WRITTEN_EVERY;

/// Writes counts and statistics each second, of very many as often as it does not take long; a count at once when many uses of it are unwritten. Dropping it writes what is left and ends the thread.
pub(crate) struct UseWriter {
    counts: Arc<UseCounts>,
    ending: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl UseWriter {
    /// Starts the thread, and has storage know that counting begins. `soon` tells that many are unwritten.
    ///
    /// # Errors
    /// [`Error::Closed`] if the system gives no thread.
    pub(crate) fn start(
        counts: Arc<UseCounts>,
        statistics: Arc<UseStatistics>,
        soon: Receiver<()>,
    ) -> Result<Self, Error> {
        let ending = Arc::new(AtomicBool::new(false));
        let thread = thread::Builder::new().name("write-uses".into()).spawn({
            let (counts, ending) = (Arc::clone(&counts), Arc::clone(&ending));
            move || {
                while !ending.load(Ordering::SeqCst) {
                    // Told, or after a second: either way it is time.
                    let _ = soon.recv_timeout(USES_WRITTEN_EVERY);
                    counts.write_due();
                    // Counts with a limit do not wait until all statistics are written.
                    statistics.write_due(|| {
                        if soon.try_recv().is_ok() {
                            counts.write_due();
                        }
                    });
                }
                statistics.write(|| {});
                counts.close();
            }
        });
        let thread = Some(thread.map_err(|_| Error::Closed)?);
        // At once, so that counting can begin; last, because from here on an end without `close` is an unclean stop.
        counts.write();
        Ok(Self { counts, ending, thread })
    }
}

impl Drop for UseWriter {
    fn drop(&mut self) {
        self.ending.store(true, Ordering::SeqCst);
        self.counts.signal().write_soon();
        if let Some(thread) = self.thread.take() {
            // If it panicked, that has been reported where it happened; the next start takes this stop for an unclean one.
            let _ended = thread.join();
        }
    }
}
