//! A process that is ended with its test.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};

/// A `clavigerd` that runs.
pub(crate) struct Process {
    child: Child,
}

/// What a process that has ended leaves.
pub(crate) struct Ended {
    pub(crate) success: bool,
    /// What was not read before.
    pub(crate) output: String,
    pub(crate) errors: String,
}

impl Process {
    pub(crate) fn start(arguments: &[&OsStr]) -> Self {
        let mut command = command(arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        Self { child: command.spawn().unwrap() }
    }

    /// Its standard output up to and with the line that begins so.
    pub(crate) fn output_until(&mut self, start: &str) -> String {
        let output = self.child.stdout.as_mut().unwrap();
        read_until(output, start).unwrap_or_else(|output| {
            let mut errors = String::new();
            self.child.stderr.as_mut().unwrap().read_to_string(&mut errors).unwrap();
            panic!("{start:?} did not come: {output}\n{errors}")
        })
    }

    /// Its log up to and with the line that holds this text.
    pub(crate) fn log_until(&mut self, text: &str) -> String {
        read_until(self.child.stderr.as_mut().unwrap(), text)
            .unwrap_or_else(|errors| panic!("{text:?} did not come: {errors}"))
    }

    pub(crate) fn id(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Ends it as a service manager does, and waits.
    pub(crate) fn end(mut self, signal: Signal) -> Ended {
        kill_process(self.id(), signal).unwrap();
        let (mut output, mut errors) = (String::new(), String::new());
        self.child.stdout.take().unwrap().read_to_string(&mut output).unwrap();
        self.child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
        Ended { success: self.child.wait().unwrap().success(), output, errors }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Only a test that failed leaves it running.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs to its end, which must come by itself.
pub(crate) fn run(arguments: &[&OsStr]) -> Ended {
    let Output { status, stdout, stderr } = command(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ended { success: status.success(), output: text(stdout), errors: text(stderr) }
}

pub(crate) fn write(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
}

fn command(arguments: &[&OsStr]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_clavigerd"));
    command.args(arguments);
    command
}

/// Byte by byte, so that nothing after the line is swallowed.
fn read_until(stream: &mut impl Read, text: &str) -> Result<String, String> {
    let mut lines = BufReader::with_capacity(1, stream);
    let mut read = String::new();
    loop {
        let mut line = String::new();
        if lines.read_line(&mut line).unwrap() == 0 {
            return Err(read);
        }
        read.push_str(&line);
        if line.contains(text) {
            return Ok(read);
        }
    }
}
