//! A process that is always ready to work, and of which nothing else should be felt: what a flood of slow work is compared with.

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::thread;

use anyhow::Context;

use crate::cpus::Cpus;

/// A running spinner. It is ended when this is dropped, and ends by itself when this program does.
pub(super) struct Spinner(Child);

impl Spinner {
    /// Starts one on `cpus`, in the idle class of the scheduler.
    ///
    /// # Errors
    /// If there is no `chrt`, which changes the class.
    pub(super) fn start(cpus: &Cpus) -> anyhow::Result<Self> {
        let own = std::env::current_exe().context("where this program is, is not known")?;
        let mut command = Command::new("chrt");
        command.args(["--idle", "0"]).arg(own).arg(SPIN).stdin(Stdio::piped()).stdout(Stdio::null());
        // What is started inherits where it may run.
        let child = cpus.visit(|| command.spawn())?;
        child.map(Self).context("`chrt` cannot be started: install Debian's util-linux")
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        // It may have ended by itself; there is nobody to tell.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Spins until standard input ends.
///
/// # Errors
/// If the system gives no thread.
pub(crate) fn spin() -> anyhow::Result<()> {
    let spinner = thread::Builder::new().name("spinner".to_owned()).spawn(|| {
        loop {
            std::hint::spin_loop();
        }
    });
    spinner.context("the system gives no thread to spin")?;
    // Whether it ended or failed: whoever held the other end has gone.
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    Ok(())
}

/// The command that spins.
pub(crate) const SPIN: &str = "spin";
