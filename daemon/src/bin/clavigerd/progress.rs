//! How far a work has got, for whoever sits before it.

use std::io::IsTerminal;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use claviger_engine::backup::Progress;

/// A line that tells it, until it is dropped.
pub(crate) struct ProgressLine {
    end: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl ProgressLine {
    /// Shows how far a work has got, if somebody sits before it.
    pub(crate) fn show(progress: &Arc<Progress>) -> Option<Self> {
        std::io::stderr().is_terminal().then(|| Self::start(Arc::clone(progress)))
    }

    fn start(progress: Arc<Progress>) -> Self {
        let (end, ended) = mpsc::channel::<()>();
        let show = move || {
            while let Err(mpsc::RecvTimeoutError::Timeout) = ended.recv_timeout(PROGRESS_EVERY) {
                let (done, total) = progress.bytes();
                eprint!("\rrestoring: {} of {} MiB", done >> 20, total >> 20);
            }
            eprintln!();
        };
        Self { end: Some(end), thread: Some(std::thread::spawn(show)) }
    }
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            // It only shows something.
            let _ended = thread.join();
        }
    }
}

/// How often progress is shown.
const PROGRESS_EVERY: Duration = Duration::from_millis(200);
